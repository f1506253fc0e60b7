// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: the ones that count references, the ones that take pages out of sight, and the locks.

use super::decide::Test;
use super::machine::{Machine, What};
use super::state::{Acquisition, Lock, Place, State, Value};
use crate::findings::{atomic, visit};
use crate::index::ir::{Expr, Span};
use refimpl::api::{Count, Function, Role};

impl Machine<'_, '_> {
    pub(super) fn call(
        &mut self,
        state: &mut State,
        name: &str,
        args: &[Expr],
        span: Span,
    ) -> Value {
        if self.acquiring(name, args) {
            return self.acquire(state, name, args, span);
        }
        // Who gives the caller's lock back does so before it sleeps.
        if let Some(callee) = (self.sleeps)(name, args) {
            if !(self.unlocks)(name) {
                if let Some(lock) = state.lock() {
                    let at = state.atomic[lock].at;
                    self.fact(state, What::SleepsWhenAtomic, span, Some(at), &callee);
                }
            }
        }
        if atomic::takes(name) {
            state.atomic.push(Lock {
                at: span,
                tried: None,
            });
        } else if atomic::tries(name) {
            let sym = self.fresh();
            state.atomic.push(Lock {
                at: span,
                tried: Some(sym),
            });
            return Value::Sym(sym, 0);
        } else if atomic::drops(name) || (self.unlocks)(name) {
            if let Some(held) = state.lock() {
                state.atomic.remove(held);
            }
        }
        let known = self.catalogue.get(name).filter(|_| !(self.shadowed)(name));
        match (name, known.map(|function| function.role)) {
            ("min" | "min_t" | "min3" | "umin", _) => self.least(state, args),
            ("IS_ERR_VALUE", _) if args.len() == 1 => {
                let value = self.eval(state, &args[0]);
                self.binary(state, "<", value, Value::Int(0))
            }
            // An error pointer is the number that it holds.
            ("ERR_PTR" | "PTR_ERR" | "ERR_CAST", _) if args.len() == 1 => {
                self.eval(state, &args[0])
            }
            ("IS_ERR", _) if args.len() == 1 => {
                let value = self.eval(state, &args[0]);
                let test = Test::Compare("<".into(), value, Value::Int(0));
                match self.decide(state, &test) {
                    Some(truth) => Value::Int(i64::from(truth)),
                    None => self.intern_values("<", vec![value, Value::Int(0)]),
                }
            }
            (
                "READ_ONCE" | "likely" | "unlikely" | "WARN_ON" | "WARN_ON_ONCE"
                | "rcu_dereference",
                _,
            ) if args.len() == 1 => self.eval(state, &args[0]),
            (
                "kfree" | "kvfree" | "vfree" | "free_page" | "free_pages" | "kfree_sensitive"
                | "devm_kfree",
                _,
            ) => self.free(state, args, span),
            (_, Some(Role::Release)) => self.release(state, known, args, span),
            (_, Some(Role::Reference)) => self.reference(state, name, args),
            (_, Some(Role::Store)) => self.unknown_call(state, args),
            (_, Some(Role::Translate)) => self.translate(state, args, span),
            (_, Some(Role::Container | Role::Allocate)) => {
                args.iter().for_each(|arg| {
                    self.eval(state, arg);
                });
                let sym = self.fresh();
                if makes_object(name) {
                    state.own.insert(sym);
                }
                if name.contains("zalloc") || name.contains("calloc") {
                    state.zeroed.insert(sym);
                }
                Value::Sym(sym, 0)
            }
            (_, Some(Role::Dirty)) => self.dirty(state, args, span),
            (_, Some(Role::Use | Role::Load | Role::Iterate | Role::Notifier | Role::Origin)) => {
                if is_unmap(name) {
                    self.unmap(state, span);
                }
                self.translate(state, args, span)
            }
            _ if is_talk(name) => {
                args.iter().for_each(|arg| {
                    self.eval(state, arg);
                });
                Value::Int(0)
            }
            _ if name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') =>
            {
                // A macro in capitals computes; it does not keep what it is given.
                let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
                values
                    .iter()
                    .copied()
                    .find(|v| matches!(v, Value::Page(..)))
                    .unwrap_or_else(|| {
                        let mut key = values;
                        key.push(Value::Int(0));
                        key.push(Value::Int(0));
                        self.intern_values(name, key)
                    })
            }
            _ => {
                if is_unmap(name) {
                    self.unmap(state, span);
                }
                self.unknown_call(state, args)
            }
        }
    }

