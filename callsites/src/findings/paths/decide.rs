// SPDX-License-Identifier: MIT OR Apache-2.0
//! What conditions say about symbols, and what follows from an answer.

use super::machine::Machine;
use super::state::{State, Value};
use crate::findings::visit;
use crate::index::ir::Expr;
use smol_str::SmolStr;

/// A condition after its operands were evaluated once.
#[derive(Debug)]
pub(super) enum Test {
    Known(bool),
    Compare(SmolStr, Value, Value),
    Truth(Value),
}

impl Test {
    /// A comparison of two operands with their values. A number that is written there stands behind what is compared with it,
    /// also where both are known.
    pub(super) fn of_comparison(op: &str, left: (&Expr, Value), right: (&Expr, Value)) -> Self {
        let written = |expr| matches!(visit::bare(expr), Expr::Literal(..));
        let turned = written(left.0) && !written(right.0) && matches!(right.1, Value::Int(_));
        let (op, left, right) = match turned {
            true => (mirrored(op), right.1, left.1),
            false => ordered(op, left.1, right.1),
        };
        Test::Compare(op.into(), left, right)
    }
}

impl Machine<'_, '_> {
    /// Whether the condition holds, when that is known.
    pub(super) fn decide(&self, state: &State, test: &Test) -> Option<bool> {
        match test {
            Test::Known(truth) => Some(*truth),
            Test::Truth(value) => match self.settle(state, *value) {
                Value::Int(number) => Some(number != 0),
                Value::Page(..) => Some(true),
                Value::Unfilled(_) => Some(false),
                Value::Sym(sym, 0) if state.nonzero.contains(&sym) => Some(true),
                // Behind the beginning of an object that was made on this way there is no null.
                Value::Sym(sym, _)
                    if state.nonzero.contains(&sym) && state.first_names.contains_key(&sym) =>
                {
                    Some(true)
                }
                Value::Sym(sym, offset) => {
                    let (low, high) = range(state, sym, offset);
                    if low > 0 || high < 0 {
                        Some(true)
                    } else {
                        (low == 0 && high == 0).then_some(false)
                    }
                }
            },
            Test::Compare(op, left, right) => {
                let (left, right) = (self.settle(state, *left), self.settle(state, *right));
                let (op, left, right) = ordered(op, left, right);
                if let (Value::Sym(a, x), Value::Sym(b, y)) = (left, right) {
                    if a == b {
                        return Some(compare(op, x.cmp(&y)));
                    }
                    // What was allocated here is nothing that there was before.
                    let fresh =
                        |sym, other| state.own.contains(sym) && !self.meaning.contains_key(other);
                    if (op == "==" || op == "!=") && (fresh(&a, &b) || fresh(&b, &a)) {
                        return Some(op == "!=");
                    }
                    let known = self.interned.get(&(op.into(), vec![left, right]));
                    return known
                        .and_then(|sym| self.decide(state, &Test::Truth(Value::Sym(*sym, 0))));
                }
                let (a, b) = (bounds(state, left)?, bounds(state, right)?);
                if op == "==" || op == "!=" {
                    if let (Value::Sym(sym, 0), Value::Int(0)) = (left, right) {
                        if state.nonzero.contains(&sym) {
                            return Some(op == "!=");
                        }
                    }
                }
                if a.1 < b.0 {
                    Some(compare(op, std::cmp::Ordering::Less))
                } else if a.0 > b.1 {
                    Some(compare(op, std::cmp::Ordering::Greater))
                } else if a.0 == a.1 && a == b {
                    Some(compare(op, std::cmp::Ordering::Equal))
                } else if op == "<" && a.0 >= b.1 || op == ">" && a.1 <= b.0 {
                    Some(false)
                } else if op == "<=" && a.1 <= b.0 || op == ">=" && a.0 >= b.1 {
                    Some(true)
                } else {
                    None
                }
            }
        }
    }

