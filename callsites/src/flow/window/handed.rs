// SPDX-License-Identifier: MIT OR Apache-2.0
//! A helper that lets go what lies between two places that it is handed: each caller hands it where its own cursor began,
//! and the cursor.

use super::super::analysis::Analysis;
use super::super::conditions::same;
use super::super::program::FnId;
use super::super::sites::Site;
use super::{Fill, bounds, changes, innermost_loop, is, local, name, names_in, values};
use crate::index::ir::{Expr, Function, Linkage, Span, Stmt};
use crate::index::walk;

/// What all callers of the helper run, when each hands it a stretch of its own.
pub(super) fn between_parameters(analysis: &Analysis, site: &Site) -> Option<Fill> {
    let helper = site.key.function;
    let function = analysis.program.function(helper);
    let whole = innermost_loop(function, site)?;
    let Stmt::Loop {
        cond: Some(cond), ..
    } = whole
    else {
        return None;
    };
    let (Some(start), bound) = bounds(cond)? else {
        return None;
    };
    let parameter = |wanted: &str| {
        function
            .params
            .iter()
            .position(|param| param.name == wanted)
    };
    let (first, last) = (parameter(start)?, parameter(bound)?);
    if function.linkage != Linkage::Static || !stands(function, start, whole.span(), bound) {
        return None;
    }
    let callers = analysis.callers(helper);
    let mut fill = Fill::default();
    for caller in callers {
        let mut all = true;
        let mut calls = 0;
        let body = analysis.program.function(*caller);
        walk::expressions(&body.body, &mut |expr| {
            if expr.callee_name() != Some(&function.name) {
                return;
            }
            let Expr::Call { args, span, .. } = expr else {
                return;
            };
            calls += 1;
            let handed = args.get(first).zip(args.get(last));
            all &= handed.is_some_and(|(start, end)| own_stretch(body, start, end, *span));
        });
        if calls == 0 || !all {
            return None;
        }
        join(analysis, *caller, &mut fill);
    }
    (!callers.is_empty()).then_some(fill)
}

/// Everything that a caller runs may have stored between where its cursor began and where it stands.
fn join(analysis: &Analysis, caller: FnId, fill: &mut Fill) {
    fill.functions.extend(analysis.reached([caller]));
}

/// Whether only the loop moves the start, and nothing the end.
fn stands(function: &Function, start: &str, whole: Span, bound: &str) -> bool {
    let mut moved = false;
    walk::expressions(&function.body, &mut |expr| {
        let span = expr.span();
        let inside = whole.start <= span.start && span.end <= whole.end;
        let sets = |wanted: &str| {
            let assigns = matches!(expr, Expr::Assign { target, .. } if is(target, wanted));
            assigns || changes(expr, wanted)
        };
        moved |= sets(bound) || !inside && sets(start);
    });
    !moved
}

/// Whether `end` is a variable that began at `start` and was only moved on, and `start` is where it was.
fn own_stretch(function: &Function, start: &Expr, end: &Expr, call: Span) -> bool {
    let Some(cursor) = name(end) else {
        return false;
    };
    let began = local(function, cursor).and_then(|declared| declared.init.as_ref());
    if !began.is_some_and(|began| same(began, start)) {
        return false;
    }
    let moved_on = values(function, cursor)
        .into_iter()
        .skip(1)
        .all(|value| matches!(value, Expr::Call { .. }) && names_in(value).contains(cursor));
    moved_on && keeps(&function.body, start, call)
}

/// Whether nothing gives `start`, or what it is read through, another value on a way to the call.
fn keeps(list: &[Stmt], start: &Expr, call: Span) -> bool {
    let roots = names_in(start);
    let mut kept = true;
    for (at, stmt) in list.iter().enumerate() {
        if stmt.span().start >= call.start {
            break;
        }
        let leaves = matches!(list.get(at + 1), Some(Stmt::Return(..)));
        match stmt {
            Stmt::Expr(expr, _) if !leaves => walk::expression(expr, &mut |part| {
                let set = match part {
                    Expr::Assign { target, .. } => {
                        same(target, start) || roots.iter().any(|root| is(target, root))
                    }
                    other => roots.iter().any(|root| changes(other, root)),
                };
                kept &= !set;
            }),
            Stmt::Block(list, _) | Stmt::Unread(list, _) => kept &= keeps(list, start, call),
            Stmt::If {
                then, otherwise, ..
            } => {
                kept &= keeps(std::slice::from_ref(then), start, call);
                if let Some(otherwise) = otherwise {
                    kept &= keeps(std::slice::from_ref(otherwise), start, call);
                }
            }
            Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => {
                kept &= keeps(std::slice::from_ref(body), start, call);
            }
            _ => {}
        }
    }
    kept
}
