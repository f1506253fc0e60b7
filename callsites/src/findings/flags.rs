// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which FOLL constants the flags of a call are made of.

use super::visit;
use crate::index::ir::{Expr, Function, Span, Stmt};
use std::collections::{HashMap, HashSet};

/// The FOLL constants that stand in flags.
fn foll_names(flags: &Expr) -> Vec<&str> {
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

/// What a function does to a variable: `flags = FOLL_WRITE`.
struct Gift<'f> {
    /// As it stands there; of a declaration `=`, of an address that is taken `&`.
    op: &'f str,
    /// The value, or what has its address taken.
    value: &'f Expr,
    /// In no arm and no loop.
    outright: bool,
    declared: bool,
}

/// What a function does to each of its variables, read once.
pub(super) struct Given<'f> {
    function: &'f Function,
    by_name: HashMap<&'f str, Vec<Gift<'f>>>,
}

impl<'f> Given<'f> {
    pub(super) fn of(function: &'f Function) -> Self {
        let mut by_name: HashMap<&str, Vec<Gift<'_>>> = HashMap::new();
        let outright: HashSet<Span> = function
            .body
            .iter()
            .filter_map(|statement| match statement {
                Stmt::Expr(expr, _) => Some(expr.span()),
                _ => None,
            })
            .collect();
        let at_top: HashSet<Span> = function.body.iter().map(Stmt::span).collect();
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Decl(declarations, span) = statement {
                for declaration in declarations {
                    if let Some(value) = &declaration.init {
                        by_name.entry(&declaration.name).or_default().push(Gift {
                            op: "=",
                            value,
                            outright: at_top.contains(span),
                            declared: true,
                        });
                    }
                }
            }
        });
        visit::all(&function.body, &mut |expr| {
            let (target, op, value) = match expr {
                Expr::Assign {
                    op, target, value, ..
                } => (target, op.as_str(), value.as_ref()),
                Expr::AddressOf(inner, _) => (inner, "&", inner.as_ref()),
                _ => return,
            };
            if let Expr::Name(name, _) = visit::bare(target) {
                by_name.entry(name).or_default().push(Gift {
                    op,
                    value,
                    outright: outright.contains(&expr.span()),
                    declared: false,
                });
            }
        });
        Self { function, by_name }
    }

    fn gifts(&self, variable: &str) -> &[Gift<'f>] {
        self.by_name.get(variable).map_or(&[], Vec::as_slice)
    }

    /// The parameter that is handed on as it is.
    pub(super) fn parameter(&self, flags: &Expr) -> Option<usize> {
        let Expr::Name(name, _) = visit::bare(flags) else {
            return None;
        };
        let mut params = self.function.params.iter();
        let at = params.position(|param| param.name == *name)?;
        let changed = self.gifts(name).iter().any(|gift| !gift.declared);
        (!changed).then_some(at)
    }

    /// The FOLL constants that flags have on every way: those that stand there, and those that the function gives their
    /// variable whatever else holds.
    pub(super) fn certain(&self, flags: &'f Expr) -> Vec<&'f str> {
        let mut names = foll_names(flags);
        let Expr::Name(variable, _) = visit::bare(flags) else {
            return names;
        };
        let assigned = || self.gifts(variable).iter().filter(|gift| gift.op != "&");
        let anew = || assigned().filter(|gift| gift.op == "=" && !gift.declared);
        // What is given anew in some arm may be without them there.
        if anew().any(|gift| !gift.outright)
            || anew().count() > 1
            || assigned().any(|gift| !matches!(gift.op, "=" | "|="))
        {
            return names;
        }
        let outright = assigned().filter(|gift| gift.outright);
        names.extend(outright.flat_map(|gift| plain_names(gift.value)));
        names
    }

    /// The FOLL constants that flags are made of, and of which a variable of the function is given any; None when there may
    /// be others.
    pub(super) fn constants(&self, flags: &'f Expr) -> Option<Vec<&'f str>> {
        if only_flags(flags) {
            return Some(foll_names(flags));
        }
        let Expr::Name(variable, _) = visit::bare(flags) else {
            return None;
        };
        let gifts = self.gifts(variable);
        // Who has its address may give it more.
        let known = |gift: &Gift<'_>| matches!(gift.op, "=" | "|=") && only_flags(gift.value);
        let parameter = self.function.params.iter().any(|p| p.name == *variable);
        if gifts.is_empty() || parameter || !gifts.iter().all(known) {
            return None;
        }
        Some(
            gifts
                .iter()
                .flat_map(|gift| foll_names(gift.value))
                .collect(),
        )
    }
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
