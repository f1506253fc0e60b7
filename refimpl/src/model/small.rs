// SPDX-License-Identifier: MIT OR Apache-2.0
//! The small machines of S12, S15, S16 and S19: collapse, pins that change hands, pins that come in part, and long-term pins of
//! memory that must move first. Each is a few program counters and counts; the same explorer goes through them.

use super::graph::{Class, Machine, Move};
use super::property::Property;

/// Who does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) actor: &'static str,
    pub(crate) what: &'static str,
}

pub(crate) fn step<S>(
    process: u8,
    actor: &'static str,
    what: &'static str,
    to: S,
) -> Move<S, Told> {
    Move {
        step: Told { actor, what },
        to,
        class: Class::Weak(process),
        broken: 0,
    }
}

/// S12: `gup_fast` against the collapse of small pages into a huge one, which frees their page table. Mirrors mm/khugepaged.c:
/// collapse_huge_page() and mm/gup.c: gup_fast_pte_range(), 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Collapse {
    /// Does gup_fast look at the pmd again after its grab (70cbc3cc78a9)?
    pub(crate) rechecks_pmd: bool,
    /// Does it leave a count of zero alone?
    pub(crate) tries: bool,
    /// Does collapse freeze the count before it frees?
    pub(crate) freezes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct CollapseRace {
    pmd_gone: bool,
    /// References: the page table's, and the pin.
    refs: u8,
    freed: bool,
    collapser: u8,
    pinner: u8,
    pinned: bool,
}

impl Machine for Collapse {
    type State = CollapseRace;
    type Step = Told;

    fn initial(&self) -> CollapseRace {
        CollapseRace {
            refs: 1,
            ..CollapseRace::default()
        }
    }

    fn moves(&self, from: &CollapseRace, out: &mut Vec<Move<CollapseRace, Told>>) {
        let mut add = |process: u8, what: &'static str, to: CollapseRace| {
            let actor = ["gup_fast", "collapse"][process as usize];
            let broken = Property::MissedPin.where_broken(to.pinned && to.freed);
            let one = step(process, actor, what, to);
            out.push(Move { broken, ..one });
        };
        let mut collapses = |what: &'static str, change: &dyn Fn(&mut CollapseRace)| {
            let mut to = *from;
            to.collapser += 1;
            change(&mut to);
            add(1, what, to);
        };
        match from.collapser {
            0 => collapses("takes the page table out of the pmd", &|to| {
                to.pmd_gone = true
            }),
            1 if self.freezes && from.refs != 1 => {
                let what = "finds a reference that it cannot explain, and gives up";
                collapses(what, &|to| to.collapser = 9);
            }
            1 => collapses("copies the page and frees it", &|to| {
                to.refs -= 1;
                to.freed = to.refs == 0 || !self.freezes;
            }),
            2 => collapses("somebody else is given the frame", &|to| to.refs += 1),
            _ => {}
        }
        let mut pins = |what: &'static str, change: &dyn Fn(&mut CollapseRace)| {
            let mut to = *from;
            to.pinner += 1;
            change(&mut to);
            add(0, what, to);
        };
        let slow = |to: &mut CollapseRace| to.pinner = 9;
        match from.pinner {
            0 if from.pmd_gone => pins("finds no page table, goes the slow way", &slow),
            0 => pins("reads pmd and entry", &|_| {}),
            1 if self.tries && from.refs == 0 => {
                pins("finds a count of zero, goes the slow way", &slow);
            }
            1 => pins("takes its reference", &|to| to.refs += 1),
            2 if self.rechecks_pmd && from.pmd_gone => {
                pins("reads the pmd again: changed, backs out", &|to| {
                    (to.refs, to.pinner) = (from.refs - 1, 9);
                });
            }
            2 => pins("returns the pinned page", &|to| to.pinned = true),
            _ => {}
        }
    }
}

/// S15: pins that go from their taker to a carrier (a scatterlist, a bio, a socket buffer), and an error on either side of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// Does the taker's error path release what it has handed over?
    pub(crate) taker_releases_after: bool,
    /// Does the carrier release what it was handed?
    pub(crate) carrier_releases: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Handed {
    /// Pins on the page; one of them is somebody else's.
    pins: i8,
    taker: u8,
    handed: bool,
    carrier: u8,
}

/// Pins of somebody else, who never lets go in this story.
const OTHERS: i8 = 1;

impl Machine for Transfer {
    type State = Handed;
    type Step = Told;

    fn initial(&self) -> Handed {
        Handed {
            pins: OTHERS,
            ..Handed::default()
        }
    }

    fn moves(&self, from: &Handed, out: &mut Vec<Move<Handed, Told>>) {
        let mut add = |process: u8, what: &'static str, to: Handed| {
            let actor = ["taker", "carrier"][process as usize];
            let one = step(process, actor, what, to);
            let over = to.taker == 9 && (!to.handed || to.carrier == 9);
            let unbalanced = to.pins < OTHERS || (over && to.pins != OTHERS);
            let broken = Property::Unbalanced.where_broken(unbalanced);
            out.push(Move { broken, ..one });
        };
        let mut takes = |what: &'static str, at: u8, pins: i8, handed: bool| {
            let mut to = *from;
            (to.taker, to.pins, to.handed) = (at, from.pins + pins, handed);
            add(0, what, to);
        };
        match (from.taker, self.taker_releases_after) {
            (0, _) => takes("pins the page", 1, 1, false),
            (1, _) => {
                takes("hands the page over", 2, 0, true);
                takes("fails before it hands over, and unpins", 9, -1, false);
            }
            (2, releases) => {
                takes("returns", 9, 0, true);
                let (what, pins) = match releases {
                    true => ("fails after it handed over, and unpins all the same", -1),
                    false => ("fails after it handed over, and leaves the pin alone", 0),
                };
                takes(what, 9, pins, true);
            }
            _ => {}
        }
        if from.handed && from.carrier == 0 {
            let (what, pins) = match self.carrier_releases {
                true => ("is done with the page, and unpins it", from.pins - 1),
                false => ("is done with the page, and forgets it", from.pins),
            };
            let mut to = *from;
            (to.carrier, to.pins) = (9, pins);
            add(1, what, to);
        }
    }
}

