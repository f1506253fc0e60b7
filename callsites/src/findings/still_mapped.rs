// SPDX-License-Identifier: MIT OR Apache-2.0
//! R16, still-mapped: pages are released first, and only then the device's mapping of them is undone.
//!
//! Matches a dma_unmap_*() that follows a release of user pages on the same way, outside a common loop. Wrong because
//! between the two the device can still write into pages that may belong to somebody else already; and dma_unmap may
//! copy from a bounce buffer into a page that is gone. Would have caught an out-of-tree accelerator driver that
//! unpinned while its mappings were live.

use super::paths::What;
use super::view::View;
use super::{helpers, visit};
use crate::index::ir::{Expr, FileFacts, Function, LoopKind, Span, Stmt};
use crate::report::{Finding, Severity, Verdict};
use refimpl::api::{Does, acts, followed};

/// Reports each such unmapping once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::UnmappedAfterRelease]) {
        for fact in &walked.facts {
            let Some(release) = fact.cause else { continue };
            if in_one_loop(walked.function, release, fact.at)
                || over_other_lists(walked.function, release, fact.at)
                || !of_user_pages(view, &walked, release)
            {
                continue;
            }
            let line = view.line(walked.file, release.start);
            let message = format!(
                "the device mapping is undone after the pages were released at line {line}"
            );
            let rule = ("R16", "still-mapped", Severity::Warning);
            let places = ((release, "released"), (fact.at, "still mapped until here"));
            findings.push(view.finding_of_two(rule, &walked, places.0, places.1, message));
        }
    }
}

fn of_user_pages(view: &View<'_>, walked: &super::Walked<'_>, release: Span) -> bool {
    let path = view.files[walked.file].path.as_str();
    if let Some(site) = view.callsite(path, release) {
        return matches!(site.verdict, Verdict::Convert | Verdict::Done);
    }
    let mut pinning = false;
    visit::all(&walked.function.body, &mut |expr| {
        if let (Expr::Call { span, .. }, Some(name)) = (expr, expr.callee_name()) {
            pinning |= *span == release
                && (is_pinning(name) || helper_unpins(&view.files[walked.file], name));
        }
    });
    pinning
}

fn is_pinning(name: &str) -> bool {
    followed().get(name).is_some_and(|f| f.is_pinning())
}

/// Whether a function of the file drops pins.
fn helper_unpins(file: &FileFacts, name: &str) -> bool {
    let mut unpins = false;
    for function in file.functions.iter().filter(|f| f.name == name) {
        visit::all_calls(&function.body, &mut |callee, _, _| {
            unpins |= helpers::unpins(callee)
        });
    }
    unpins
}

/// Whether both stand in loops over lists, and these are two lists: then the mappings are those of other objects.
fn over_other_lists(function: &Function, a: Span, b: Span) -> bool {
    match (list(function, a), list(function, b)) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    }
}

/// The head of the list that the innermost loop around `inner` walks, `list_for_each_entry(x, &owner->list, member)`.
fn list(function: &Function, inner: Span) -> Option<String> {
    let mut head = None;
    visit::statements(&function.body, &mut |statement| {
        let Stmt::Loop {
            kind: LoopKind::Iterator { name, args, .. },
            span,
            ..
        } = statement
        else {
            return;
        };
        if !acts().is(name, Does::WalksList) {
            return;
        }
        let heads = args
            .iter()
            .find(|arg| matches!(visit::bare(arg), Expr::AddressOf(..)));
        if let (true, Some(list)) = (span.start <= inner.start && inner.end <= span.end, heads) {
            head = Some(visit::text(list));
        }
    });
    head
}

fn in_one_loop(function: &Function, a: Span, b: Span) -> bool {
    let mut both = false;
    let within = |inner: Span, outer: Span| outer.start <= inner.start && inner.end <= outer.end;
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Loop { span, .. } = statement {
            both |= within(a, *span) && within(b, *span);
        }
    });
    both
}
