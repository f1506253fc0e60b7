// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernels of a run come to together.

use super::exercise::Exercised;
use super::types::{Outcome, SCHEMA, Stage, Verdict};
use failure::counted;

/// What is wrong with a kernel: the worst of it, so that a target which a crash kept from being reached does not stand for
/// the one that crashed.
fn worst(stage: &Stage) -> Option<(Outcome, String)> {
    if stage.build.result == Outcome::Fail {
        let why = stage.build.reason.clone();
        let why = why.unwrap_or_else(|| "it does not compile".into());
        return Some((Outcome::Fail, why));
    }
    let because = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "failed".into());
    let boot = stage.boot.iter().map(|b| (b.result, because(&b.reason)));
    let targets = stage.targets.iter().map(|target| {
        let why = format!("{}: {}", target.name, because(&target.reason));
        (target.result, why)
    });
    let mut worst: Option<(Outcome, String)> = None;
    for (result, why) in targets.chain(boot) {
        let known = worst.as_ref().map_or(0, |(known, _)| rank(*known));
        if rank(result) > known {
            worst = Some((result, why));
        }
    }
    worst
}

fn rank(result: Outcome) -> u8 {
    match result {
        Outcome::Pass | Outcome::Skip => 0,
        Outcome::Inconclusive => 1,
        Outcome::Fail => 2,
        Outcome::Timeout => 3,
        Outcome::Crash => 4,
    }
}

/// The verdict on a run of which every stage has been judged.
pub(crate) fn summarise(run: &str, base: Stage, patches: Vec<Stage>) -> Verdict {
    let (result, reason, first_bad) = match worst(&base) {
        Some((of_base, why)) => {
            // With patches to judge, a bad base means that nothing can be said about them.
            let failed = patches.is_empty() && of_base != Outcome::Inconclusive;
            let result = match failed {
                true => Outcome::Fail,
                false => Outcome::Inconclusive,
            };
            let reason = format!("the base itself is not good: {why}");
            (result, reason, None)
        }
        None => of_patches(&base, &patches),
    };
    Verdict {
        schema: SCHEMA.into(),
        result,
        reason,
        run: run.to_owned(),
        shard: None,
        inputs: None,
        first_bad,
        base,
        patches,
    }
}

