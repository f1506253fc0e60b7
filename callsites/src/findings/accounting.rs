// SPDX-License-Identifier: MIT OR Apache-2.0
//! R11, accounting: what is given back to pinned_vm or locked_vm is not what was charged.
//!
//! Matches a function that charges a variable's worth of pages, changes the variable, and gives the variable's worth
//! back. Wrong because the difference stays charged to the mm for ever (or is given back twice), until nothing can be
//! pinned any more. Would have caught usnic_uiom_get_pages(), which gives back the pages it had not yet got to.

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, OutlineKind, Span, Stmt};
use crate::report::{Finding, Severity};

/// Reports each such giving back.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        let (charged, returned, changed) = collect(function);
        if returned.is_empty() || charged.is_empty() || a_callee_gives_back(view, file, function) {
            continue;
        }
        for (amount, back) in &returned {
            let Some((_, charge)) = charged
                .iter()
                .rev()
                .find(|(text, at)| text == amount && at.start < back.start)
            else {
                continue;
            };
            let between = changed.iter().find(|(text, at)| {
                text == amount
                    && charge.end <= at.start
                    && (at.end <= back.start || in_a_loop(function, *at, *back, *charge))
            });
            let Some((_, change)) = between else { continue };
            let line = view.line(file, charge.start);
            let message = format!(
                "`{amount}` pages are given back, but it has changed since it was charged at line {line}"
            );
            let evidence = vec![
                view.evidence(file, *charge, "charged"),
                view.evidence(file, *change, "changed"),
                view.evidence(file, *back, "given back"),
            ];
            let rule = ("R11", "accounting", Severity::Error);
            findings.push(view.finding(rule, (file, &function.name, *back), message, evidence));
        }
    }
}

/// Whether the function calls another of its file that gives pages back: then the rest may be given back there.
fn a_callee_gives_back(view: &View<'_>, file: usize, function: &Function) -> bool {
    let mut gives = false;
    visit::all_calls(&function.body, &mut |name, _, _| {
        let item = view.files[file]
            .outline
            .iter()
            .find(|item| item.name == name && item.kind == OutlineKind::Function);
        gives |= item.is_some_and(|item| {
            let text = view.text(file, item.span);
            item.name != function.name && (text.contains("pinned_vm") || text.contains("locked_vm"))
        });
    });
    gives
}

/// Whether a loop that does not charge repeats both, so that the change comes before the giving back in the next turn.
fn in_a_loop(function: &Function, change: Span, back: Span, charge: Span) -> bool {
    let within = |inner: Span, outer: Span| outer.start <= inner.start && inner.end <= outer.end;
    let mut found = false;
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Loop { span, .. } = statement {
            found |= within(change, *span) && within(back, *span) && !within(charge, *span);
        }
    });
    found
}

type Places = Vec<(String, Span)>;

/// Amounts charged, amounts given back, variables lessened, each with its place.
fn collect(function: &Function) -> (Places, Places, Places) {
    let (mut charged, mut returned, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    visit::all(&function.body, &mut |expr| match expr {
        Expr::Call { args, span, .. } => {
            let Some(name) = expr.callee_name() else {
                return;
            };
            match name {
                "atomic64_add" | "atomic64_add_return" | "atomic_long_add"
                    if counts_pages(args.get(1)) =>
                {
                    charged.push((visit::text(&args[0]), *span));
                }
                "atomic64_sub" | "atomic64_sub_return" | "atomic_long_sub"
                    if counts_pages(args.get(1)) =>
                {
                    returned.push((visit::text(&args[0]), *span));
                }
                // mm/util.c: account_locked_vm(), 6.12.
                "account_locked_vm" if args.len() == 3 => match visit::text(&args[2]).as_str() {
                    "true" => charged.push((visit::text(&args[1]), *span)),
                    "false" => returned.push((visit::text(&args[1]), *span)),
                    _ => {}
                },
                _ => {}
            }
        }
        Expr::Assign {
            op,
            target,
            value,
            span,
        } => match op.as_str() {
            "+=" if counts_pages(Some(target)) => charged.push((visit::text(value), *span)),
            "-=" if counts_pages(Some(target)) => returned.push((visit::text(value), *span)),
            "-=" => changed.push((visit::text(target), *span)),
            _ => {}
        },
        Expr::Update {
            op, operand, span, ..
        } if op == "--" => changed.push((visit::text(operand), *span)),
        _ => {}
    });
    // A constant is the same everywhere.
    charged.retain(|(text, _): &(String, Span)| {
        text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    });
    (charged, returned, changed)
}

/// include/linux/mm_types.h: struct mm_struct, members pinned_vm and locked_vm, 6.12.
fn counts_pages(place: Option<&Expr>) -> bool {
    place.is_some_and(|place| {
        let text = visit::text(place);
        text.ends_with("pinned_vm") || text.ends_with("locked_vm")
    })
}
