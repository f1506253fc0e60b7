// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scenarios about counts, lists of pages, and page tables that change.

use super::{Scenario, Subject};
use crate::model::config::{Config, Fairness, Mutation};
use crate::model::driver::{Callsites, Driver};
use crate::model::interleaving::{COLLAPSE, MIGRATE, PARTIAL, TRANSFER};
use crate::model::policy::Policy as P;
use crate::model::property::Property as Q;

/// S10, S12, S15, S16, S19.
pub(super) static SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "S10",
        title: "1024 plain references look like a pin",
        about: "A small page with so many references, or with a count below zero, is taken for pinned for good. Leaving it alone or writing a copy is harmless; waiting is not.",
        subject: Subject::Protocol {
            config: Config {
                truncate: false,
                dma_writes: 1,
                fairness: Fairness::Strong,
                mutation: Mutation::FalsePositive,
                ..Config::base(P::SkipReclaim, Driver::AtOnce, Callsites::Converted)
            },
            policies: &[P::SkipReclaim, P::Wait, P::BounceKeep, P::BounceReserve],
            drivers: &[Driver::AtOnce],
            callsites: &[Callsites::Converted],
        },
        shows: &[Q::Nobuf, Q::LostDma, Q::FsyncLies, Q::FsyncStuck],
    },
    Scenario {
        name: "S12",
        title: "gup_fast against the collapse of small pages into a huge one",
        about: "Collapse frees a page table while gup_fast walks it: the entry says what it always said, and only the pmd above tells (70cbc3cc78a9).",
        subject: Subject::Race(&COLLAPSE),
        shows: &[Q::MissedPin],
    },
    Scenario {
        name: "S15",
        title: "pins that go to a carrier, and an error on either side",
        about: "After the pages are in a scatterlist, a bio or a socket buffer, one side releases them and the other does not, whatever fails.",
        subject: Subject::Race(&TRANSFER),
        shows: &[Q::Unbalanced],
    },
    Scenario {
        name: "S16",
        title: "fewer pages than asked for, or an error number",
        about: "The error path releases as many as came; and an int compared with an unsigned count takes -EFAULT for a large number of pages.",
        subject: Subject::Race(&PARTIAL),
        shows: &[Q::Unbalanced],
    },
    Scenario {
        name: "S19",
        title: "a long-term pin of memory that must stay movable",
        about: "The page is unpinned, moved, and pinned again. What somebody holds cannot be moved: the kernel gives up with ENOMEM. A kernel that tries again never returns, and two tasks are enough for that: each finds the other's pin.",
        subject: Subject::Race(&MIGRATE),
        shows: &[Q::PinStuck],
    },
];
