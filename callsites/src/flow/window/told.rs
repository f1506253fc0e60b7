// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags that say of pages what a count would: members that are set from one, and variables that come back with the pages.

use super::super::analysis::Analysis;
use super::super::conditions::{facts, is_null};
use super::super::mapping::{around, within};
use super::super::program::FnId;
use super::super::sites::Site;
use super::{Fill, begins_at_zero, called, filled, is, local, names_of_page, values};
use crate::index::ir::{Expr, Function, Linkage, Span, Stmt};
use crate::index::walk;

/// `if (record->drop) … put_page(…)` where `drop` is set from a count, in a record of this very file: what is put was
/// counted.
pub(super) fn under_a_member(analysis: &Analysis, site: &Site) -> Option<Fill> {
    let function = analysis.program.function(site.key.function);
    let file = analysis.program.file_of(site.key.function);
    let path = analysis.program.path_of(site.key.function);
    let tested = facts(&function.body, site.key.span);
    tested
        .into_iter()
        .filter(|(_, truth)| *truth)
        .find_map(|(cond, _)| {
            let Expr::Field { name: member, .. } = cond else {
                return None;
            };
            let mut records = analysis.program.file(file).records.iter();
            let ours = records.any(|record| record.fields.iter().any(|f| f.name == *member));
            if !ours || path.extension() != Some("c") {
                return None;
            }
            let mut fill = Fill::default();
            let mut set = false;
            for id in analysis.program.functions() {
                if analysis.program.file_of(id) != file {
                    continue;
                }
                for value in stored(analysis.program.function(id), member) {
                    if is_null(value) {
                        continue;
                    }
                    let count = truth_of(value)?;
                    local(analysis.program.function(id), count)?;
                    begins_at_zero(analysis.program.function(id), count).then_some(())?;
                    fill.join(filled(analysis, id, count, None)?);
                    set = true;
                }
            }
            set.then_some(fill)
        })
}

/// The values that a function stores into a member of that name.
fn stored<'f>(function: &'f Function, member: &str) -> Vec<&'f Expr> {
    let mut out = Vec::new();
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Assign { target, value, .. } = expr {
            if matches!(target.as_ref(), Expr::Field { name, .. } if name == member) {
                out.push(value.as_ref());
            }
        }
    });
    out
}

/// The variable whose not being zero an expression says.
fn truth_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name, _) => Some(name),
        Expr::Unary { op, operand, .. } if op == "!" => match operand.as_ref() {
            Expr::Unary { op, operand, .. } if op == "!" => truth_of(operand),
            _ => None,
        },
        Expr::Binary {
            op, left, right, ..
        } if (op == ">" || op == "!=") && is_null(right) => truth_of(left),
        _ => None,
    }
}

/// `get(&pages, &drop); … if (drop) release(pages);` where get() sets `*drop` in the arm that takes the pages and clears
/// it in the others: what the flag lets through was taken in that arm.
pub(super) fn under_a_variable(analysis: &Analysis, site: &Site) -> Option<Fill> {
    let released = analysis.program.function(site.key.function);
    let names = names_of_page(released, site)?;
    let at = released
        .params
        .iter()
        .position(|param| names.contains(param.name.as_str()))?;
    let open = released.linkage == Linkage::Macro || is_named(analysis, &released.name);
    let callers = analysis.callers(site.key.function);
    if open || callers.is_empty() {
        return None;
    }
    let mut fill = Fill::default();
    for caller in callers {
        let function = analysis.program.function(*caller);
        let mut calls = Vec::new();
        walk::expressions(&function.body, &mut |expr| {
            if let Expr::Call { args, span, .. } = expr {
                if expr.callee_name() == Some(&released.name) {
                    calls.push((args.get(at), *span));
                }
            }
        });
        if calls.is_empty() {
            return None;
        }
        for (pages, span) in calls {
            let Expr::Name(pages, _) = pages? else {
                return None;
            };
            fill.join(let_through(analysis, *caller, pages, span)?);
        }
    }
    Some(fill)
}

/// Whether the address of a function stands in a table.
fn is_named(analysis: &Analysis, function: &str) -> bool {
    analysis.fields_naming(function).next().is_some()
}

