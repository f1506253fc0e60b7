// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an expression or a statement says of an iterator: tests of its kind, ways out, places.

use crate::index::ir::{Declaration, Expr, Function, InitItem, Span, Stmt};
use crate::index::walk;
use refimpl::api::{Role, followed};

/// Whether a variable or parameter is given another value after it was declared.
pub(super) fn assigned(function: &Function, name: &str) -> bool {
    let mut found = false;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Assign { target, .. }
        | Expr::Update {
            operand: target, ..
        } = expr
        {
            found |= matches!(bare(target), Expr::Name(other, _) if other == name);
        }
    });
    found
}

/// Whether an item of an initialiser sets the member that `is` asks for.
pub(super) fn names_member(item: &InitItem, is: &dyn Fn(&Expr) -> bool) -> bool {
    let [name] = item.fields.as_slice() else {
        return false;
    };
    let span = item.value.span();
    is(&Expr::Field {
        base: Box::new(Expr::Name("".into(), span)),
        name: name.clone(),
        arrow: false,
        name_span: span,
        span,
    })
}

/// What the catalogue says of a call that sets up an iterator, or asks what it is.
pub(super) fn origin(call: &Expr) -> Option<&'static str> {
    let function = followed().get(call.callee_name()?)?;
    let is = function.role == Role::Origin && function.kind.ends_with(" iterator");
    is.then_some(function.kind.as_str())
}

/// The test in `cond`, a call with the iterator alone, that is true of user-backed ones.
fn test<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match cond {
        Expr::Call { args, .. } => match args.as_slice() {
            [only] if same(only) && origin(cond) == Some("user iterator") => cond.callee_name(),
            // unlikely(…), WARN_ON(…)
            [only] if matches!(cond.callee_name(), Some("likely" | "unlikely")) => test(only, same),
            _ => None,
        },
        _ => None,
    }
}

/// The test that has failed whenever `cond` is false: what is left then is user-backed.
pub(super) fn refuses<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match bare(cond) {
        Expr::Unary { op, operand, .. } if op == "!" => test(bare(operand), same),
        Expr::Binary {
            op, left, right, ..
        } if op == "||" => refuses(left, same).or_else(|| refuses(right, same)),
        Expr::Call { args, .. } => match args.as_slice() {
            [only] if !matches!(bare(only), Expr::Name(..)) => refuses(only, same),
            _ => None,
        },
        _ => None,
    }
}

/// The test that holds whenever `cond` is true.
pub(super) fn admits<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match bare(cond) {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" => admits(left, same).or_else(|| admits(right, same)),
        other => test(other, same),
    }
}

/// Whether a condition is true whenever a call has failed whose result is `result`.
pub(super) fn has_failed(cond: &Expr, result: &Expr) -> bool {
    let is = |expr: &Expr| alike(bare(expr), result);
    match bare(cond) {
        Expr::Binary {
            op, left, right, ..
        } => match op.as_str() {
            "||" => has_failed(left, result) || has_failed(right, result),
            "<" => is(left) && matches!(bare(right), Expr::Literal(text, _) if text == "0"),
            _ => false,
        },
        call @ Expr::Call { args, .. } => {
            let asks = matches!(call.callee_name(), Some("IS_ERR" | "IS_ERR_OR_NULL"));
            match args.as_slice() {
                [only] => asks && is(only) || has_failed(only, result) && !asks,
                _ => false,
            }
        }
        other => is(other),
    }
}

/// Whether a statement ends in `return ERR_PTR(…)` or `return -E…`.
pub(super) fn fails(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Block(list, _) => list.last().is_some_and(fails),
        Stmt::Return(Some(value), _) => match bare(value) {
            Expr::Unary { op, .. } => op == "-",
            call => call.callee_name() == Some("ERR_PTR"),
        },
        _ => false,
    }
}

/// Whether nothing comes after a statement.
pub(super) fn leaves(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Block(list, _) => list.last().is_some_and(leaves),
        Stmt::Return(..) | Stmt::Goto { .. } => true,
        _ => false,
    }
}

pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { operand, .. } => bare(operand),
        other => other,
    }
}

/// Whether two expressions name the same place.
pub(super) fn alike(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Name(a, _), Expr::Name(b, _)) => a == b,
        (
            Expr::Field {
                base: a,
                name: x,
                arrow: p,
                ..
            },
            Expr::Field {
                base: b,
                name: y,
                arrow: q,
                ..
            },
        ) => x == y && p == q && alike(bare(a), bare(b)),
        (Expr::AddressOf(a, _), Expr::AddressOf(b, _)) | (Expr::Deref(a, _), Expr::Deref(b, _)) => {
            alike(bare(a), bare(b))
        }
        _ => false,
    }
}

pub(super) fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The call that covers `span`.
pub(super) fn call_at(function: &Function, span: Span) -> Option<(&Expr, &[Expr])> {
    let mut found = None;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call {
            args, span: own, ..
        } = expr
        {
            if *own == span {
                found = Some((expr, args.as_slice()));
            }
        }
    });
    found
}

/// The declaration of a variable or parameter; None where there is more than one.
pub(super) fn declaration<'f>(function: &'f Function, name: &str) -> Option<&'f Declaration> {
    let mut all: Vec<&Declaration> = function
        .params
        .iter()
        .filter(|param| param.name == name)
        .collect();
    fn locals<'f>(list: &'f [Stmt], name: &str, all: &mut Vec<&'f Declaration>) {
        for stmt in list {
            match stmt {
                Stmt::Decl(list, _) => all.extend(list.iter().filter(|decl| decl.name == name)),
                Stmt::Block(list, _) | Stmt::Unread(list, _) => locals(list, name, all),
                Stmt::If {
                    then, otherwise, ..
                } => {
                    locals(std::slice::from_ref(then), name, all);
                    if let Some(otherwise) = otherwise {
                        locals(std::slice::from_ref(otherwise), name, all);
                    }
                }
                Stmt::Loop { init, body, .. } => {
                    if let Some(init) = init {
                        locals(std::slice::from_ref(init), name, all);
                    }
                    locals(std::slice::from_ref(body), name, all);
                }
                Stmt::Switch { body, .. } => locals(std::slice::from_ref(body), name, all),
                Stmt::Arms(arms, _) => arms.iter().for_each(|(_, list)| locals(list, name, all)),
                _ => {}
            }
        }
    }
    locals(&function.body, name, &mut all);
    match all.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}