/// What failed comes first, then what is not known, then what was not run.
fn of_patches(base: &Stage, patches: &[Stage]) -> (Outcome, String, Option<String>) {
    let bad =
        |stage: &'_ Stage| worst(stage).map(|(result, why)| (stage.subject.clone(), result, why));
    let all: Vec<(String, Outcome, String)> = patches.iter().filter_map(bad).collect();
    let failed = all
        .iter()
        .find(|(_, result, _)| *result != Outcome::Inconclusive);
    if let Some((subject, result, why)) = failed.or(all.first()) {
        let result = match result {
            Outcome::Inconclusive => Outcome::Inconclusive,
            _ => Outcome::Fail,
        };
        return (
            result,
            format!("\"{subject}\": {why}"),
            Some(subject.clone()),
        );
    }
    let unexercised = patches.iter().find_map(|stage| {
        let exercise = stage.exercise.as_ref()?;
        let none = exercise.result == Exercised::NotExercised;
        none.then(|| {
            format!(
                "\"{}\": {}",
                stage.subject,
                exercise.reason().unwrap_or_default()
            )
        })
    });
    if let Some(reason) = unexercised {
        return (Outcome::Inconclusive, reason, None);
    }
    // A kernel with nothing new in it was not booted; the last that was is what is known.
    let booted = |stage: &&Stage| stage.targets.iter().any(|t| t.result != Outcome::Skip);
    let last = patches.iter().rfind(booted).or(patches.last());
    let last = last.unwrap_or(base);
    let count = |r| last.targets.iter().filter(|t| t.result == r).count();
    let (passed, skipped) = (count(Outcome::Pass), count(Outcome::Skip));
    let result = match passed {
        0 => Outcome::Inconclusive,
        _ => Outcome::Pass,
    };
    let mut reason = format!("{} passed, {skipped} skipped", counted(passed, "target"));
    for stage in patches {
        let partly = stage
            .exercise
            .as_ref()
            .and_then(|exercise| exercise.reason());
        if let Some(partly) = partly {
            reason += &format!("; \"{}\": {partly}", stage.subject);
        }
    }
    (result, reason, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Build, Exercise, NotRun, Target};

    fn target(name: &str, result: Outcome, reason: &str) -> Target {
        Target {
            result,
            reason: Some(reason.into()),
            ..Target::named(name)
        }
    }

    fn stage(subject: &str, targets: Vec<Target>) -> Stage {
        Stage {
            subject: subject.into(),
            targets,
            ..Stage::new(0, Build::of(Outcome::Pass, None))
        }
    }

    #[test]
    fn the_target_that_crashed_is_named_and_no_bystander() {
        let base = stage("Linux", vec![target("af-xdp", Outcome::Pass, "")]);
        let bad = stage(
            "xsk: pin",
            vec![
                target("io-uring", Outcome::Inconclusive, "not reached"),
                target("af-xdp", Outcome::Crash, "kernel BUG at mm/gup.c:1!"),
            ],
        );
        let verdict = summarise("run", base, vec![bad]);
        assert_eq!(
            verdict.reason,
            "\"xsk: pin\": af-xdp: kernel BUG at mm/gup.c:1!"
        );
        assert_eq!(verdict.result, Outcome::Fail);
    }

    #[test]
    fn a_patch_that_fails_is_named_before_one_of_which_nothing_is_known() {
        let base = stage("Linux", vec![target("vmci", Outcome::Pass, "")]);
        let unknown = stage(
            "one",
            vec![target("vmci", Outcome::Inconclusive, "two verdicts")],
        );
        let failed = stage("two", vec![target("vmci", Outcome::Fail, "pins")]);
        let verdict = summarise("run", base, vec![unknown, failed]);
        assert_eq!(verdict.first_bad.as_deref(), Some("two"));
    }

    #[test]
    fn the_first_patch_that_fails_decides_the_exit_and_not_the_first_crash() {
        use Outcome::{Crash, Fail, Inconclusive, Pass, Timeout};
        let base = stage("Linux", vec![target("vmci", Pass, "")]);
        let of = |result| stage("a patch", vec![target("vmci", result, "why")]);
        let exit = |results: &[Outcome]| {
            let patches = results.iter().map(|result| of(*result)).collect();
            summarise("run", base.clone(), patches).exit().code()
        };
        assert_eq!(exit(&[Pass, Fail, Crash]), 1);
        assert_eq!(exit(&[Pass, Crash, Fail]), 5);
        assert_eq!(exit(&[Inconclusive, Timeout, Crash]), 6);
        assert_eq!(exit(&[Inconclusive, Pass]), 1);
    }

    #[test]
    fn what_was_not_run_has_not_passed_whatever_the_targets_say() {
        let base = stage("Linux", vec![target("vmci", Outcome::Pass, "")]);
        let mut siw = stage("siw: pin", vec![target("vmci", Outcome::Pass, "")]);
        let not_run = NotRun {
            function: "siw_mem.c:siw_umem_get".into(),
            why: None,
        };
        siw.exercise = Some(Exercise::new(Vec::new(), vec![not_run], Vec::new()));
        let verdict = summarise("run", base.clone(), vec![siw.clone()]);
        assert_eq!(verdict.result, Outcome::Inconclusive);
        assert_eq!(verdict.exit().code(), 1);
        assert!(
            verdict.reason.contains("not-exercised"),
            "{}",
            verdict.reason
        );
        assert!(verdict.reason.ends_with("siw_mem.c:siw_umem_get"));
        siw.exercise = Some(Exercise::new(
            vec!["siw_mem.c:f".into()],
            Vec::new(),
            Vec::new(),
        ));
        assert_eq!(summarise("run", base, vec![siw]).result, Outcome::Pass);
    }
}
