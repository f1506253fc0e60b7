// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions: what they are worth, what they change, and what a condition says.

use super::decide::{Test, compare, is_comparison};
use super::machine::{Machine, What};
use super::places::owner;
use super::state::{Place, State, Value};
use super::types::{Types, compared_unsigned, is_unsigned};
use crate::findings::visit;
use crate::index::ir::{Declaration, Expr, Stmt};

/// The release that is compiled, and what makes the number of one (include/generated/uapi/linux/version.h).
const RELEASE: &str = "LINUX_VERSION_CODE";
pub(super) const OF_RELEASE: &str = "KERNEL_VERSION";

impl Machine<'_, '_> {
    /// `KERNEL_VERSION(6, 1, 0)`, which counts no third number above 255.
    pub(super) fn release_number(&mut self, state: &mut State, args: &[Expr]) -> Option<Value> {
        let values: Vec<Value> = args.iter().map(|arg| self.eval(state, arg)).collect();
        match values[..] {
            [Value::Int(a), Value::Int(b), Value::Int(c)] => {
                let (a, b) = (u8::try_from(a).ok()?, u8::try_from(b).ok()?);
                let code = i64::from(a) << 16 | i64::from(b) << 8;
                Some(Value::Int(code | c.clamp(0, 255)))
            }
            _ => None,
        }
    }

