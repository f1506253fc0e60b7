// SPDX-License-Identifier: MIT OR Apache-2.0
//! Free memory that goes with each repetition, against what goes on the kernel without the patches.
//!
//! No counter sees a plain reference that is not given back, and one page of many is less than any limit that holds for
//! every kernel; but it is lost in each round, and the base, on the same machine, does not lose it.

use crate::verdict::{Drift, Outcome, Subtest, Target};

/// Repetitions that show what is less than a page.
const MANY: u64 = 256;
/// 64 bytes: an object of the smaller ones that an acquire allocates.
const SMALL: f64 = 1.0 / 64.0;
/// Pages that the caches of the allocator may still take over many repetitions.
const FEW: f64 = 16.0;

/// Fails a target that passed where one of its repetitions loses at least half a page more each time than on `base`, and
/// more in all than free memory wavers. Where there are many repetitions, a kept object of less than a page shows.
pub(crate) fn against(base: &Target, target: &mut Target) {
    if target.result != Outcome::Pass {
        return;
    }
    let found = target
        .subtests
        .iter()
        .enumerate()
        .find_map(|(at, subtest)| {
            let of_base = base.subtests.iter().find(|s| s.name == subtest.name)?;
            Some((at, grows(of_base, subtest)?))
        });
    let Some((at, reason)) = found else {
        return;
    };
    let subtest = &mut target.subtests[at];
    (subtest.result, subtest.reason) = (Outcome::Fail, Some(reason.clone()));
    (target.result, target.reason) = (Outcome::Fail, Some(format!("{}: {reason}", subtest.name)));
}

fn grows(base: &Subtest, subtest: &Subtest) -> Option<String> {
    let (before, now) = (base.drift.as_ref()?, subtest.drift.as_ref()?);
    // With one round nothing is known of how free memory wavers; so much was judged by the guest.
    if now.rounds.len() < 2 || before.rounds.len() < 2 {
        return None;
    }
    let more = each(now) - each(before);
    // What went once is in one round: the one in the middle does not have it.
    let usual = (middle(now) - middle(before)) as f64 / now.repetitions.max(1) as f64;
    let in_all = more * (now.repetitions as f64) * (now.rounds.len() as f64);
    let (least, beside) = match now.repetitions >= MANY {
        true => (SMALL, FEW),
        false => (0.5, 0.0),
    };
    // What the base gained by accident is no loss of this kernel: it must lose as much itself, in most of its rounds.
    let own = each(now).min(middle(now) as f64 / now.repetitions.max(1) as f64);
    let shows = in_all > wavers(before) + wavers(now) + beside && own >= least;
    (more >= least && usual >= least && shows).then(|| {
        let more = match more < 0.1 {
            true => format!("{more:.3}"),
            false => format!("{more:.1}"),
        };
        format!(
            "{more} free pages more than on the base go with each repetition ({:?} in rounds of {}, {:?} on the base)",
            now.rounds, now.repetitions, before.rounds
        )
    })
}

/// Pages of one repetition.
fn each(drift: &Drift) -> f64 {
    let all: f64 = drift.rounds.iter().map(|gone| *gone as f64).sum();
    all / (drift.repetitions.max(1) as f64) / (drift.rounds.len().max(1) as f64)
}

/// Pages of the round in the middle, by what went.
fn middle(drift: &Drift) -> i64 {
    let mut rounds = drift.rounds.clone();
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).copied().unwrap_or(0)
}

/// How far free memory lies from what it would be if every round lost the same: what one round loses by accident, the
/// next one gains.
fn wavers(drift: &Drift) -> f64 {
    let each = each(drift) * drift.repetitions as f64;
    let (mut off, mut least, mut most) = (0.0_f64, 0.0_f64, 0.0_f64);
    for gone in &drift.rounds {
        off += *gone as f64 - each;
        (least, most) = (least.min(off), most.max(off));
    }
    most - least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(repetitions: u64, rounds: &[i64]) -> Target {
        let subtest = Subtest {
            name: "many-times".into(),
            result: Outcome::Pass,
            reason: None,
            seconds: 0.0,
            pins: None,
            drift: Some(Drift {
                repetitions,
                rounds: rounds.to_vec(),
            }),
            inner: None,
        };
        Target {
            result: Outcome::Pass,
            subtests: vec![subtest],
            ..Target::named("vmci")
        }
    }

    fn judged(base: &[i64], now: &[i64]) -> Target {
        let mut now = target(32, now);
        against(&target(32, base), &mut now);
        now
    }

    #[test]
    fn a_page_of_each_repetition_is_a_leak_where_the_base_loses_none() {
        let leaks = judged(&[0, 1, 0], &[31, 32, 32]);
        assert_eq!(leaks.result, Outcome::Fail);
        assert_eq!(leaks.subtests[0].result, Outcome::Fail);
        let reason = leaks.reason.unwrap();
        assert!(
            reason.starts_with("many-times: 1.0 free pages more"),
            "{reason}"
        );
    }

    #[test]
    fn a_small_object_of_each_of_many_repetitions_is_a_leak() {
        let judged = |base: &[i64], now: &[i64]| {
            let mut judged = target(400, now);
            against(&target(400, base), &mut judged);
            judged
        };
        let leaks = judged(&[1, 0, 0], &[12, 13, 12]);
        assert_eq!(leaks.result, Outcome::Fail);
        let reason = leaks.reason.unwrap();
        assert!(reason.contains("0.030 free pages more"), "{reason}");
        assert_eq!(judged(&[0, 0, 0], &[5, 5, 5]).result, Outcome::Pass);
        assert_eq!(judged(&[0, 0, 0], &[36, 0, 0]).result, Outcome::Pass);
        assert_eq!(judged(&[12, 12, 13], &[12, 13, 12]).result, Outcome::Pass);
    }

    #[test]
    fn what_the_base_loses_too_and_what_comes_once_is_none() {
        assert_eq!(judged(&[31, 32, 32], &[32, 31, 32]).result, Outcome::Pass);
        assert_eq!(judged(&[0, 0, 0], &[200, 0, -1]).result, Outcome::Pass);
        assert_eq!(judged(&[0, 0, 0], &[15, 15, 15]).result, Outcome::Pass);
        // The base gained memory that was freed late; this kernel lost none.
        let mut gained = target(8, &[2, -10, -5]);
        against(&target(8, &[-64, 14, -15]), &mut gained);
        assert_eq!(gained.result, Outcome::Pass);
        // It gained in most rounds, and this kernel lost in one.
        let mut once = target(16, &[1, 0, 150]);
        against(&target(16, &[-210, 164, -164]), &mut once);
        assert_eq!(once.result, Outcome::Pass);
        let mut each = target(16, &[160, 150, 170]);
        against(&target(16, &[-210, 164, -164]), &mut each);
        assert_eq!(each.result, Outcome::Fail);
        // As much as the base's own memory wavers may be the same noise.
        assert_eq!(judged(&[-120, 0, 120], &[33, 32, 32]).result, Outcome::Pass);
        assert_eq!(judged(&[10, -20, 10], &[42, 12, 42]).result, Outcome::Fail);
        assert_eq!(
            judged(&[0, 0, 0], &[900]).result,
            Outcome::Pass,
            "one round"
        );
    }
}