/// S16: a call for several pages that brings fewer, or an error number, and what the error path makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partial {
    /// Releases as many as came.
    Right,
    /// Releases as many as were asked for.
    AllAskedFor,
    /// Releases nothing, since the call "failed".
    Nothing,
    /// Compares the result with an unsigned number: an error number is larger than any count.
    UnsignedCompare,
}

/// Pages asked for: the least number of which some can come that are neither one nor all.
const ASKED: i8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Fetched {
    /// What the call returned, once it did.
    got: i8,
    pins: i8,
    at: u8,
}

impl Machine for Partial {
    type State = Fetched;
    type Step = Told;

    fn initial(&self) -> Fetched {
        Fetched::default()
    }

    fn moves(&self, from: &Fetched, out: &mut Vec<Move<Fetched, Told>>) {
        let mut add = |what: &'static str, to: Fetched| {
            let mut one = step(0, "driver", what, to);
            if to.pins < 0 || (to.at == 9 && to.pins != 0) {
                one.broken = Property::Unbalanced.bit();
            }
            out.push(one);
        };
        let to = |pins: i8, at: u8| Fetched { pins, at, ..*from };
        match from.at {
            0 => {
                for (got, what) in [
                    (-1, "asks for three pages: an error number"),
                    (1, "asks for three pages: one comes"),
                    (2, "asks for three pages: two come"),
                    (ASKED, "asks for three pages: three come"),
                ] {
                    let pins = got.max(0);
                    add(what, Fetched { got, pins, at: 1 });
                }
            }
            1 => {
                let enough =
                    from.got == ASKED || (*self == Partial::UnsignedCompare && from.got < 0);
                if enough {
                    add("takes all three for there, and uses them", to(from.pins, 2));
                } else {
                    let released = match self {
                        Partial::AllAskedFor => ASKED,
                        Partial::Nothing => 0,
                        Partial::Right | Partial::UnsignedCompare => from.got.max(0),
                    };
                    add("takes the error path", to(from.pins - released, 9));
                }
            }
            2 => add("is done, and unpins three", to(from.pins - ASKED, 9)),
            _ => {}
        }
    }
}

/// S19: two tasks ask for a long-term pin of a page in memory that must stay movable. Mirrors mm/gup.c:
/// check_and_migrate_movable_folios(), 6.12: what cannot be moved is ENOMEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Migrate {
    /// Is a page that could not be moved tried again without end?
    pub(crate) retries: bool,
    /// Are the pins dropped before the page is moved?
    pub(crate) unpins_first: bool,
    /// Does somebody else hold the page for good (a short pin that became long)?
    pub(crate) held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Moving {
    moved: bool,
    pins: u8,
    tasks: [u8; 2],
}

impl Moving {
    /// Is a task still inside its call?
    pub(crate) fn is_pending(&self, task: usize) -> bool {
        !matches!(self.tasks[task], 0 | 8 | 9)
    }
}

impl Machine for Migrate {
    type State = Moving;
    type Step = Told;

    fn initial(&self) -> Moving {
        Moving {
            pins: u8::from(self.held),
            ..Moving::default()
        }
    }

    fn moves(&self, from: &Moving, out: &mut Vec<Move<Moving, Told>>) {
        for task in 0..2_u8 {
            let index = usize::from(task);
            let actor = ["task0", "task1"][index];
            let mut add = |what: &'static str, at: u8, change: fn(&mut Moving)| {
                let mut to = *from;
                to.tasks[index] = at;
                change(&mut to);
                out.push(step(task, actor, what, to));
            };
            let unpin: fn(&mut Moving) = match self.unpins_first {
                true => |_| {},
                false => |to| to.pins -= 1,
            };
            match from.tasks[index] {
                0 => add("asks for a long-term pin", 1, |_| {}),
                1 => add("pins the page", 2, |to| to.pins += 1),
                2 if from.moved => add("finds it where it may stay, and returns it", 8, |_| {}),
                2 if self.unpins_first => {
                    add("finds it where it may not stay, and unpins it", 3, |to| {
                        to.pins -= 1
                    });
                }
                2 => add("finds it where it may not stay", 3, |_| {}),
                3 if from.moved => add("finds it moved by the other, and begins again", 1, |_| {}),
                3 if from.pins == 0 => add("moves it, and begins again", 1, |to| to.moved = true),
                3 if self.retries => {
                    add("cannot move it: somebody holds it; tries again", 1, unpin)
                }
                3 => add(
                    "cannot move it: somebody holds it; returns ENOMEM",
                    9,
                    unpin,
                ),
                _ => {}
            }
        }
    }
}
