// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a condition says where a call stands: which expressions are known to be true there, and which false.

use super::mapping::{around, within};
use crate::index::ir::{Expr, Span, Stmt};
use refimpl::api::{Role, followed};
use std::hash::{Hash, Hasher};

/// An expression and whether it is true.
pub(crate) type Fact<'s> = (&'s Expr, bool);

/// What the conditions around a place of a body say, outermost first.
pub(crate) fn facts<'s>(body: &'s [Stmt], place: Span) -> Vec<Fact<'s>> {
    let mut out = Vec::new();
    around(body, place, &mut |statement, _| {
        if let Stmt::If {
            cond,
            then,
            otherwise,
            ..
        } = statement
        {
            if within(place, then.span()) {
                take_apart(cond, true, &mut out);
            } else if otherwise
                .as_ref()
                .is_some_and(|otherwise| within(place, otherwise.span()))
            {
                take_apart(cond, false, &mut out);
            }
        }
    });
    out
}

/// Takes a condition apart into what must hold for it: both sides of a true `&&`, neither of a false `||`.
fn take_apart<'s>(cond: &'s Expr, truth: bool, out: &mut Vec<Fact<'s>>) {
    match cond {
        Expr::Unary { op, operand, .. } if op == "!" => take_apart(operand, !truth, out),
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" && truth || op == "||" && !truth => {
            take_apart(left, truth, out);
            take_apart(right, truth, out);
        }
        Expr::Binary {
            op, left, right, ..
        } if (op == "==" || op == "!=") && (is_null(left) || is_null(right)) => {
            let tested = if is_null(left) { right } else { left };
            take_apart(tested, truth == (op == "!="), out);
        }
        // likely() and unlikely() hand on what they are given.
        Expr::Call { args, .. } if args.len() == 1 && is_transparent(cond) => {
            take_apart(&args[0], truth, out);
        }
        _ => out.push((cond, truth)),
    }
}

fn is_transparent(call: &Expr) -> bool {
    let listed = call.callee_name().and_then(|name| followed().get(name));
    listed.is_some_and(|function| function.role == Role::Translate && function.kind == "value")
}

/// Whether an expression is a constant that means nothing, zero or false.
pub(crate) fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(text, _) => {
            matches!(text.as_str(), "0" | "NULL" | "nullptr" | "false" | "FALSE")
        }
        Expr::Cast { operand, .. } => is_null(operand),
        _ => false,
    }
}

/// Whether two expressions are written alike, wherever they stand. Only places are compared: what calls return may
/// differ each time.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Name(a, _), Expr::Name(b, _)) | (Expr::Literal(a, _), Expr::Literal(b, _)) => a == b,
        (
            Expr::Field {
                base: a,
                name,
                arrow,
                ..
            },
            Expr::Field {
                base: b,
                name: other,
                arrow: points,
                ..
            },
        ) => name == other && arrow == points && same(a, b),
        (
            Expr::Index {
                base: a, index: i, ..
            },
            Expr::Index {
                base: b, index: j, ..
            },
        ) => same(a, b) && same(i, j),
        (Expr::Deref(a, _), Expr::Deref(b, _)) | (Expr::AddressOf(a, _), Expr::AddressOf(b, _)) => {
            same(a, b)
        }
        (Expr::Cast { operand: a, .. }, b) => same(a, b),
        (a, Expr::Cast { operand: b, .. }) => same(a, b),
        (
            Expr::Binary {
                op: a,
                left: l,
                right: r,
                ..
            },
            Expr::Binary {
                op: b,
                left: m,
                right: s,
                ..
            },
        ) => a == b && same(l, m) && same(r, s),
        _ => false,
    }
}

/// A place as it is written, for maps and sets: [`same`] places are one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'p>(&'p Expr);

impl<'p> Written<'p> {
    /// None where the expression is the same as no other.
    pub(crate) fn of(expr: &'p Expr) -> Option<Self> {
        fn is_place(expr: &Expr) -> bool {
            match expr {
                Expr::Name(..) | Expr::Literal(..) => true,
                Expr::Field { base: inner, .. }
                | Expr::Deref(inner, _)
                | Expr::AddressOf(inner, _)
                | Expr::Cast { operand: inner, .. } => is_place(inner),
                Expr::Index {
                    base: left,
                    index: right,
                    ..
                }
                | Expr::Binary { left, right, .. } => is_place(left) && is_place(right),
                _ => false,
            }
        }
        is_place(expr).then_some(Self(expr))
    }
}

impl PartialEq for Written<'_> {
    fn eq(&self, other: &Self) -> bool {
        same(self.0, other.0)
    }
}

impl Eq for Written<'_> {}

impl Hash for Written<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Expr::Name(text, _) | Expr::Literal(text, _) => text.hash(state),
            Expr::Field { base, name, .. } => {
                name.hash(state);
                Written(base).hash(state);
            }
            Expr::Index { base, index, .. } => {
                Written(base).hash(state);
                Written(index).hash(state);
            }
            Expr::Deref(inner, _) | Expr::AddressOf(inner, _) => Written(inner).hash(state),
            Expr::Cast { operand, .. } => Written(operand).hash(state),
            Expr::Binary {
                op, left, right, ..
            } => {
                op.hash(state);
                Written(left).hash(state);
                Written(right).hash(state);
            }
            _ => {}
        }
    }
}

/// The statements of the innermost block of a body that holds a place.
pub(crate) fn block_of(body: &[Stmt], place: Span) -> &[Stmt] {
    let mut innermost = body;
    around(body, place, &mut |statement, _| {
        if let Stmt::Block(inner, _) = statement {
            innermost = inner;
        }
    });
    innermost
}
