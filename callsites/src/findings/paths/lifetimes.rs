// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects that outlive a way: members that are overwritten, pins that are dropped again, ends that tell of success.

use super::decide::Test;
use super::machine::{Machine, What};
use super::places::root_of;
use super::state::{Acquisition, State, Sym, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Count, Function};

impl Machine<'_, '_> {
    /// `target` gets a page, or an array of pages, and nobody has looked at what stood there.
    pub(super) fn overwritten(
        &mut self,
        state: &State,
        (target, value): (&Expr, Value),
        span: Span,
    ) {
        let of_value = |a: &&Acquisition| match value {
            Value::Sym(sym, 0) => a.memory == Some(sym) && a.first == 0,
            _ => false,
        };
        let acquisition = match value {
            Value::Page(a, _) => state.acquisitions.get(a),
            _ => state.acquisitions.iter().rfind(of_value),
        };
        let held = |a: &&Acquisition| a.held.iter().any(|held| *held > 0) && !a.maybe;
        let Some(acquisition) = acquisition.filter(held) else {
            return;
        };
        let Some(member) = self.unseen_member(state, target) else {
            return;
        };
        let acquisition = acquisition.clone();
        let got = Some((acquisition.got, acquisition.wanted));
        let place = (What::Overwritten, span, Some(acquisition.call));
        self.fact_of(state, place, &acquisition.callee, got, member);
    }

