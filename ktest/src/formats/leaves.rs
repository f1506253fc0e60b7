// SPDX-License-Identifier: MIT OR Apache-2.0
//! What decides about a kernel, as a tree of two levels whose leaves are results.

use super::text::pins_text;
use crate::verdict::{Exercised, Outcome, Splat, Stage, Target, Verdict};

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub(super) name: String,
    pub(super) result: Outcome,
    pub(super) reason: Option<String>,
    pub(super) seconds: f64,
    /// What the console showed, and what else stands beside it.
    pub(super) output: Vec<String>,
}

/// Results that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) leaves: Vec<Leaf>,
}

fn leaf(name: &str, result: Outcome, reason: Option<&str>) -> Leaf {
    Leaf {
        name: name.to_owned(),
        result,
        reason: reason.map(str::to_owned),
        seconds: 0.0,
        output: Vec::new(),
    }
}

fn lines(splats: &[Splat]) -> Vec<String> {
    let line = |splat: &Splat| {
        format!(
            "console:{}: {}: {}",
            splat.console_line,
            splat.kind,
            splat.told()
        )
    };
    splats.iter().map(line).collect()
}

/// Of one kernel: itself, then its targets.
pub(super) fn groups(stage: &Stage) -> Vec<Group> {
    let mut kernel = Group {
        name: "kernel".into(),
        leaves: Vec::new(),
    };
    let build = &stage.build;
    kernel.leaves.push(Leaf {
        seconds: build.seconds,
        output: build
            .new_warnings
            .iter()
            .map(|w| format!("new warning: {w}"))
            .collect(),
        ..leaf("build", build.result, build.reason.as_deref())
    });
    if let Some(boot) = &stage.boot {
        kernel.leaves.push(Leaf {
            output: lines(&boot.splats),
            ..leaf("boot", boot.result, boot.reason.as_deref())
        });
    }
    if let Some(exercise) = &stage.exercise {
        let result = match exercise.result {
            Exercised::NotExercised => Outcome::Inconclusive,
            Exercised::Exercised | Exercised::Partly => Outcome::Pass,
        };
        kernel.leaves.push(Leaf {
            output: exercise.reason().into_iter().collect(),
            ..leaf("exercise", result, exercise.reason().as_deref())
        });
    }
    let mut groups = vec![kernel];
    groups.extend(stage.targets.iter().map(target));
    groups
}

/// Its subtests, then what is seen from outside, then what they come to.
fn target(target: &Target) -> Group {
    let mut leaves: Vec<Leaf> = target
        .subtests
        .iter()
        .map(|subtest| Leaf {
            seconds: subtest.seconds,
            output: subtest.pins.map(pins_text).into_iter().collect(),
            ..leaf(&subtest.name, subtest.result, subtest.reason.as_deref())
        })
        .collect();
    if let Some(pins) = target.pins {
        let (result, said) = match pins.balanced {
            true => (Outcome::Pass, None),
            false => (Outcome::Fail, Some(pins_text(pins))),
        };
        leaves.push(Leaf {
            output: vec![pins_text(pins)],
            ..leaf("pins", result, said.as_deref())
        });
    }
    if let Some(first) = target.splats.first() {
        leaves.push(Leaf {
            output: lines(&target.splats),
            ..leaf("console", Outcome::Fail, Some(&first.told()))
        });
    } else if !target.subtests.is_empty() {
        leaves.push(leaf("console", Outcome::Pass, None));
    }
    leaves.push(leaf("verdict", target.result, target.reason.as_deref()));
    Group {
        name: target.name.clone(),
        leaves,
    }
}

/// The run's own result: where it does not pass, a leaf says so even if all that it is made of was skipped.
pub(super) fn run(verdict: &Verdict) -> Leaf {
    leaf("verdict", verdict.result, Some(&verdict.reason))
}
