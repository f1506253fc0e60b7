// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways through a function: down to a call, and over every use of a name.

use callsites::index::ir::{Expr, Function, LoopKind, Span, Stmt};

/// Whether `outer` holds `inner`.
pub(crate) fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The statements around `span`, outermost first.
pub(crate) fn path(function: &Function, span: Span) -> Vec<&Stmt> {
    let mut path = Vec::new();
    let mut level: Vec<&Stmt> = function.body.iter().collect();
    while let Some(next) = level.into_iter().find(|stmt| holds(stmt.span(), span)) {
        path.push(next);
        level = inner(next);
    }
    path
}

/// The statements directly inside `stmt`.
pub(crate) fn inner(stmt: &Stmt) -> Vec<&Stmt> {
    match stmt {
        Stmt::Block(list, _) | Stmt::Unread(list, _) => list.iter().collect(),
        Stmt::If {
            then, otherwise, ..
        } => std::iter::once(then.as_ref())
            .chain(otherwise.as_deref())
            .collect(),
        Stmt::Loop { init, body, .. } => {
            init.as_deref().into_iter().chain([body.as_ref()]).collect()
        }
        Stmt::Switch { body, .. } => vec![body],
        Stmt::Arms(arms, _) => arms.iter().flat_map(|(_, list)| list).collect(),
        _ => Vec::new(),
    }
}

/// The expressions directly inside `stmt`, not those of its inner statements.
pub(crate) fn expressions(stmt: &Stmt) -> Vec<&Expr> {
    match stmt {
        Stmt::Expr(expr, _) | Stmt::Return(Some(expr), _) => vec![expr],
        Stmt::Decl(list, _) => list.iter().filter_map(|decl| decl.init.as_ref()).collect(),
        Stmt::If { cond, .. } => vec![cond],
        Stmt::Switch { value, .. } => vec![value],
        Stmt::Case { value, .. } => value.iter().collect(),
        Stmt::Loop {
            cond, step, kind, ..
        } => {
            let args: &[Expr] = match kind {
                LoopKind::Iterator { args, .. } => args,
                _ => &[],
            };
            cond.iter().chain(step).chain(args).collect()
        }
        _ => Vec::new(),
    }
}

/// Calls `each` for `stmt` and everything in it.
pub(crate) fn statements<'a>(stmt: &'a Stmt, each: &mut impl FnMut(&'a Stmt)) {
    each(stmt);
    for stmt in inner(stmt) {
        statements(stmt, each);
    }
}

/// Calls `each` for every expression of the function.
pub(crate) fn all_expressions<'a>(function: &'a Function, each: &mut impl FnMut(&'a Expr)) {
    callsites::index::walk::expressions(&function.body, each);
}

/// The expression without casts around it.
pub(crate) fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { operand, .. } => plain(operand),
        other => other,
    }
}

/// Whether `expr` is the name `name`.
pub(crate) fn is_name(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Name(found, _) if found == name)
}

/// Whether `expr` is `NULL`.
pub(crate) fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(text, _) | Expr::Name(text, _) if text == "NULL")
}

/// Whether `test` holds of `expr` or a part of it.
pub(crate) fn every_part(expr: &Expr, mut test: impl FnMut(&Expr) -> bool) -> bool {
    let mut found = false;
    callsites::index::walk::expression(expr, &mut |expr| found |= test(expr));
    found
}
