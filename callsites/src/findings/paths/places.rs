// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places that hold values: variables, members, and entries of memory.

use super::machine::Machine;
use super::state::{Acquisition, Place, State, Value};
use crate::findings::visit;
use crate::index::ir::Expr;
use smol_str::SmolStr;

impl Machine<'_, '_> {
    /// What stood in the place that `expr` names is no longer known.
    pub(super) fn forget(&mut self, state: &mut State, expr: &Expr) {
        // A page whose place is forgotten cannot be followed.
        let text = visit::text(visit::bare(expr));
        if let Some(page @ Value::Page(..)) = state.values.get(&text).copied() {
            state.hand_on(page);
        }
        if let Expr::Name(name, _) = visit::bare(expr) {
            if self.locals.get(name).is_some() {
                let sym = self.fresh();
                state.values.insert(name.clone(), Value::Sym(sym, 0));
                state.visible.insert(sym);
                state.forget_through(name);
            }
        } else if let Expr::Field { .. } = visit::bare(expr) {
            state.values.remove(visit::text(visit::bare(expr)).as_str());
        }
    }

    pub(super) fn place(&mut self, state: &mut State, expr: &Expr) -> Place {
        match expr {
            Expr::Name(name, _) if self.locals.get(name).is_some() => Place::Local(name.clone()),
            Expr::Name(name, _) => Place::Elsewhere(name.clone()),
            Expr::Field { base, .. } => {
                if self.in_record(expr).is_some() {
                    return Place::Local(visit::text(expr).into());
                }
                if let Some(place) = self.member_of_entry(state, expr) {
                    return place;
                }
                match visit::bare(base) {
                    Expr::Name(name, _) => {
                        let value = state.values.get(name).copied();
                        self.looked_into(state, value, expr.span());
                    }
                    Expr::Field { .. } => {}
                    // The base may hold a call or an update.
                    base => {
                        self.eval(state, base);
                    }
                }
                Place::Elsewhere(member_text(state, expr))
            }
            Expr::Index { base, index, .. } => {
                let base = self.eval(state, base);
                let index = self.eval(state, index);
                self.looked_into(state, Some(base), expr.span());
                match (base, self.settle(state, index)) {
                    (Value::Sym(sym, at), Value::Int(index)) => {
                        Place::Memory(sym, at.checked_add(index))
                    }
                    (Value::Sym(sym, _), _) => Place::Memory(sym, None),
                    _ => Place::Opaque,
                }
            }
            Expr::Deref(inner, _) => match self.eval(state, inner) {
                Value::Sym(sym, at) => Place::Memory(sym, Some(at)),
                value => {
                    self.looked_into(state, Some(value), expr.span());
                    Place::Opaque
                }
            },
            Expr::Cast { operand, .. } => self.place(state, operand),
            other => {
                self.eval(state, other);
                Place::Opaque
            }
        }
    }

    /// `segs[2].page`: the members of that name are memory of their own.
    fn member_of_entry(&mut self, state: &mut State, expr: &Expr) -> Option<Place> {
        let Expr::Field {
            base,
            name,
            arrow: false,
            ..
        } = expr
        else {
            return None;
        };
        let Expr::Index { base, index, .. } = visit::bare(base) else {
            return None;
        };
        let (Expr::Name(..) | Expr::Field { .. }) = visit::bare(base) else {
            return None;
        };
        let index = self.eval(state, index);
        let Value::Int(index) = self.settle(state, index) else {
            return None;
        };
        let Value::Sym(entries, at) = self.eval(state, base) else {
            return None;
        };
        let key = format!("member {name}");
        let Value::Sym(members, _) = self.intern_values(&key, vec![Value::Sym(entries, 0)]) else {
            return None;
        };
        // Who sees the entries, and when, is not followed.
        state.visible.insert(members);
        if state.made.contains(&entries) {
            state.inside.insert(members, entries);
            state.entries.insert(members);
        }
        Some(Place::Memory(members, at.checked_add(index)))
    }

