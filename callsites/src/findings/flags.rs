// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which FOLL constants the flags of a call are made of.

use super::visit;
use crate::index::ir::{Expr, Function, Stmt};

/// The FOLL constants that stand in flags.
pub(super) fn foll_names(flags: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    visit::expressions(flags, &mut |inner| {
        if let Expr::Name(name, _) = inner {
            if name.starts_with("FOLL_") {
                names.push(name.as_str());
            }
        }
    });
    names
}

/// The FOLL constants that flags have on every way: those that stand there, and those that the function gives their variable
/// whatever else holds.
pub(super) fn certain<'f>(function: &'f Function, flags: &'f Expr) -> Vec<&'f str> {
    let mut names = foll_names(flags);
    let Expr::Name(variable, _) = visit::bare(flags) else {
        return names;
    };
    let (mut given, mut other) = (0, 0);
    visit::all(&function.body, &mut |expr| {
        if let Expr::Assign { op, target, .. } = expr {
            let own = visit::text(target) == *variable;
            given += usize::from(own && op == "=");
            other += usize::from(own && op != "=" && op != "|=");
        }
    });
    let mut outright = 0;
    for statement in function.body.iter() {
        match statement {
            Stmt::Decl(declarations, _) => {
                let own = declarations.iter().filter(|d| d.name == *variable);
                names.extend(own.filter_map(|d| d.init.as_ref()).flat_map(plain_names));
            }
            Stmt::Expr(
                Expr::Assign {
                    op, target, value, ..
                },
                _,
            ) if visit::text(target) == *variable => {
                outright += usize::from(op == "=");
                names.extend(plain_names(value));
            }
            _ => {}
        }
    }
    // What is given anew in some arm may be without them there.
    if other > 0 || given > outright || outright > 1 {
        return foll_names(flags);
    }
    names
}

/// The FOLL constants of a value that does not choose.
fn plain_names(value: &Expr) -> Vec<&str> {
    match visit::bare(value) {
        Expr::Binary {
            op, left, right, ..
        } if op == "|" => {
            let mut names = plain_names(left);
            names.extend(plain_names(right));
            names
        }
        Expr::Name(name, _) if name.starts_with("FOLL_") => vec![name.as_str()],
        _ => Vec::new(),
    }
}

/// The FOLL constants that flags are made of, and of which a variable of the function is given any; None when there may be
/// others.
pub(super) fn constants<'f>(function: &'f Function, flags: &'f Expr) -> Option<Vec<&'f str>> {
    if only_flags(flags) {
        return Some(foll_names(flags));
    }
    let Expr::Name(variable, _) = visit::bare(flags) else {
        return None;
    };
    let (mut names, mut known, mut given) = (Vec::new(), true, false);
    let mut value = |value: &'f Expr| {
        given = true;
        known &= only_flags(value);
        names.extend(foll_names(value));
    };
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Decl(declarations, _) = statement {
            let own = declarations.iter().filter(|d| d.name == *variable);
            own.filter_map(|d| d.init.as_ref()).for_each(&mut value);
        }
    });
    visit::all(&function.body, &mut |expr| match expr {
        Expr::Assign {
            op,
            target,
            value: given,
            ..
        } if visit::text(target) == *variable => match op.as_str() {
            "=" | "|=" => value(given),
            _ => value(target),
        },
        // Who has its address may give it more.
        Expr::AddressOf(inner, _) if visit::text(inner) == *variable => value(inner),
        _ => {}
    });
    let parameter = function.params.iter().any(|param| param.name == *variable);
    (known && given && !parameter).then_some(names)
}

/// Made of FOLL constants and nothing that could hold more of them.
fn only_flags(flags: &Expr) -> bool {
    match visit::bare(flags) {
        Expr::Name(name, _) => name.starts_with("FOLL_"),
        Expr::Literal(..) => true,
        Expr::Binary {
            op, left, right, ..
        } if op == "|" => only_flags(left) && only_flags(right),
        Expr::Conditional {
            then, otherwise, ..
        } => then.as_ref().is_some_and(|then| only_flags(then)) && only_flags(otherwise),
        _ => false,
    }
}
