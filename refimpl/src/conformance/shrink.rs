// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shorter traces to try when a trace shows a difference.

use super::generate::Made;
use super::trace::{Op, Trace};
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

/// A trace that still shows the difference and of which no stretch can be left out, or as short as `rounds` make it. In each round
/// `differs` says which of many candidates differ from the kernel (one boot replays them all); `step` is where `trace` differs
/// first, counted from 1, so that what comes after it is cut off at once.
///
/// # Errors
/// Those of `differs`.
pub fn shortest<E>(
    trace: &Trace,
    step: usize,
    version: Version,
    rounds: usize,
    mut differs: impl FnMut(&[Trace]) -> Result<Vec<bool>, E>,
) -> Result<Trace, E> {
    let mut best = trace.clone();
    let cut = Trace {
        name: format!("{}-cut", trace.name),
        ops: sensible(trace.ops.iter().take(step), version),
    };
    for round in 0..rounds {
        let mut candidates = shorter(&best, version);
        if round == 0 && cut.ops.len() < best.ops.len() {
            candidates.extend(shorter(&cut, version));
            candidates.push(cut.clone());
        }
        let shown = differs(&candidates)?;
        let smaller = candidates
            .into_iter()
            .zip(shown)
            .filter(|(_, differs)| *differs)
            .map(|(candidate, _)| candidate)
            .min_by_key(|candidate| candidate.ops.len());
        match smaller {
            Some(smaller) => best = smaller,
            None => break,
        }
    }
    best.name = format!("{}-shortest", trace.name);
    Ok(best)
}

fn sensible<'a>(ops: impl Iterator<Item = &'a Op>, version: Version) -> Vec<Op> {
    let mut made = Made::new(version);
    for op in ops.filter(|op| !matches!(op, Op::Repair { .. })) {
        if matches!(op, Op::Munmap { .. } | Op::Close { .. } | Op::Reap) {
            made.repair();
        }
        made.push(op.clone());
    }
    made.clear();
    made.ops
}

#[cfg(test)]
mod tests {
    use super::super::{answered, generate};
    use super::*;
    use crate::page::GUP_PIN_COUNTING_BIAS;
    use std::convert::Infallible;

    /// A kernel that counts 512 for a pin stands in for the real one.
    fn differs(trace: &Trace) -> bool {
        let said = |bias| answered(trace, Version::V6_12, bias).ok();
        said(512) != said(GUP_PIN_COUNTING_BIAS)
    }

    #[test]
    fn a_difference_is_shortened_to_the_calls_that_show_it() {
        let numbers: Vec<u64> = (0..60_u64)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        let long = generate("long", Version::V6_12, &numbers);
        assert!(long.ops.len() > 20 && differs(&long));
        let mut rounds = 0;
        let short = shortest(&long, long.ops.len(), Version::V6_12, 16, |candidates| {
            rounds += 1;
            Ok::<_, Infallible>(candidates.iter().map(differs).collect())
        });
        let Ok(short) = short;
        assert!(differs(&short));
        let calls =
            |op: &&Op| !matches!(op, Op::Munmap { .. } | Op::Close { .. } | Op::Repair { .. });
        let calls: Vec<&str> = short.ops.iter().filter(calls).map(Op::word).collect();
        // One page is mapped, and one call pins it.
        assert!(calls.len() <= 2 && calls[0] == "map", "{calls:?}");
        assert!(rounds <= 12, "{rounds} boots");
    }

    #[test]
    fn what_does_not_differ_stays_as_it_is() {
        let long = generate("same", Version::V6_12, &[1, 2, 3, 4, 5]);
        let none = |candidates: &[Trace]| Ok::<_, Infallible>(vec![false; candidates.len()]);
        let Ok(short) = shortest(&long, long.ops.len(), Version::V6_12, 4, none);
        assert_eq!(short.ops, long.ops);
    }
}
