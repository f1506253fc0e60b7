// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is charged for pinned pages, and given back.

use super::calls::root;
use super::machine::{Machine, What};
use super::places::root_of;
use super::state::{Charge, State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};
use refimpl::api::{Act, Does};
use smol_str::SmolStr;

impl Machine<'_, '_> {
    /// A call that charges, or gives back.
    pub(super) fn charge_by(
        &mut self,
        state: &mut State,
        (name, act): (&str, &Act),
        args: &[Expr],
        span: Span,
    ) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        let result = self.fresh();
        let counter: SmolStr = match act.counter {
            Some(at) => match args.get(at).and_then(member) {
                Some(member) if self.acts.is_counter(member) => member.into(),
                _ => return Value::Sym(result, 0),
            },
            None => act.back.as_deref().unwrap_or(name).into(),
        };
        let sign = act
            .sign
            .and_then(|at| values.get(at))
            .map(|sign| self.settle(state, *sign));
        let takes = match (act.does, sign) {
            (Does::Uncharges, _) | (_, Some(Value::Int(0))) => false,
            (_, None | Some(Value::Int(_))) => true,
            // Which of both it is, is not known.
            _ => false,
        };
        let root_at = act.counter.unwrap_or(0);
        let root = args.get(root_at).and_then(root).map(SmolStr::from);
        let at = act.at_of(args.len());
        let amount = at.and_then(|at| args.get(at).zip(values.get(at)));
        match (takes, amount) {
            (true, Some((amount, value))) => {
                let charge = Charge {
                    at: span,
                    counter,
                    amount: stands_for(amount, *value),
                    root,
                    result: act.fails.then_some(result),
                };
                self.charge(state, charge);
            }
            (false, amount) => {
                let back = amount.map(|(_, value)| *value);
                if let Some(back) = back {
                    let place = args.get(root_at);
                    self.uncharge_of_caller(state, (&counter, place), back, span);
                }
                self.uncharge(state, &counter, back);
            }
            _ => state.charges.retain(|charge| charge.counter != counter),
        }
        Value::Sym(result, 0)
    }

    /// What is given back is what was charged, unless the walk knows both numbers and they differ: then the rest stays.
    fn uncharge(&self, state: &mut State, counter: &str, back: Option<Value>) {
        let number = |value: Option<Value>| match value.map(|value| self.settle(state, value)) {
            Some(Value::Int(number)) => Some(number),
            _ => None,
        };
        let of_counter = |charge: &&Charge| charge.counter == counter;
        let mut charged = state.charges.iter().filter(of_counter);
        let rest = match (charged.next(), charged.next()) {
            // Of several charges it is not known which one this is about.
            (Some(charge), None) => number(charge.amount)
                .zip(number(back))
                .and_then(|(charged, back)| charged.checked_sub(back)),
            _ => None,
        };
        let rest = rest.filter(|rest| *rest != 0).map(Value::Int);
        for charge in state.charges.iter_mut().filter(|c| c.counter == counter) {
            charge.amount = rest;
        }
        if rest.is_none() {
            let given = state.charges.iter().filter(|c| c.counter == counter);
            let given: Vec<u32> = given.map(|charge| charge.at.start).collect();
            state.returned.extend(given);
        }
        state
            .charges
            .retain(|charge| charge.counter != counter || rest.is_some());
    }

    /// `mm->locked_vm += n`, or `-=`.
    pub(super) fn charge_in_place(
        &mut self,
        state: &mut State,
        (op, target): (&str, &Expr),
        (amount, value): (&Expr, Value),
        span: Span,
    ) {
        let counter = member(target).filter(|member| self.acts.is_counter(member));
        let Some(counter) = counter else { return };
        match op {
            "+=" => {
                let charge = Charge {
                    at: span,
                    counter: counter.into(),
                    amount: stands_for(amount, value),
                    root: root(target).map(SmolStr::from),
                    result: None,
                };
                self.charge(state, charge);
            }
            "-=" => {
                self.uncharge_of_caller(state, (counter, Some(target)), value, span);
                self.uncharge(state, counter, Some(value));
            }
            _ => state.charges.retain(|charge| charge.counter != counter),
        }
    }

    fn charge(&self, state: &mut State, charge: Charge) {
        state.note(charge.at, "charged");
        state.uncharged.clear();
        state.charges.push(charge);
    }

    /// A call that the walk cannot follow may give back what was charged.
    pub(super) fn may_uncharge(
        &self,
        state: &mut State,
        name: &str,
        (args, values): (&[Expr], &[Value]),
        span: Span,
    ) {
        if !state.uncharged.is_empty() {
            // What is a member of an object that is given away may have changed.
            let given: Vec<Value> = args
                .iter()
                .filter_map(root)
                .filter_map(|root| state.values.get(root).copied())
                .collect();
            state
                .uncharged
                .retain(|(_, root, _), _| root.is_some_and(|root| !given.contains(&root)));
        }
        if state.charges.is_empty() {
            return;
        }
        if (self.callees.defined)(name) {
            state.charges.clear();
            return;
        }
        let alone = self.alone == Some(span);
        let roots: Vec<&str> = args.iter().filter_map(root).collect();
        state.charges.retain(|charge| {
            let same =
                |value: &Value| matches!(value, Value::Sym(..)) && Some(*value) == charge.amount;
            let given = charge
                .root
                .as_deref()
                .is_some_and(|root| roots.contains(&root));
            !(values.iter().any(same) || alone && given)
        });
    }

    /// The way fails, and its pages are back.
    pub(super) fn charges_kept(&mut self, state: &State, at: Span) {
        for charge in &state.charges {
            let refused = charge
                .result
                .is_some_and(|sym| state.nonzero.contains(&sym));
            // Who finds the number in a member gives it back later.
            let told = charge.amount.is_some_and(|amount| {
                state.in_a_member(amount) || state.in_a_member(self.settle(state, amount))
            });
            if refused {
                continue;
            }
            if told {
                let way = State {
                    trail: state.trail.clone(),
                    ..State::default()
                };
                self.charged.push((at, charge.clone(), way));
                continue;
            }
            let place = (What::ChargeKept, at, Some(charge.at));
            self.fact_of(state, place, "", None, &charge.counter);
        }
    }

    /// Who finds the number in a member need not give it back: another way that fails, and gives it back here, says so.
    pub(super) fn tell_of_charges(&mut self) {
        for (at, charge, state) in std::mem::take(&mut self.charged) {
            if self.returned.contains(&charge.at.start) {
                let place = (What::ChargeKept, at, Some(charge.at));
                self.fact_of(&state, place, "", None, &charge.counter);
            }
        }
    }

    /// Gives back what was not charged on this way: so it was before, and once.
    fn uncharge_of_caller(
        &mut self,
        state: &mut State,
        (counter, place): (&str, Option<&Expr>),
        amount: Value,
        span: Span,
    ) {
        let charged = state.charges.iter().any(|charge| charge.counter == counter);
        let Value::Sym(..) = amount else { return };
        if charged {
            return;
        }
        let (path, root) = match place {
            Some(place) => {
                let text = visit::text(visit::bare(place));
                let text = text.strip_prefix('&').unwrap_or(&text);
                let root = root_of(text).unwrap_or_default();
                let value = state.values.get(root).copied();
                (SmolStr::from(&text[root.len()..]), value)
            }
            None => (SmolStr::default(), None),
        };
        let key = (SmolStr::from(format!("{counter} {path}")), root, amount);
        match state.uncharged.get(&key).copied() {
            Some(before) if before != span => {
                let place = (What::UnchargedTwice, span, Some(before));
                self.fact_of(state, place, "", None, counter);
                state.over = true;
            }
            _ => {
                state.uncharged.insert(key, span);
            }
        }
    }
}

/// What is charged; none where the number is written down.
fn stands_for(amount: &Expr, value: Value) -> Option<Value> {
    (!matches!(visit::bare(amount), Expr::Literal(..))).then_some(value)
}

/// The member that an expression or its address names.
fn member(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::AddressOf(inner, _) => member(inner),
        Expr::Field { name, .. } => Some(name),
        _ => None,
    }
}
