// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that the walk cannot follow, and that are given pages: do they keep them?
//!
//! Such a call may keep what it is given. That its caller releases the pages afterwards tells that it did not: on a way that
//! fails of the other ways that fail with the same answer of the call, on a way that does not fail of all that do. And a
//! call that failed keeps nothing of an object that its caller then frees.

use super::calls::root;
use super::machine::{Machine, What};
use super::places::root_of;
use super::state::{Acquisition, Loan, State, Sym, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What a way knows of the answer of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Untested,
    Zero,
    /// It is not zero: of an errno or a truth value more is seldom asked.
    Other,
    /// One errno of several, which may tell that the call goes on by itself.
    One,
}

/// What became of the pages of one acquiring call that a call was given, on some way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ending {
    /// The acquiring call, by its first byte.
    acquired: u32,
    /// The call that was given them.
    call: u32,
    answer: Answer,
    /// Whether the way fails.
    failed: bool,
}

/// Pages that are still held where a way fails.
pub(super) struct Lost {
    at: Span,
    acquisition: Acquisition,
    /// The calls that were given them, each with its answer; not those that cannot have kept them.
    given: Vec<(u32, Answer)>,
    /// For the way.
    state: State,
}

impl Machine<'_, '_> {
    /// What a call that the walk cannot follow is known by, while it is given its arguments.
    pub(super) fn loan(&self, name: &str, result: Sym, span: Span) -> Loan {
        let known = name.is_empty() || (self.callees.defined)(name) || (self.callees.beside)(name);
        let in_result = (self.callees.in_result)(name);
        Loan {
            call: span.start,
            result,
            sound: !known || in_result,
            spared: (self.callees.spared)(name),
            in_result,
        }
    }

    fn answer(&self, state: &State, loan: &Loan) -> Answer {
        let above = |number: i64| {
            let range = state.ranges.get(&loan.result);
            range.is_some_and(|(low, _)| *low > number)
        };
        let below = state
            .ranges
            .get(&loan.result)
            .is_some_and(|(_, high)| *high < 0);
        match self.settle(state, Value::Sym(loan.result, 0)) {
            Value::Int(0) => Answer::Zero,
            Value::Int(_) => Answer::One,
            _ if below || above(0) || state.nonzero.contains(&loan.result) => Answer::Other,
            _ => Answer::Untested,
        }
    }

    /// The way fails, and calls that cannot be followed were given the pages.
    pub(super) fn may_be_lost(&mut self, state: &State, acquisition: &Acquisition, at: Span) {
        // What was released may be these.
        if !acquisition.is_followed() || state.strangers {
            return;
        }
        let freed = |sym: Option<Sym>| sym.is_some_and(|sym| state.freed.contains(&sym));
        // An array may be a part of an object.
        let object = acquisition
            .memory
            .and_then(|array| state.inside.get(&array));
        let object_gone = freed(acquisition.container) || freed(object.copied());
        let gone = freed(acquisition.memory) || object_gone;
        let given: Vec<(u32, Answer)> = acquisition
            .loans
            .iter()
            .map(|loan| (loan, self.answer(state, loan)))
            .filter(|(loan, answer)| {
                // What was given an object that its caller frees has done with it, whether it failed or not; unless it
                // is there to let go what the object holds.
                let done = match answer {
                    Answer::Other => gone,
                    Answer::Zero => object_gone || loan.in_result,
                    Answer::Untested => object_gone && loan.spared,
                    Answer::One => false,
                };
                !done
            })
            .map(|(loan, answer)| (loan.call, answer))
            .collect();
        if given.is_empty() {
            self.fact_about(state, What::Leak, at, acquisition);
            return;
        }
        self.lost.push(Lost {
            at,
            acquisition: acquisition.clone(),
            given,
            state: State {
                trail: state.trail.clone(),
                ..State::default()
            },
        });
    }

    /// The way fails, and has let go some of the pages of one call, in a place that its caller sees, and not the others: who
    /// undoes what it did undoes all of it.
    pub(super) fn undone_in_part(&mut self, state: &State, at: Span) {
        let of_caller = |a: &&Acquisition| {
            a.visible && !a.is_kept() && !a.maybe && a.in_list.is_none() && a.is_followed()
        };
        if state.strangers {
            return;
        }
        let seen: Vec<&Acquisition> = state.acquisitions.iter().filter(of_caller).collect();
        for acquisition in &seen {
            let another = |other: &&&Acquisition| {
                other.call == acquisition.call && other.memory == acquisition.memory
            };
            let whole = acquisition.got > 0 && acquisition.held.iter().all(|held| *held > 0);
            if whole && seen.iter().filter(another).any(|other| other.is_back()) {
                self.fact_about(state, What::Leak, at, acquisition);
            }
        }
    }