    pub(super) fn read(&mut self, state: &mut State, place: &Place) -> Value {
        if let Place::Memory(sym, _) = place {
            state.seen.insert(*sym);
        }
        let unfilled = |value: &Value| matches!(value, Value::Unfilled(_));
        let value = match place {
            Place::Local(name) | Place::Elsewhere(name) => match state.values.get(name) {
                Some(value) => *value,
                None if self.is_array(name) && owner(state, name).is_some() => {
                    // The array is a part of the object, which nobody else sees yet.
                    let sym = self.fresh();
                    if let Some(owner) = owner(state, name) {
                        state.inside.insert(sym, owner);
                        let loans = state.loans_of(Some(owner));
                        state.lend(sym, &loans);
                    }
                    state.values.insert(name.clone(), Value::Sym(sym, 0));
                    Value::Sym(sym, 0)
                }
                None if is_zeroed(state, name) => Value::Int(0),
                None => {
                    let sym = self.fresh();
                    if matches!(place, Place::Elsewhere(_)) {
                        state.visible.insert(sym);
                    }
                    state.values.insert(name.clone(), Value::Sym(sym, 0));
                    Value::Sym(sym, 0)
                }
            },
            Place::Memory(sym, Some(at)) => match state.memory.get(&(*sym, *at)) {
                Some(value) => *value,
                None => self.unwritten(state, *sym, *at),
            },
            Place::Memory(sym, None) => match state
                .acquisitions
                .iter()
                .rposition(|a| a.memory == Some(*sym))
            {
                Some(acquisition) => Value::Page(acquisition, None),
                None => Value::Sym(self.fresh(), 0),
            },
            Place::Opaque => Value::Sym(self.fresh(), 0),
        };
        // Who looks at what no page was put into did not ask whether there is one: whether there always is, is told nowhere.
        state.over |= state.none.is_some() && unfilled(&value);
        self.settle(state, value)
    }

    /// An entry that the walk saw nobody write.
    fn unwritten(&mut self, state: &mut State, sym: u32, at: i64) -> Value {
        if let Some(number) = state
            .acquisitions
            .iter()
            .rposition(|a| a.memory == Some(sym))
        {
            let Acquisition {
                first,
                got,
                wanted,
                visible,
                shared_before,
                ..
            } = state.acquisitions[number];
            // Who was given the array may have written to it.
            let lent = state.loans.contains_key(&sym);
            let missed = at >= first + got.max(0) && at < first + wanted;
            if missed || !visible && !shared_before && !lent {
                return Value::Unfilled(number);
            }
        }
        let fresh = self.fresh();
        if state.visible.contains(&sym) {
            state.visible.insert(fresh);
        }
        state.memory.insert((sym, at), Value::Sym(fresh, 0));
        Value::Sym(fresh, 0)
    }

    /// Whether `text`, as `object->member`, is an array.
    fn is_array(&self, text: &str) -> bool {
        let Some((base, members)) = text.split_once("->") else {
            return false;
        };
        let mut ty = self.locals.get(base).cloned();
        for member in members.split('.') {
            // A record without a tag has one that was made up.
            let tag = ty
                .as_ref()
                .map(|ty| ty.name.strip_prefix("struct ").unwrap_or(&ty.name));
            ty = tag.and_then(|tag| (self.callees.member)(tag, member));
        }
        ty.is_some_and(|ty| ty.arrays > 0)
    }

    fn show_value(&self, state: &mut State, text: &str, value: Value) {
        match value {
            // Others find it there; the walk still knows it.
            Value::Page(a, _) => {
                let acquisition = &mut state.acquisitions[a];
                acquisition.handed_on = true;
                acquisition.home.get_or_insert_with(|| text.to_owned());
            }
            Value::Sym(sym, _) => state.show(sym),
            _ => {}
        }
    }

