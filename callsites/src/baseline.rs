// SPDX-License-Identifier: MIT OR Apache-2.0
//! Findings that somebody has looked at: a file of them, and what an audit has besides.
//!
//! A finding is known by its id, which holds no line number, so that code moving about makes none of them new. The rest
//! of what the file says of it is for people.

use crate::report::{Finding, Report};
use failure::{Exit, Failure, Hint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The schema of the file.
pub const SCHEMA: &str = "baseline/1";

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The version of the tree that was audited.
    pub tree: String,
    /// In the order of the report.
    pub findings: Vec<Known>,
}

/// One finding that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// As in the report.
    pub id: String,
    /// "R3"
    pub rule: String,
    /// "leak-on-error-path"
    pub name: String,
    /// Relative to the tree.
    pub path: String,
    /// Enclosing function.
    pub function: String,
    /// What is wrong; its line numbers are those of the tree that was audited.
    pub message: String,
}

/// An audit and a baseline compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// How many findings are known.
    pub known: usize,
    /// How many are not.
    pub new: usize,
    /// What is known and no longer found where the audit looked.
    pub expired: Vec<Known>,
}

/// The file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no JSON, or not of this form.
    #[error("read it as a baseline")]
    Form(#[source] serde_json::Error),
    /// It is of another schema.
    #[error("read schema `{0}`, where {SCHEMA} is known")]
    Schema(String),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<Hint> {
        None
    }
}

impl Baseline {
    /// All findings of an audit.
    pub fn of(report: &Report) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tree: report.tree.version.clone(),
            findings: report.findings.iter().map(Known::of).collect(),
        }
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// They are no baseline.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let baseline: Self = serde_json::from_slice(bytes).map_err(Error::Form)?;
        if baseline.schema != SCHEMA {
            return Err(Error::Schema(baseline.schema));
        }
        Ok(baseline)
    }

    /// Takes what is known out of the report. Only what the audit looked at can expire.
    pub fn take_from(&self, report: &mut Report) -> Compared {
        let known: BTreeSet<&str> = self.findings.iter().map(|one| one.id.as_str()).collect();
        let found: BTreeSet<String> = report.findings.iter().map(|f| f.id.clone()).collect();
        let asked = report.coverage.asked.as_ref();
        let expired = self
            .findings
            .iter()
            .filter(|one| asked.is_none_or(|asked| asked.holds(&one.path)))
            .filter(|one| !found.contains(&one.id));
        let expired = expired.cloned().collect();
        let before = report.findings.len();
        report
            .findings
            .retain(|finding| !known.contains(finding.id.as_str()));
        Compared {
            known: before - report.findings.len(),
            new: report.findings.len(),
            expired,
        }
    }
}

impl Known {
    fn of(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            rule: finding.rule.clone(),
            name: finding.name.clone(),
            path: finding.path.clone(),
            function: finding.function.clone(),
            message: finding.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Asked, Coverage, Era, Severity, TreeInfo};

    fn finding(id: &str, path: &str) -> Finding {
        Finding {
            id: id.to_owned(),
            rule: "R3".to_owned(),
            name: "leak-on-error-path".to_owned(),
            severity: Severity::Error,
            path: path.to_owned(),
            line: 1,
            column: 1,
            function: "f".to_owned(),
            message: "lost".to_owned(),
            evidence: Vec::new(),
            fix: None,
        }
    }

    fn report(findings: Vec<Finding>) -> Report {
        Report {
            schema: crate::report::SCHEMA.to_owned(),
            tree: TreeInfo {
                version: "6.12.1".to_owned(),
                module: false,
                defines: Vec::new(),
                decided: Vec::new(),
                era: Era::Pin,
                revision: None,
            },
            coverage: Coverage::default(),
            callsites: Vec::new(),
            groups: Vec::new(),
            findings,
        }
    }

    #[test]
    fn what_is_known_is_counted_what_is_new_stays_and_what_is_gone_is_told() {
        let old = report(vec![finding("aa", "a/a.c"), finding("bb", "b/b.c")]);
        let text = serde_json::to_vec(&Baseline::of(&old)).unwrap();
        let baseline = Baseline::read(&text).unwrap();
        let mut moved = finding("aa", "a/a.c");
        moved.line = 99;
        let mut now = report(vec![moved, finding("cc", "c/c.c")]);
        let compared = baseline.take_from(&mut now);
        assert_eq!((compared.known, compared.new), (1, 1));
        assert_eq!(compared.expired.len(), 1);
        assert_eq!(compared.expired[0].id, "bb");
        assert_eq!(now.findings.len(), 1);
        assert_eq!(now.findings[0].id, "cc");
    }

    #[test]
    fn what_was_not_looked_at_does_not_expire() {
        let old = report(vec![finding("aa", "a/a.c"), finding("bb", "b/b.c")]);
        let baseline = Baseline::of(&old);
        let mut now = report(Vec::new());
        now.coverage.asked = Some(Asked {
            paths: vec!["a".to_owned()],
            files: 1,
            files_with_callsites: 1,
        });
        let compared = baseline.take_from(&mut now);
        let expired: Vec<&str> = compared.expired.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(expired, ["aa"]);
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        assert!(matches!(Baseline::read(b"[]"), Err(Error::Form(_))));
        let other = br#"{"schema": "baseline/9", "tree": "", "findings": []}"#;
        assert!(matches!(Baseline::read(other), Err(Error::Schema(_))));
    }
}
