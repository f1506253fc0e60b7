// SPDX-License-Identifier: MIT OR Apache-2.0
//! What calls do with pages besides counting references: they sleep, they look, they put pages elsewhere.

use super::machine::{Machine, What};
use super::state::{State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Function, Place, Role, Sleeps};

impl Machine<'_, '_> {
    /// A page is mapped, for the CPU or a device, that this way has released.
    pub(super) fn used_after_release(
        &mut self,
        state: &mut State,
        function: Option<&Function>,
        values: &[Value],
        span: Span,
    ) {
        let maps = |function: &Function| matches!(function.kind.as_str(), "cpu-map" | "dma");
        if !function.is_some_and(maps) {
            return;
        }
        for value in values {
            let Value::Page(a, Some(entry)) = value else {
                continue;
            };
            let acquisition = &state.acquisitions[*a];
            let seen = !acquisition.handed_on && !acquisition.maybe && acquisition.is_followed();
            if seen && acquisition.held[*entry] <= 0 {
                let acquisition = acquisition.clone();
                self.fact_about(state, What::UsedAfterRelease, span, &acquisition);
                state.over = true;
            }
        }
    }

    /// What lies behind a pointer is read or written: the page that it leads to, or is, may have been released on this way.
    pub(super) fn looked_into(&mut self, state: &mut State, pointer: Option<Value>, span: Span) {
        let Some(Value::Page(a, Some(entry))) = pointer else {
            return;
        };
        let acquisition = &state.acquisitions[a];
        let seen = !acquisition.handed_on && !acquisition.maybe && acquisition.is_followed();
        if seen && acquisition.pin && acquisition.held[entry] <= 0 && !acquisition.more {
            let acquisition = acquisition.clone();
            self.fact_about(state, What::UsedAfterRelease, span, &acquisition);
            state.over = true;
        }
    }

    /// A call that takes pages faults them in.
    pub(super) fn takes_when_atomic(&mut self, state: &State, name: &str, span: Span) {
        let may_sleep = self
            .catalogue
            .get(name)
            .is_some_and(|function| function.sleeps == Sleeps::May);
        if let Some(lock) = state.lock(span).filter(|_| may_sleep) {
            let at = state.atomic[lock].at;
            self.fact(state, What::SleepsWhenAtomic, span, Some(at), name);
        }
    }

    /// Whether a release is told by a variable that nothing is dirty: then it does not sleep.
    pub(super) fn is_clean(&self, state: &State, name: &str, args: &[Expr]) -> bool {
        let form = self
            .catalogue
            .get(name)
            .and_then(|function| function.signature(args.len()));
        let dirty = form.and_then(|form| args.get(form.dirty?));
        let Some(Expr::Name(dirty, _)) = dirty.map(visit::bare) else {
            return false;
        };
        let value = state.values.get(dirty).copied();
        value.is_some_and(|value| self.settle(state, value) == Value::Int(0))
    }

    /// What a call is worth that uses a page: a flag of it, or an address that a device has for it, is no page. The same
    /// question has the same answer for all pages of one acquisition.
    pub(super) fn worth(
        &mut self,
        state: &mut State,
        (name, function): (&str, Option<&Function>),
        arguments: usize,
        page: Value,
    ) -> Value {
        let Value::Page(a, _) = page else { return page };
        let apart = |function: &&Function| {
            function.role == Role::Use && matches!(function.kind.as_str(), "struct-page" | "dma")
        };
        let Some(function) = function.filter(apart) else {
            return page;
        };
        // What is given a page by its number may be given the reference too.
        if function.page_argument(arguments).is_none() && function.kind == "struct-page" {
            state.hand_on(page);
        }
        let none = Value::Int(0);
        self.intern_values(name, vec![Value::Page(a, None), none, none])
    }

    /// What a call puts where another argument is, or points: a page, or the pages of an array.
    pub(super) fn stores(&self, state: &mut State, function: Option<&Function>, values: &[Value]) {
        let Some(function) = function else { return };
        for flow in function.flows(values.len()) {
            if !matches!(
                flow.to,
                Place::Argument(_) | Place::Target(_) | Place::TargetTarget(_)
            ) {
                continue;
            }
            let value = match flow.from {
                Place::Argument(at) => values.get(at),
                // What is copied out of a page is no page.
                Place::Target(at) => values.get(at).filter(|v| matches!(v, Value::Sym(..))),
                _ => None,
            };
            value.into_iter().for_each(|value| state.hand_on(*value));
        }
    }
}
