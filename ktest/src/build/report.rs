// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a build was worth, the schema `build/1`.

use super::objects::ObjectBuild;
use crate::exit::Exit;
use crate::verdict::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The schema this crate writes.
pub const SCHEMA: &str = "build/1";

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
    /// Pass, or fail: something does not compile.
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// The objects of the files that the patch touches (of the base: that any patch touches).
    pub objects: Vec<ObjectBuild>,
    /// Warnings that the base does not have.
    pub new_warnings: Vec<String>,
    /// blake3 of the image, where one was built.
    pub image_hash: Option<String>,
    /// Seconds that make took.
    pub seconds: f64,
}

impl BuildReport {
    /// Everything compiled, without a new warning.
    pub fn is_clean(&self) -> bool {
        self.patches
            .iter()
            .chain([&self.base])
            .all(|s| s.result == Outcome::Pass && s.new_warnings.is_empty())
    }

    /// Which exit code it means: 4 where a patch does not compile or warns anew, 69 where the base does not compile.
    pub fn exit(&self) -> Exit {
        if self.base.result != Outcome::Pass {
            Exit::Infrastructure
        } else if self.is_clean() {
            Exit::Clean
        } else {
            Exit::Build
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for stage in [&self.base].into_iter().chain(&self.patches) {
            let word = if stage.result == Outcome::Pass {
                "ok"
            } else {
                "FAIL"
            };
            let _infallible = writeln!(text, "{word:4} {} ({:.1} s)", stage.subject, stage.seconds);
            if let Some(reason) = &stage.reason {
                let _infallible = writeln!(text, "       {reason}");
            }
            for object in &stage.objects {
                let _infallible = writeln!(text, "       {}", object.text());
            }
            for warning in &stage.new_warnings {
                let _infallible = writeln!(text, "       new warning: {warning}");
            }
        }
        text
    }
}
