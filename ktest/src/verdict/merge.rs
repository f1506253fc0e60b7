// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shards of one run put together again.

use super::summary::summarise;
use super::types::{Boot, Outcome, Stage, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Why shards do not make a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("merge: there is no shard")]
    Nothing,
    /// One is a whole run.
    #[error("merge run `{0}`: it is no shard")]
    Whole(String),
    /// Two were made from different inputs or cut differently.
    #[error("merge runs `{0}` and `{1}`: they are not shards of the same run")]
    Different(String, String),
}

/// One verdict of the shards of a run. A missing shard makes it inconclusive unless one that is there has found a bad
/// patch: what was not run has not passed.
///
/// # Errors
/// See [`MergeError`].
pub fn merge(shards: &[Verdict]) -> Result<Verdict, MergeError> {
    let first = shards.first().ok_or(MergeError::Nothing)?;
    let mut present = BTreeSet::new();
    for shard in shards {
        let part = shard
            .shard
            .ok_or_else(|| MergeError::Whole(shard.run.clone()))?;
        let same = |a: &Verdict| (a.inputs.clone(), a.shard.map(|s| s.count));
        if same(shard) != same(first) {
            return Err(MergeError::Different(first.run.clone(), shard.run.clone()));
        }
        present.insert(part.index);
    }
    let count = first.shard.map_or(0, |shard| shard.count);
    let runs: Vec<&str> = shards.iter().map(|shard| shard.run.as_str()).collect();
    let missing: Vec<String> = (1..=count)
        .filter(|index| !present.contains(index))
        .map(|index| format!("{index}/{count}"))
        .collect();
    let stages = shards
        .iter()
        .flat_map(|v| std::iter::once(&v.base).chain(&v.patches));
    let mut verdict = together(&runs.join("+"), stages.cloned().collect(), &missing)?;
    verdict.inputs = first.inputs.clone();
    Ok(verdict)
}

/// One verdict of what is known of the kernels of a run, each of which may come several times; `missing` are the shards of which
/// nothing is known, each with why where that is known.
///
/// # Errors
/// [`MergeError::Nothing`] without a base.
pub(crate) fn together(
    run: &str,
    parts: Vec<Stage>,
    missing: &[String],
) -> Result<Verdict, MergeError> {
    let mut stages: BTreeMap<usize, Stage> = BTreeMap::new();
    for stage in parts {
        match stages.get_mut(&stage.number) {
            None => {
                stages.insert(stage.number, stage);
            }
            Some(known) => add(known, &stage),
        }
    }
    let base = stages.remove(&0).ok_or(MergeError::Nothing)?;
    let mut verdict = summarise(run, base, stages.into_values().collect());
    if !missing.is_empty() {
        let lacks = format!("not there: shard {}", missing.join(", "));
        verdict.reason = format!("{}; {lacks}", verdict.reason);
        if verdict.result == Outcome::Pass {
            verdict.result = Outcome::Inconclusive;
        }
    }
    Ok(verdict)
}

/// Adds what another shard says of the same kernel; of one target said twice the worse result counts.
fn add(known: &mut Stage, other: &Stage) {
    if other.build.result == Outcome::Fail {
        known.build = other.build.clone();
    }
    let worse = |boot: &Boot| known.boot.as_ref().is_none_or(|of| boot.result > of.result);
    if let Some(boot) = other.boot.clone().filter(worse) {
        known.boot = Some(boot);
    }
    known.exercise = match (known.exercise.take(), &other.exercise) {
        (Some(one), Some(two)) => Some(one.with(two)),
        (one, two) => one.or_else(|| two.clone()),
    };
    for target in &other.targets {
        match known.targets.iter_mut().find(|t| t.name == target.name) {
            Some(same) if target.result > same.result => *same = target.clone(),
            Some(_) => {}
            None => known.targets.push(target.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Shard;
    use crate::verdict::{Build, SCHEMA, Target};

    fn stage(number: usize, targets: &[(&str, Outcome)]) -> Stage {
        let target = |(name, result): &(&str, Outcome)| Target {
            result: *result,
            reason: Some("a reason".into()),
            ..Target::named(name)
        };
        let build = Build {
            seconds: 1.0,
            ..Build::of(Outcome::Pass, None)
        };
        Stage {
            subject: format!("kernel {number}"),
            targets: targets.iter().map(target).collect(),
            ..Stage::new(number, build)
        }
    }

    fn shard(index: usize, inputs: &str, base: Stage, patches: Vec<Stage>) -> Verdict {
        Verdict {
            schema: SCHEMA.into(),
            result: Outcome::Pass,
            reason: String::new(),
            run: format!("run-{index}"),
            first_bad: None,
            shard: Some(Shard { index, count: 2 }),
            inputs: Some(inputs.into()),
            base,
            patches,
        }
    }

    const GOOD: &[(&str, Outcome)] = &[("vmci", Outcome::Pass)];
    const BAD: &[(&str, Outcome)] = &[("vmci", Outcome::Fail)];

    #[test]
    fn the_first_bad_patch_is_found_across_shards() {
        let one = shard(1, "x", stage(0, GOOD), vec![stage(1, GOOD)]);
        let two = shard(2, "x", stage(0, GOOD), vec![stage(2, BAD), stage(3, BAD)]);
        let merged = merge(&[two.clone(), one.clone()]).unwrap();
        assert_eq!(merged.first_bad.as_deref(), Some("kernel 2"));
        assert_eq!(merged.result, Outcome::Fail);
        assert_eq!(merged.patches.len(), 3);
        assert_eq!(
            merged,
            merge(&[one, two])
                .map(|m| Verdict {
                    run: "run-2+run-1".into(),
                    ..m
                })
                .unwrap()
        );
    }

    #[test]
    fn a_missing_shard_is_no_pass() {
        let one = shard(1, "x", stage(0, GOOD), vec![stage(1, GOOD)]);
        let merged = merge(&[one]).unwrap();
        assert_eq!(merged.result, Outcome::Inconclusive);
        assert!(
            merged.reason.ends_with("not there: shard 2/2"),
            "{}",
            merged.reason
        );
    }

    #[test]
    fn targets_of_one_kernel_come_together_and_the_worse_counts() {
        let more = [("gup-test", Outcome::Pass), ("vmci", Outcome::Fail)];
        let one = shard(1, "x", stage(0, GOOD), vec![stage(1, GOOD)]);
        let two = shard(2, "x", stage(0, GOOD), vec![stage(1, &more)]);
        let merged = merge(&[one, two]).unwrap();
        assert_eq!(merged.patches[0].targets.len(), 2);
        assert_eq!(merged.patches[0].targets[0].result, Outcome::Fail);
    }

    #[test]
    fn shards_of_other_inputs_and_whole_runs_are_refused() {
        let one = shard(1, "x", stage(0, GOOD), vec![]);
        let other = shard(2, "y", stage(0, GOOD), vec![]);
        assert!(matches!(
            merge(&[one.clone(), other]),
            Err(MergeError::Different(..))
        ));
        let whole = Verdict { shard: None, ..one };
        assert!(matches!(merge(&[whole]), Err(MergeError::Whole(_))));
        assert_eq!(merge(&[]), Err(MergeError::Nothing));
    }
}
