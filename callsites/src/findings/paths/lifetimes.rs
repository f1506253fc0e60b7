// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects that outlive a way: members that are overwritten, pins that are dropped again, ends that tell of success.

use super::decide::Test;
use super::inline::is_result;
use super::machine::{Machine, What};
use super::places::root_of;
use super::state::{Acquisition, State, Sym, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Count, Does, Function};

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
        let is_parameter = |value: Option<&Value>| matches!(value, Some(Value::Sym(sym, 0)) if *sym <= self.params);
        let object = state.values.get(root);
        // What a parameter has in a member, such as the private data of a file, is the caller's as well.
        let in_parameter = || {
            let object = object
                .copied()
                .filter(|value| matches!(value, Value::Sym(_, 0)));
            object.is_some_and(|object| {
                state.values.has_member(object, |key| {
                    let holder = key
                        .split_once("->")
                        .filter(|(_, member)| !member.contains(['-', '[']));
                    holder.is_some_and(|(holder, _)| is_parameter(state.values.get(holder)))
                })
            })
        };
        let parameter = is_parameter(object) || in_parameter();
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

    /// A page is marked dirty whose pin was dropped before, by itself or with its array.
    pub(super) fn dirtied_after_drop(
        &mut self,
        state: &mut State,
        arg: &Expr,
        page: Value,
        span: Span,
    ) {
        if state.dropped.is_empty() {
            return;
        }
        let array = match visit::bare(arg) {
            Expr::Index { base, .. } => Some(self.eval(state, base)),
            _ => None,
        };
        let before = [Some(page), array].into_iter().flatten().find_map(|value| {
            let Value::Sym(sym, at) = value else {
                return None;
            };
            state.dropped.get(&(sym, at))
        });
        if let Some((before, _)) = before.copied() {
            self.fact(state, What::DirtiedAfterRelease, span, Some(before), "");
            state.over = true;
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

    /// What `cond` is when it tells that something failed.
    pub(super) fn tells_of_failure(&self, state: &State, cond: &Expr, test: &Test) -> Option<bool> {
        let asks = visit::bare(cond)
            .callee_name()
            .and_then(|name| self.acts.of(name));
        let fails = matches!(
            asks,
            Some(Does::FailsWhenTrue | Does::IsError | Does::IsErrorOrNull)
        );
        if fails || fails_below_zero(cond, test) {
            return Some(true);
        }
        let made = matches!(test, Test::Truth(Value::Sym(sym, 0)) if state.own.contains(sym));
        made.then_some(false)
    }

    /// Whether a value that is returned tells of a failure, as far as the way knows.
    pub(super) fn is_failure(&self, state: &State, value: Value) -> bool {
        match self.settle(state, value) {
            Value::Int(number) => number < 0 || number == 0 && self.gives_pointer,
            Value::Sym(sym, 0) if !self.gives_pointer => {
                state.nonzero.contains(&sym)
                    || state.ranges.get(&sym).is_some_and(|(_, high)| *high < 0)
            }
            Value::Sym(sym, 0) => state.ranges.get(&sym).is_some_and(|(_, high)| *high < 0),
            _ => false,
        }
    }

    /// A way ends: are its charges given back, and does it tell the truth?
    pub(super) fn ends(&mut self, state: &State, value: Option<Value>, at: Span) {
        let over = |a: &Acquisition| {
            !a.handed_on && !a.maybe && a.is_followed() && a.held.iter().all(|held| *held <= 0)
        };
        let all_back = state.acquisitions.iter().all(over) && !state.acquisitions.is_empty();
        let failed =
            state.failed.is_some() || value.is_some_and(|value| self.is_failure(state, value));
        if all_back && failed {
            self.charges_kept(state, at);
        }
        if failed {
            self.locks_kept(state, at);
            self.returned.extend(&state.returned);
        }
        if !failed {
            let kept = |a: &&Acquisition| {
                let known = a.is_kept() || a.visible || a.in_list.is_some() || !a.loans.is_empty();
                known && a.held.iter().any(|held| *held > 0)
            };
            let kept = state.acquisitions.iter().filter(kept);
            self.kept.extend(kept.map(|a| a.call.start));
        }
        if !failed {
            self.wanted_kept(state, at);
        }
        if value.map(|value| self.settle(state, value)) != Some(Value::Int(0)) {
            return;
        }
        let told = state.none_told && !self.gives_pointer;
        if let (Some(call), None, true) = (state.none, state.failed, told) {
            self.nones.push((call, at, state.clone()));
        }
        self.keeps |= state.acquisitions.iter().any(|a| {
            let known = a.is_kept() || a.visible || !a.loans.is_empty();
            known && a.got == a.wanted && a.held.iter().any(|held| *held > 0)
        });
        let whole = state
            .acquisitions
            .iter()
            .find(|a| a.got == a.wanted && a.got > 0);
        if let (true, Some(_), Some(whole)) = (all_back, state.failed, whole) {
            self.releases.push((at, whole.clone(), state.clone()));
        }
    }

    /// A way keeps fewer pages than it asked for, and beside them the number that it asked for.
    fn wanted_kept(&mut self, state: &State, at: Span) {
        for acquisition in &state.acquisitions {
            let Some(array) = acquisition.memory else {
                continue;
            };
            let of_array = state
                .acquisitions
                .iter()
                .filter(|a| a.memory == Some(array));
            let short = acquisition.got > 0 && acquisition.got < acquisition.wanted;
            // Nobody releases by an array, or an object with one, that is freed.
            let freed = [Some(array), acquisition.container];
            let gone = freed.iter().flatten().any(|sym| state.freed.contains(sym));
            // What one call left, another may have taken.
            if !short
                || gone
                || of_array.count() > 1
                || acquisition.held.iter().any(|held| *held <= 0)
                || acquisition.first != 0
            {
                continue;
            }
            let settled: Vec<(&str, Value)> = state
                .members()
                .map(|(key, held)| (key, self.settle(state, *held)))
                .collect();
            let with = |value: Value| -> Vec<&str> {
                let equal = settled.iter().filter(|(_, held)| *held == value);
                equal.map(|(key, _)| *key).collect()
            };
            // Who keeps both numbers knows them apart.
            if !with(Value::Int(acquisition.got)).is_empty() {
                continue;
            }
            let arrays = with(Value::Sym(array, 0));
            let counts = with(Value::Int(acquisition.wanted));
            let pairs: Vec<String> = arrays
                .iter()
                .flat_map(|array| counts.iter().map(move |count| (array, count)))
                .filter(|(array, count)| root_of(array) == root_of(count))
                .map(|(array, count)| format!("{} {}", last(array), last(count)))
                .collect();
            let call = acquisition.call;
            let (callee, got) = (
                acquisition.callee.clone(),
                (acquisition.got, acquisition.wanted),
            );
            for pair in pairs {
                self.fact_of(
                    state,
                    (What::WantedKept, at, Some(call)),
                    &callee,
                    Some(got),
                    &pair,
                );
            }
        }
    }

    /// Where another way keeps the pages and returns 0, one that releases them for a failure must not.
    pub(super) fn tell_of_success(&mut self) {
        let releases = std::mem::take(&mut self.releases);
        let nones = std::mem::take(&mut self.nones);
        if !self.keeps {
            return;
        }
        for (call, at, state) in nones {
            self.fact(&state, What::NoneIsSuccess, at, Some(call), "");
        }
        for (at, acquisition, state) in releases {
            self.fact_about(&state, What::SuccessAfterRelease, at, &acquisition);
        }
    }

    /// A loop that takes pages runs up to a number of which nothing is known: so many turns are enough to see what the last
    /// does with what those before took.
    pub(super) fn give_turns(&self, state: &mut State, test: &Test, turns: u32) {
        let Test::Compare(op, left, right) = test else {
            return;
        };
        let (left, right) = (self.settle(state, *left), self.settle(state, *right));
        let (Value::Sym(sym, offset), Value::Int(at)) = (left, right) else {
            return;
        };
        let number = match op.as_str() {
            ">" | "!=" => at + i64::from(turns),
            ">=" => at + i64::from(turns) - 1,
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

/// The last member that the text of a place names.
fn last(text: &str) -> &str {
    let start = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    start.map_or(text, |start| &text[start + 1..])
}

/// Whether `cond` is true of a call that fails, and that call's result is in no variable of the function's own.
fn fails_below_zero(cond: &Expr, test: &Test) -> bool {
    let nameless = |expr: &Expr| match visit::bare(expr) {
        Expr::Call { .. } => true,
        Expr::Name(name, _) => is_result(name),
        _ => false,
    };
    match (cond, test) {
        (
            Expr::Binary {
                op, left, right, ..
            },
            _,
        ) if op == "<" => nameless(left) && visit::text(right) == "0",
        (cond, Test::Truth(Value::Int(number))) => *number < 0 && nameless(cond),
        _ => false,
    }
}
