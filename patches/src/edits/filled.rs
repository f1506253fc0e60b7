// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether every entry below a count is a page: the count is what an acquire into that array has just returned.
//!
//! Such a loop needs no test for NULL. Where the count comes from elsewhere the test is needed: the functions that take an
//! array fall over an entry that is NULL (before 6.13, and later unless all of them come first).

use super::walk::{every_part, expressions, inner, plain, statements};
use callsites::index::ir::{Expr, Function, Span, Stmt};
use refimpl::api::{Role, catalogue};

/// Whether the last thing before the end of `path` that sets `count` is an acquire into `array`.
pub(super) fn by_acquire(
    bytes: &[u8],
    function: &Function,
    path: &[&Stmt],
    count: &Expr,
    array: Span,
) -> bool {
    let text = |span: Span| &bytes[span.start as usize..span.end as usize];
    let sets = |expr: &Expr| match expr {
        Expr::Assign { target, .. } => text(target.span()) == text(count.span()),
        Expr::Update { operand, .. } => text(operand.span()) == text(count.span()),
        _ => false,
    };
    let acquires = |stmt: &Stmt| match stmt {
        Stmt::Expr(expr @ Expr::Assign { op, value, .. }, _) if op == "=" && sets(expr) => {
            match plain(value) {
                call @ Expr::Call { args, .. } => {
                    let acquire = call
                        .callee_name()
                        .is_some_and(|name| catalogue().is(name, Role::Acquire));
                    acquire && args.iter().any(|arg| text(arg.span()) == text(array))
                }
                _ => false,
            }
        }
        _ => false,
    };
    for (depth, next) in path.iter().enumerate().rev() {
        let list: &[Stmt] = match depth.checked_sub(1).map(|above| path[above]) {
            None => &function.body,
            Some(Stmt::Block(list, _)) => list,
            // What an outer loop does after this place is done before it in the next turn.
            Some(outer @ Stmt::Loop { .. }) if sets_anywhere(outer, &sets) => return false,
            Some(_) => continue,
        };
        for before in list
            .iter()
            .rev()
            .skip_while(|stmt| stmt.span() != next.span())
            .skip(1)
        {
            if acquires(before) {
                return true;
            }
            // Whoever jumps to a label has come another way.
            if matches!(before, Stmt::Label { .. }) || sets_anywhere(before, &sets) {
                return false;
            }
        }
    }
    false
}

fn sets_anywhere(stmt: &Stmt, sets: &impl Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    statements(stmt, &mut |stmt| {
        found |= expressions(stmt)
            .into_iter()
            .any(|expr| every_part(expr, sets));
        found |= inner(stmt).is_empty() && matches!(stmt, Stmt::Unread(..));
    });
    found
}
