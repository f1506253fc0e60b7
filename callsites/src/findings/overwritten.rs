// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, overwritten-pin: a page is stored over another that nobody has let go.
//!
//! Matches a function that stores what it acquired into a member of an object that it was given, without looking at what
//! stands there or at any other member, where another function of the file lets that member's page go and leaves the object alive: so the member
//! may hold a page when the first is called again. Wrong because the only pointer to the first page is gone, and its pin
//! stays until reboot. Would have caught the notify page of a virtual machine that is set a second time.
//!
//! Not matched is a function that something else of what was read calls: its caller may have looked.

use super::paths::What;
use super::view::View;
use super::visit;
use crate::flow::places::parent;
use crate::index::ir::{Expr, Function, LoopKind, OutlineKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};

/// Reports each such store once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::Overwritten]) {
        let function = walked.function;
        if is_called(view, walked.file, &function.name) {
            continue;
        }
        for fact in &walked.facts {
            let Some(release) = lets_go(view, walked.file, function, &fact.member) else {
                continue;
            };
            let line = view.line(walked.file, release.start);
            let message = format!(
                "`{}` gets what {}() took, and what it may hold already is lost; line {line} lets one go and keeps the object",
                fact.member, fact.name
            );
            let mut evidence = view.way(walked.file, fact, "nobody has looked at what stands here");
            evidence.push(view.evidence(walked.file, release, "let go, and the object lives on"));
            let rule = ("R3", "overwritten-pin", Severity::Warning);
            findings.push(view.finding(
                rule,
                (walked.file, &function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}

/// Whether a function of the same directory calls that one, or takes its address.
fn is_called(view: &View<'_>, file: usize, name: &str) -> bool {
    let directory = parent(&view.files[file].path);
    let mut found = false;
    let near = view
        .files
        .iter()
        .filter(|other| parent(&other.path) == directory);
    for other in near {
        for function in &other.functions {
            visit::all(&function.body, &mut |expr| {
                found |= matches!(expr, Expr::Name(known, _) if known == name)
                    || expr.callee_name() == Some(name);
            });
        }
        for global in &other.globals {
            if let Some(init) = &global.init {
                visit::expressions(init, &mut |expr| {
                    found |= matches!(expr, Expr::Name(known, _) if known == name);
                });
            }
        }
    }
    let own = view.files[file].outline.iter();
    let unread = own.filter(|item| item.kind != OutlineKind::Prototype && item.name != name);
    found
        || unread
            .into_iter()
            .any(|item| word_in(&view.text(file, item.span), name))
}

fn word_in(text: &str, name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).any(|found| found == name)
}

/// A release of that member in another function, which afterwards empties the member, or which tests it and does not free
/// the object.
fn lets_go(view: &View<'_>, file: usize, not: &Function, member: &str) -> Option<Span> {
    let others = view.files[file].functions.iter();
    others
        .filter(|function| function.span != not.span && !takes(function))
        .find_map(|function| {
            let release = released(function, member)?;
            let emptied = is_emptied(function, member, release);
            let tested = is_tested(function, member) && !frees(function);
            (emptied || tested).then_some(release)
        })
}

/// Whether a function acquires pages itself: what it lets go then is what it failed to set up.
fn takes(function: &Function) -> bool {
    let mut found = false;
    visit::all_calls(&function.body, &mut |name, _, _| {
        found |= super::helpers::acquires(name)
    });
    found
}

pub(super) fn names_member(expr: &Expr, member: &str) -> bool {
    match visit::bare(expr) {
        Expr::Field { name, .. } => name == member,
        Expr::Index { base, .. } => names_member(base, member),
        Expr::AddressOf(inner, _) => names_member(inner, member),
        _ => false,
    }
}

fn released(function: &Function, member: &str) -> Option<Span> {
    let mut found = None;
    visit::all_calls(&function.body, &mut |name, args, span| {
        let release = followed().get(name).filter(|f| f.role == Role::Release);
        let page = release
            .and_then(|release| release.page_argument(args.len()))
            .and_then(|at| args.get(at));
        if page.is_some_and(|page| names_member(page, member)) {
            found = found.or(Some(span));
        }
    });
    found
}

fn is_emptied(function: &Function, member: &str, after: Span) -> bool {
    let mut found = false;
    visit::all(&function.body, &mut |expr| {
        if let Expr::Assign {
            op,
            target,
            value,
            span,
        } = expr
        {
            let empty = matches!(visit::text(value).as_str(), "NULL" | "0");
            found |= op == "=" && empty && names_member(target, member) && span.start > after.start;
        }
    });
    found
}

fn is_tested(function: &Function, member: &str) -> bool {
    let is_truth = |cond: &Expr| {
        let mut cond = cond;
        while let Expr::Unary { op, operand, .. } = cond {
            if op != "!" {
                return false;
            }
            cond = operand;
        }
        names_member(cond, member) && !matches!(cond, Expr::AddressOf(..))
    };
    let mut found = false;
    visit::statements(&function.body, &mut |statement| match statement {
        Stmt::If { cond, .. } => found |= is_truth(cond),
        Stmt::Loop {
            kind: LoopKind::While,
            cond: Some(cond),
            ..
        } => found |= is_truth(cond),
        _ => {}
    });
    found
}

fn frees(function: &Function) -> bool {
    let mut found = false;
    visit::all_calls(&function.body, &mut |name, args, _| {
        let object = matches!(args.first().map(visit::bare), Some(Expr::Name(..)));
        found |= object && acts().is(name, Does::Frees);
    });
    found
}
