// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pins behind a handle: a call pins, and gives what holds the pins; another call drops them.

use super::acquire::{FAILURE, Target};
use super::machine::{Machine, What};
use super::state::{Acquisition, State, Value};
use crate::index::ir::{Expr, Span};
use refimpl::api::{Act, Does};
use std::collections::BTreeSet;

impl Machine<'_, '_> {
    /// Whether the function of that name gives a handle.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.acts.is(name, Does::HoldsPins) && !(self.callees.defined)(name)
    }

    /// It fails, or the handle stands for all pins.
    pub(super) fn hold(
        &mut self,
        state: &mut State,
        (name, act): (&str, &Act),
        args: &[Expr],
        span: Span,
    ) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        if self.outcome == 0 {
            state.note(span, "it fails");
            return Value::Int(FAILURE);
        }
        // Half a handle is none.
        if self.outcome == 1 {
            state.over = true;
            return Value::Int(0);
        }
        state.note(span, "it gets all pages");
        let counted = act.at.and_then(|at| values.get(at)).copied();
        let number = state.acquisitions.len();
        // An array that others see says where the pages are.
        let visible = counted.is_some()
            && args
                .last()
                .is_some_and(|arg| match self.target(state, arg) {
                    Target::Memory(sym, _) => state.visible.contains(&sym),
                    Target::Variable(super::state::Place::Local(_)) => false,
                    _ => true,
                });
        state.acquisitions.push(Acquisition {
            call: span,
            callee: name.into(),
            pin: true,
            got: 1,
            wanted: 1,
            memory: None,
            first: 0,
            held: vec![1],
            handed_on: false,
            escaped: false,
            visible,
            home: None,
            shared_before: true,
            container: None,
            maybe: false,
            more: false,
            by_address: counted.is_some(),
            in_list: None,
            loans: Vec::new(),
            loans_when_back: 0,
            lent_when_back: 0,
            extra: vec![0],
            // The address is the argument before the number.
            asked: act
                .at
                .and_then(|at| values.get(at.checked_sub(1)?))
                .copied(),
            put_in: BTreeSet::new(),
        });
        match counted {
            Some(count) => Value::Int(self.count(state, count)),
            None => Value::Page(number, Some(0)),
        }
    }

    /// Drops what the handle holds, or what was pinned at an address.
    pub(super) fn let_go(
        &mut self,
        state: &mut State,
        (name, act): (&str, &Act),
        args: &[Expr],
        span: Span,
    ) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        let handle = act.at.and_then(|at| values.get(at)).copied();
        match handle {
            Some(Value::Page(a, _)) => {
                state.acquisitions[a].held[0] -= 1;
                let acquisition = &state.acquisitions[a];
                if acquisition.held[0] < 0 && !acquisition.handed_on {
                    let acquisition = acquisition.clone();
                    self.fact_about(state, What::ReleasedTwice, span, &acquisition);
                    state.over = true;
                }
            }
            Some(_) => state.releases_strangers(),
            None => {
                let dropped = |a: &&mut Acquisition| {
                    let taken = self.acts.get(&a.callee);
                    taken.is_some_and(|act| act.back.as_deref() == Some(name))
                };
                for acquisition in state.acquisitions.iter_mut().filter(dropped) {
                    acquisition.held = vec![0];
                }
            }
        }
        Value::Sym(self.fresh(), 0)
    }
}
