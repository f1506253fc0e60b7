// SPDX-License-Identifier: MIT OR Apache-2.0
//! The head of a loop that counts through an array: its index, its bound, its direction, and what else it asks.

use super::walk::{every_part, is_name, plain};
use callsites::index::ir::{Expr, LoopKind, Stmt};

/// The head of a counting loop.
pub(super) struct Header<'a> {
    /// The variable that counts.
    pub index: &'a str,
    /// The entry that it begins with, where that is not the first.
    pub from: Option<&'a Expr>,
    /// How many turns.
    pub count: &'a Expr,
    /// From the last entry to the first.
    pub downwards: bool,
    /// The count is the index itself (`while (i--)`).
    pub by_index: bool,
    /// The body, not the head, counts down.
    pub in_body: bool,
    /// What must hold besides, and is the same in every turn.
    pub guard: Option<&'a Expr>,
}

/// Reads the head of a loop; None where it does not count through all entries from the first to the last or back.
pub(super) fn header(stmt: &Stmt) -> Option<Header<'_>> {
    let Stmt::Loop {
        kind,
        init,
        cond: Some(cond),
        step,
        ..
    } = stmt
    else {
        return None;
    };
    match kind {
        LoopKind::For => for_header(init.as_deref()?, cond, step.as_ref()?),
        LoopKind::While => while_header(cond),
        _ => None,
    }
}

/// `while (n--)`, `while (n-- > 0)`, `while (--n >= 0)`; `while (n)` and `while (n > 0)` where the body counts.
fn while_header(cond: &Expr) -> Option<Header<'_>> {
    let (tested, than) = match plain(cond) {
        Expr::Binary {
            op, left, right, ..
        } if is_number(right, "0") => (plain(left), op.as_str()),
        other => (other, "!="),
    };
    let (index, in_body) = match tested {
        Expr::Name(..) if matches!(than, ">" | "!=") => (tested, true),
        Expr::Update {
            op,
            prefix,
            operand,
            ..
        } if op == "--" => match (*prefix, than) {
            (false, "!=" | ">") | (true, ">=") => (operand.as_ref(), false),
            _ => return None,
        },
        _ => return None,
    };
    match index {
        Expr::Name(name, _) => Some(Header {
            index: name,
            from: None,
            count: index,
            downwards: true,
            by_index: true,
            in_body,
            guard: None,
        }),
        _ => None,
    }
}

fn for_header<'a>(init: &'a Stmt, cond: &'a Expr, step: &'a Expr) -> Option<Header<'a>> {
    let (index, first) = match init {
        Stmt::Expr(
            Expr::Assign {
                op, target, value, ..
            },
            _,
        ) if op == "=" => match target.as_ref() {
            Expr::Name(name, _) => (name, value.as_ref()),
            _ => return None,
        },
        Stmt::Decl(list, _) => match list.as_slice() {
            [only] => (&only.name, only.init.as_ref()?),
            _ => return None,
        },
        _ => return None,
    };
    let (cond, guard) = bound(cond, index);
    let Expr::Binary {
        op, left, right, ..
    } = cond
    else {
        return None;
    };
    if !is_name(plain(left), index) {
        return None;
    }
    let steps = |update: &str, assign: &str| match step {
        Expr::Update { op, operand, .. } => op == update && is_name(operand, index),
        Expr::Assign {
            op, target, value, ..
        } => op == assign && is_name(target, index) && is_number(value, "1"),
        _ => false,
    };
    let up = matches!(op.as_str(), "<" | "!=") && steps("++", "+=");
    let part = up.then(|| behind(right, first)).flatten();
    let upwards = up && is_number(first, "0") || part.is_some();
    let count = match plain(first) {
        _ if part.is_some() => part,
        _ if upwards => Some(right.as_ref()),
        Expr::Binary {
            op: minus,
            left,
            right: one,
            ..
        } if minus == "-"
            && is_number(one, "1")
            && op == ">="
            && is_number(right, "0")
            && steps("--", "-=") =>
        {
            Some(left.as_ref())
        }
        _ => None,
    }?;
    Some(Header {
        index,
        from: part.map(|_| first),
        count,
        downwards: !upwards,
        by_index: false,
        in_body: false,
        guard,
    })
}

/// `n` of the bound `first + n`.
fn behind<'a>(bound: &'a Expr, first: &Expr) -> Option<&'a Expr> {
    match plain(bound) {
        Expr::Binary {
            op, left, right, ..
        } if op == "+" => match (same(left, first), same(right, first)) {
            (true, false) => Some(right),
            (false, true) => Some(left),
            _ => None,
        },
        _ => None,
    }
}

/// Whether two expressions are the same variable or member.
fn same(one: &Expr, other: &Expr) -> bool {
    match (plain(one), plain(other)) {
        (Expr::Name(one, _), Expr::Name(other, _)) => one == other,
        (
            Expr::Field {
                base: one,
                name,
                arrow,
                ..
            },
            Expr::Field {
                base: other,
                name: second,
                arrow: second_arrow,
                ..
            },
        ) => name == second && arrow == second_arrow && same(one, other),
        _ => false,
    }
}

/// Parts `array && i < n` into the comparison and the rest, where the rest is the same in every turn.
fn bound<'a>(cond: &'a Expr, index: &str) -> (&'a Expr, Option<&'a Expr>) {
    let varies = |expr: &Expr| {
        every_part(expr, |part| {
            is_name(part, index)
                || matches!(
                    part,
                    Expr::Call { .. }
                        | Expr::Assign { .. }
                        | Expr::Update { .. }
                        | Expr::Unread(..)
                )
        })
    };
    match cond {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" && !varies(left) => (right, Some(left)),
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" && !varies(right) => (left, Some(right)),
        other => (other, None),
    }
}

/// Whether `expr` counts `index` down by one.
pub(super) fn counts_down(expr: &Expr, index: &str) -> bool {
    match expr {
        Expr::Update { op, operand, .. } => op == "--" && is_name(operand, index),
        Expr::Assign {
            op, target, value, ..
        } => op == "-=" && is_name(target, index) && is_number(value, "1"),
        _ => false,
    }
}

fn is_number(expr: &Expr, number: &str) -> bool {
    matches!(plain(expr), Expr::Literal(text, _) if text.trim_end_matches(['u', 'U', 'l', 'L']) == number)
}
