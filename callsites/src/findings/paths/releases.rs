// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that drop references: of one page, of an array.

use super::machine::{Machine, What};
use super::numbers::ROUNDED_UP;
use super::state::{Acquisition, Place, State, Value};
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
        let page = match visit::bare(&args[at]) {
            Expr::AddressOf(inner, _) => visit::bare(inner),
            page => page,
        };
        if let Expr::Name(name, _) = page {
            let known = matches!(state.values.get(name), Some(Value::Page(..)));
            state.strangers_in_turns |= !known && state.turned.contains(name);
        }
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
            Some(Value::Sym(sym, 0))
                if state.ranges.get(&sym).is_some_and(|(_, high)| *high < 0) =>
            {
                self.fact(state, What::ErrnoAsCount, at, None, "");
                state.over = true;
            }
            count => {
                if let Some(asked) = count.and_then(|count| self.measured_by(state, sym, count)) {
                    self.fact_about(state, What::ReleasedBeyondGot, at, &asked);
                    state.over = true;
                    return;
                }
                state.releases_strangers();
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

    /// The pages of an array whose number was worked out from `count` by a division: that is a number of bytes.
    fn measured_by(&self, state: &State, array: u32, count: Value) -> Option<Acquisition> {
        let Value::Sym(bytes, _) = count else {
            return None;
        };
        let of_bytes = |a: &&Acquisition| {
            let Some(Value::Sym(asked, _)) = a.asked else {
                return false;
            };
            let Some((op, Value::Sym(length, _), _)) = self.meaning.get(&asked) else {
                return false;
            };
            let rounded = match self.meaning.get(length) {
                Some((op, Value::Sym(length, _), _)) if op == ROUNDED_UP => *length,
                _ => *length,
            };
            matches!(op.as_str(), ">>" | "/") && (*length == bytes || rounded == bytes)
        };
        let of_array = state
            .acquisitions
            .iter()
            .filter(|a| a.memory == Some(array));
        of_array.filter(|a| a.got > 0).rfind(of_bytes).cloned()
    }

    fn release_one(&mut self, state: &mut State, function: &Function, page: Value, at: Span) {
        match page {
            Value::Page(a, entry) => {
                let acquisition = state.acquisitions[a].clone();
                let known = !acquisition.handed_on && acquisition.loans.is_empty();
                let extra = entry.map_or(0, |entry| acquisition.extra[entry]);
                // A reference that was taken besides is dropped with put_page(), whatever the page is.
                if acquisition.pin && function.count == Count::Put && known && extra <= 0 {
                    self.fact_about(state, What::PutOfPin, at, &acquisition);
                } else if !acquisition.pin && function.count == Count::Unpin && known {
                    self.fact_about(state, What::UnpinOfGet, at, &acquisition);
                }
                let Some(entry) = entry else {
                    state.acquisitions[a].handed_on = true;
                    return;
                };
                let released = &mut state.acquisitions[a];
                released.held[entry] -= 1;
                if function.count == Count::Put && extra > 0 {
                    released.extra[entry] -= 1;
                }
                if released.is_back() {
                    let loans = acquisition.memory.and_then(|sym| state.loans.get(&sym));
                    if acquisition.held[entry] > 0 {
                        released.lent_when_back = acquisition.loans.len();
                    }
                    released.loans_when_back = loans.map_or(0, Vec::len);
                }
                // What is left of a pin are references that were taken besides: no pin is.
                let pins = released.held[entry] - released.extra[entry];
                let over = released.held[entry] < 0
                    || acquisition.pin && function.count == Count::Unpin && pins < 0;
                let stored = acquisition.handed_on && acquisition.home.is_some();
                // A call that was given the pages before they went back has done with them what it does.
                let lent = acquisition.loans.len() > acquisition.lent_when_back;
                let untouched = acquisition.loans.is_empty() || acquisition.pin && !lent;
                let seen = !acquisition.handed_on && acquisition.is_followed()
                    || stored && !acquisition.escaped && untouched;
                if over && seen && !acquisition.maybe && !acquisition.more {
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
            Value::Sym(sym, offset) => {
                state.releases_strangers();
                self.dropped(state, function, (sym, offset, None), at);
            }
            Value::Int(_) => {}
        }
    }
}
