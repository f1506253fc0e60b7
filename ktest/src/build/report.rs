// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a build was worth, the schema `build/1`.

use super::objects::ObjectBuild;
use crate::verdict::{Changes, Outcome};
use failure::{Exit, counted};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The schema this crate writes.
pub(super) const SCHEMA: &str = "build/1";

/// A whole build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The tree without patches.
    pub base: BuildStage,
    /// One a patch, in the order of the series.
    pub patches: Vec<BuildStage>,
}

/// The tree after one patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildStage {
    /// Subject of the patch; of the base its version.
    pub subject: String,
    /// Pass, fail (something does not compile), or skip (nothing it touches is compiled here).
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// The objects of the files that the patch touches (of the base: that any patch touches).
    pub objects: Vec<ObjectBuild>,
    /// Warnings that the base does not have.
    pub new_warnings: Vec<String>,
    /// Warnings of objects that an earlier run compiled for the base, and of which it left no record: they may be old or new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncompared_warnings: Vec<String>,
    /// Which functions' code it changed.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub changes: Changes,
    /// blake3 of the image, where one was built.
    pub image_hash: Option<String>,
    /// Seconds that make took.
    pub seconds: f64,
}

/// One line for people on warnings of which nobody knows whether the base has them; they may be thousands.
pub fn not_compared(warnings: &[String]) -> Option<String> {
    let first = warnings.first()?;
    Some(format!(
        "{} not compared, as an earlier run compiled the base and left no record: {first}",
        counted(warnings.len(), "warning")
    ))
}

impl BuildReport {
    /// Nothing failed, nothing warned anew, and something was compiled.
    pub fn is_clean(&self) -> bool {
        let stages = || self.patches.iter().chain([&self.base]);
        let skipped = !self.patches.is_empty()
            && self
                .patches
                .iter()
                .all(|stage| stage.result == Outcome::Skip);
        !skipped && stages().all(|s| s.result != Outcome::Fail && s.new_warnings.is_empty())
    }

    /// Which exit code it means: 4 where a patch does not compile or warns anew, 69 where the base does not compile, 1
    /// where nothing of any patch could be compiled.
    pub fn exit(&self) -> Exit {
        let skipped = |stage: &BuildStage| stage.result == Outcome::Skip;
        if self.base.result == Outcome::Fail {
            Exit::Infrastructure
        } else if self.is_clean() {
            Exit::Clean
        } else if !self.patches.is_empty() && self.patches.iter().all(skipped) {
            Exit::Findings
        } else {
            Exit::Build
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for stage in [&self.base].into_iter().chain(&self.patches) {
            let word = match stage.result {
                Outcome::Pass => "ok",
                Outcome::Skip => "skip",
                _ => "FAIL",
            };
            let _infallible = writeln!(text, "{word:4} {} ({:.1} s)", stage.subject, stage.seconds);
            if let Some(reason) = &stage.reason {
                let _infallible = writeln!(text, "       {reason}");
            }
            for object in &stage.objects {
                let _infallible = writeln!(text, "       {}", object.text());
            }
            for line in stage.changes.lines() {
                let _infallible = writeln!(text, "       {line}");
            }
            for warning in &stage.new_warnings {
                let _infallible = writeln!(text, "       new warning: {warning}");
            }
            if let Some(line) = not_compared(&stage.uncompared_warnings) {
                let _infallible = writeln!(text, "       {line}");
            }
        }
        text
    }
}
