// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: the ones that count references, the ones that take pages out of sight, and the locks.

use super::acquire::FAILURE;
use super::decide::Test;
use super::evaluate::OF_RELEASE;
use super::machine::{Machine, What};
use super::state::{Lock, State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Act, Count, Does, Function, Role};

impl Machine<'_, '_> {
    pub(super) fn call(
        &mut self,
        state: &mut State,
        name: &str,
        args: &[Expr],
        span: Span,
    ) -> Value {
        if self.acquiring(name, args) {
            self.takes_when_atomic(state, name, span);
            return self.acquire(state, name, args, span);
        }
        // Who gives the caller's lock back does so before it sleeps.
        if let Some(callee) = (self.callees.sleeps)(name, args) {
            if !(self.callees.unlocks)(name) && !self.is_clean(state, name, args) {
                if let Some(lock) = state.lock(span) {
                    let at = state.atomic[lock].at;
                    self.fact(state, What::SleepsWhenAtomic, span, Some(at), &callee);
                }
            }
        }
        let act = self.acts.get(name);
        match act.map(|act| act.does) {
            Some(Does::ForbidsSleep) => {
                state.lock_held(args, span, None);
                state.atomic.push(Lock {
                    at: span,
                    tried: None,
                    block: None,
                });
                return self.look(state, args);
            }
            Some(Does::MayForbidSleep) => {
                let sym = self.fresh();
                state.atomic.push(Lock {
                    at: span,
                    tried: Some(sym),
                    block: None,
                });
                return Value::Sym(sym, 0);
            }
            does if does == Some(Does::AllowsSleep) || (self.callees.unlocks)(name) => {
                if let Some(held) = state.lock(span) {
                    state.atomic.remove(held);
                }
                self.lock_dropped(state, args);
                if does == Some(Does::AllowsSleep) {
                    return self.look(state, args);
                }
            }
            _ => {}
        }
        // Names as plain as these a file may have for a function of its own.
        let plain = |act: &&Act| {
            matches!(
                act.does,
                Does::Looks
                    | Does::HoldsLock
                    | Does::DropsLock
                    | Does::Links
                    | Does::GivesUp
                    | Does::Measures
                    | Does::FailsWhenTrue
            )
        };
        let act = act.filter(|act| !plain(act) || !(self.callees.defined)(name));
        if let Some(act) = act {
            if let Some(value) = self.act(state, (name, act), args, span) {
                return value;
            }
        }
        let known = self.catalogue.get(name);
        let known = known.filter(|_| !(self.callees.shadowed)(name));
        match known.map(|function| function.role) {
            Some(Role::Release) => self.release(state, known, args, span),
            Some(Role::Reference) => self.reference(state, known, args, span),
            // It fails, and keeps nothing.
            Some(Role::Store) if self.may_keep(name) && self.outcome == 0 => {
                self.looked_at(state, args);
                state.note(span, "it fails");
                Value::Int(FAILURE)
            }
            Some(Role::Store) if self.may_keep(name) => {
                self.lists(state, known, args);
                Value::Int(0)
            }
            // It can fail, and keeps nothing then: its answer tells.
            Some(Role::Store) if known.is_some_and(|known| known.kind == "tree") => {
                self.unknown_call(state, name, args, span)
            }
            Some(Role::Store) => self.store(state, name, args, span),
            Some(Role::Translate) => {
                let values = self.looked_at(state, args);
                self.stores(state, known, &values);
                self.translate(state, known, values, span)
            }
            Some(Role::Container | Role::Allocate) => {
                self.looked_at(state, args);
                args.iter().for_each(|arg| {
                    root(arg)
                        .into_iter()
                        .for_each(|root| state.forget_dropped(root));
                });
                let sym = self.fresh();
                if act.is_some_and(|act| act.does == Does::Zeroes) {
                    state.zeroed.insert(sym);
                }
                Value::Sym(sym, 0)
            }
            Some(Role::Dirty) => self.dirty(state, args, span),
            // An iterator keeps the array that it walks.
            Some(Role::Origin) => {
                let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
                values.into_iter().for_each(|value| state.hand_on(value));
                let sym = self.fresh();
                state.visible.insert(sym);
                Value::Sym(sym, 0)
            }
            Some(Role::Use | Role::Load | Role::Iterate | Role::Notifier) => {
                if act.is_some_and(|act| act.does == Does::Unmaps) {
                    self.unmap(state, span);
                }
                let values = self.looked_at(state, args);
                self.used_after_release(state, known, &values, span);
                self.stores(state, known, &values);
                let page = self.translate(state, known, values, span);
                self.worth(state, (name, known), args.len(), page)
            }
            None if name == OF_RELEASE => match self.release_number(state, args) {
                Some(code) => code,
                None => Value::Sym(self.fresh(), 0),
            },
            _ if is_macro(name) => {
                // A macro in capitals computes, unless it is given pages: then it may release them.
                let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
                let held = |value: &Value| match value {
                    Value::Page(..) => true,
                    Value::Sym(sym, _) => {
                        args.len() > 1 && state.acquisitions.iter().any(|a| a.memory == Some(*sym))
                    }
                    _ => false,
                };
                if values.iter().any(held) {
                    return self.keeps_what_it_is_given(state, name, (args, values), span);
                }
                let mut key = values;
                key.push(Value::Int(0));
                key.push(Value::Int(0));
                self.intern_values(name, key)
            }
            _ => {
                if act.is_some_and(|act| act.does == Does::Unmaps) {
                    self.unmap(state, span);
                    return self.look(state, args);
                }
                self.unknown_call(state, name, args, span)
            }
        }
    }

