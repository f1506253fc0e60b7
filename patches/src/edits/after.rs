// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the value that a loop leaves in a variable is wanted after it.

use super::walk::{all_expressions, every_part, holds, is_name, statements};
use callsites::index::ir::{Expr, Function, Span, Stmt};

/// Whether the way on from `own` sets `name` before anything can read it.
pub(super) fn overwritten(path: &[&Stmt], name: &str, own: Span) -> bool {
    let Some(Stmt::Block(list, _)) = path
        .iter()
        .position(|stmt| stmt.span() == own)
        .and_then(|depth| path.get(depth.checked_sub(1)?).copied())
    else {
        return false;
    };
    let after = list.iter().skip_while(|stmt| stmt.span() != own).skip(1);
    for stmt in after {
        match stmt {
            Stmt::Expr(
                Expr::Assign {
                    op, target, value, ..
                },
                _,
            ) if op == "=" && is_name(target, name) => {
                return !every_part(value, |part| is_name(part, name));
            }
            Stmt::Expr(expr, _) if !every_part(expr, |part| is_name(part, name)) => {}
            Stmt::Return(value, _) => {
                return !value
                    .as_ref()
                    .is_some_and(|value| every_part(value, |part| is_name(part, name)));
            }
            _ => return false,
        }
    }
    false
}

/// Whether `name` is read outside of `own` in a way that could see the value that the loop leaves behind.
pub(super) fn read_elsewhere(function: &Function, name: &str, own: Span, anywhere: bool) -> bool {
    let mut targets = Vec::new();
    let mut reads = Vec::new();
    all_expressions(function, &mut |expr| match expr {
        Expr::Assign { op, target, .. } if op == "=" && is_name(target, name) => {
            targets.push(target.span());
        }
        Expr::Name(found, span) if found == name => reads.push(*span),
        _ => {}
    });
    // Loops that set the variable themselves read only what they have set.
    let mut setters = vec![own];
    for stmt in &function.body {
        statements(stmt, &mut |stmt| {
            if let Stmt::Loop {
                init: Some(init),
                span,
                ..
            } = stmt
            {
                let sets = match init.as_ref() {
                    Stmt::Expr(Expr::Assign { op, target, .. }, _) => {
                        op == "=" && is_name(target, name)
                    }
                    Stmt::Decl(list, _) => list.iter().any(|decl| decl.name == name),
                    _ => false,
                };
                if sets {
                    setters.push(*span);
                }
            }
        });
    }
    reads.iter().any(|read| {
        !targets.contains(read)
            && !setters.iter().any(|&setter| holds(setter, *read))
            && (anywhere || read.start >= own.start)
    })
}