    pub(super) fn eval(&mut self, state: &mut State, expr: &Expr) -> Value {
        match expr {
            Expr::Literal(text, _) if text == "NULL" || text == "false" => Value::Int(0),
            Expr::Literal(text, _) if text == "true" => Value::Int(1),
            Expr::Literal(text, _) => {
                literal(text).map_or_else(|| self.intern("lit", text), Value::Int)
            }
            Expr::Name(name, _) if name == "NULL" || name == "false" => Value::Int(0),
            Expr::Name(name, _) if name == "true" => Value::Int(1),
            Expr::Name(name, _) if self.locals.get(name).is_none() && is_errno(name) => {
                Value::Int(12)
            }
            Expr::Name(name, _) if name == RELEASE && self.callees.code.is_some() => {
                let code = self.callees.code.map_or(0, |code| i64::from(code.0));
                Value::Int(code)
            }
            Expr::Name(name, _) if self.locals.get(name).is_none() && is_constant(name) => {
                let number = self.acts.constant(name);
                number.map_or_else(|| self.intern("const", name), Value::Int)
            }
            Expr::Name(..) | Expr::Field { .. } | Expr::Index { .. } | Expr::Deref(..) => {
                // A record that is copied takes its members along.
                if let (Expr::Name(..), Some(name)) = (expr, self.in_record(expr)) {
                    state.hand_on_through(name, self.loan);
                }
                let place = self.place(state, expr);
                self.read(state, &place)
            }
            Expr::Call { args, span, .. } => match expr.callee_name() {
                Some(name) => self.call(state, name, args, *span),
                None => self.unknown_call(state, "", args, *span),
            },
            Expr::AddressOf(inner, _) => match self.place(state, inner) {
                Place::Memory(sym, Some(at)) => Value::Sym(sym, at),
                Place::Memory(_, None) if is_plain_entry(inner) => {
                    // The same as the array and the offset.
                    let Expr::Index { base, index, .. } = visit::bare(inner) else {
                        return Value::Sym(self.fresh(), 0);
                    };
                    let (base, index) = (self.eval(state, base), self.eval(state, index));
                    self.binary(state, "+", base, index)
                }
                _ => {
                    if let Some(name) = self.in_record(inner).filter(|_| !self.looks) {
                        state.hand_on_through(name, self.loan);
                    }
                    // Who has a member's address, a list for one, reaches the object.
                    if let Some(owner) = owner(state, &visit::text(inner)) {
                        match self.loan {
                            _ if self.looks => {}
                            Some(loan) => state.lend(owner, &[loan]),
                            None => state.give_away(owner),
                        }
                    }
                    let text = visit::text(expr);
                    self.intern("address", &text)
                }
            },
            Expr::Cast { operand, .. } => self.eval(state, operand),
            Expr::Assign {
                op,
                target,
                value: given,
                span,
            } => {
                let mut value = if self.keeps_itself(state, target, given) {
                    self.looked_at(state, std::slice::from_ref(given))[0]
                } else {
                    self.eval(state, given)
                };
                if op == "=" {
                    self.overwritten(state, (target, value), *span);
                } else {
                    self.charge_in_place(state, (op, target), (given, value), *span);
                }
                let place = self.place(state, target);
                if op != "=" {
                    let old = self.read(state, &place);
                    value = self.binary(state, op.trim_end_matches('='), old, value);
                }
                self.write(state, &place, value);
                value
            }
            Expr::Update {
                op,
                prefix,
                operand,
                ..
            } => {
                let place = self.place(state, operand);
                let old = self.read(state, &place);
                self.counts_down_from_errno(state, (op, operand), old);
                let sign = if op == "--" { "-" } else { "+" };
                let new = self.binary(state, sign, old, Value::Int(1));
                self.write(state, &place, new);
                if *prefix { new } else { old }
            }
            Expr::Unary { op, operand, .. } if op == "-" => match self.eval(state, operand) {
                Value::Int(number) => Value::Int(number.wrapping_neg()),
                other => self.binary(state, "-", Value::Int(0), other),
            },
            Expr::Unary { op, operand, .. } if op == "!" => {
                let value = self.eval(state, operand);
                match self.decide(state, &Test::Truth(value)) {
                    Some(truth) => Value::Int(i64::from(!truth)),
                    None => self.binary(state, "==", value, Value::Int(0)),
                }
            }
            Expr::Unary { op, operand, .. } => match (op.as_str(), self.eval(state, operand)) {
                ("~", Value::Int(number)) => Value::Int(!number),
                (_, value @ Value::Page(..)) => value,
                (op, value) => self.intern_values(op, vec![value]),
            },
            Expr::Binary {
                op, left, right, ..
            } if op == "," => {
                self.eval(state, left);
                self.eval(state, right)
            }
            Expr::Binary { .. } => {
                let test = self.test(state, expr);
                match (self.decide(state, &test), test) {
                    (_, Test::Truth(value)) => value,
                    (Some(truth), _) => Value::Int(i64::from(truth)),
                    (None, Test::Compare(op, left, right)) => {
                        self.intern_values(&op, vec![left, right])
                    }
                    (None, Test::Known(truth)) => Value::Int(i64::from(truth)),
                }
            }
            Expr::Conditional {
                cond,
                then,
                otherwise,
                ..
            } => {
                let value = self.eval(state, cond);
                match (self.decide(state, &Test::Truth(value)), then) {
                    (Some(true), Some(then)) => self.eval(state, then),
                    (Some(true), None) => value,
                    (Some(false), _) => self.eval(state, otherwise),
                    (None, then) => {
                        let then = then.as_ref().map_or(value, |then| self.eval(state, then));
                        let otherwise = self.eval(state, otherwise);
                        match (then, otherwise) {
                            (a, b) if a == b => a,
                            // Which error it is does not matter.
                            (Value::Int(a), Value::Int(b)) if a < 0 && b < 0 => then,
                            (_, Value::Int(b)) if b < 0 && self.is_below(state, value, then) => {
                                otherwise
                            }
                            (page @ Value::Page(..), _) | (_, page @ Value::Page(..)) => page,
                            _ => self.intern_values("?:", vec![value, then, otherwise]),
                        }
                    }
                }
            }
            Expr::Initialiser { items, .. } => {
                for item in items {
                    let value = self.eval(state, &item.value);
                    if matches!(value, Value::Page(..)) {
                        state.hand_on(value);
                    }
                }
                Value::Sym(self.fresh(), 0)
            }
            Expr::Block(inner, _) => {
                let mut last = Value::Sym(self.fresh(), 0);
                for statement in inner {
                    match statement {
                        Stmt::Expr(expr, _) => last = self.eval(state, expr),
                        Stmt::Decl(declarations, _) => {
                            declarations.iter().for_each(|d| self.declare(state, d))
                        }
                        _ => {}
                    }
                }
                last
            }
            Expr::Unread(inner, _) => {
                for expr in inner {
                    let value = self.eval(state, expr);
                    state.hand_on(value);
                }
                Value::Sym(self.fresh(), 0)
            }
            Expr::Sizeof(_) | Expr::Type(..) => {
                let text = visit::text(expr);
                self.intern("type", &text)
            }
        }
    }

    /// Whether `then` is negative where `cond` is true: of `error ?: -EIO` and `error < 0 ? error : -EIO`.
    fn is_below(&self, state: &State, cond: Value, then: Value) -> bool {
        let Value::Sym(sym, 0) = then else {
            return false;
        };
        let high = state.ranges.get(&sym).map_or(i64::MAX, |(_, high)| *high);
        let tested = match cond {
            Value::Sym(test, 0) => self.meaning.get(&test),
            _ => None,
        };
        let below = matches!(tested, Some((op, left, Value::Int(0))) if op == "<" && *left == then);
        below || high < 0 || cond == then && high <= 0
    }