    /// What a call is worth of which the acts say all there is to know.
    fn act(
        &mut self,
        state: &mut State,
        (name, act): (&str, &'static Act),
        args: &[Expr],
        span: Span,
    ) -> Option<Value> {
        let one = match args {
            [one] => Some(one),
            _ => None,
        };
        Some(match act.does {
            Does::Least => self.least(state, args),
            // An error pointer is the number that it holds.
            Does::Same => self.eval(state, one?),
            Does::MakesError => {
                let value = self.eval(state, one?);
                self.made_error(state, value)
            }
            Does::Warns => {
                let value = self.eval(state, one?);
                // Who warns of no page knows that it may be got.
                state.over |=
                    state.none.is_some() && self.decide(state, &Test::Truth(value)) == Some(true);
                value
            }
            Does::IsErrno => {
                let value = self.eval(state, one?);
                self.binary(state, "<", value, Value::Int(0))
            }
            Does::IsError => {
                let value = self.eval(state, one?);
                let test = Test::Compare("<".into(), value, Value::Int(0));
                match self.decide(state, &test) {
                    Some(truth) => Value::Int(i64::from(truth)),
                    None => self.intern_values("<", vec![value, Value::Int(0)]),
                }
            }
            Does::IsErrorOrNull => {
                let value = self.eval(state, one?);
                self.error_or_null(state, value)
            }
            Does::ErrnoOrZero => {
                let value = self.eval(state, one?);
                let test = Test::Compare("<".into(), value, Value::Int(0));
                match self.decide(state, &test) {
                    Some(true) => value,
                    Some(false) => Value::Int(0),
                    None => self.intern_values(name, vec![value]),
                }
            }
            Does::DividesUp => {
                let [amount, unit] = args else { return None };
                let (amount, unit) = (self.eval(state, amount), self.eval(state, unit));
                self.divided_up(state, amount, unit)
            }
            Does::PagesUp => {
                let amount = self.eval(state, one?);
                let unit = self.acts.constant("PAGE_SIZE").map_or(1, |size| size);
                self.divided_up(state, amount, Value::Int(unit))
            }
            Does::PagesDown => {
                let amount = self.eval(state, one?);
                let unit = self.acts.constant("PAGE_SIZE").map_or(1, |size| size);
                self.binary(state, "/", amount, Value::Int(unit))
            }
            Does::RoundsUp => {
                let (amount, unit) = match args {
                    [amount] => (amount, self.acts.constant("PAGE_SIZE").map(Value::Int)?),
                    [amount, unit] => (amount, self.eval(state, unit)),
                    _ => return None,
                };
                let amount = self.eval(state, amount);
                self.rounded_up(state, amount, unit)
            }
            Does::Frees => self.free(state, args, span),
            Does::FreesList => {
                self.looked_at(state, args);
                self.list_freed(state, args, act.at, span);
                Value::Int(0)
            }
            Does::Allocates
            | Does::AllocatesZeroed
            | Does::AllocatesSlab
            | Does::AllocatesZeroedSlab
            | Does::AllocatesManaged => {
                args.iter().for_each(|arg| {
                    self.eval(state, arg);
                });
                let sym = self.fresh();
                state.own.insert(sym);
                state.made.insert(sym);
                let zeroed = matches!(
                    act.does,
                    Does::AllocatesZeroed | Does::AllocatesZeroedSlab | Does::AllocatesManaged
                );
                if zeroed {
                    state.zeroed.insert(sym);
                }
                if act.does == Does::AllocatesManaged {
                    state.managed.insert(sym);
                }
                if matches!(act.does, Does::AllocatesSlab | Does::AllocatesZeroedSlab) {
                    state.slab.insert(sym);
                }
                Value::Sym(sym, 0)
            }
            Does::Measures => {
                args.iter().for_each(|arg| {
                    self.eval(state, arg);
                });
                Value::Int(0)
            }
            Does::Looks => self.look(state, args),
            Does::HoldsLock => {
                let result = self.look(state, args);
                state.lock_held(args, span, Some(result).filter(|_| act.fails));
                result
            }
            Does::DropsLock => {
                self.lock_dropped(state, args);
                self.look(state, args)
            }
            // Others find the object from now on.
            Does::Links => {
                args.iter().for_each(|arg| {
                    self.eval(state, arg);
                });
                Value::Sym(self.fresh(), 0)
            }
            // Whoever else has a reference on the object keeps it.
            Does::GivesUp => {
                // What it calls for the last reference may give a lock back.
                state.locks_lost();
                let values = args.iter().map(|arg| self.eval(state, arg)).collect();
                self.keeps_what_it_is_given(state, name, (args, values), span)
            }
            // It fails and changes nothing, or the same memory has grown.
            Does::Reallocates => {
                let values = self.looked_at(state, args);
                match (self.outcome, values.first()) {
                    (0, _) | (_, None) => Value::Int(0),
                    (_, Some(old)) => {
                        if let Value::Sym(sym, _) = old {
                            state.nonzero.insert(*sym);
                        }
                        *old
                    }
                }
            }
            Does::KernelIterator if self.user_backed => {
                self.looked_at(state, args);
                Value::Int(0)
            }
            Does::BytesLeft => self.bytes_left(state, one?),
            Does::PagesLeft => self.pages_left(state, args)?,
            Does::Charges | Does::Uncharges if !(self.callees.defined)(name) => {
                self.charge_by(state, (name, act), args, span)
            }
            Does::DropsPins if !(self.callees.defined)(name) => {
                self.let_go(state, (name, act), args, span)
            }
            _ => return None,
        })
    }

    /// Puts pages into a carrier. An entry that an iterator did not fill is no page.
    fn store(&mut self, state: &mut State, name: &str, args: &[Expr], span: Span) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        for value in &values {
            if let Value::Unfilled(a) = value {
                let acquisition = state.acquisitions[*a].clone();
                if acquisition.got > 0 && self.acts.is(&acquisition.callee, Does::TakesBytes) {
                    self.fact_about(state, What::UsedPastEnd, span, &acquisition);
                    state.over = true;
                    return Value::Int(0);
                }
            }
        }
        // Who has the memory that a list is made of has the pages.
        if let Some(Value::Sym(list, _)) = values.first().copied() {
            let holder = state.inside.get(&list).copied().unwrap_or(list);
            let page = |value: &&Value| matches!(value, Value::Page(..));
            let pages: Vec<Value> = values.iter().filter(page).copied().collect();
            // An array is given, and not put there.
            let whole = !pages.is_empty() && !state.freed.contains(&holder);
            if whole && state.made.contains(&holder) {
                pages.into_iter().for_each(|page| state.put(page, list));
                return Value::Sym(self.fresh(), 0);
            }
        }
        self.keeps_what_it_is_given(state, name, (args, values), span)
    }

