// SPDX-License-Identifier: MIT OR Apache-2.0
//! R8, sleeping-release: pages are dirtied under their lock where sleeping is forbidden.
//!
//! Matches unpin_user_pages_dirty_lock() and set_page_dirty_lock(), called directly or through functions of the same
//! file, while a spinlock or read-side lock is held, or in a callback that RCU, a tasklet, a timer, an interrupt or the
//! end of a bio runs; and a call that takes pages, and faults them in, while such a lock is held. Wrong because they wait
//! for the folio lock, or for a page to be read: a deadlock, or "scheduling while atomic". Would have caught usnic_uiom.c
//! (found by smatch, 20220224093758.GA30603@kili), powerpc's mm_iommu_unpin() from an RCU callback, and net/rds/rdma.c
//! from a tasklet.

use super::atomic::Sleeper;
use super::paths::{Locals, What};
use super::view::View;
use super::{atomic, helpers, visit};
use crate::index::ir::Expr;
use crate::report::{Finding, Severity};
use refimpl::api::acts;

/// Under a lock first, then in callbacks.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let rule = ("R8", "sleeping-release", Severity::Error);
    for walked in view.walked(&[What::SleepsWhenAtomic]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let message = format!(
                "{}() may sleep, but the lock taken at line {line} is held",
                fact.name
            );
            let mut evidence: Vec<_> = fact
                .cause
                .iter()
                .map(|lock| view.evidence(walked.file, *lock, "sleeping is forbidden from here"))
                .collect();
            evidence.push(view.evidence(walked.file, fact.at, ""));
            evidence.extend(inside(view, walked.file, walked.function, fact.at));
            let rule = match helpers::acquires(&fact.name) {
                true => ("R8", "sleeping-acquire", Severity::Error),
                false => rule,
            };
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
    for (file, function) in view.functions() {
        let locals = Locals::of(function);
        visit::all(&function.body, &mut |expr| {
            let Expr::Assign {
                target,
                value,
                span,
                ..
            } = expr
            else {
                return;
            };
            let (Expr::Field { base, name, .. }, Some(callback)) =
                (visit::bare(target), callback(value))
            else {
                return;
            };
            let atomic = view.record(file, &locals, base).is_some_and(|record| {
                let tag = record.strip_prefix("struct ");
                tag.is_some_and(|tag| acts().is_atomic_callback(tag, name))
            });
            // A helper that others call as well may know where it is called.
            let sleeper = view.sleepers.get(file, callback);
            let itself = |sleeper: &&Sleeper| calls_at(view, file, callback, sleeper);
            if let Some(sleeper) = sleeper.filter(|_| atomic).filter(itself) {
                let message = format!(
                    "{}() may sleep, but `{name}` runs {callback}() in atomic context",
                    sleeper.api
                );
                let evidence = vec![
                    view.evidence(file, *span, "arranged here"),
                    view.evidence(file, sleeper.at, ""),
                ];
                findings.push(view.finding(rule, (file, callback, sleeper.at), message, evidence));
            }
        });
        visit::all_calls(&function.body, &mut |name, args, span| {
            let callback = atomic::arranges(name)
                .and_then(|at| args.get(at))
                .map(visit::bare);
            let Some(Expr::Name(callback, _)) = callback else {
                return;
            };
            let Some(sleeper) = view.sleepers.get(file, callback) else {
                return;
            };
            let message = format!(
                "{}() may sleep, but {name}() runs {callback}() in atomic context",
                sleeper.api
            );
            let evidence = vec![
                view.evidence(file, span, "arranged here"),
                view.evidence(file, sleeper.at, ""),
            ];
            findings.push(view.finding(rule, (file, callback, sleeper.at), message, evidence));
        });
    }
}

/// Whether a function of the file calls what sleeps itself.
fn calls_at(view: &View<'_>, file: usize, function: &str, sleeper: &Sleeper) -> bool {
    let mut itself = false;
    let functions = view.files[file].functions.iter();
    for function in functions.filter(|known| known.name == function) {
        visit::all_calls(&function.body, &mut |name, _, span| {
            itself |= span == sleeper.at && name == sleeper.api;
        });
    }
    itself
}

/// The function that a value names.
fn callback(value: &Expr) -> Option<&str> {
    match visit::bare(value) {
        Expr::Name(name, _) => Some(name),
        Expr::AddressOf(inner, _) => callback(inner),
        _ => None,
    }
}

/// Where the function called at `at` comes to sleep.
fn inside(
    view: &View<'_>,
    file: usize,
    function: &crate::index::ir::Function,
    at: crate::index::ir::Span,
) -> Option<crate::report::Evidence> {
    let mut callee = None;
    visit::all_calls(&function.body, &mut |name, _, span| {
        if span == at {
            callee = Some(name);
        }
    });
    let sleeper = view.sleepers.get(file, callee?)?;
    Some(view.evidence(file, sleeper.at, "may sleep"))
}