    /// Whether an object is given the address of a part of its own: nobody else sees it by that.
    fn keeps_itself(&self, state: &State, target: &Expr, given: &Expr) -> bool {
        let Expr::AddressOf(part, _) = visit::bare(given) else {
            return false;
        };
        let owner = |expr: &Expr| owner(state, &visit::text(expr));
        owner(part).is_some_and(|part| owner(target) == Some(part))
    }

    fn types(&self) -> Types<'_, '_> {
        Types {
            locals: &self.locals,
            member: self.callees.member,
        }
    }

    /// `while (n--)` with an errno in an unsigned `n` does not end.
    fn counts_down_from_errno(
        &mut self,
        state: &mut State,
        (op, operand): (&str, &Expr),
        old: Value,
    ) {
        let Value::Int(number) = old else { return };
        if op != "--" || number >= 0 || !is_unsigned(self.types(), operand) {
            return;
        }
        let failed = state
            .acquisitions
            .iter()
            .rfind(|a| a.got == number)
            .cloned();
        if let Some(failed) = failed {
            self.fact_about(state, What::ErrnoAsCount, operand.span(), &failed);
            state.over = true;
        }
    }

    pub(super) fn declare(&mut self, state: &mut State, declaration: &Declaration) {
        let name = &declaration.name;
        let record = declaration.ty.pointers == 0 && declaration.ty.arrays == 0;
        if let (Some(Expr::Initialiser { items, .. }), true) = (&declaration.init, record) {
            let place = Place::Local(name.clone());
            let whole = Value::Sym(self.fresh(), 0);
            self.write(state, &place, whole);
            for item in items {
                let value = self.eval(state, &item.value);
                match item.fields.is_empty() {
                    true if matches!(value, Value::Page(..)) => state.hand_on(value),
                    true => {}
                    false => {
                        let member = format!("{name}.{}", item.fields.join("."));
                        self.write(state, &Place::Local(member.into()), value);
                    }
                }
            }
            return;
        }
        let value = match &declaration.init {
            Some(init) => self.eval(state, init),
            None => Value::Sym(self.fresh(), 0),
        };
        self.write(state, &Place::Local(name.clone()), value);
    }

    /// Evaluates the operands of a condition.
    pub(super) fn test(&mut self, state: &mut State, cond: &Expr) -> Test {
        match cond {
            Expr::Binary {
                op, left, right, ..
            } if is_comparison(op) => {
                let (l, r) = (self.eval(state, left), self.eval(state, right));
                let unsigned = !matches!(op.as_str(), "==" | "!=")
                    && compared_unsigned(self.types(), left, right);
                if unsigned {
                    if let Some(test) = self.unsigned_test(state, cond, (op, l, r)) {
                        return test;
                    }
                }
                Test::of_comparison(op, (left, l), (right, r))
            }
            Expr::Binary {
                op, left, right, ..
            } if op == "&&" || op == "||" => {
                let l = self.eval(state, left);
                let l = self.decide(state, &Test::Truth(l));
                match (op.as_str(), l) {
                    ("&&", Some(false)) => return Test::Known(false),
                    ("||", Some(true)) => return Test::Known(true),
                    _ => {}
                }
                let r = self.eval(state, right);
                if l.is_some() {
                    Test::Truth(r)
                } else {
                    Test::Truth(Value::Sym(self.fresh(), 0))
                }
            }
            Expr::Binary {
                op, left, right, ..
            } if op != "," => {
                let (l, r) = (self.eval(state, left), self.eval(state, right));
                Test::Truth(self.binary(state, op, l, r))
            }
            _ => Test::Truth(self.eval(state, cond)),
        }
    }

    /// C's answer when one side is negative and the other unsigned.
    fn unsigned_test(
        &mut self,
        state: &mut State,
        cond: &Expr,
        (op, l, r): (&str, Value, Value),
    ) -> Option<Test> {
        let (Value::Int(left), Value::Int(right)) = (l, r) else {
            return None;
        };
        if left >= 0 && right >= 0 {
            return None;
        }
        let failed = state
            .acquisitions
            .last()
            .filter(|a| a.got < 0 && (a.got == left || a.got == right))
            .cloned();
        if let Some(failed) = failed {
            self.fact_about(state, What::ErrnoUnsigned, cond.span(), &failed);
            // What follows is a consequence of this mistake.
            state.over = true;
        }
        let (left, right) = (left as u64, right as u64);
        Some(Test::Known(match op {
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        }))
    }

