// SPDX-License-Identifier: MIT OR Apache-2.0
//! K2: `gup_fast` against fork, for the promise that a pinned anonymous page is never shared copy-on-write.
//!
//! Fork makes `write_protect_seq` odd, asks of each page whether it is pinned (then it copies), else write-protects it in both
//! processes, and makes the sequence even. `gup_fast` reads the sequence first, pins, and at the end backs out if the
//! sequence was odd or has moved. If the parent's page is pinned and shared, its next write goes to a copy the device
//! does not see. Mirrors mm/memory.c: copy_page_range(), copy_present_ptes() and mm/gup.c: gup_fast(), 5.11 and later.

use super::graph::{Machine, Move};
use super::property::Property;
use super::small::{Told, step};

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

/// Where the pinner is that goes the slow way, which is not followed: behind all steps of gup_fast.
const SLOW: u8 = 9;

impl Machine for Fork {
    type State = ForkRace;
    type Step = Told;

    fn initial(&self) -> ForkRace {
        ForkRace::default()
    }

    fn moves(&self, from: &ForkRace, out: &mut Vec<Move<ForkRace, Told>>) {
        let mut fork = |what: &'static str, change: &dyn Fn(&mut ForkRace)| {
            let mut to = *from;
            to.forker += 1;
            change(&mut to);
            out.push(checked(1, "fork", what, to));
        };
        let sees_pin = self.copies_pinned && from.pins > 0;
        match from.forker {
            0 => fork("makes write_protect_seq odd", &|to| to.sequence = 1),
            1 if sees_pin => fork("asks: the page is pinned", &|to| to.saw_pin = true),
            1 => fork("finds nothing against sharing the page", &|_| {}),
            2 if from.saw_pin => fork("copies the page for the child", &|to| to.copied = true),
            2 => fork("write-protects the entry: the page is shared", &|to| {
                to.shared = true;
            }),
            3 => fork("makes write_protect_seq even again", &|to| to.sequence = 2),
            _ => {}
        }
        let mut pin = |what: &'static str, change: &dyn Fn(&mut ForkRace)| {
            let mut to = *from;
            to.pinner += 1;
            change(&mut to);
            out.push(checked(0, "gup_fast", what, to));
        };
        let slow = |to: &mut ForkRace| to.pinner = SLOW;
        let backs_out = |to: &mut ForkRace| (to.pins, to.pinner) = (from.pins - 1, SLOW);
        let moved = from.sequence != from.remembered;
        match from.pinner {
            0 if self.reads_sequence && from.sequence % 2 == 1 => {
                pin("reads write_protect_seq: odd, goes the slow way", &slow);
            }
            0 => pin("reads write_protect_seq", &|to| {
                to.remembered = from.sequence
            }),
            1 if from.shared => pin("reads the entry: not writable, goes the slow way", &slow),
            1 => pin("reads the entry: writable", &|_| {}),
            2 => pin("counts its pin", &|to| to.pins += 1),
            3 if self.rechecks && from.shared => {
                pin("reads the entry again: changed, backs out", &backs_out);
            }
            3 => pin("reads the entry again: unchanged", &|_| {}),
            4 if self.reads_sequence && moved => {
                pin("write_protect_seq has moved: backs out", &backs_out);
            }
            4 => pin("returns the pinned page", &|to| to.pinned = true),
            _ => {}
        }
    }
}

fn checked(
    process: u8,
    actor: &'static str,
    what: &'static str,
    to: ForkRace,
) -> Move<ForkRace, Told> {
    let broken = Property::MissedPin.where_broken(to.pinned && to.shared);
    Move {
        broken,
        ..step(process, actor, what, to)
    }
}
