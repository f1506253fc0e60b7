// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many pages a release is told to release, and whether that number can be negative.
//!
//! A loop over `i < n` does nothing for a negative `n`. The functions that take an array have an unsigned count: they
//! warn (since 5.11) or run away. So a count that may hold an error code keeps its loop.

use super::walk::{all_expressions, holds, is_name, path, plain};
use callsites::index::ir::{Expr, Function, Span, Stmt};
use callsites::index::walk::expression as every;
use refimpl::api::{Role, catalogue};
use std::collections::BTreeSet;

/// The number of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// Where it is written.
    pub span: Span,
    /// What it can be.
    pub sign: Sign,
}

/// What a count can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// Unsigned, a constant, or tested before.
    NotNegative,
    /// Of a signed type, but no error code was seen to get there.
    Signed,
    /// The value that an acquiring call has returned, not tested before.
    MayBeError,
}

/// What `count` can be where `path` ends; `takers` are functions and macros of the file that take pages.
pub(super) fn sign(
    function: &Function,
    path: &[&Stmt],
    count: &Expr,
    takers: &BTreeSet<&str>,
) -> Sign {
    let mut worst = Sign::NotNegative;
    every(count, &mut |expr| {
        if let Expr::Name(name, _) = expr {
            worst = worst.max(sign_of_name(function, path, name, takers));
        }
    });
    // A field, or what a call returns, has a type that is not known here; as a number of pages it is taken as given.
    match plain(count) {
        Expr::Name(..) | Expr::Binary { .. } => worst,
        _ => worst.min(Sign::NotNegative),
    }
}

fn sign_of_name(function: &Function, path: &[&Stmt], name: &str, takers: &BTreeSet<&str>) -> Sign {
    let takes = |value: &Expr| {
        let callee = plain(value).callee_name();
        is_acquire(value) || callee.is_some_and(|callee| takers.contains(callee))
    };
    let mut types: Vec<&str> = function
        .params
        .iter()
        .filter(|param| param.name == name)
        .map(|param| param.ty.name.as_str())
        .collect();
    let mut assigned = false;
    for stmt in &function.body {
        super::walk::statements(stmt, &mut |stmt| {
            if let Stmt::Decl(list, _) = stmt {
                for decl in list.iter().filter(|decl| decl.name == name) {
                    types.push(&decl.ty.name);
                    assigned |= decl.init.as_ref().is_some_and(takes);
                }
            }
        });
    }
    if !types.iter().any(|ty| is_signed(ty)) {
        return Sign::NotNegative;
    }
    all_expressions(function, &mut |expr| {
        if let Expr::Assign { target, value, .. } = expr {
            assigned |= is_name(target, name) && takes(value);
        }
    });
    if tested(function, path, name) || never_negative(function, name, DEPTH) {
        Sign::NotNegative
    } else if assigned {
        Sign::MayBeError
    } else {
        Sign::Signed
    }
}

/// Through how many variables a value is followed: a count is set from one, seldom from two others.
const DEPTH: u32 = 3;

/// Whether a variable of the function is only ever given values that cannot be negative.
fn never_negative(function: &Function, name: &str, depth: u32) -> bool {
    let is_param = function.params.iter().any(|param| param.name == name);
    if depth == 0 || is_param {
        return false;
    }
    let (mut set, mut known) = (false, true);
    for stmt in &function.body {
        super::walk::statements(stmt, &mut |stmt| {
            if let Stmt::Decl(list, _) = stmt {
                for decl in list.iter().filter(|decl| decl.name == name) {
                    if let Some(value) = &decl.init {
                        set = true;
                        known &= not_negative(function, value, depth);
                    }
                }
            }
        });
    }
    let asked_for = asked_for(function, name);
    all_expressions(function, &mut |expr| match expr {
        Expr::Assign {
            op,
            target,
            value,
            span,
        } if is_name(target, name) => {
            set = true;
            let grows = matches!(op.as_str(), "=" | "+=" | "*=" | "/=" | "%=" | "<<=" | ">>=");
            let good = match plain(value) {
                Expr::Name(other, _) => tested(function, &path(function, *span), other),
                value => asked_for && !is_acquire(value),
            };
            known &= grows && (good || not_negative(function, value, depth));
        }
        Expr::Update { op, operand, .. } if is_name(operand, name) => known &= op == "++",
        Expr::AddressOf(operand, _) if is_name(operand, name) => known = false,
        _ => {}
    });
    set && known
}

/// Whether a variable is the number of pages that an acquire of the function is asked for: nobody asks for fewer than none.
fn asked_for(function: &Function, name: &str) -> bool {
    let mut found = false;
    all_expressions(function, &mut |expr| {
        let Expr::Call { args, .. } = expr else {
            return;
        };
        let known = expr
            .callee_name()
            .and_then(|callee| catalogue().get(callee))
            .filter(|callee| callee.role == Role::Acquire);
        let count = known
            .and_then(|callee| callee.signature(args.len())?.nr)
            .and_then(|at| args.get(at));
        found |= count.is_some_and(|count| is_name(plain(count), name));
    });
    found
}