    pub(super) fn binary(&mut self, state: &State, op: &str, left: Value, right: Value) -> Value {
        match (self.settle(state, left), self.settle(state, right)) {
            (page @ Value::Page(..), _) | (_, page @ Value::Page(..)) => page,
            (Value::Int(a), Value::Int(b)) => {
                arithmetic(op, a, b).map_or_else(|| Value::Sym(self.fresh(), 0), Value::Int)
            }
            (Value::Sym(sym, x), Value::Int(b)) if op == "+" => {
                Value::Sym(sym, x.saturating_add(b))
            }
            (Value::Int(a), Value::Sym(sym, x)) if op == "+" => {
                Value::Sym(sym, x.saturating_add(a))
            }
            (Value::Sym(sym, x), Value::Int(b)) if op == "-" => {
                Value::Sym(sym, x.saturating_sub(b))
            }
            (Value::Sym(a, x), Value::Sym(b, y)) if a == b && op == "-" => {
                Value::Int(x.saturating_sub(y))
            }
            (_, Value::Int(0)) if op == "*" || op == "&" => Value::Int(0),
            (value, Value::Int(1)) if op == "*" || op == "/" => value,
            (left, right) => self.intern_values(op, vec![left, right]),
        }
    }

    /// The same question gets the same symbol.
    pub(super) fn intern_values(&mut self, op: &str, values: Vec<Value>) -> Value {
        if values.len() == 2 && !self.interned.contains_key(&(op.into(), values.clone())) {
            let sym = self.fresh();
            self.meaning.insert(sym, (op.into(), values[0], values[1]));
            self.interned.insert((op.into(), values), sym);
            return Value::Sym(sym, 0);
        }
        let next = self.next + 1;
        let sym = *self.interned.entry((op.into(), values)).or_insert(next);
        self.next = self.next.max(sym);
        Value::Sym(sym, 0)
    }

    pub(super) fn intern(&mut self, kind: &str, text: &str) -> Value {
        self.intern_values(&format!("{kind} {text}"), Vec::new())
    }

    /// The number a symbol has turned out to be, or the symbol.
    pub(super) fn settle(&self, state: &State, value: Value) -> Value {
        let Value::Sym(sym, offset) = value else {
            return value;
        };
        match state.bound.get(&sym) {
            Some(Value::Int(number)) => return Value::Int(number + offset),
            Some(Value::Sym(other, more)) => return Value::Sym(*other, more + offset),
            _ => {}
        }
        if let Some((op, left, right)) = self.meaning.get(&sym) {
            if let (Some(a), Some(b)) = (settled(state, *left), settled(state, *right)) {
                if let Some(number) = arithmetic(op, a, b) {
                    return Value::Int(number + offset);
                }
            }
        }
        value
    }
}

/// `pages[at]`, of which neither part changes anything.
fn is_plain_entry(expr: &Expr) -> bool {
    let plain = |part: &Expr| matches!(visit::bare(part), Expr::Name(..) | Expr::Field { .. });
    matches!(visit::bare(expr), Expr::Index { base, index, .. } if plain(base) && plain(index))
}

fn settled(state: &State, value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        Value::Sym(sym, offset) => match state.bound.get(&sym) {
            Some(Value::Int(number)) => Some(number + offset),
            _ => None,
        },
        Value::Page(..) | Value::Unfilled(_) => None,
    }
}

fn arithmetic(op: &str, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        "+" => a.checked_add(b)?,
        "-" => a.checked_sub(b)?,
        "*" => a.checked_mul(b)?,
        "/" => a.checked_div(b)?,
        "%" => a.checked_rem(b)?,
        "&" => a & b,
        "|" => a | b,
        "^" => a ^ b,
        "<<" => a.checked_shl(u32::try_from(b).ok()?)?,
        ">>" => a.checked_shr(u32::try_from(b).ok()?)?,
        op if is_comparison(op) => i64::from(compare(op, a.cmp(&b))),
        _ => return None,
    })
}

fn literal(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn is_constant(name: &str) -> bool {
    name.len() > 1
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_errno(name: &str) -> bool {
    is_constant(name) && name.starts_with('E') && !name.contains('_') && name.len() >= 4
}
