// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, leak-on-error-path: pages are acquired, and a way leads out of the function on which nobody knows of them.
//!
//! Matches a return that is reached while pages are held that were not released, stored, passed on or returned, and
//! the freeing of an array in a structure that alone knows of pages still held; and an array of pages that is allocated
//! and neither freed nor kept, though its pages went back. Wrong because the reference can never
//! be dropped: the page stays in memory until reboot. Would have caught vhost/vdpa's leak of pins (4c8cf31885f6), the
//! partial pins that kpc2000 kept, and the scatterlist allocation failure of io_uring's zero-copy receive.

use super::paths::{Fact, What};
use super::view::View;
use crate::index::ir::Function;
use crate::report::{Finding, Severity};
use refimpl::api::{Does, acts};
use std::collections::BTreeMap;

/// One finding for each acquiring call: the first return in the source that loses its pages.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::Leak, What::FreedWhileHeld, What::ArrayLost]) {
        let mut first = BTreeMap::new();
        let mut cleaned = None;
        for fact in &walked.facts {
            // Losing a part is the rarer mistake to see in review, losing all the clearer one to show.
            let all = fact.got.is_some_and(|(got, wanted)| got == wanted);
            first
                .entry(fact.cause)
                .and_modify(|old: &mut (bool, _)| {
                    if all && !old.0 {
                        *old = (all, fact)
                    }
                })
                .or_insert((all, fact));
        }
        for (all, fact) in first.into_values() {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let cleaned =
                cleaned.get_or_insert_with(|| cleanup(view, walked.file, walked.function));
            if let Some(frees) = *cleaned {
                // What frees memory lets no page go.
                if fact.what == What::ArrayLost || !frees {
                    continue;
                }
            }
            if fact.what == What::ArrayLost {
                findings.push(array_lost(view, walked.file, &walked.function.name, fact));
                continue;
            }
            let what = if fact.what == What::Leak {
                "this return"
            } else {
                "this free"
            };
            let some = if all {
                ""
            } else {
                ", when it got fewer than asked for,"
            };
            let message = format!(
                "the pages that {}() took at line {line}{some} are lost at {what}",
                fact.name
            );
            let last = if fact.what == What::Leak {
                "nobody knows of the pages any more"
            } else {
                "the array is gone, its pages are still held"
            };
            let evidence = view.way(walked.file, fact, last);
            let rule = ("R3", "leak-on-error-path", Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}

/// Whether the scope's end calls something for a variable of `function` (include/linux/cleanup.h: __free(), 6.5), and if
/// so, whether all that it calls only frees memory.
fn cleanup(view: &View<'_>, file: usize, function: &Function) -> Option<bool> {
    let words = view.words(file, function.body_span);
    let mut called = words.windows(2).filter_map(|words| match words {
        [word, name] if word == "__free" => Some(name.as_str()),
        _ => None,
    });
    let first = called.next()?;
    let frees = |name: &str| acts().is(name, Does::Frees);
    Some(frees(first) && called.all(frees))
}

fn array_lost(view: &View<'_>, file: usize, function: &str, fact: &Fact) -> Finding {
    let line = fact.cause.map_or(0, |cause| view.line(file, cause.start));
    let message = format!(
        "the array that {}() filled at line {line} is neither freed nor kept at this return",
        fact.name
    );
    let evidence = view.way(file, fact, "nobody knows of the array any more");
    let rule = ("R3", "leak-on-error-path", Severity::Error);
    view.finding(rule, (file, function, fact.at), message, evidence)
}
