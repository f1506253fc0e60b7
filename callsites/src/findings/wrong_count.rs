// SPDX-License-Identifier: MIT OR Apache-2.0
//! R4, wrong-count: a loop or call releases (or uses) more entries than the acquiring call filled.
//!
//! Matches a release of an entry beyond the number of pages that the call returned, and a use of the entry one past
//! the last. Wrong because the entry holds whatever was in memory: a wild pointer is released. Would have caught
//! hmm_bo.c releasing the number wanted instead of the number got (14a638ab96c5), the put_user_pages() loop that
//! began at `pages[npages]` in review, and iommufd's wrong first index (727c28c1cef2).

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};

/// Reports each place once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ReleasedBeyondGot, What::UsedPastEnd]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let short = fact.got.is_some_and(|(got, wanted)| got < wanted);
            let (message, last) = if fact.what == What::UsedPastEnd && short {
                (
                    format!(
                        "an entry that {}() did not fill at line {line} is used",
                        fact.name
                    ),
                    "this entry was never filled",
                )
            } else if fact.what == What::UsedPastEnd {
                (
                    format!(
                        "the entry after the last one that {}() filled at line {line} is used",
                        fact.name
                    ),
                    "one past the end",
                )
            } else {
                (
                    format!(
                        "more entries are released than {}() filled at line {line} when it gets fewer pages than asked for",
                        fact.name
                    ),
                    "this entry was never filled",
                )
            };
            let evidence = view.way(walked.file, fact, last);
            let rule = ("R4", "wrong-count", Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}
