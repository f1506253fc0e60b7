// SPDX-License-Identifier: MIT OR Apache-2.0
//! K1: `gup_fast` on several CPUs against `page_mkclean` on one, step by step, with and without store buffers.
//!
//! `gup_fast` reads the entry, takes its reference, reads the entry again, and backs out if it changed. `page_mkclean` takes write
//! permission from the entry, then looks for pins. Each side writes one word and reads the other's: whoever comes second sees the
//! first, provided that neither CPU may delay its write past its read. The store buffers model exactly that delay.
//! Mirrors mm/gup.c: gup_fast_pte_range(), try_grab_folio_fast() and mm/rmap.c: page_vma_mkclean_one(), 6.12.

use super::graph::{Class, Machine, Move};
use super::property::Property;

/// Most CPUs in gup_fast: the states grow with each, and the second already shows what several do to each other.
pub(crate) const MAX_PINNERS: usize = 4;

/// Who does what in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GupFast {
    /// CPUs in gup_fast, 1 to 4.
    pub(crate) pinners: u8,
    /// What gup_fast does after it has read a writable entry.
    pub(crate) order: Order,
    /// Does page_mkclean look for pins before it takes write permission away?
    pub(crate) checks_first: bool,
    /// May a CPU delay its write past a later read, unless a barrier stands between?
    pub(crate) store_buffers: bool,
    /// Is there a barrier after the grab?
    pub(crate) pinner_barrier: bool,
    /// Is there one after the entry is cleared?
    pub(crate) cleaner_barrier: bool,
}

/// The order of gup_fast's steps after its first look at the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Small folio: the reference is the pin.
    GrabRecheck,
    /// Nobody looks at the entry again.
    GrabOnly,
    /// The second look comes before the grab.
    RecheckGrab,
    /// Large folio: reference, then pin count, then the second look.
    RefPincountRecheck,
    /// Large folio: the second look comes between reference and pin count.
    RefRecheckPincount,
}

impl Order {
    fn program(self) -> &'static [Op] {
        match self {
            Self::GrabRecheck => &[Op::Read, Op::Pin, Op::Recheck],
            Self::GrabOnly => &[Op::Read, Op::Pin],
            Self::RecheckGrab => &[Op::Read, Op::Recheck, Op::Pin],
            Self::RefPincountRecheck => &[Op::Read, Op::Ref, Op::Pin, Op::Recheck],
            Self::RefRecheckPincount => &[Op::Read, Op::Ref, Op::Recheck, Op::Pin],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Read,
    Ref,
    Pin,
    Recheck,
}

/// Where one gup_fast stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Pinner {
    /// Steps of the program that are done.
    done: u8,
    /// Its count is still in its store buffer.
    buffered: bool,
    /// Over: with a pin, or without.
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Outcome {
    #[default]
    Running,
    Pinned,
    Slow,
}

/// The whole race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Race {
    writable: bool,
    pins: u8,
    pinners: [Pinner; MAX_PINNERS],
    cleaner: Cleaner,
    /// The cleared entry is still in the cleaner's store buffer.
    entry_buffered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cleaner {
    Start,
    /// Has done the first of its two steps; what the look found, if that came first.
    Half {
        saw_none: bool,
    },
    Done {
        saw_none: bool,
    },
}

/// One step, with the CPU that takes it; `None` is the cleaner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RaceStep {
    pub(crate) pinner: Option<u8>,
    pub(crate) what: &'static str,
}

impl Machine for GupFast {
    type State = Race;
    type Step = RaceStep;

    fn initial(&self) -> Race {
        Race {
            writable: true,
            pins: 0,
            pinners: Default::default(),
            cleaner: Cleaner::Start,
            entry_buffered: false,
        }
    }

    fn moves(&self, from: &Race, out: &mut Vec<Move<Race, RaceStep>>) {
        for i in 0..self.pinners {
            self.pinner(from, i, out);
        }
        self.cleaner(from, out);
    }
}