    /// The local variable of a record type that `expr` names or is a member of.
    pub(super) fn in_record<'e>(&self, expr: &'e Expr) -> Option<&'e str> {
        match expr {
            Expr::Name(name, _) => {
                let ty = self.locals.get(name)?;
                let record = ty.name.starts_with("struct ") || ty.name.starts_with("union ");
                (record && ty.pointers == 0 && ty.arrays == 0).then_some(name)
            }
            Expr::Field {
                base, arrow: false, ..
            } => self.in_record(base),
            _ => None,
        }
    }

    pub(super) fn write(&mut self, state: &mut State, place: &Place, value: Value) {
        match place {
            Place::Local(name) => {
                state.forget_through(name);
                state.values.insert(name.clone(), value);
                if let Value::Sym(sym, 0) = value {
                    if state.own.contains(&sym) {
                        state.first_names.entry(sym).or_insert_with(|| name.clone());
                    }
                }
            }
            Place::Elsewhere(text) => {
                match (value, owner(state, text)) {
                    (Value::Page(a, _), Some(owner)) => {
                        let loans = state.loans_of(Some(owner));
                        let acquisition = &mut state.acquisitions[a];
                        acquisition.container = Some(owner);
                        acquisition.lend(&loans);
                    }
                    (Value::Sym(sym, _), Some(owner)) => {
                        state.inside.insert(sym, owner);
                        let loans = state.loans_of(Some(owner));
                        state.lend(sym, &loans);
                    }
                    (_, Some(_)) => {}
                    _ => {
                        state.marked |= !state.acquisitions.is_empty();
                        self.show_value(state, text, value);
                    }
                }
                state.values.insert(text.clone(), value);
            }
            Place::Memory(sym, at) => {
                let leaves = |a: usize, state: &State| state.acquisitions[a].memory != Some(*sym);
                match (value, at) {
                    (Value::Page(a, _), _) if leaves(a, state) => match state.entries.contains(sym)
                    {
                        true => state.put(value, *sym),
                        // How many a plain array has is told elsewhere.
                        false => state.hand_on(value),
                    },
                    (Value::Sym(other, _), _) if state.visible.contains(sym) => state.show(other),
                    _ => {}
                }
                if let Some(at) = at {
                    state.memory.insert((*sym, *at), value);
                }
            }
            Place::Opaque => state.hand_on(value),
        }
    }
}

/// The text of a member, under the name that its object had first: a helper, or another variable, has it under a name of
/// its own.
fn member_text(state: &State, expr: &Expr) -> SmolStr {
    let text = visit::text(expr);
    let root = root_of(&text).filter(|root| text[root.len()..].starts_with("->"));
    let Some(root) = root else { return text.into() };
    match state.first_name(root) {
        first if first == root => text.into(),
        first => format!("{first}{}", &text[root.len()..]).into(),
    }
}

/// The object of this way, seen by nobody else, of which `text` is a member.
pub(super) fn owner(state: &State, text: &str) -> Option<u32> {
    let (base, _) = text.split_once("->")?;
    match state.values.get(base) {
        Some(Value::Sym(sym, 0)) if state.own.contains(sym) => Some(*sym),
        _ => None,
    }
}

/// The variable that the text of a place begins with.
pub(super) fn root_of(text: &str) -> Option<&str> {
    let end = text
        .bytes()
        .position(|b| !crate::index::lex::is_ident(b))
        .unwrap_or(text.len());
    text.get(..end).filter(|root| !root.is_empty())
}

/// Whether `text` is a member, not yet written, of a structure that was allocated zeroed.
fn is_zeroed(state: &State, text: &str) -> bool {
    let Some((base, member)) = text.split_once("->") else {
        return false;
    };
    !member.contains(['[', '>'])
        && matches!(state.values.get(base), Some(Value::Sym(sym, 0)) if state.zeroed.contains(sym))
}
