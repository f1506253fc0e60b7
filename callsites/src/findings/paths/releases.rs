// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that drop references: of one page, of an array.

use super::machine::{Machine, What};
use super::state::{Place, State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Count, Function};

impl Machine<'_, '_> {
    pub(super) fn release(
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
        self.released_from(state, &args[at], values[at], span);
        if state.over {
            return nothing;
        }
        if function.takes_array(args.len()) {
            // `&page` is an array of one.
            if let Expr::AddressOf(inner, _) = visit::bare(&args[at]) {
                if let place @ (Place::Local(_) | Place::Elsewhere(_)) = self.place(state, inner) {
                    let page = self.read(state, &place);
                    self.release_one(state, function, page, span);
                    return nothing;
                }
            }
            self.release_array(state, function, (values[at], count), span);
        } else if count.is_some()
            || function.name.ends_with("_sub")
            || function.name.contains("range")
        {
            // Which pages of a folio, and how often, is not counted.
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
        (array, count): (Value, Option<Value>),
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
            count => {
                if first == 0 && function.count == Count::Unpin {
                    self.dropped_one_by_one(state, function, sym, at);
                }
                if !state.over {
                    self.dropped(state, function, (sym, first, count), at);
                }
                state.hand_on(array);
            }
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
                let stored = acquisition.handed_on && acquisition.home.is_some();
                if state.acquisitions[a].held[entry] < 0
                    && (!acquisition.handed_on || stored && !acquisition.escaped)
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
            Value::Sym(sym, offset) => self.dropped(state, function, (sym, offset, None), at),
            Value::Int(_) => {}
        }
    }
}
