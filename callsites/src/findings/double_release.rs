// SPDX-License-Identifier: MIT OR Apache-2.0
//! R9, double-release: a page is released more often than it was acquired on one way through a function.
//!
//! Matches a second release of a page that this function acquired, with no reference taken in between and the page not
//! handed on. Wrong because the second one drops a reference of somebody else: the page is freed while it is in use.
//! Would have caught fs/direct-io.c's dio_cleanup(), which did not advance its head, and io_uring's double unpin of
//! rings whose address was invalid (03d89a2de25b).

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};

/// Reports each second release once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ReleasedTwice]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let message = format!(
                "a page that {}() took at line {line} is released a second time",
                fact.name
            );
            let evidence = view.way(walked.file, fact, "released before on this way");
            let rule = ("R9", "double-release", Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}
