// SPDX-License-Identifier: MIT OR Apache-2.0
//! R6, released-unfilled: after a failed acquiring call its array is released all the same.
//!
//! Matches a release of an entry although the call that should have filled it returned an error, or gave none, with no
//! check between.
//! Wrong because the entry is null or uninitialised: a general protection fault. Would have caught net/rds/info.c
//! (dbfe7d74376e, reported by syzbot), and the null entries of xen's gntdev and privcmd.

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};

/// Reports each release once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ReleasedAfterFailure]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let how = match fact.got {
                Some((0, _)) => "gave none",
                _ => "failed",
            };
            let message = format!(
                "entries are released that {}() did not fill: it {how} at line {line}",
                fact.name
            );
            let evidence = view.way(walked.file, fact, "null or uninitialised");
            let rule = ("R6", "released-unfilled", Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}