    fn reference(
        &mut self,
        state: &mut State,
        function: Option<&Function>,
        args: &[Expr],
        span: Span,
    ) -> Value {
        let pins = function.is_some_and(|function| function.count == Count::Pin);
        for arg in args {
            match self.eval(state, arg) {
                // It can fail, and then there is no pin more.
                Value::Page(a, _) if pins => state.acquisitions[a].more = true,
                Value::Page(a, Some(entry)) => {
                    state.acquisitions[a].held[entry] += 1;
                    state.acquisitions[a].extra[entry] += 1;
                }
                Value::Sym(sym, _) => {
                    state.dropped.retain(|(dropped, _), _| *dropped != sym);
                    if state.slab_pages.contains(&sym) {
                        let name = function.map_or("", |function| function.name.as_str());
                        self.fact(state, What::SlabReference, span, None, name);
                    }
                }
                _ => {}
            }
        }
        Value::Sym(self.fresh(), 0)
    }

    fn dirty(&mut self, state: &mut State, args: &[Expr], span: Span) -> Value {
        for arg in args {
            let page = self.eval(state, arg);
            let Value::Page(a, Some(entry)) = page else {
                self.dirtied_after_drop(state, arg, page, span);
                continue;
            };
            let acquisition = &state.acquisitions[a];
            if acquisition.held[entry] <= 0 && !acquisition.handed_on && acquisition.is_followed() {
                let acquisition = acquisition.clone();
                self.fact_about(state, What::DirtiedAfterRelease, span, &acquisition);
                state.over = true;
            }
        }
        Value::Sym(self.fresh(), 0)
    }