    /// The way fails with a page in a member that its caller sees. Whether the caller releases it is told by the other ways
    /// that fail: where one releases the page and leaves it in the member, the caller does not.
    ///
    /// So does this way itself, where it releases another page of the same object and leaves that in its member.
    pub(super) fn left_in_member(&mut self, state: &State, at: Span) {
        let mut undone: BTreeSet<&str> = BTreeSet::new();
        let mut left: Vec<(&str, Lost)> = Vec::new();
        for (number, acquisition) in state.acquisitions.iter().enumerate() {
            let Some(home) = acquisition.home.as_deref() else {
                continue;
            };
            let stored = acquisition.handed_on && !acquisition.escaped && !acquisition.maybe;
            let there = matches!(state.values.get(home), Some(Value::Page(a, _)) if *a == number);
            let whole = acquisition.got == acquisition.wanted && acquisition.got > 0;
            if !stored || !there || !whole || !acquisition.is_followed() {
                continue;
            }
            let object = root_of(home).unwrap_or_default();
            if acquisition.is_back() {
                self.undone.insert(acquisition.call.start);
                undone.insert(object);
            } else if acquisition.held.iter().all(|held| *held > 0) && !state.strangers {
                let lost = Lost {
                    at,
                    acquisition: acquisition.clone(),
                    given: Vec::new(),
                    state: State {
                        trail: state.trail.clone(),
                        ..State::default()
                    },
                };
                left.push((object, lost));
            }
        }
        for (object, lost) in left {
            if undone.contains(object) {
                self.fact_about(&lost.state, What::Leak, lost.at, &lost.acquisition);
            } else {
                self.left.push(lost);
            }
        }
    }

    /// The way fails with pages in an array that its caller sees, and nothing tells the caller how many. Another way that
    /// fails, and releases its pages there, says that the caller does not.
    pub(super) fn left_in_array(&mut self, state: &State, at: Span) {
        if state.marked || state.strangers {
            return;
        }
        for acquisition in &state.acquisitions {
            let Some(array) = acquisition.memory else {
                continue;
            };
            let of_array = state
                .acquisitions
                .iter()
                .filter(|a| a.memory == Some(array));
            let there = acquisition.visible
                && acquisition.got > 0
                && !acquisition.is_kept()
                && !acquisition.maybe
                && acquisition.in_list.is_none()
                && acquisition.is_followed()
                && !state.freed.contains(&array)
                && of_array.count() == 1;
            if !there {
                continue;
            }
            let failed = |loan: &Loan| loan.spared || self.answer(state, loan) == Answer::Other;
            if acquisition.is_back() {
                self.undone.insert(acquisition.call.start);
            } else if acquisition.got == acquisition.wanted
                && acquisition.held.iter().all(|held| *held > 0)
                && acquisition.loans.iter().all(failed)
            {
                self.left.push(Lost {
                    at,
                    acquisition: acquisition.clone(),
                    given: Vec::new(),
                    state: State {
                        trail: state.trail.clone(),
                        ..State::default()
                    },
                });
            }
        }
    }

    /// A way ends: which pages did it release that calls were given?
    pub(super) fn note_endings(&mut self, state: &State, failed: bool) {
        let back = |a: &&Acquisition| a.is_back() && !a.handed_on && !a.maybe;
        for acquisition in state.acquisitions.iter().filter(back) {
            for loan in &acquisition.loans {
                let ending = Ending {
                    acquired: acquisition.call.start,
                    call: loan.call,
                    answer: self.answer(state, loan),
                    failed,
                };
                self.endings.insert(ending);
            }
        }
    }

    /// All ways were walked: what is lost because no call keeps it?
    pub(super) fn tell_of_loans(&mut self) {
        for left in std::mem::take(&mut self.left) {
            if self.undone.contains(&left.acquisition.call.start) {
                self.fact_about(&left.state, What::Leak, left.at, &left.acquisition);
            }
        }
        for lost in std::mem::take(&mut self.lost) {
            let acquired = lost.acquisition.call.start;
            let keeps_not = |(call, answer): &(u32, Answer)| {
                self.endings.iter().any(|ending| {
                    let same = ending.acquired == acquired && ending.call == *call;
                    same && match ending.failed {
                        true => ending.answer == *answer || ending.answer == Answer::Untested,
                        false => *answer != Answer::One,
                    }
                })
            };
            if lost.given.iter().all(keeps_not) {
                self.fact_about(&lost.state, What::Leak, lost.at, &lost.acquisition);
            }
        }
    }