/// What the flag that a call stands under says of where its pages come from.
fn let_through(analysis: &Analysis, caller: FnId, pages: &str, place: Span) -> Option<Fill> {
    let function = analysis.program.function(caller);
    let nothing = |name: &str| {
        let all = values(function, name);
        local(function, name).is_some() && all.into_iter().all(is_null)
    };
    if !nothing(pages) {
        return None;
    }
    let tested = facts(&function.body, place);
    tested
        .into_iter()
        .filter(|(_, truth)| *truth)
        .find_map(|(cond, _)| {
            let Expr::Name(flag, _) = cond else {
                return None;
            };
            if flag == pages || !nothing(flag) {
                return None;
            }
            let address = |arg: &Expr, wanted: &str| {
                matches!(arg, Expr::AddressOf(inner, _) if is(inner, wanted))
            };
            let mut setters: Vec<(&Expr, usize, usize, Span)> = Vec::new();
            let mut flagged: Vec<Span> = Vec::new();
            let mut unclear = false;
            walk::expressions(&function.body, &mut |expr| {
                if let Expr::Call { args, span, .. } = expr {
                    let pages = args.iter().position(|arg| address(arg, pages));
                    let flag = args.iter().position(|arg| address(arg, flag));
                    flagged.extend(flag.map(|_| *span));
                    match (pages, flag) {
                        (Some(pages), Some(flag)) => setters.push((expr, pages, flag, *span)),
                        (Some(_), None) => unclear = true,
                        _ => {}
                    }
                }
            });
            // One flag for several calls is one answer only where no two of them are made.
            let apart = flagged.iter().enumerate().all(|(n, one)| {
                let others = &flagged[n + 1..];
                others
                    .iter()
                    .all(|other| exclude_each_other(&function.body, *one, *other))
            });
            if unclear || setters.is_empty() || !apart {
                return None;
            }
            let mut fill = Fill::default();
            for (call, _, flag, _) in setters {
                let file = analysis.program.file_of(caller);
                let callees = analysis.program.resolve(call.callee_name()?, file);
                let [callee] = callees.as_slice() else {
                    return None;
                };
                fill.join(where_set(analysis, *callee, flag)?);
            }
            Some(fill)
        })
}

/// Whether two places stand in different arms of one `if`.
fn exclude_each_other(body: &[Stmt], one: Span, two: Span) -> bool {
    let mut found = false;
    around(body, one, &mut |statement, _| {
        if let Stmt::If {
            then,
            otherwise: Some(otherwise),
            ..
        } = statement
        {
            let (a, b) = (then.span(), otherwise.span());
            found |= within(one, a) && within(two, b) || within(one, b) && within(two, a);
        }
    });
    found
}

/// What a function stores outside of the arms in which it clears the flag that its parameter at `at` points to.
fn where_set(analysis: &Analysis, id: FnId, at: usize) -> Option<Fill> {
    let function = analysis.program.function(id);
    let flag = &function.params.get(at)?.name;
    let mut sets: Vec<(Span, bool)> = Vec::new();
    let mut unclear = false;
    walk::expressions(&function.body, &mut |expr| {
        let Expr::Assign {
            op,
            target,
            value,
            span,
        } = expr
        else {
            return;
        };
        if matches!(target.as_ref(), Expr::Deref(inner, _) if is(inner, flag)) {
            unclear |= op != "=" || !matches!(value.as_ref(), Expr::Literal(..));
            sets.push((*span, !is_null(value)));
        }
    });
    let cleared: Vec<Span> = sets
        .iter()
        .filter(|(_, set)| !set)
        .filter_map(|(span, _)| arm_of(&function.body, *span))
        .collect();
    let out = |place: Span| !cleared.iter().any(|arm| within(place, *arm));
    let mut raised = sets.iter().filter(|(_, set)| *set).peekable();
    if unclear || cleared.is_empty() || raised.peek().is_none() || !raised.all(|(s, _)| out(*s)) {
        return None;
    }
    let mut fill = Fill::default();
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call { span, .. } = expr {
            if out(*span) {
                called(analysis, id, expr, *span, &mut fill);
            }
        }
    });
    Some(fill)
}

/// The innermost arm of an `if` that holds a place.
fn arm_of(body: &[Stmt], place: Span) -> Option<Span> {
    let mut arm = None;
    around(body, place, &mut |statement, _| {
        if let Stmt::If {
            then, otherwise, ..
        } = statement
        {
            let arms = [Some(then.span()), otherwise.as_ref().map(|o| o.span())];
            arm = arms
                .into_iter()
                .flatten()
                .find(|arm| within(place, *arm))
                .or(arm);
        }
    });
    arm
}
