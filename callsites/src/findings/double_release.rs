// SPDX-License-Identifier: MIT OR Apache-2.0
//! R9, double-release: a page is released more often than it was acquired on one way through a function.
//!
//! Matches a second release of a page that this function acquired, with no reference taken in between and the page not
//! handed on; a second unpin of what a member holds, with the member unchanged; a release of pages that are looked up in an
//! array, in a scatterlist, or in an object, which the way has freed; a page that is mapped, or read through a mapping, after its release; and a way that releases its pages
//! because a call failed, and returns 0 as the way does that keeps them, so that the caller releases them again. Wrong because the second one drops a reference of somebody else: the page is freed while it is in use.
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
    again(view, findings);
    success(view, findings);
    freed(view, findings);
    used(view, findings);
}

fn used(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::UsedAfterRelease]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let message = format!(
                "a page that {}() took at line {line} is used after it was released",
                fact.name
            );
            let evidence = view.way(walked.file, fact, "released before on this way");
            let rule = ("R9", "use-after-release", Severity::Error);
            let place = (walked.file, &*walked.function.name, fact.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

fn freed(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ReleasedFromFreed]) {
        for fact in &walked.facts {
            let Some(before) = fact.cause else { continue };
            let line = view.line(walked.file, before.start);
            let message = format!(
                "pages are looked up in what was freed at line {line}, in order to release them"
            );
            let rule = ("R9", "release-through-freed", Severity::Error);
            let places = ((before, "freed"), (fact.at, "used"));
            findings.push(view.finding_of_two(rule, &walked, places.0, places.1, message));
        }
    }
}

fn again(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ReleasedAgain]) {
        for fact in &walked.facts {
            let Some(before) = fact.cause else { continue };
            let line = view.line(walked.file, before.start);
            let message = format!(
                "{}() releases again what was released at line {line}",
                fact.name
            );
            let rule = ("R9", "double-release", Severity::Error);
            let places = ((before, "released"), (fact.at, "the same, unchanged since"));
            findings.push(view.finding_of_two(rule, &walked, places.0, places.1, message));
        }
    }
}

fn success(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::SuccessAfterRelease]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let message = format!(
                "what {}() took at line {line} was released for a failure, but 0 is returned, as where it is kept",
                fact.name
            );
            let evidence = view.way(walked.file, fact, "tells of success");
            let rule = ("R9", "success-after-release", Severity::Error);
            let place = (walked.file, &*walked.function.name, fact.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}