    /// The arguments may be kept, and what they point to may change.
    pub(super) fn unknown_call(
        &mut self,
        state: &mut State,
        name: &str,
        args: &[Expr],
        span: Span,
    ) -> Value {
        let result = self.fresh();
        // What the file or its directory defines may give a lock of its caller's back.
        if name.is_empty() || (self.callees.defined)(name) || (self.callees.beside)(name) {
            state.locks_lost();
        }
        let loan = Some(self.loan(name, result, span));
        let outer = std::mem::replace(&mut self.loan, loan);
        let mut values = Vec::new();
        for arg in args {
            let value = self.eval(state, arg);
            // What a later argument changes it changes after this one is given.
            state.give(value, loan);
            values.push(value);
        }
        self.loan = outer;
        self.is_given(state, name, (args, values, span), loan);
        state.visible.insert(result);
        if (self.callees.fails)(name) {
            state.ranges.insert(result, (i64::MIN, -1));
        }
        Value::Sym(result, 0)
    }

    pub(super) fn keeps_what_it_is_given(
        &mut self,
        state: &mut State,
        name: &str,
        (args, values): (&[Expr], Vec<Value>),
        span: Span,
    ) -> Value {
        self.is_given(state, name, (args, values, span), None);
        let sym = self.fresh();
        state.visible.insert(sym);
        Value::Sym(sym, 0)
    }

    /// A call is given its arguments, and what it can reach through them; without a loan it keeps them.
    fn is_given(
        &mut self,
        state: &mut State,
        name: &str,
        (args, values, span): (&[Expr], Vec<Value>, Span),
        loan: Option<Loan>,
    ) {
        for (arg, value) in args.iter().zip(values.iter().copied()) {
            state.give(value, loan);
            if let Value::Sym(sym, _) = value {
                state.dropped.retain(|(dropped, _), _| *dropped != sym);
            }
            let root = root(arg);
            if let Some(root) = root {
                state.forget_dropped(root);
                let first = SmolStr::from(state.first_name(root));
                if first != root {
                    state.forget_dropped(&first);
                }
                state.lent.insert(root.into());
            }
            if let Some(Value::Sym(sym, _)) = root.and_then(|root| state.values.get(root)).copied()
            {
                if state.own.contains(&sym) {
                    state.give(Value::Sym(sym, 0), loan);
                }
            }
            if let Value::Sym(sym, _) = value {
                let holder = state.inside.get(&sym).copied().unwrap_or(sym);
                for acquisition in &mut state.acquisitions {
                    acquisition.handed_on |= acquisition.put_in.contains(&holder);
                }
            }
            if let Some(root) = root {
                state.reached_through(root);
            }
            for acquisition in &mut state.acquisitions {
                let list = acquisition.in_list.as_deref().and_then(root_of);
                let home = acquisition.home.as_deref();
                let in_reach = list.is_some() && list == root
                    || home.is_some_and(|home| root.is_some_and(|root| home.starts_with(root)));
                match loan {
                    Some(loan) if in_reach => acquisition.lend(&[loan]),
                    None if in_reach => {
                        acquisition.handed_on = true;
                        acquisition.escaped = true;
                    }
                    _ => {}
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
        self.may_uncharge(state, name, (args, &values), span);
    }

    /// Whether pages that are dropped by their address cannot be: no member has that, and the page alone does not help.
    fn is_address_lost(&self, state: &State, acquisition: &Acquisition) -> bool {
        let Some(address) = acquisition.asked.filter(|_| acquisition.by_address) else {
            return false;
        };
        let known = matches!(address, Value::Sym(sym, 0) if sym <= self.params);
        known && !state.in_a_member(address)
    }

    /// A way ends: which pages, and which arrays, are lost?
    pub(super) fn leaks(&mut self, state: &State, value: Option<Value>, at: Span) {
        let failed = value.is_some_and(|value| self.is_failure(state, value));
        for acquisition in state
            .acquisitions
            .iter()
            .filter(|a| a.leaks() && (failed || !a.by_address))
        {
            if acquisition.visible && !self.is_address_lost(state, acquisition) {
                continue;
            }
            if acquisition.loans.is_empty() {
                if !state.strangers_in_turns {
                    self.fact_about(state, What::Leak, at, acquisition);
                }
            } else if failed {
                self.may_be_lost(state, acquisition, at);
            }
        }
        self.note_endings(state, failed);
        if failed {
            self.undone_in_part(state, at);
            self.left_in_member(state, at);
            self.left_in_array(state, at);
        }
        for acquisition in &state.acquisitions {
            let lost = acquisition.memory.is_some_and(|sym| {
                // Who was given the array before its pages went back did not take it.
                let loans = state.loans.get(&sym).map_or(0, Vec::len);
                state.own.contains(&sym)
                    && !state.freed.contains(&sym)
                    && !state.managed.contains(&sym)
                    && !state.inside.contains_key(&sym)
                    && loans == acquisition.loans_when_back
            });
            if lost && !acquisition.visible && !acquisition.is_kept() && !acquisition.leaks() {
                self.fact_about(state, What::ArrayLost, at, acquisition);
            }
        }
    }
}
