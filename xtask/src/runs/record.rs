// SPDX-License-Identifier: MIT OR Apache-2.0
//! pipeline.json: what was asked for, with which tools, and what came of each stage.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema of pipeline.json.
pub(crate) const SCHEMA: &str = "run/1";

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Always [`SCHEMA`].
    pub(crate) schema: String,
    /// What was asked for.
    pub(crate) inputs: Inputs,
    /// First lines of what the tools say of their versions.
    pub(crate) tools: BTreeMap<String, String>,
    /// In the order in which they ran.
    pub(crate) stages: Vec<Stage>,
}

/// What was asked for. A run can only be resumed with the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// "6.12.117", or "6.12.0 (embedded)".
    pub(crate) tree: String,
    /// The git revision, where the tree was read from one.
    pub(crate) revision: Option<String>,
    /// Relative to the tree; empty for all of it.
    pub(crate) paths: Vec<String>,
    /// Names of targets; empty for those that reach a converted file.
    pub(crate) targets: Vec<String>,
    /// kbuild variables.
    pub(crate) kbuild: Vec<(String, String)>,
    /// The module outside the kernel, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<OfModule>,
}

/// What was asked for of a module outside the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfModule {
    /// Its directory, as it was named.
    pub(crate) place: String,
    /// What it is compiled with.
    pub(crate) headers: Vec<String>,
    /// The oldest kernel that it must still build for.
    pub(crate) oldest: Option<String>,
}

/// What the verdict on a module outside the kernel does not say.
pub(crate) const NOT_RUN: &str = "compiled, not run: no target boots a module outside the kernel";

/// What came of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// audit, convert, apply, …
    pub(crate) name: String,
    /// How it ended.
    pub(crate) result: Ended,
    /// One line.
    pub(crate) summary: String,
    /// Lines for those who want to know more.
    #[serde(default)]
    pub(crate) details: Vec<String>,
    /// The next command, where there is one.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// Measured.
    pub(crate) seconds: f64,
}

/// How a stage ended. Skipped never counts as passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// It ran and found nothing wrong.
    Passed,
    /// It ran and found something wrong.
    Failed,
    /// It did not run, for a reason that is given.
    Skipped,
}

impl Ended {
    /// As it is shown.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Ended::Passed => "passed",
            Ended::Failed => "failed",
            Ended::Skipped => "skipped",
        }
    }
}

impl Record {
    /// Passed, failed, skipped.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let count = |ended| {
            self.stages
                .iter()
                .filter(|stage| stage.result == ended)
                .count()
        };
        (
            count(Ended::Passed),
            count(Ended::Failed),
            count(Ended::Skipped),
        )
    }

    /// The verdict on the whole: "pass" needs a passed trial of the converted code, a failure anywhere is "fail", and a
    /// run in which nothing tried the converted code is "inconclusive". The trial of a module outside the kernel is that it is
    /// compiled: it has no stage that boots, so none is skipped.
    pub(crate) fn verdict(&self) -> &'static str {
        let outside = self.inputs.module.is_some();
        let tried = |stage: &&Stage| match stage.name.as_str() {
            "after" | "ktest" => true,
            "build" => outside,
            _ => false,
        };
        let ended = |result| {
            self.stages
                .iter()
                .filter(tried)
                .any(|stage| stage.result == result)
        };
        if self
            .stages
            .iter()
            .any(|stage| stage.result == Ended::Failed)
        {
            "fail"
        } else if ended(Ended::Passed) {
            "pass"
        } else {
            "inconclusive"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stages: &[(&str, Ended)]) -> Record {
        let stages = stages.iter().map(|(name, result)| Stage {
            name: (*name).into(),
            result: *result,
            summary: String::new(),
            details: vec![],
            hint: None,
            seconds: 0.0,
        });
        Record {
            schema: SCHEMA.into(),
            inputs: Inputs {
                tree: "6.12".into(),
                revision: None,
                paths: vec![],
                targets: vec![],
                kbuild: vec![],
                module: None,
            },
            tools: BTreeMap::new(),
            stages: stages.collect(),
        }
    }

    #[test]
    fn a_module_outside_the_kernel_passes_where_it_is_compiled() {
        use Ended::{Failed, Passed, Skipped};
        let verdict = |build| {
            let mut record = record(&[("audit", Passed), ("build", build)]);
            assert_ne!(
                record.verdict(),
                "pass",
                "of a kernel, compiling is no trial"
            );
            record.inputs.module = Some(OfModule {
                place: "drv".into(),
                headers: vec![],
                oldest: None,
            });
            record.verdict()
        };
        assert_eq!(verdict(Passed), "pass");
        assert_eq!(verdict(Skipped), "inconclusive");
        assert_eq!(verdict(Failed), "fail");
    }

    #[test]
    fn a_run_that_tried_nothing_is_inconclusive_and_never_a_pass() {
        use Ended::{Failed, Passed, Skipped};
        assert_eq!(
            record(&[("audit", Passed), ("ktest", Skipped)]).verdict(),
            "inconclusive"
        );
        assert_eq!(record(&[("audit", Passed)]).verdict(), "inconclusive");
        assert_eq!(
            record(&[("after", Passed), ("ktest", Skipped)]).verdict(),
            "pass"
        );
        assert_eq!(
            record(&[("after", Passed), ("build", Failed)]).verdict(),
            "fail"
        );
        assert_eq!(
            record(&[("a", Passed), ("b", Skipped), ("c", Failed)]).counts(),
            (1, 1, 1)
        );
    }
}
