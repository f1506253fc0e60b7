// SPDX-License-Identifier: MIT OR Apache-2.0
//! series.toml and checks.json: what a series is, said for programs.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The schema of series.toml.
pub const SCHEMA: &str = "series/1";

/// series.toml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Title of the cover letter, without "[PATCH 0/N]".
    pub title: String,
    /// 1, or 2 and more for `[PATCH v2 …]`.
    pub version: u32,
    /// `put_user_page` or `pin`.
    pub api: String,
    /// Whether it carries a Signed-off-by.
    pub signed: bool,
    /// Body of the cover letter above the table of patches; a new version keeps it.
    pub cover: String,
    /// What it applies to.
    pub base: Base,
    /// Where the cover letter goes.
    #[serde(default)]
    pub recipients: Recipients,
    /// In the order of application.
    pub patches: Vec<Patch>,
    /// Selected groups that were left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// What a series applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Version of the top Makefile; of a module that of the kernel it is built for.
    pub version: String,
    /// The patches are for a module outside the kernel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub module: bool,
    /// Commit id, where the tree is a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Git tree id: of the commit, or, without git, of a tree that holds just the touched files.
    pub tree: String,
    /// The commit is reachable from a remote branch or a tag, so that others have it.
    pub public: bool,
}

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Name of its mail in the series directory.
    pub file: String,
    /// Subject without "[PATCH n/N]".
    pub subject: String,
    /// Ids of the groups it converts.
    pub groups: Vec<String>,
    /// Files it touches, sorted.
    pub files: Vec<String>,
    /// Changes in behaviour that its message names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// How it was tested, as its message says.
    pub tested: String,
    /// Whom get_maintainer.pl names.
    pub recipients: Recipients,
    /// The calls it replaces, and those of the group that it leaves.
    pub callsites: Vec<Replaced>,
    /// What was written into its mail, so that a new version can tell what people changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Digest>,
}

/// Git blob ids of what a mail said when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Of subject and message.
    pub message: String,
    /// Of the diff.
    pub diff: String,
}

/// Where a patch goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipients {
    /// Maintainers.
    pub to: Vec<String>,
    /// Reviewers, supporters by commit, and lists.
    pub cc: Vec<String>,
}

/// One call of a converted group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The id that the audit gave it.
    pub id: String,
    /// Relative to the tree.
    pub path: String,
    /// Enclosing function in the base tree.
    pub function: String,
    /// Line in the base tree, 1-based.
    pub line: u32,
    /// What stood there.
    pub call: String,
    /// What stands there now; the same name where the text stays.
    pub becomes: String,
}

/// A group that was left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Its id.
    pub group: String,
    /// "drivers/misc/foo"
    pub subsystem: String,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// What to do about it next, in one sentence.
    #[serde(default)]
    pub next: String,
}

/// checks.json.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Checks {
    /// Always "checks/1".
    pub schema: String,
    /// Checks of the series as a whole.
    pub series: Vec<Check>,
    /// Checks per patch, in order.
    pub patches: Vec<PatchChecks>,
}

/// The checks of one patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchChecks {
    /// Its subject.
    pub subject: String,
    /// In the order in which they ran.
    pub checks: Vec<Check>,
    /// What builds and boots have shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
}

/// What is known of a converted call from running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A kernel that holds it has booted.
    Booted,
    /// The function in which it stands was seen to run.
    Executed,
}

/// What was shown of one patch, all runs together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Git blob id of the diff that it was shown of.
    pub diff: String,
    /// The architectures, as make's ARCH names them, for which each file of the patch was compiled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compiled: BTreeMap<String, BTreeSet<String>>,
    /// By the id of the callsite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, Evidence>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `apply`, `reverse`, `mail`, `compile`, `checkpatch`, `get_maintainer`, `audit`, `signed-off-by`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What it said; why it was skipped.
    pub detail: String,
}

/// The result of a check. Skipped never counts as passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran and found nothing wrong.
    Passed,
    /// It ran and found something.
    Failed,
    /// It did not run; the detail says why.
    Skipped,
}

impl Checks {
    /// Sets a check of one patch; an earlier one of that name goes.
    pub fn set(&mut self, patch: usize, check: Check) {
        if let Some(patch) = self.patches.get_mut(patch) {
            match patch.checks.iter_mut().find(|old| old.name == check.name) {
                Some(old) => *old = check,
                None => patch.checks.push(check),
            }
        }
    }
}

impl Check {
    /// A check with its result.
    pub fn new(name: &str, outcome: Outcome, detail: impl Into<String>) -> Check {
        Check {
            name: name.to_owned(),
            outcome,
            detail: detail.into(),
        }
    }
}
