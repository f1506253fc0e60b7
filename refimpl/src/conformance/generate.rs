// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces made of random numbers: each number is read as an operation that fits the state, or as none.

use super::trace::{Acquire, ErrorAsCount, Ground, Op, Release, Trace};
use super::world::World;
use crate::gup::{Flags, Hold};
use crate::page::GUP_PIN_COUNTING_BIAS;
use crate::version::Version;

/// Slots that a trace fills: fewer than the probe's 256 (ktest/probe/gup_probe.c: SLOTS) by more than [`MOST`].
const SLOTS: u32 = 240;
/// How many pages one call asks for at most: enough to end in the middle of an area of a few pages, or beyond it.
const MOST: u32 = 6;

/// A trace of at most one operation for each choice, with the memory mapped first and everything given back at the end.
/// Any numbers give a trace that a kernel survives; the same numbers give the same trace.
pub fn generate(name: &str, version: Version, choices: &[u64]) -> Trace {
    let mut made = Made::new(version);
    let mut numbers = choices.iter().copied();
    made.maps(&mut Dice(numbers.next().unwrap_or(0)));
    for choice in numbers {
        let mut dice = Dice(choice);
        if let Some(op) = pick(&made.world, &mut dice) {
            made.push(op);
        }
    }
    made.clear();
    Trace {
        name: name.to_owned(),
        ops: made.ops,
    }
}

/// Small numbers out of a large one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u32) -> u32 {
        // splitmix64, so that neighbouring choices differ.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(n.max(1))) as u32
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(u32::try_from(all.len()).ok()?);
        all.get(at as usize).copied()
    }
}

/// Operations that fit each other, and what they have done.
pub(super) struct Made {
    world: World,
    pub(super) ops: Vec<Op>,
}

impl Made {
    pub(super) fn new(version: Version) -> Self {
        Made {
            world: World::new(version, GUP_PIN_COUNTING_BIAS),
            ops: Vec::new(),
        }
    }

    /// Does what fits; what does not is dropped, as if it had not been chosen.
    pub(super) fn push(&mut self, op: Op) {
        let mut next = self.world.clone();
        if next.apply(&op).is_ok() {
            self.world = next;
            self.ops.push(op);
        }
    }

    fn maps(&mut self, dice: &mut Dice) {
        let grounds = [
            Ground::Anon,
            Ground::Shmem,
            Ground::Driver(dice.below(2)),
            Ground::Driver(2 + dice.below(3)),
            [Ground::Disk, Ground::Huge, Ground::Hugetlb][dice.below(3) as usize],
        ];
        // Always memory of the first kinds; of the last one in half of the traces, because none with a folio that is mapped
        // as a whole can fork.
        let count = 3 + dice.below(3);
        for (area, ground) in (0..count).zip(grounds) {
            let pages = 1 + dice.below(8);
            self.push(Op::Map {
                area,
                ground,
                pages,
            });
            if ground == Ground::Huge || dice.below(2) == 0 {
                let (page, write) = (0, ground == Ground::Huge || dice.below(2) == 0);
                self.push(Op::Touch { area, page, write });
            }
        }
    }

    /// Sets spoilt counts right.
    pub(super) fn repair(&mut self) {
        for (slot, base) in self.world.spoilt() {
            self.push(Op::Repair { slot, base });
        }
    }

    /// Gives everything back, spoilt counts included.
    pub(super) fn clear(&mut self) {
        self.repair();
        self.push(Op::Reap);
        let mapped: Vec<u32> = self.world.areas().map(|(area, ..)| area).collect();
        for area in mapped {
            self.push(Op::Munmap { area });
        }
        let owned: Vec<u32> = self.world.owned().collect();
        for area in owned {
            self.push(Op::Close { area });
        }
    }
}

