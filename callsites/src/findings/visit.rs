// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks over the reduced C: every call, every expression, every statement, in source order.

use crate::index::ir::{Expr, LoopKind, Span, Stmt};

/// Calls by name anywhere in `expr`: name, arguments, span of the call. Inner calls come first.
pub(crate) fn calls<'e>(expr: &'e Expr, found: &mut dyn FnMut(&'e str, &'e [Expr], Span)) {
    expressions(expr, &mut |inner| {
        if let (Some(name), Expr::Call { args, span, .. }) = (inner.callee_name(), inner) {
            found(name, args, *span);
        }
    });
}

/// Every expression in `statements`, inner ones first.
pub(crate) fn all<'e>(statements: &'e [Stmt], found: &mut dyn FnMut(&'e Expr)) {
    for statement in statements {
        each(statement, found);
    }
}

/// Calls by name in `statements`.
pub(crate) fn all_calls<'e>(
    statements: &'e [Stmt],
    found: &mut dyn FnMut(&'e str, &'e [Expr], Span),
) {
    all(statements, &mut |inner| {
        if let (Some(name), Expr::Call { args, span, .. }) = (inner.callee_name(), inner) {
            found(name, args, *span);
        }
    });
}

/// Every statement in `statements`, outer ones first.
pub(crate) fn statements<'e>(list: &'e [Stmt], found: &mut dyn FnMut(&'e Stmt)) {
    for statement in list {
        found(statement);
        match statement {
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => statements(inner, found),
            Stmt::If {
                then, otherwise, ..
            } => {
                statements(std::slice::from_ref(then), found);
                if let Some(otherwise) = otherwise {
                    statements(std::slice::from_ref(otherwise), found);
                }
            }
            Stmt::Loop { init, body, .. } => {
                if let Some(init) = init {
                    statements(std::slice::from_ref(init), found);
                }
                statements(std::slice::from_ref(body), found);
            }
            Stmt::Switch { body, .. } => statements(std::slice::from_ref(body), found),
            Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| statements(inner, found)),
            _ => {}
        }
    }
}

fn each<'e>(statement: &'e Stmt, found: &mut dyn FnMut(&'e Expr)) {
    match statement {
        Stmt::Expr(expr, _) => expressions(expr, found),
        Stmt::Decl(declarations, _) => {
            declarations
                .iter()
                .filter_map(|d| d.init.as_ref())
                .for_each(|init| expressions(init, found));
        }
        Stmt::Block(inner, _) | Stmt::Unread(inner, _) => all(inner, found),
        Stmt::If {
            cond,
            then,
            otherwise,
            ..
        } => {
            expressions(cond, found);
            each(then, found);
            if let Some(otherwise) = otherwise {
                each(otherwise, found);
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
            if let Some(init) = init {
                each(init, found);
            }
            if let LoopKind::Iterator { args, .. } = kind {
                args.iter().for_each(|arg| expressions(arg, found));
            }
            cond.iter().for_each(|cond| expressions(cond, found));
            each(body, found);
            step.iter().for_each(|step| expressions(step, found));
        }
        Stmt::Switch { value, body, .. } => {
            expressions(value, found);
            each(body, found);
        }
        Stmt::Case { value, .. } | Stmt::Return(value, _) => {
            value.iter().for_each(|value| expressions(value, found));
        }
        Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| all(inner, found)),
        Stmt::Label { .. } | Stmt::Goto { .. } | Stmt::Break(_) | Stmt::Continue(_) => {}
    }
}

/// `expr` and every expression in it, inner ones first.
pub(crate) fn expressions<'e>(expr: &'e Expr, found: &mut dyn FnMut(&'e Expr)) {
    match expr {
        Expr::Field { base, .. } => expressions(base, found),
        Expr::Index { base, index, .. } => {
            expressions(base, found);
            expressions(index, found);
        }
        Expr::Call { callee, args, .. } => {
            if expr.callee_name().is_none() {
                expressions(callee, found);
            }
            args.iter().for_each(|arg| expressions(arg, found));
        }
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => expressions(inner, found),
        Expr::Cast { operand, .. } | Expr::Unary { operand, .. } | Expr::Update { operand, .. } => {
            expressions(operand, found);
        }
        Expr::Assign { target, value, .. } => {
            expressions(target, found);
            expressions(value, found);
        }
        Expr::Binary { left, right, .. } => {
            expressions(left, found);
            expressions(right, found);
        }
        Expr::Conditional {
            cond,
            then,
            otherwise,
            ..
        } => {
            expressions(cond, found);
            if let Some(then) = then {
                expressions(then, found);
            }
            expressions(otherwise, found);
        }
        Expr::Initialiser { items, .. } => items
            .iter()
            .for_each(|item| expressions(&item.value, found)),
        Expr::Block(inner, _) => all(inner, found),
        Expr::Unread(inner, _) => inner.iter().for_each(|inner| expressions(inner, found)),
        Expr::Name(..) | Expr::Literal(..) | Expr::Sizeof(_) | Expr::Type(..) => {}
    }
    found(expr);
}

/// The expression without casts.
pub(crate) fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Cast { operand, .. } = expr {
        expr = operand;
    }
    expr
}

/// The expression as text, in one spelling for each meaning.
pub(crate) fn text(expr: &Expr) -> String {
    match expr {
        Expr::Name(name, _) => name.to_string(),
        Expr::Literal(text, _) => text.to_string(),
        Expr::Field {
            base, name, arrow, ..
        } => format!("{}{}{name}", text(base), if *arrow { "->" } else { "." }),
        Expr::Index { base, index, .. } => format!("{}[{}]", text(base), text(index)),
        Expr::Call { callee, args, .. } => {
            format!(
                "{}({})",
                text(callee),
                args.iter().map(text).collect::<Vec<_>>().join(", ")
            )
        }
        Expr::AddressOf(inner, _) => format!("&{}", text(inner)),
        Expr::Deref(inner, _) => format!("*{}", text(inner)),
        Expr::Cast { operand, .. } => text(operand),
        Expr::Assign {
            op, target, value, ..
        } => format!("{} {op} {}", text(target), text(value)),
        Expr::Binary {
            op, left, right, ..
        } => format!("{} {op} {}", text(left), text(right)),
        Expr::Unary { op, operand, .. } => format!("{op}{}", text(operand)),
        Expr::Update {
            op,
            prefix: true,
            operand,
            ..
        } => format!("{op}{}", text(operand)),
        Expr::Update { op, operand, .. } => format!("{}{op}", text(operand)),
        Expr::Conditional {
            cond,
            then,
            otherwise,
            ..
        } => {
            let then = then.as_ref().map(|then| text(then)).unwrap_or_default();
            format!("{} ? {then} : {}", text(cond), text(otherwise))
        }
        Expr::Sizeof(span) => format!("sizeof#{}", span.start),
        Expr::Type(ty, _) => ty.name.to_string(),
        Expr::Initialiser { span, .. } | Expr::Block(_, span) | Expr::Unread(_, span) => {
            format!("#{}", span.start)
        }
    }
}
