// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that acquire pages: what comes back, and where the pages go.

use super::machine::{ASKED_FOR, Machine};
use super::places::owner;
use super::state::{Acquisition, Place, State, Sym, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::Count;
use std::collections::BTreeSet;

/// The errno that a failing call returns; any negative number will do.
pub(super) const FAILURE: i64 = -14;

impl Machine<'_, '_> {
    pub(super) fn acquire(
        &mut self,
        state: &mut State,
        name: &str,
        args: &[Expr],
        span: Span,
    ) -> Value {
        if let Some(act) = self.acts.get(name).filter(|_| self.holds(name)) {
            return self.hold(state, (name, act), args, span);
        }
        let Some(function) = self.catalogue.get(name) else {
            return Value::Sym(self.fresh(), 0);
        };
        let Some(form) = function.signature(args.len()).cloned() else {
            return Value::Sym(self.fresh(), 0);
        };
        if function.kind == "iter" {
            return self.acquire_iterator(state, function, (args, form.pages), span);
        }
        let target_at = form.pages.or(form.page);
        let mut asked = None;
        let wanted = match form.nr.and_then(|at| args.get(at)) {
            Some(nr) => {
                let nr = self.eval(state, nr);
                asked = Some(nr);
                self.count(state, nr)
            }
            None => 1,
        };
        // What else it is given the address of, it changes: whether the lock is still held.
        for (at, arg) in args.iter().enumerate() {
            if let (Expr::AddressOf(inner, _), true) = (visit::bare(arg), Some(at) != target_at) {
                self.forget(state, inner);
                state.locks_lost();
            }
        }
        // What does not fault pages in returns how many were there.
        let never_negative = function.kind == "no-fault";
        let got = match self.outcome {
            0 if never_negative => 0,
            0 => FAILURE,
            1 => wanted / 2,
            _ => wanted,
        };
        // Of one page there is no half, but there may be none.
        let none = self.outcome == 1 && got == 0;
        let only = state.acquisitions.iter().all(|a| a.got <= 0);
        if wanted <= 0 || state.none.is_some() || none && (never_negative || !only) {
            state.over = true;
            return Value::Int(got);
        }
        if none {
            state.none = Some(span);
        }
        let said = match self.outcome {
            0 => "it fails",
            1 if none => "it gets no page",
            1 => "it gets fewer pages than asked for",
            _ => "it gets all pages",
        };
        state.note(span, said);
        let Some(target) = target_at.and_then(|at| args.get(at)) else {
            return Value::Int(got);
        };
        let (memory, first, place) = match self.target(state, target) {
            Target::None => return Value::Int(got),
            Target::Memory(sym, first) => (Some(sym), first, None),
            Target::Variable(place) => (None, 0, Some(place)),
        };
        let number = state.acquisitions.len();
        let visible = memory.is_some_and(|sym| state.visible.contains(&sym));
        let mut loans = state.loans_of(memory);
        let shared_before = visible || !loans.is_empty();
        let container = match &place {
            Some(Place::Elsewhere(text)) => owner(state, text),
            _ => None,
        };
        let member = match &place {
            Some(Place::Elsewhere(text)) if text.contains("->") => Some(text.to_string()),
            _ => None,
        };
        let lost = container.is_none()
            && matches!(
                place,
                Some(Place::Opaque | Place::Elsewhere(_) | Place::Memory(..))
            );
        loans.extend(state.loans_of(container));
        let pages = usize::try_from(got).unwrap_or(0);
        state.acquisitions.push(Acquisition {
            call: span,
            callee: name.into(),
            pin: function.count == Count::Pin,
            got,
            wanted,
            memory,
            first,
            held: vec![1; pages],
            handed_on: lost,
            visible: visible || lost,
            home: match visit::bare(target) {
                expr @ Expr::Field { .. } => Some(visit::text(expr)),
                _ => member.clone(),
            },
            shared_before,
            container,
            maybe: false,
            more: false,
            // Others find it in the member; the walk still knows it.
            escaped: lost && member.is_none(),
            by_address: false,
            in_list: None,
            loans,
            loans_when_back: 0,
            lent_when_back: 0,
            extra: vec![0; pages],
            asked,
            put_in: BTreeSet::new(),
        });
        if let (Expr::AddressOf(inner, _), true) = (visit::bare(target), got > 0) {
            self.overwritten(state, (inner, Value::Page(number, Some(0))), span);
        }
        for page in 0..pages {
            match (&place, memory) {
                (Some(Place::Local(variable) | Place::Elsewhere(variable)), _)
                    if page == 0 && (!lost || member.is_some()) =>
                {
                    state
                        .values
                        .insert(variable.clone(), Value::Page(number, Some(0)));
                }
                (_, Some(sym)) => {
                    state
                        .memory
                        .insert((sym, first + page as i64), Value::Page(number, Some(page)));
                }
                _ => {}
            }
        }
        if let (Some(Place::Local(variable)), true) = (&place, got <= 0) {
            // What stood there before still does; a null check is the usual guard.
            if matches!(state.values.get(variable), None | Some(Value::Sym(..))) {
                state
                    .values
                    .insert(variable.clone(), Value::Unfilled(number));
            }
        }
        Value::Int(got)
    }

    /// A number of pages as a number; what is not known becomes [`ASKED_FOR`].
    pub(super) fn count(&mut self, state: &mut State, nr: Value) -> i64 {
        match self.settle(state, nr) {
            Value::Int(number) => number.min(16),
            Value::Sym(sym, offset) => {
                let (low, high) = state
                    .ranges
                    .get(&sym)
                    .copied()
                    .unwrap_or((i64::MIN, i64::MAX));
                let number = (ASKED_FOR - offset).clamp(low, high.max(low));
                state.bound.insert(sym, Value::Int(number));
                number + offset
            }
            Value::Page(..) | Value::Unfilled(_) => ASKED_FOR,
        }
    }

    pub(super) fn target(&mut self, state: &mut State, expr: &Expr) -> Target {
        if let Expr::AddressOf(inner, _) = visit::bare(expr) {
            return match self.place(state, inner) {
                Place::Memory(sym, Some(at)) => Target::Memory(sym, at),
                place @ Place::Memory(_, None) => match self.eval(state, expr) {
                    Value::Sym(sym, at) if self.is_behind(state, sym) => {
                        state.visible.insert(sym);
                        Target::Memory(sym, at)
                    }
                    _ => Target::Variable(place),
                },
                place => Target::Variable(place),
            };
        }
        match self.eval(state, expr) {
            Value::Sym(sym, at) if self.is_behind(state, sym) => {
                state.visible.insert(sym);
                Target::Memory(sym, at)
            }
            // A pointer and an unknown offset: which entries it means is not known.
            Value::Sym(sym, _) if self.meaning.contains_key(&sym) => {
                Target::Variable(Place::Opaque)
            }
            Value::Sym(sym, at) => Target::Memory(sym, at),
            Value::Int(_) => Target::None,
            _ => Target::Variable(Place::Opaque),
        }
    }
}

impl Machine<'_, '_> {
    /// Whether a pointer is an array that others see, and an unknown offset in it: who reads entries by other offsets does
    /// not know whether they are these.
    fn is_behind(&self, state: &State, sym: Sym) -> bool {
        let meaning = self.meaning.get(&sym);
        matches!(meaning, Some((op, Value::Sym(array, _), Value::Sym(..)))
            if op == "+" && state.visible.contains(array) && !state.own.contains(array))
    }
}

pub(super) enum Target {
    None,
    Memory(u32, i64),
    Variable(Place),
}