    fn release(
        &mut self,
        state: &mut State,
        function: Option<&Function>,
        args: &[Expr],
        span: Span,
    ) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        let nothing = Value::Sym(self.fresh(), 0);
        let Some(function) = function else {
            return nothing;
        };
        let Some(at) = function.page_argument(args.len()) else {
            return nothing;
        };
        let count = function
            .signature(args.len())
            .and_then(|form| form.nr)
            .and_then(|nr| values.get(nr).copied());
        state.released.push(span);
        if function.takes_array(args.len()) {
            // `&page` is an array of one.
            if let Expr::AddressOf(inner, _) = visit::bare(&args[at]) {
                if let place @ Place::Local(_) = self.place(state, inner) {
                    let page = self.read(state, &place);
                    self.release_one(state, function, page, span);
                    return nothing;
                }
            }
            self.release_array(state, function, values[at], count, span);
        } else if function.name.ends_with("_refs")
            || function.name.ends_with("_sub")
            || function.name.contains("range")
        {
            state.hand_on(values[at]);
        } else {
            self.release_one(state, function, values[at], span);
        }
        nothing
    }

    fn release_array(
        &mut self,
        state: &mut State,
        function: &Function,
        array: Value,
        count: Option<Value>,
        at: Span,
    ) {
        let Value::Sym(sym, first) = array else {
            return state.hand_on(array);
        };
        match count.map(|count| self.settle(state, count)) {
            Some(Value::Int(number)) if number < 0 => {
                let failed = state
                    .acquisitions
                    .iter()
                    .rev()
                    .find(|a| a.got == number)
                    .cloned();
                if let Some(failed) = failed {
                    self.fact_about(state, What::ErrnoAsCount, at, &failed);
                    state.over = true;
                }
            }
            Some(Value::Int(number)) => {
                for entry in first..first.saturating_add(number.min(32)) {
                    let page = self.read(state, &Place::Memory(sym, Some(entry)));
                    self.release_one(state, function, page, at);
                    if state.over {
                        return;
                    }
                }
            }
            _ => state.hand_on(array),
        }
    }

    fn release_one(&mut self, state: &mut State, function: &Function, page: Value, at: Span) {
        match page {
            Value::Page(a, entry) => {
                let acquisition = state.acquisitions[a].clone();
                if acquisition.pin && function.count == Count::Put && !acquisition.handed_on {
                    self.fact_about(state, What::PutOfPin, at, &acquisition);
                } else if !acquisition.pin
                    && function.count == Count::Unpin
                    && !acquisition.handed_on
                {
                    self.fact_about(state, What::UnpinOfGet, at, &acquisition);
                }
                let Some(entry) = entry else {
                    state.acquisitions[a].handed_on = true;
                    return;
                };
                state.acquisitions[a].held[entry] -= 1;
                if state.acquisitions[a].held[entry] < 0
                    && !acquisition.handed_on
                    && !acquisition.maybe
                    && !acquisition.more
                {
                    self.fact_about(state, What::ReleasedTwice, at, &acquisition);
                    state.over = true;
                }
            }
            Value::Unfilled(a) => {
                let acquisition = state.acquisitions[a].clone();
                let what = if acquisition.got > 0 {
                    What::ReleasedBeyondGot
                } else {
                    What::ReleasedAfterFailure
                };
                self.fact_about(state, what, at, &acquisition);
                state.over = true;
            }
            Value::Int(_) | Value::Sym(..) => {}
        }
    }

    fn reference(&mut self, state: &mut State, name: &str, args: &[Expr]) -> Value {
        for arg in args {
            if let Value::Page(a, Some(entry)) = self.eval(state, arg) {
                if name.starts_with("folio_add_pin") {
                    state.acquisitions[a].more = true;
                } else {
                    state.acquisitions[a].held[entry] += 1;
                }
            }
        }
        Value::Sym(self.fresh(), 0)
    }

    fn dirty(&mut self, state: &mut State, args: &[Expr], span: Span) -> Value {
        for arg in args {
            let Value::Page(a, Some(entry)) = self.eval(state, arg) else {
                continue;
            };
            let acquisition = &state.acquisitions[a];
            if acquisition.held[entry] <= 0 && !acquisition.handed_on {
                let acquisition = acquisition.clone();
                self.fact_about(state, What::DirtiedAfterRelease, span, &acquisition);
                state.over = true;
            }
        }
        Value::Sym(self.fresh(), 0)
    }

    /// The result stands for the page that went in; the page stays where it is.
    fn translate(&mut self, state: &mut State, args: &[Expr], span: Span) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
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

    fn free(&mut self, state: &mut State, args: &[Expr], span: Span) -> Value {
        for arg in args {
            let Value::Sym(sym, _) = self.eval(state, arg) else {
                continue;
            };
            state.freed.insert(sym);
            let lost: Vec<Acquisition> = state
                .acquisitions
                .iter()
                .filter(|a| a.memory == Some(sym) && a.leaks())
                .cloned()
                .collect();
            for acquisition in lost {
                // Of an array that others see they may have copied the pages before.
                if acquisition.visible && acquisition.home.is_none() {
                    continue;
                }
                if acquisition.visible {
                    self.fact_about(state, What::FreedWhileHeld, span, &acquisition);
                    state.over = true;
                }
            }
        }
        Value::Int(0)
    }

    fn unmap(&mut self, state: &mut State, span: Span) {
        if let Some(release) = state.released.last().copied() {
            self.fact(state, What::UnmappedAfterRelease, span, Some(release), "");
        }
    }

    /// The arguments may be kept, and what they point to may change.
    pub(super) fn unknown_call(&mut self, state: &mut State, args: &[Expr]) -> Value {
        for arg in args {
            let value = self.eval(state, arg);
            state.hand_on(value);
            let root = root(arg);
            if let Some(Value::Sym(sym, _)) = root.and_then(|root| state.values.get(root)).copied()
            {
                if state.own.contains(&sym) {
                    state.hand_on(Value::Sym(sym, 0));
                }
            }
            for acquisition in &mut state.acquisitions {
                let home = acquisition.home.as_deref();
                if home.is_some_and(|home| root.is_some_and(|root| home.starts_with(root))) {
                    acquisition.handed_on = true;
                }
            }
            if let Expr::AddressOf(inner, _) = visit::bare(arg) {
                if let Expr::Name(name, _) = inner.as_ref() {
                    if let Some(page @ Value::Page(..)) = state.values.get(name).copied() {
                        state.hand_on(page);
                    }
                }
                self.forget(state, inner);
            }
        }
        let sym = self.fresh();
        state.visible.insert(sym);
        Value::Sym(sym, 0)
    }

    /// Of a number and a limit the number, as if the limit were not reached.
    fn least(&mut self, state: &mut State, args: &[Expr]) -> Value {
        let values: Vec<Value> = args
            .iter()
            .filter(|arg| !matches!(arg, Expr::Type(..)))
            .map(|arg| self.eval(state, arg))
            .collect();
        let settled: Vec<Value> = values
            .iter()
            .map(|value| self.settle(state, *value))
            .collect();
        let least = settled
            .iter()
            .filter_map(|v| {
                if let Value::Int(n) = v {
                    Some(*n)
                } else {
                    None
                }
            })
            .min();
        match least {
            Some(number) => Value::Int(number),
            None => settled.first().copied().unwrap_or(Value::Int(0)),
        }
    }
}

/// The variable that an argument goes through: `dma` of `&dma->list`.
fn root(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::Name(name, _) => Some(name),
        Expr::Field { base, .. } | Expr::Index { base, .. } => root(base),
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => root(inner),
        _ => None,
    }
}

/// Who calls these owns what comes back until it is given away: include/linux/slab.h, include/linux/vmalloc.h, 6.12.
fn makes_object(name: &str) -> bool {
    let kinds = ["malloc", "zalloc", "calloc"];
    ["kv", "k", "v"].iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| kinds.iter().any(|kind| rest.starts_with(kind)))
    })
}

fn is_unmap(name: &str) -> bool {
    ["dma_unmap_", "ib_dma_unmap_", "pci_unmap_", "iommu_unmap"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// What is given to these is printed or measured, not kept.
fn is_talk(name: &str) -> bool {
    // These compute a size from the name of a member.
    [
        "struct_size",
        "offsetof",
        "flex_array_size",
        "array_size",
        "size_mul",
        "size_add",
        "sizeof_field",
    ]
    .contains(&name)
        || [
            "pr_", "dev_", "printk", "trace_", "WARN", "BUG", "netdev_", "DRM_", "drm_dbg",
            "drm_err", "might_", "lockdep_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
