// SPDX-License-Identifier: MIT OR Apache-2.0
//! R11, accounting: what is given back to pinned_vm or locked_vm is not what was charged.
//!
//! Matches a function that charges a variable's worth of pages, changes the variable, and gives the variable's worth
//! back; a way on which a function charges, fails, releases its pages, and does not give the charge back; and one that
//! gives the same back twice. Wrong because the difference stays charged to the mm for ever (or is given back twice), until
//! nothing can be pinned any more. Would have caught usnic_uiom_get_pages(), which gives back the pages it had not yet got to.

use super::paths::What;
use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, OutlineKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, acts};

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
    kept(view, findings);
    twice(view, findings);
}

/// What is given back a second time on one way.
fn twice(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::UnchargedTwice]) {
        for fact in &walked.facts {
            let Some(before) = fact.cause else { continue };
            let line = view.line(walked.file, before.start);
            let message = format!("what line {line} gives back is given back again");
            let rule = ("R11", "accounting", Severity::Error);
            let first = (before, "given back");
            let again = (fact.at, "the same, unchanged since");
            findings.push(view.finding_of_two(rule, &walked, first, again, message));
        }
    }
}

/// Charges that a failing way keeps. Where nothing of the file gives back, who does is not known.
fn kept(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ChargeKept]) {
        for fact in &walked.facts {
            let Some(charge) = fact.cause else { continue };
            if !gives_back(view, walked.file, &fact.member) {
                continue;
            }
            let line = view.line(walked.file, charge.start);
            let message = format!(
                "what was charged at line {line} is not given back on this way, though its pages are"
            );
            let evidence = view.way(walked.file, fact, "still charged");
            let rule = ("R11", "charge-kept", Severity::Error);
            let place = (walked.file, &*walked.function.name, fact.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// Whether a function of the file gives back what is charged to that counter, or by that function.
fn gives_back(view: &View<'_>, file: usize, counter: &str) -> bool {
    let member = acts().is_counter(counter);
    let mut gives = false;
    for function in &view.files[file].functions {
        visit::all(&function.body, &mut |expr| match expr {
            Expr::Assign { op, target, .. } if member && op == "-=" => {
                gives |= is_member(target, counter);
            }
            Expr::Call { args, .. } => {
                let name = expr.callee_name().unwrap_or_default();
                let Some(act) = acts().get(name) else { return };
                let place = act.counter.and_then(|at| args.get(at));
                let sign = act.sign.and_then(|at| args.get(at));
                gives |= match (act.does, sign) {
                    (Does::Uncharges, _) if member => {
                        place.is_some_and(|place| is_member(place, counter))
                    }
                    (Does::Uncharges, _) => name == counter,
                    (Does::Charges, Some(sign)) => name == counter && visit::text(sign) != "true",
                    _ => false,
                };
            }
            _ => {}
        });
    }
    let unread = view.files[file].outline.iter();
    gives
        || member
            && unread
                .filter(|item| item.kind == OutlineKind::Function)
                .any(|item| {
                    let text = view.text(file, item.span);
                    text.contains(counter) && (text.contains("_sub") || text.contains("-="))
                })
}

fn is_member(place: &Expr, counter: &str) -> bool {
    match visit::bare(place) {
        Expr::AddressOf(inner, _) => is_member(inner, counter),
        Expr::Field { name, .. } => name == counter,
        _ => false,
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
            item.name != function.name && acts().counters().any(|counter| text.contains(counter))
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
            let Some(act) = acts().get(name) else { return };
            if act.counter.is_some() && !counts_pages(act.counter.and_then(|at| args.get(at))) {
                return;
            }
            let Some(amount) = act.at.and_then(|at| args.get(at)).map(visit::text) else {
                return;
            };
            let sign = act.sign.and_then(|at| args.get(at)).map(visit::text);
            match (act.does, sign.as_deref()) {
                (Does::Charges, None | Some("true")) => charged.push((amount, *span)),
                (Does::Uncharges, _) | (Does::Charges, Some("false")) => {
                    returned.push((amount, *span));
                }
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

/// Whether a place, or the one whose address it is, counts pages that are charged for.
fn counts_pages(place: Option<&Expr>) -> bool {
    place.is_some_and(|place| acts().counters().any(|counter| is_member(place, counter)))
}
