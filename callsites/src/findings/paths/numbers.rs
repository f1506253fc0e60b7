// SPDX-License-Identifier: MIT OR Apache-2.0
//! What macros make of numbers: rounded, divided, the least of several.

use super::machine::Machine;
use super::state::{State, Value};
use crate::index::ir::Expr;

/// What a number that is rounded up to a unit is called.
pub(super) const ROUNDED_UP: &str = "rounded up";

impl Machine<'_, '_> {
    pub(super) fn divided_up(&mut self, state: &State, amount: Value, unit: Value) -> Value {
        match self.settle(state, unit) {
            Value::Int(number) if number > 0 => {
                let more = self.binary(state, "+", amount, Value::Int(number - 1));
                self.binary(state, "/", more, Value::Int(number))
            }
            unit => self.intern_values("divided up", vec![amount, unit, Value::Int(0)]),
        }
    }

    pub(super) fn rounded_up(&mut self, state: &State, amount: Value, unit: Value) -> Value {
        match (self.settle(state, amount), self.settle(state, unit)) {
            (Value::Int(amount), Value::Int(unit)) if amount >= 0 && unit > 0 => {
                let more = amount.checked_add(unit - 1);
                more.map_or_else(
                    || Value::Sym(self.fresh(), 0),
                    |more| Value::Int(more - more % unit),
                )
            }
            (page @ Value::Page(..), _) => page,
            _ => self.intern_values(ROUNDED_UP, vec![amount, unit]),
        }
    }

    /// Of a number and a limit the number, as if the limit were not reached.
    pub(super) fn least(&mut self, state: &mut State, args: &[Expr]) -> Value {
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