impl GupFast {
    fn add(
        &self,
        out: &mut Vec<Move<Race, RaceStep>>,
        pinner: Option<u8>,
        what: &'static str,
        to: Race,
    ) {
        let pinned = to.pinners[..self.pinners as usize]
            .iter()
            .any(|pinner| pinner.outcome == Outcome::Pinned);
        let missed = pinned && to.cleaner == Cleaner::Done { saw_none: true };
        let broken = Property::MissedPin.where_broken(missed);
        let class = Class::Weak(pinner.map_or(0, |i| i + 1));
        out.push(Move {
            step: RaceStep { pinner, what },
            to,
            class,
            broken,
        });
    }

    fn pinner(&self, from: &Race, i: u8, out: &mut Vec<Move<Race, RaceStep>>) {
        let mut add = |what, to| self.add(out, Some(i), what, to);
        let me = from.pinners[i as usize];
        let mut to = *from;
        if me.buffered {
            let mut drained = *from;
            drained.pins += 1;
            drained.pinners[i as usize].buffered = false;
            add("its count leaves the store buffer", drained);
        }
        if me.outcome != Outcome::Running {
            return;
        }
        let program = self.order.program();
        let last = me.done as usize + 1 == program.len();
        let next = &mut to.pinners[i as usize];
        next.done += 1;
        match program[me.done as usize] {
            Op::Read if !from.writable => {
                next.outcome = Outcome::Slow;
                add("reads the entry: not writable, goes the slow way", to);
            }
            Op::Read => add("reads the entry: writable", to),
            Op::Ref => add("takes a reference", to),
            Op::Pin => {
                if last {
                    next.outcome = Outcome::Pinned;
                }
                if self.store_buffers && !self.pinner_barrier {
                    next.buffered = true;
                    add("counts its pin, into its store buffer", to);
                } else {
                    to.pins += 1;
                    add("counts its pin", to);
                }
            }
            Op::Recheck if from.writable => {
                if last {
                    next.outcome = Outcome::Pinned;
                }
                add("reads the entry again: unchanged", to);
            }
            Op::Recheck => {
                let counted = program[..me.done as usize].contains(&Op::Pin);
                next.outcome = Outcome::Slow;
                if counted && me.buffered {
                    next.buffered = false;
                } else if counted {
                    to.pins -= 1;
                }
                add("reads the entry again: changed, backs out", to);
            }
        }
    }

    fn cleaner(&self, from: &Race, out: &mut Vec<Move<Race, RaceStep>>) {
        let mut add = |what, to| self.add(out, None, what, to);
        let mut to = *from;
        if from.entry_buffered {
            let mut drained = *from;
            (drained.entry_buffered, drained.writable) = (false, false);
            add("the cleared entry leaves the store buffer", drained);
        }
        let none = from.pins == 0;
        let looks = match none {
            true => "looks for pins: none",
            false => "looks for pins: pinned",
        };
        let (cleaner, what) = match (from.cleaner, self.checks_first) {
            (Cleaner::Start, true) => (Cleaner::Half { saw_none: none }, looks),
            (Cleaner::Start, false) => {
                (Cleaner::Half { saw_none: false }, self.clear_entry(&mut to))
            }
            (Cleaner::Half { saw_none }, true) => {
                (Cleaner::Done { saw_none }, self.clear_entry(&mut to))
            }
            (Cleaner::Half { .. }, false) => (Cleaner::Done { saw_none: none }, looks),
            (Cleaner::Done { .. }, _) => return,
        };
        to.cleaner = cleaner;
        add(what, to);
    }

    fn clear_entry(&self, to: &mut Race) -> &'static str {
        if self.store_buffers && !self.cleaner_barrier {
            to.entry_buffered = true;
            "clears write permission, into its store buffer"
        } else {
            to.writable = false;
            "clears write permission and flushes"
        }
    }
}
