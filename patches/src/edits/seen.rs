// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is seen at a glance of a function or a record: calls, variables, tests, habits.

use super::source::Source;
use super::walk::{all_expressions, holds, is_name, is_null, path, plain, statements};
use callsites::index::ir::{Declaration, Expr, Function, Record, Span, Stmt};
use refimpl::api::{Role, catalogue, followed};
use std::collections::BTreeMap;

/// A record's name without `struct`.
pub(super) fn tag(name: &str) -> String {
    let bare = name
        .strip_prefix("struct ")
        .or_else(|| name.strip_prefix("union "));
    bare.unwrap_or(name).to_owned()
}

/// The function of that name.
pub(super) fn named<'s>(source: &'s Source, name: &str) -> Option<&'s Function> {
    source
        .facts
        .functions
        .iter()
        .find(|function| function.name == name)
}

/// Every call of `name` in a file: the caller, the call, its arguments.
pub(super) fn calls<'s>(source: &'s Source, name: &str) -> Vec<(&'s Function, Span, &'s [Expr])> {
    let mut found = Vec::new();
    for function in &source.facts.functions {
        all_expressions(function, &mut |expr| {
            if let Expr::Call { args, span, .. } = expr {
                if expr.callee_name() == Some(name) {
                    found.push((function, *span, args.as_slice()));
                }
            }
        });
    }
    found
}

/// The first member that is read in the call at `span`.
pub(super) fn field_in(function: &Function, span: Span) -> Option<&Expr> {
    let mut found = None;
    all_expressions(function, &mut |expr| {
        if matches!(expr, Expr::Field { .. }) && holds(span, expr.span()) && found.is_none() {
            found = Some(expr);
        }
    });
    found
}

/// The parts of a condition that must all hold.
pub(super) fn conjuncts<'a>(cond: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match plain(cond) {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        other => parts.push(other),
    }
}

/// Parameters and local variables.
pub(super) fn variables(function: &Function) -> Vec<&Declaration> {
    let mut all: Vec<&Declaration> = function.params.iter().collect();
    for stmt in &function.body {
        statements(stmt, &mut |stmt| {
            if let Stmt::Decl(list, _) = stmt {
                all.extend(list);
            }
        });
    }
    all
}

/// Whether a variable is given another value after it was declared.
pub(super) fn assigned(function: &Function, name: &str) -> bool {
    let mut found = false;
    all_expressions(function, &mut |expr| {
        if let Expr::Assign { target, .. }
        | Expr::Update {
            operand: target, ..
        } = expr
        {
            found |= is_name(plain(target), name);
        }
    });
    found
}

/// Whether a function asks if a pointer is there at all.
pub(super) fn may_be_null(function: &Function, name: &str) -> bool {
    let is = |expr: &Expr| is_name(plain(expr), name);
    let mut found = false;
    all_expressions(function, &mut |expr| match expr {
        Expr::Unary { op, operand, .. } => found |= op == "!" && is(operand),
        Expr::Binary {
            op, left, right, ..
        } => {
            let joins = matches!(op.as_str(), "&&" | "||");
            let null = matches!(op.as_str(), "==" | "!=")
                && (is_null(plain(right)) || is_null(plain(left)));
            found |= (joins || null) && (is(left) || is(right));
        }
        Expr::Conditional { cond, .. } => found |= is(cond),
        _ => {}
    });
    for stmt in &function.body {
        statements(stmt, &mut |stmt| match stmt {
            Stmt::If { cond, .. } => found |= is(cond),
            Stmt::Loop {
                cond: Some(cond), ..
            } => found |= is(cond),
            _ => {}
        });
    }
    found
}

/// Whether a function does nothing but release: its other statements only set its own variables.
pub(super) fn only_releases(function: &Function) -> bool {
    let mut only = true;
    for stmt in &function.body {
        statements(stmt, &mut |stmt| match stmt {
            Stmt::Expr(call @ Expr::Call { .. }, _) => {
                only &= call
                    .callee_name()
                    .is_some_and(|name| catalogue().is(name, Role::Release));
            }
            Stmt::Expr(
                Expr::Assign { target, .. }
                | Expr::Update {
                    operand: target, ..
                },
                _,
            ) => {
                only &= matches!(plain(target), Expr::Name(..));
            }
            Stmt::Expr(..) | Stmt::Return(Some(_), _) | Stmt::Unread(..) | Stmt::Arms(..) => {
                only = false
            }
            _ => {}
        });
    }
    only
}

/// What most members of a record begin with, up to the first underscore; empty where they have no such habit.
pub(super) fn prefix(record: &Record) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for field in &record.fields {
        if let Some(at) = field.name.find('_') {
            *counts.entry(&field.name[..=at]).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    // Three of four members are a habit of the record.
    most.filter(|(_, count)| count * 4 >= record.fields.len() * 3)
        .map_or(String::new(), |(prefix, _)| prefix.to_owned())
}

/// Whether a local variable only ever points at an object that the acquire's function has allocated, for one acquire each.
pub(super) fn made_here(acquire: &Function, taken: Span, variable: &str) -> bool {
    let allocates = |value: &Expr| {
        let callee = plain(value).callee_name();
        callee.is_some_and(|callee| followed().is(callee, Role::Container))
    };
    let (mut made, mut others) = (false, false);
    for stmt in &acquire.body {
        statements(stmt, &mut |stmt| {
            if let Stmt::Decl(list, _) = stmt {
                for declared in list.iter().filter(|declared| declared.name == variable) {
                    let init = declared.init.as_ref().filter(|init| !is_null(plain(init)));
                    made |= init.is_some_and(allocates);
                    others |= init.is_some_and(|init| !allocates(init));
                }
            }
        });
    }
    all_expressions(acquire, &mut |expr| match expr {
        Expr::Assign { target, value, .. } if is_name(target, variable) => {
            made |= allocates(value);
            others |= !allocates(value);
        }
        Expr::AddressOf(inner, _) => others |= is_name(inner, variable),
        _ => {}
    });
    let parameter = acquire.params.iter().any(|param| param.name == variable);
    let repeated = path(acquire, taken);
    let repeated = repeated
        .iter()
        .any(|stmt| matches!(stmt, Stmt::Loop { .. }));
    made && !others && !parameter && !repeated
}