    /// What the arguments of a call are worth that keeps none of their addresses.
    pub(super) fn looked_at(&mut self, state: &mut State, args: &[Expr]) -> Vec<Value> {
        let outer = std::mem::replace(&mut self.looks, true);
        let values = args.iter().map(|arg| self.eval(state, arg)).collect();
        self.looks = outer;
        values
    }

    /// A call looks at its arguments; what others did meanwhile with what they lead to is not known.
    fn look(&mut self, state: &mut State, args: &[Expr]) -> Value {
        self.looked_at(state, args);
        args.iter()
            .filter_map(root)
            .for_each(|root| state.forget_dropped(root));
        Value::Sym(self.fresh(), 0)
    }

    /// The result stands for the page that went in; the page stays where it is.
    fn translate(
        &mut self,
        state: &mut State,
        function: Option<&Function>,
        values: Vec<Value>,
        span: Span,
    ) -> Value {
        let of_slab =
            |value: &Value| matches!(value, Value::Sym(sym, _) if state.slab.contains(sym));
        let of_address = function.is_some_and(|function| function.kind == "kernel address");
        if of_address && values.iter().any(of_slab) {
            let sym = self.fresh();
            state.slab_pages.insert(sym);
            return Value::Sym(sym, 0);
        }
        for value in &values {
            if let Value::Unfilled(a) = value {
                let acquisition = state.acquisitions[*a].clone();
                if acquisition.got == acquisition.wanted
                    && acquisition.got > 0
                    && !acquisition.visible
                {
                    self.fact_about(state, What::UsedPastEnd, span, &acquisition);
                    state.over = true;
                }
            }
        }
        match values.iter().find(|value| matches!(value, Value::Page(..))) {
            Some(page) => *page,
            None => {
                let sym = self.fresh();
                state.visible.insert(sym);
                Value::Sym(sym, 0)
            }
        }
    }

    fn unmap(&mut self, state: &mut State, span: Span) {
        if let Some(release) = state.released.last().copied() {
            self.fact(state, What::UnmappedAfterRelease, span, Some(release), "");
        }
    }
}

/// The variable that an argument goes through: `dma` of `&dma->list`.
pub(crate) fn root(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::Name(name, _) => Some(name),
        Expr::Field { base, .. } | Expr::Index { base, .. } => root(base),
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => root(inner),
        _ => None,
    }
}

fn is_macro(name: &str) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name.bytes().all(capital)
}