    /// The member that `target` names, when it is one of an object that the function was given, and this way has not
    /// looked at it, nor given the object to anybody.
    fn unseen_member<'e>(&self, state: &State, target: &'e Expr) -> Option<&'e str> {
        match visit::bare(target) {
            expr @ Expr::Field { name, .. } => {
                let text = visit::text(expr);
                let fresh = state.values.get(&text).is_none() && !text.contains('[');
                (fresh && self.given(state, &text)).then_some(name)
            }
            // A slot that the caller chooses; an index of the function's own appends.
            Expr::Index { base, index, .. } => {
                let (Expr::Field { name, .. }, Expr::Name(index, _)) =
                    (visit::bare(base), visit::bare(index))
                else {
                    return None;
                };
                let text = visit::text(base);
                let seen = match state.values.get(&text) {
                    Some(Value::Sym(sym, _)) => state.seen.contains(sym),
                    Some(_) => true,
                    None => false,
                };
                let chosen = matches!(state.values.get(index), Some(Value::Sym(sym, 0)) if *sym <= self.params);
                (chosen && !seen && self.given(state, &text)).then_some(name)
            }
            _ => None,
        }
    }

    /// Whether `text` is reached through a parameter, and the walk knows of nobody else who was given it.
    fn given(&self, state: &State, text: &str) -> bool {
        let Some(root) = root_of(text).filter(|root| text[root.len()..].starts_with("->")) else {
            return false;
        };
        let parameter =
            matches!(state.values.get(root), Some(Value::Sym(sym, 0)) if *sym <= self.params);
        // Another member that was looked at may say whether this one holds a page.
        parameter && !state.lent.contains(root) && !state.asked.contains(root)
    }

    /// A pin is dropped that was not taken on this way.
    pub(super) fn dropped(
        &mut self,
        state: &mut State,
        function: &Function,
        (sym, at, count): (Sym, i64, Option<Value>),
        span: Span,
    ) {
        if function.count != Count::Unpin {
            return;
        }
        match state.dropped.get(&(sym, at)) {
            Some((before, old)) if *old == count => {
                let before = *before;
                self.fact(
                    state,
                    What::ReleasedAgain,
                    span,
                    Some(before),
                    &function.name,
                );
                state.over = true;
            }
            _ => {
                state.dropped.insert((sym, at), (span, count));
            }
        }
    }

    /// An array of pins is dropped whole: no entry of it may have been dropped before.
    pub(super) fn dropped_one_by_one(
        &mut self,
        state: &mut State,
        function: &Function,
        array: Sym,
        span: Span,
    ) {
        let entries = state.memory.range((array, i64::MIN)..=(array, i64::MAX));
        let before = entries
            .filter_map(|(_, entry)| match entry {
                Value::Sym(page, offset) => state.dropped.get(&(*page, *offset)),
                _ => None,
            })
            .map(|(before, _)| *before)
            .next();
        if before.is_some() {
            self.fact(state, What::ReleasedAgain, span, before, &function.name);
            state.over = true;
        }
    }

    /// Whether a value that is returned tells of a failure, as far as the way knows.
    pub(super) fn is_failure(&self, state: &State, value: Value) -> bool {
        match self.settle(state, value) {
            Value::Int(number) => number < 0,
            Value::Sym(sym, 0) => {
                state.nonzero.contains(&sym)
                    || state.ranges.get(&sym).is_some_and(|(_, high)| *high < 0)
            }
            _ => false,
        }
    }

    /// A way ends: are its charges given back, and does it tell the truth?
    pub(super) fn ends(&mut self, state: &State, value: Option<Value>, at: Span) {
        let over =
            |a: &Acquisition| !a.handed_on && !a.maybe && a.held.iter().all(|held| *held <= 0);
        let all_back = state.acquisitions.iter().all(over) && !state.acquisitions.is_empty();
        let failed =
            state.failed.is_some() || value.is_some_and(|value| self.is_failure(state, value));
        if all_back && failed {
            self.charges_kept(state, at);
        }
        if !failed {
            let kept = |a: &&Acquisition| {
                let known = a.handed_on || a.visible || a.in_list.is_some();
                known && a.held.iter().any(|held| *held > 0)
            };
            let kept = state.acquisitions.iter().filter(kept);
            self.kept.extend(kept.map(|a| a.call.start));
        }
        if value.map(|value| self.settle(state, value)) != Some(Value::Int(0)) {
            return;
        }
        self.keeps |= state.acquisitions.iter().any(|a| {
            (a.handed_on || a.visible) && a.got == a.wanted && a.held.iter().any(|held| *held > 0)
        });
        let whole = state
            .acquisitions
            .iter()
            .find(|a| a.got == a.wanted && a.got > 0);
        if let (true, Some(_), Some(whole)) = (all_back, state.failed, whole) {
            self.releases.push((at, whole.clone(), state.clone()));
        }
    }

    /// Where another way keeps the pages and returns 0, one that releases them for a failure must not.
    pub(super) fn tell_of_success(&mut self) {
        let releases = std::mem::take(&mut self.releases);
        if !self.keeps {
            return;
        }
        for (at, acquisition, state) in releases {
            self.fact_about(&state, What::SuccessAfterRelease, at, &acquisition);
        }
    }

    /// A loop that takes pages runs up to a number of which nothing is known: two turns are enough to see what the second
    /// does with what the first took.
    pub(super) fn give_two_turns(&self, state: &mut State, test: &Test) {
        let Test::Compare(op, left, right) = test else {
            return;
        };
        let (left, right) = (self.settle(state, *left), self.settle(state, *right));
        let (Value::Sym(sym, offset), Value::Int(at)) = (left, right) else {
            return;
        };
        let number = match op.as_str() {
            ">" | "!=" => at + 2,
            ">=" => at + 1,
            _ => return,
        } - offset;
        let (low, high) = state
            .ranges
            .get(&sym)
            .copied()
            .unwrap_or((i64::MIN, i64::MAX));
        if at < 0 || self.is_computed(sym) || number < low || number > high {
            return;
        }
        state.bound.insert(sym, Value::Int(number));
        state.ranges.insert(sym, (number, number));
    }

    /// Whether a pointer is an error, or null: what is known of it, else a symbol.
    pub(super) fn error_or_null(&mut self, state: &State, value: Value) -> Value {
        let below = Test::Compare("<".into(), value, Value::Int(0));
        let truth = Test::Truth(value);
        match (self.decide(state, &below), self.decide(state, &truth)) {
            (Some(true), _) | (_, Some(false)) => Value::Int(1),
            (Some(false), Some(true)) => Value::Int(0),
            _ => self.intern_values("error or null", vec![value]),
        }
    }
}
