// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks over the reduced C: every expression of a body, in source order, outer before inner.

use super::ir::{Expr, LoopKind, Stmt};

/// Calls `see` for each expression in `stmts`, however deep.
pub fn expressions<'a>(stmts: &'a [Stmt], see: &mut impl FnMut(&'a Expr)) {
    for stmt in stmts {
        statement(stmt, see);
    }
}

fn statement<'a>(stmt: &'a Stmt, see: &mut impl FnMut(&'a Expr)) {
    match stmt {
        Stmt::Expr(expr, _) => expression(expr, see),
        Stmt::Decl(declarations, _) => {
            for init in declarations.iter().filter_map(|d| d.init.as_ref()) {
                expression(init, see);
            }
        }
        Stmt::Block(inner, _) | Stmt::Unread(inner, _) => expressions(inner, see),
        Stmt::If {
            cond,
            then,
            otherwise,
            ..
        } => {
            expression(cond, see);
            statement(then, see);
            if let Some(otherwise) = otherwise {
                statement(otherwise, see);
            }
        }
        Stmt::Loop {
            kind,
            init,
            cond,
            step,
            body,
            ..
        } => {
            if let LoopKind::Iterator { args, .. } = kind {
                args.iter().for_each(|arg| expression(arg, see));
            }
            if let Some(init) = init {
                statement(init, see);
            }
            if let Some(cond) = cond {
                expression(cond, see);
            }
            if let Some(step) = step {
                expression(step, see);
            }
            statement(body, see);
        }
        Stmt::Switch { value, body, .. } => {
            expression(value, see);
            statement(body, see);
        }
        Stmt::Case {
            value: Some(value), ..
        }
        | Stmt::Return(Some(value), _) => expression(value, see),
        Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| expressions(inner, see)),
        Stmt::Case { .. }
        | Stmt::Return(None, _)
        | Stmt::Label { .. }
        | Stmt::Goto { .. }
        | Stmt::Break(_)
        | Stmt::Continue(_) => {}
    }
}

/// Calls `see` for `expr` and each expression inside it.
pub fn expression<'a>(expr: &'a Expr, see: &mut impl FnMut(&'a Expr)) {
    see(expr);
    match expr {
        Expr::Name(..) | Expr::Literal(..) | Expr::Sizeof(_) | Expr::Type(..) => {}
        Expr::Field { base, .. } => expression(base, see),
        Expr::Index { base, index, .. } => {
            expression(base, see);
            expression(index, see);
        }
        Expr::Call { callee, args, .. } => {
            expression(callee, see);
            args.iter().for_each(|arg| expression(arg, see));
        }
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => expression(inner, see),
        Expr::Cast { operand, .. } | Expr::Unary { operand, .. } | Expr::Update { operand, .. } => {
            expression(operand, see)
        }
        Expr::Assign { target, value, .. } => {
            expression(target, see);
            expression(value, see);
        }
        Expr::Binary { left, right, .. } => {
            expression(left, see);
            expression(right, see);
        }
        Expr::Conditional {
            cond,
            then,
            otherwise,
            ..
        } => {
            expression(cond, see);
            if let Some(then) = then {
                expression(then, see);
            }
            expression(otherwise, see);
        }
        Expr::Initialiser { items, .. } => {
            items.iter().for_each(|item| expression(&item.value, see))
        }
        Expr::Block(stmts, _) => expressions(stmts, see),
        Expr::Unread(inner, _) => inner.iter().for_each(|inner| expression(inner, see)),
    }
}
