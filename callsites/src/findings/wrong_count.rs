// SPDX-License-Identifier: MIT OR Apache-2.0
//! R4, wrong-count: a loop or call releases (or uses) more entries than the acquiring call filled.
//!
//! Matches a release of an entry beyond the number of pages that the call returned, a use of the entry one past the last, and
//! a short pin that is kept with the number asked for, where another function releases so many. Wrong because the entry
//! holds whatever was in memory: a wild pointer is released. Would have caught hmm_bo.c releasing the number wanted
//! instead of the number got (14a638ab96c5), the put_user_pages() loop that began at `pages[npages]` in review, and
//! iommufd's wrong first index (727c28c1cef2).

use super::overwritten::names_member;
use super::paths::What;
use super::view::View;
use super::visit;
use crate::index::ir::Span;
use crate::report::{Finding, Severity};
use refimpl::api::{Role, followed};

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
    kept(view, findings);
}

/// A short pin and the number asked for, kept in members that another function releases by.
fn kept(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::WantedKept]) {
        for fact in &walked.facts {
            let Some((array, count)) = fact.member.split_once(' ') else {
                continue;
            };
            let Some(release) = releases_by(view, walked.file, array, count) else {
                continue;
            };
            let message = format!(
                "{}() may get fewer pages than asked for, but `{count}` is kept as the number that was, and line {} releases so many",
                fact.name,
                view.line(walked.file, release.start)
            );
            let mut evidence = view.way(walked.file, fact, "kept with the number asked for");
            evidence.push(view.evidence(walked.file, release, "releases so many"));
            let rule = ("R4", "wrong-count", Severity::Error);
            let place = (walked.file, &*walked.function.name, fact.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// A release of an array in member `array` by a number in member `count`.
fn releases_by(view: &View<'_>, file: usize, array: &str, count: &str) -> Option<Span> {
    let mut found = None;
    for function in &view.files[file].functions {
        visit::all_calls(&function.body, &mut |name, args, span| {
            let release = followed().get(name).filter(|f| f.role == Role::Release);
            let form = release.and_then(|release| release.signature(args.len()));
            let pages = form.and_then(|form| args.get(form.pages?));
            let nr = form.and_then(|form| args.get(form.nr?));
            let both = pages.is_some_and(|arg| names_member(arg, array))
                && nr.is_some_and(|arg| names_member(arg, count));
            if both {
                found = found.or(Some(span));
            }
        });
    }
    found
}
