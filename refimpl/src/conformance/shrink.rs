// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shorter traces to try when a trace shows a difference.

use super::trace::{Op, Trace};
use super::world::World;
use crate::page::GUP_PIN_COUNTING_BIAS;
use crate::version::Version;

/// Every trace that lacks a stretch of `trace`'s operations (a half, a quarter, … one) and still makes sense. What does not
/// fit any more after that is left out with it; what was mapped or spoilt is still given back at the end.
pub fn shorter(trace: &Trace, version: Version) -> Vec<Trace> {
    let mut found: Vec<Trace> = Vec::new();
    let mut stretch = trace.ops.len() / 2;
    while stretch > 0 {
        for from in (0..trace.ops.len()).step_by(stretch) {
            let kept = trace.ops.iter().enumerate();
            let kept = kept.filter(|(at, _)| !(from..from + stretch).contains(at));
            let ops = sensible(kept.map(|(_, op)| op), version);
            let less = ops.len() < trace.ops.len() && !ops.is_empty();
            if less && !found.iter().any(|other| other.ops == ops) {
                found.push(Trace {
                    name: format!("{}-{}", trace.name, found.len()),
                    ops,
                });
            }
        }
        stretch /= 2;
    }
    found
}

fn sensible<'a>(ops: impl Iterator<Item = &'a Op>, version: Version) -> Vec<Op> {
    let mut world = World::new(version, GUP_PIN_COUNTING_BIAS);
    let mut done = Vec::new();
    let mut offer = |world: &mut World, op: Op| {
        let mut next = world.clone();
        if next.apply(&op).is_ok() {
            *world = next;
            done.push(op);
        }
    };
    for op in ops.filter(|op| !matches!(op, Op::Repair { .. })) {
        if matches!(op, Op::Munmap { .. } | Op::Close { .. } | Op::Reap) {
            for (slot, base) in world.spoilt() {
                offer(&mut world, Op::Repair { slot, base });
            }
        }
        offer(&mut world, op.clone());
    }
    for (slot, base) in world.spoilt() {
        offer(&mut world, Op::Repair { slot, base });
    }
    offer(&mut world, Op::Reap);
    let mapped: Vec<u32> = world.areas().map(|(area, ..)| area).collect();
    for area in mapped {
        offer(&mut world, Op::Munmap { area });
    }
    let owned: Vec<u32> = world.owned().collect();
    for area in owned {
        offer(&mut world, Op::Close { area });
    }
    done
}