    /// Remembers that the condition is `truth`.
    pub(super) fn assume(&mut self, state: &mut State, test: &Test, truth: bool) {
        match test {
            Test::Known(_) => {}
            Test::Truth(value) => match self.settle(state, *value) {
                Value::Sym(sym, offset) if !truth => {
                    state.ranges.insert(sym, (-offset, -offset));
                    state.bound.insert(sym, Value::Int(-offset));
                    if let Some((op, left, right)) = self.meaning.get(&sym).cloned() {
                        if is_comparison(&op) {
                            self.assume(state, &Test::Compare(op, left, right), false);
                        }
                    }
                }
                Value::Sym(sym, 0) => {
                    state.nonzero.insert(sym);
                    if let Some((op, left, right)) = self.meaning.get(&sym).cloned() {
                        if is_comparison(&op) {
                            self.assume(state, &Test::Compare(op, left, right), true);
                        }
                    }
                }
                _ => {}
            },
            Test::Compare(op, left, right) => {
                let (left, right) = (self.settle(state, *left), self.settle(state, *right));
                let op = if truth { op.as_str() } else { opposite(op) };
                let (op, left, right) = ordered(op, left, right);
                match (left, right) {
                    (Value::Sym(sym, offset), Value::Int(number)) => {
                        narrow(state, sym, op, number - offset)
                    }
                    (Value::Sym(..), Value::Sym(..)) => {
                        for (op, answer) in [(op, 1), (opposite(op), 0)] {
                            let Value::Sym(sym, _) = self.intern_values(op, vec![left, right])
                            else {
                                continue;
                            };
                            state.bound.insert(sym, Value::Int(answer));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Machine<'_, '_> {
    /// An error pointer is made of a number: what is not 0 is an errno.
    pub(super) fn made_error(&mut self, state: &mut State, value: Value) -> Value {
        if let Value::Sym(sym, 0) = self.settle(state, value) {
            if state.nonzero.contains(&sym) {
                self.assume(
                    state,
                    &Test::Compare("<".into(), value, Value::Int(0)),
                    true,
                );
            }
        }
        value
    }
}

fn range(state: &State, sym: u32, offset: i64) -> (i64, i64) {
    let (low, high) = state
        .ranges
        .get(&sym)
        .copied()
        .unwrap_or((i64::MIN, i64::MAX));
    (low.saturating_add(offset), high.saturating_add(offset))
}

fn bounds(state: &State, value: Value) -> Option<(i64, i64)> {
    match value {
        Value::Int(number) => Some((number, number)),
        Value::Sym(sym, offset) => Some(range(state, sym, offset)),
        // A page is never null, an entry that was not filled is taken to be.
        Value::Page(..) => Some((1, i64::MAX)),
        Value::Unfilled(_) => Some((0, 0)),
    }
}

fn narrow(state: &mut State, sym: u32, op: &str, number: i64) {
    let (low, high) = state
        .ranges
        .get(&sym)
        .copied()
        .unwrap_or((i64::MIN, i64::MAX));
    let (low, high) = match op {
        "<" => (low, high.min(number - 1)),
        "<=" => (low, high.min(number)),
        ">" => (low.max(number + 1), high),
        ">=" => (low.max(number), high),
        "==" => (number, number),
        _ => {
            if number == 0 {
                state.nonzero.insert(sym);
            }
            (low, high)
        }
    };
    if low == high {
        state.bound.insert(sym, Value::Int(low));
    }
    state.ranges.insert(sym, (low, high));
    // No number is left: this way cannot be walked.
    state.over |= low > high;
}

/// Whether a condition is another of 0 than of 1.
pub(super) fn tells_none_from_one(test: &Test) -> bool {
    match test {
        Test::Truth(Value::Int(0)) => true,
        Test::Compare(op, Value::Int(0), Value::Int(limit)) => {
            compare(op, 0.cmp(limit)) != compare(op, 1.cmp(limit))
        }
        _ => false,
    }
}

pub(super) fn is_comparison(op: &str) -> bool {
    matches!(op, "<" | "<=" | ">" | ">=" | "==" | "!=")
}

pub(super) fn compare(op: &str, order: std::cmp::Ordering) -> bool {
    match op {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "==" => order.is_eq(),
        _ => order.is_ne(),
    }
}

fn opposite(op: &str) -> &'static str {
    match op {
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        ">=" => "<",
        "==" => "!=",
        _ => "==",
    }
}

/// The same comparison with a symbol before what is known, and of two symbols the older one first: `0 == n` says what
/// `n == 0` says.
pub(super) fn ordered(op: &str, left: Value, right: Value) -> (&str, Value, Value) {
    let turned = match (left, right) {
        (Value::Sym(a, _), Value::Sym(b, _)) => a > b,
        (_, Value::Sym(..)) => true,
        _ => false,
    };
    match turned {
        true => (mirrored(op), right, left),
        false => (op, left, right),
    }
}

fn mirrored(op: &str) -> &str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}
