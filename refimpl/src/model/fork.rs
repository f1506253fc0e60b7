// SPDX-License-Identifier: MIT OR Apache-2.0
//! K2: `gup_fast` against fork, for the promise that a pinned anonymous page is never shared copy-on-write.
//!
//! Fork makes `write_protect_seq` odd, asks of each page whether it is pinned (then it copies), else write-protects it in both
//! processes, and makes the sequence even. `gup_fast` reads the sequence first, pins, and at the end backs out if the
//! sequence was odd or has moved. If the parent's page is pinned and shared, its next write goes to a copy the device
//! does not see. Mirrors mm/memory.c: copy_page_range(), copy_present_ptes() and mm/gup.c: gup_fast(), 5.11 and later.

use super::graph::{Class, Machine, Move};
use super::property::Property;

/// Which guards stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    /// Does gup_fast read the entry again after its grab?
    pub(crate) rechecks: bool,
    /// Does gup_fast back out when the sequence is odd at the start or has moved at the end?
    pub(crate) reads_sequence: bool,
    /// Does fork copy pages that are pinned (5.9 and later)?
    pub(crate) copies_pinned: bool,
}

/// The whole race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct ForkRace {
    sequence: u8,
    /// The entry is write-protected and the page shared with the child.
    shared: bool,
    /// The child has a copy of its own.
    copied: bool,
    pins: u8,
    forker: u8,
    /// Fork saw the page pinned when it asked.
    saw_pin: bool,
    pinner: u8,
    /// The sequence as gup_fast first read it.
    remembered: u8,
    pinned: bool,
}

/// One step: does fork take it, and what is it?
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForkStep {
    pub(crate) fork: bool,
    pub(crate) what: &'static str,
}

/// Where the pinner is that goes the slow way, which is not followed: behind all steps of gup_fast.
const SLOW: u8 = 9;

impl Machine for Fork {
    type State = ForkRace;
    type Step = ForkStep;

    fn initial(&self) -> ForkRace {
        ForkRace::default()
    }

    fn moves(&self, from: &ForkRace, out: &mut Vec<Move<ForkRace, ForkStep>>) {
        let mut add = |fork: bool, what: &'static str, to: ForkRace| {
            let broken = if to.pinned && to.shared {
                Property::MissedPin.bit()
            } else {
                0
            };
            out.push(Move {
                step: ForkStep { fork, what },
                to,
                class: Class::Weak(u8::from(fork)),
                broken,
            });
        };
        let mut to = *from;
        to.forker += 1;
        match from.forker {
            0 => {
                to.sequence = 1;
                add(true, "makes write_protect_seq odd", to);
            }
            1 => {
                to.saw_pin = self.copies_pinned && from.pins > 0;
                add(
                    true,
                    if to.saw_pin {
                        "asks: the page is pinned"
                    } else {
                        "finds nothing against sharing the page"
                    },
                    to,
                );
            }
            2 if from.saw_pin => {
                to.copied = true;
                add(true, "copies the page for the child", to);
            }
            2 => {
                to.shared = true;
                add(true, "write-protects the entry: the page is shared", to);
            }
            3 => {
                to.sequence = 2;
                add(true, "makes write_protect_seq even again", to);
            }
            _ => {}
        }
        let mut to = *from;
        to.pinner += 1;
        match from.pinner {
            0 if self.reads_sequence && from.sequence % 2 == 1 => {
                to.pinner = SLOW;
                add(false, "reads write_protect_seq: odd, goes the slow way", to);
            }
            0 => {
                to.remembered = from.sequence;
                add(false, "reads write_protect_seq", to);
            }
            1 if from.shared => {
                to.pinner = SLOW;
                add(
                    false,
                    "reads the entry: not writable, goes the slow way",
                    to,
                );
            }
            1 => add(false, "reads the entry: writable", to),
            2 => {
                to.pins += 1;
                add(false, "counts its pin", to);
            }
            3 if self.rechecks && from.shared => {
                to.pins -= 1;
                to.pinner = SLOW;
                add(false, "reads the entry again: changed, backs out", to);
            }
            3 => add(false, "reads the entry again: unchanged", to),
            4 if self.reads_sequence && from.sequence != from.remembered => {
                to.pins -= 1;
                to.pinner = SLOW;
                add(false, "write_protect_seq has moved: backs out", to);
            }
            4 => {
                to.pinned = true;
                add(false, "returns the pinned page", to);
            }
            _ => {}
        }
    }
}