/// Whether the value of an expression cannot be negative, as far as its text tells.
fn not_negative(function: &Function, value: &Expr, depth: u32) -> bool {
    let all = |values: &[&Expr]| values.iter().all(|e| not_negative(function, e, depth));
    match plain(value) {
        Expr::Literal(text, _) => text.starts_with(|c: char| c.is_ascii_digit()),
        Expr::Sizeof(_) => true,
        Expr::Name(name, _) => {
            let mut types = Vec::new();
            let params = function.params.iter();
            types.extend(
                params
                    .filter(|p| p.name == *name)
                    .map(|p| p.ty.name.clone()),
            );
            for stmt in &function.body {
                super::walk::statements(stmt, &mut |stmt| {
                    if let Stmt::Decl(list, _) = stmt {
                        let named = list.iter().filter(|decl| decl.name == *name);
                        types.extend(named.map(|decl| decl.ty.name.clone()));
                    }
                });
            }
            match types.is_empty() {
                // A constant, by the custom of the kernel: PAGE_SIZE, UIO_MAXIOV.
                true => name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
                false => {
                    !types.iter().any(|ty| is_signed(ty))
                        || never_negative(function, name, depth - 1)
                }
            }
        }
        Expr::Binary {
            op, left, right, ..
        } => match op.as_str() {
            "+" | "*" | "/" | "%" | "<<" | ">>" => all(&[left, right]),
            "&" => not_negative(function, left, depth) || not_negative(function, right, depth),
            "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||" => true,
            _ => false,
        },
        Expr::Conditional {
            then: Some(then),
            otherwise,
            ..
        } => all(&[then, otherwise]),
        call @ Expr::Call { args, .. } => match call.callee_name() {
            Some("DIV_ROUND_UP" | "ALIGN" | "round_up" | "PFN_UP" | "PFN_DOWN" | "min" | "max") => {
                all(&args.iter().collect::<Vec<_>>())
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_signed(ty: &str) -> bool {
    matches!(
        ty,
        "int"
            | "long"
            | "signed int"
            | "signed long"
            | "long int"
            | "long long"
            | "short"
            | "ssize_t"
            | "s32"
            | "s64"
            | "__s32"
            | "__s64"
    )
}

fn is_acquire(expr: &Expr) -> bool {
    plain(expr)
        .callee_name()
        .is_some_and(|name| name.contains("get_user_page") || name.contains("pin_user_page"))
}

/// Whether the way to the release has passed a test of `name` against zero.
fn tested(function: &Function, path: &[&Stmt], name: &str) -> bool {
    let first = path.first().map(|stmt| stmt.span());
    let mut passed = tested_before(&function.body, first, name, false);
    for (depth, stmt) in path.iter().enumerate() {
        let next = path.get(depth + 1).map(|next| next.span());
        match stmt {
            Stmt::If { cond, then, .. } => {
                let in_then = next.is_some_and(|next| holds(then.span(), next));
                passed |= if in_then {
                    implies(cond, name, "&&", &[">", ">="])
                } else {
                    implies(cond, name, "||", &["<", "<="])
                };
            }
            Stmt::Block(list, _) => passed = tested_before(list, next, name, passed),
            _ => {}
        }
    }
    passed
}

/// What is known of `name` after the statements of `list` that stand before `next`.
fn tested_before(list: &[Stmt], next: Option<Span>, name: &str, passed: bool) -> bool {
    list.iter()
        .take_while(|stmt| next.is_some_and(|next| stmt.span().end <= next.start))
        .fold(passed, |passed, stmt| {
            (passed && !assigns(stmt, name))
                || leaves_when_negative(stmt, name)
                || becomes_zero_when_negative(stmt, name)
        })
}

/// `if (name < 0) { …; name = 0; }`, and no other arm sets it.
fn becomes_zero_when_negative(stmt: &Stmt, name: &str) -> bool {
    let Stmt::If {
        cond,
        then,
        otherwise,
        ..
    } = stmt
    else {
        return false;
    };
    let last = match then.as_ref() {
        Stmt::Block(list, _) => list.iter().rfind(|stmt| assigns(stmt, name)),
        other => Some(other),
    };
    let zero = matches!(
        last,
        Some(Stmt::Expr(Expr::Assign { op, target, value, .. }, _))
            if op == "=" && is_name(target, name) && matches!(plain(value), Expr::Literal(text, _) if text == "0")
    );
    let set_elsewhere = otherwise.as_ref().is_some_and(|other| assigns(other, name));
    zero && !set_elsewhere && implies(cond, name, "||", &["<", "<="])
}

/// `if (name < 0) return …;`
fn leaves_when_negative(stmt: &Stmt, name: &str) -> bool {
    let Stmt::If { cond, then, .. } = stmt else {
        return false;
    };
    let last = match then.as_ref() {
        Stmt::Block(list, _) => list.last(),
        other => Some(other),
    };
    let leaves = matches!(
        last,
        Some(Stmt::Return(..) | Stmt::Goto { .. } | Stmt::Break(_) | Stmt::Continue(_))
    );
    leaves && implies(cond, name, "||", &["<", "<="])
}

/// Whether `cond`, or one of its parts joined by `join`, compares `name` with zero by one of `ops`.
fn implies(cond: &Expr, name: &str, join: &str, ops: &[&str]) -> bool {
    match plain(cond) {
        Expr::Binary {
            op, left, right, ..
        } if op == join => implies(left, name, join, ops) || implies(right, name, join, ops),
        Expr::Binary {
            op, left, right, ..
        } => {
            let zero = matches!(plain(right), Expr::Literal(text, _) if text == "0" || text == "1");
            zero && ops.contains(&op.as_str()) && is_name(plain(left), name)
        }
        _ => false,
    }
}

fn assigns(stmt: &Stmt, name: &str) -> bool {
    let mut found = false;
    super::walk::statements(stmt, &mut |stmt| {
        for expr in super::walk::expressions(stmt) {
            every(expr, &mut |expr| {
                found |= matches!(expr, Expr::Assign { target, .. } if is_name(target, name));
            });
        }
    });
    found
}
