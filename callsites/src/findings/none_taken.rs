// SPDX-License-Identifier: MIT OR Apache-2.0
//! R5, none-not-seen: a call that got no page at all passes for success.
//!
//! Matches a way on which a call that is asked for one page gets none and is seen to have got too few, and which returns 0,
//! where another way keeps the page and returns 0 as well. Wrong because mm/gup.c: __get_user_pages() may return 0 when a
//! fault has to be retried, and its callers there take that for a failure: who is told of success uses a page that nobody
//! took. Would have caught vfio's vaddr_get_pfn(), which found no page and no mapping, and returned the 0 that it had been
//! given.
//!
//! Not matched is a call that nothing asks but whether it failed, and a loop that goes on until it has all: that does no
//! harm but in a kernel where none is got again and again.

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};
use std::collections::BTreeSet;

/// Reports each function once: of two calls of which one is made, one is told of.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::NoneIsSuccess]) {
        if view.files[walked.file].path.starts_with("mm") {
            continue;
        }
        let calls: BTreeSet<u32> = walked
            .facts
            .iter()
            .filter_map(|fact| fact.cause.map(|cause| cause.start))
            .collect();
        let first = walked
            .facts
            .iter()
            .find(|fact| fact.cause.map(|cause| cause.start) == calls.first().copied());
        let Some((fact, call)) = first.and_then(|fact| Some((fact, fact.cause?))) else {
            continue;
        };
        let message = "no page may be got here, and then 0 is returned, which tells of success";
        let evidence = view.way(walked.file, fact, "returns 0");
        let rule = ("R5", "none-not-seen", Severity::Warning);
        let place = (walked.file, &*walked.function.name, call);
        findings.push(view.finding(rule, place, message.to_owned(), evidence));
    }
}
