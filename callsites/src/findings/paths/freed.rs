// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arrays and scatterlists that are freed before the pages in them are released.

use super::machine::{Machine, What};
use super::state::{State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::Function;
use smol_str::SmolStr;

impl Machine<'_, '_> {
    /// A scatterlist gets the pages of an array: who has the list knows of them.
    pub(super) fn lists(&mut self, state: &mut State, function: Option<&Function>, args: &[Expr]) {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        let pages = function.and_then(|function| function.page_argument(args.len()));
        let (Some(list), Some(Value::Sym(array, _))) =
            (args.first(), pages.and_then(|at| values.get(at)))
        else {
            return;
        };
        let list = name_of(list);
        state.lists_gone.remove(&list);
        for acquisition in &mut state.acquisitions {
            if acquisition.memory == Some(*array) {
                acquisition.in_list = Some(list.clone());
            }
        }
    }

    /// Memory is freed: does it alone know of pages that are held?
    pub(super) fn free(&mut self, state: &mut State, args: &[Expr], span: Span) -> Value {
        for arg in args {
            let Value::Sym(sym, _) = self.eval(state, arg) else {
                continue;
            };
            state.freed.insert(sym);
            state.gone.insert(sym, span);
            let mut lost: Vec<usize> = Vec::new();
            for (a, acquisition) in state.acquisitions.iter_mut().enumerate() {
                // Its array may have gone before.
                let emptied = acquisition.put_in.remove(&sym)
                    && acquisition
                        .memory
                        .is_some_and(|array| state.freed.contains(&array));
                if (acquisition.memory == Some(sym) || emptied) && acquisition.leaks() {
                    lost.push(a);
                }
            }
            for a in lost {
                let acquisition = &mut state.acquisitions[a];
                // Of an array that others see they may have copied the pages before.
                if !acquisition.visible || acquisition.home.is_none() {
                    continue;
                }
                // Whether a call keeps the pages is told at the end.
                if !acquisition.loans.is_empty() {
                    acquisition.visible = false;
                    continue;
                }
                let acquisition = acquisition.clone();
                self.fact_about(state, What::FreedWhileHeld, span, &acquisition);
                state.over = true;
            }
        }
        Value::Int(0)
    }

    /// Notes that a scatterlist has no entries any more.
    pub(super) fn list_freed(
        &self,
        state: &mut State,
        args: &[Expr],
        at: Option<usize>,
        span: Span,
    ) {
        if let Some(list) = at.and_then(|at| args.get(at)) {
            let list = name_of(list);
            for acquisition in &mut state.acquisitions {
                if acquisition.in_list.as_ref() == Some(&list) {
                    acquisition.in_list = None;
                }
            }
            state.lists_gone.insert(list, span);
        }
    }

    /// A loop walks a list: has it entries?
    pub(super) fn walks_freed(&mut self, state: &State, args: &[Expr]) {
        if state.lists_gone.is_empty() {
            return;
        }
        for arg in args {
            let text = name_of(arg);
            let freed = state.lists_gone.iter().find(|(list, _)| is_of(&text, list));
            if let Some((_, freed)) = freed {
                self.fact(state, What::ReleasedFromFreed, arg.span(), Some(*freed), "");
            }
        }
    }

    /// A page, or an array of pages, is released: does the array that names it still exist?
    pub(super) fn released_from(&mut self, state: &mut State, arg: &Expr, value: Value, at: Span) {
        if state.gone.is_empty() {
            return;
        }
        let array = match array_of(arg) {
            Some(base) => self.eval(state, base),
            None => value,
        };
        // A member of an object that is gone is gone with it.
        let object = match visit::bare(arg) {
            Expr::AddressOf(inner, _) => object_of(inner),
            arg => object_of(arg),
        };
        let object = object.and_then(|object| state.values.get(object)).copied();
        let gone = [Some(array), object]
            .into_iter()
            .flatten()
            .find_map(|value| {
                let Value::Sym(sym, _) = value else {
                    return None;
                };
                state.gone.get(&sym).copied()
            });
        if let Some(freed) = gone {
            self.fact(state, What::ReleasedFromFreed, at, Some(freed), "");
            state.over = true;
        }
    }
}

impl State {
    /// A loop over a scatterlist has released pages in its turns: they are those that the list knows of.
    pub(super) fn list_let_go(&mut self, args: &[Expr]) {
        let texts: Vec<SmolStr> = args.iter().map(name_of).collect();
        for acquisition in &mut self.acquisitions {
            let walked = acquisition
                .in_list
                .as_ref()
                .is_some_and(|list| texts.iter().any(|text| is_of(text, list)));
            acquisition.handed_on |= walked;
        }
    }
}

/// Whether `text` is a list, or a member of it.
fn is_of(text: &str, list: &str) -> bool {
    let member = text.strip_prefix(list);
    member.is_some_and(|m| m.is_empty() || m.starts_with('.') || m.starts_with("->"))
}

/// A list by its text, whether its address is given or not.
fn name_of(list: &Expr) -> SmolStr {
    let text = visit::text(list);
    text.strip_prefix('&').unwrap_or(&text).into()
}

/// The variable that points to the object of which a member is named.
fn object_of(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::Field {
            base, arrow: true, ..
        } => match visit::bare(base) {
            Expr::Name(name, _) => Some(name),
            base => object_of(base),
        },
        Expr::Field { base, .. } | Expr::Index { base, .. } => object_of(base),
        _ => None,
    }
}

/// The array of which an entry is named, where reading it changes nothing.
fn array_of(arg: &Expr) -> Option<&Expr> {
    let plain = |base: &Expr| matches!(visit::bare(base), Expr::Name(..) | Expr::Field { .. });
    match visit::bare(arg) {
        Expr::Index { base, .. } | Expr::Deref(base, _) if plain(base) => Some(base),
        Expr::AddressOf(inner, _) => array_of(inner),
        _ => None,
    }
}