fn pick(world: &World, dice: &mut Dice) -> Option<Op> {
    let areas: Vec<(u32, Ground, u32)> = world.areas().collect();
    let slots = world.live_slots();
    let slot = world.next_slot();
    let room = slot + MOST < SLOTS;
    let kind = dice.below(100);
    if kind < 34 {
        let (area, _, pages) = dice.one_of(&areas).filter(|_| room)?;
        let mut known = Acquire::ALL.to_vec();
        known.retain(|call| call.exists_in(world.version()));
        let call = dice.one_of(&known)?;
        // FOLL_LONGTERM without a pin is a warning each time.
        let often = if call.way().1 == Hold::Pin { 4 } else { 24 };
        return Some(Op::Acquire {
            call,
            area,
            page: dice.below(pages),
            nr: if call.is_single() {
                1
            } else {
                1 + dice.below(MOST)
            },
            flags: Flags {
                write: dice.below(2) == 0,
                longterm: !call.is_iterator() && dice.below(often) == 0,
            },
            slot,
        });
    }
    if kind < 38 {
        let (area, _, pages) = dice.one_of(&areas)?;
        let (page, write) = (dice.below(pages), dice.below(2) == 0);
        return Some(Op::Touch { area, page, write });
    }
    if kind < 42 {
        let (area, ground, pages) = dice.one_of(&areas).filter(|_| room)?;
        let (first, last) = (dice.below(pages), dice.below(pages));
        if ground != Ground::Shmem || !world.version().has_folio_unpins() {
            let page = first;
            return Some(Op::Peek { area, page, slot });
        }
        return Some(Op::Memfd {
            area,
            first: first.min(last),
            last: first.max(last).min(first + MOST - 1),
            slot,
        });
    }
    if kind < 46 {
        let (area, ..) = dice.one_of(&areas)?;
        return Some(match dice.below(8) {
            0 | 1 => Op::Munmap { area },
            2 => Op::Truncate { area },
            3 => Op::Close { area },
            4 => Op::ErrorAsCount {
                call: dice.one_of(&ErrorAsCount::ALL)?,
                errno: [1, 14, 4095][dice.below(3) as usize],
            },
            _ if world.has_child() => Op::Reap,
            _ => Op::Fork,
        });
    }
    let one = dice.one_of(&slots)?;
    let folios = world.version().has_folio_unpins();
    Some(match kind {
        46..58 => {
            let singles = [
                Release::PutPage,
                Release::FolioPut,
                Release::UnpinUserPage,
                Release::UnpinUserPage,
                Release::UnpinFolio,
            ];
            let call = dice.one_of(&singles[..if folios { 5 } else { 4 }])?;
            Op::Release {
                call,
                slots: vec![Some(one)],
            }
        }
        58..74 => {
            let arrays = [
                Release::ReleasePages,
                Release::FoliosPut,
                Release::FolioBatchRelease,
                Release::UnpinUserPages,
                Release::UnpinUserPages,
                Release::UnpinUserPages,
                Release::UnpinFolios,
                Release::UnpinFolios,
            ];
            let call = dice.one_of(&arrays[..if folios { 8 } else { 6 }])?;
            let nulls = call.name().starts_with("unpin");
            Op::Release {
                call,
                slots: some_of(&slots, one, dice, nulls),
            }
        }
        74..84 => Op::DirtyLock {
            dirty: dice.below(2) == 0,
            slots: some_of(&slots, one, dice, true),
        },
        84..88 => Op::Range {
            dirty: dice.below(2) == 0,
            slot: one,
            nr: 1 + dice.below(4),
        },
        88..90 => {
            let nr = 1 + dice.below(3);
            match dice.below(3) {
                0 => Op::UnpinUserFolio { slot: one, nr },
                1 => Op::FolioAddPins { slot: one, nr },
                _ => Op::FolioPutRefs { slot: one, nr },
            }
        }
        90..93 => Op::GetPage {
            slot: one,
            // Often just below, at, and above the bias.
            times: [1, 1, 2, 1020, 1022, 1023, 1024][dice.below(7) as usize],
        },
        93..95 => Op::PutPages {
            slot: one,
            times: [1, 2, 1023, 1024][dice.below(4) as usize],
        },
        95..96 => Op::SetPageDirty { slot: one },
        96..97 => Op::FolioMarkDirty { slot: one },
        97..98 => Op::SetPageDirtyLock { slot: one },
        _ => Op::Clean { slot: one },
    })
}

/// Neighbouring slots from `one` on, with a NULL in front now and then.
fn some_of(slots: &[u32], one: u32, dice: &mut Dice, nulls: bool) -> Vec<Option<u32>> {
    let count = 1 + dice.below(MOST);
    let mut chosen: Vec<Option<u32>> = Vec::new();
    if nulls && dice.below(4) == 0 {
        chosen.extend((0..=dice.below(2)).map(|_| None));
    }
    let following = slots.iter().filter(|slot| **slot >= one);
    chosen.extend(following.take(count as usize).map(|slot| Some(*slot)));
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::{answered, shorter};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_numbers_give_a_trace_that_reads_back_and_gives_everything_back(
            choices in prop::collection::vec(any::<u64>(), 1..60),
            version in prop::sample::select(vec![Version::V6_1, Version::V6_12, Version::V7_3]),
        ) {
            let trace = generate("t", version, &choices);
            let text = answered(&trace, version, GUP_PIN_COUNTING_BIAS).unwrap();
            prop_assert_eq!(&Trace::parse(&text).unwrap(), &trace);
            let mut world = World::new(version, GUP_PIN_COUNTING_BIAS);
            for op in &trace.ops {
                world.apply(op).unwrap();
            }
            prop_assert_eq!(world.spoilt(), vec![]);
            prop_assert!(world.areas().next().is_none() && world.owned().next().is_none());
            for less in shorter(&trace, version) {
                prop_assert!(less.ops.len() < trace.ops.len());
            }
        }
    }
}
