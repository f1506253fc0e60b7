// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that are taken from an iterator: a number of bytes comes back, and of a kernel-backed iterator none are pinned.
//!
//! What an iterator has left is a member of it like any other (`count`), and bytes become pages with the constants of
//! the catalogue, so that a number of pages that is computed from the wrong number of bytes is the wrong number.

use super::acquire::{FAILURE, Target};
use super::machine::{ASKED_FOR, Machine};
use super::places::owner;
use super::state::{Acquisition, Place, State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Function, Span};
use refimpl::api::{Act, Count, Does, acts};
use std::collections::BTreeSet;

/// Pages that are taken at most: twice as many as a count becomes of which nothing is known is enough to see what a
/// loop does with them.
const MOST_PAGES: i64 = 2 * ASKED_FOR;

/// Whether `function` lets only user-backed iterators pass, as far as its calls tell.
pub(super) fn sees_to_user_pages(function: &Function) -> bool {
    let (mut user, mut asks) = (false, false);
    visit::all_calls(&function.body, &mut |name, _, _| {
        let does = acts().of(name);
        user |= does == Some(Does::UserIterator);
        asks |= does == Some(Does::AsksPin);
    });
    user && !asks
}

/// What one call takes.
struct Taken {
    pages: i64,
    wanted: i64,
    /// What the call returns.
    bytes: Value,
}

impl Machine<'_, '_> {
    /// It fails, gets nothing, a part, or all.
    pub(super) fn acquire_iterator(
        &mut self,
        state: &mut State,
        function: &refimpl::api::Function,
        (args, pages): (&[Expr], Option<usize>),
        span: Span,
    ) -> Value {
        let act = self.acts.get(&function.name);
        let act = act.filter(|act| act.does == Does::TakesBytes);
        let left = args.first().map(left_in);
        let mut values = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            if Some(at) == pages {
                values.push(Value::Int(0));
                continue;
            }
            // It keeps no address.
            let outer = std::mem::replace(&mut self.looks, true);
            values.push(self.eval(state, arg));
            self.looks = outer;
            if let Expr::AddressOf(inner, _) = visit::bare(arg) {
                self.forget(state, inner);
            }
        }
        let taken = match act {
            Some(act) => self.taken(state, act, &values),
            None => self.some_taken(state),
        };
        let Some(taken) = taken else {
            return Value::Int(0);
        };
        if self.outcome == 0 {
            state.note(span, "it fails");
            return Value::Int(FAILURE);
        }
        let notes = [
            "",
            "it gets fewer pages than asked for",
            "it gets pages",
            "it gets nothing",
        ];
        state.note(span, notes[usize::from(self.outcome.min(3))]);
        if let Some(offset) = act.and_then(|act| args.get(act.offset?)) {
            if let Expr::AddressOf(inner, _) = visit::bare(offset) {
                let place = self.place(state, inner);
                self.write(state, &place, Value::Int(0));
            }
        }
        if let Some(left) = left {
            self.advance(state, left, taken.bytes);
        }
        let Some(target) = pages.and_then(|at| args.get(at)) else {
            return taken.bytes;
        };
        let allocates = act.map_or(function.count == Count::Get, |act| act.allocates);
        let boxed = function.count == Count::Pin || allocates;
        // Extraction makes the array where it is given none.
        let none = boxed && self.is_null(state, target);
        if let Some((sym, first)) = self.array(state, target, (boxed, allocates || none)) {
            if (allocates || none) && taken.pages > 0 {
                state.own.insert(sym);
            }
            self.fill(state, function, (sym, first, &taken), span);
        }
        taken.bytes
    }

    /// Whether the pointer whose address a call is given is null.
    fn is_null(&mut self, state: &mut State, target: &Expr) -> bool {
        let Expr::AddressOf(inner, _) = visit::bare(target) else {
            return false;
        };
        let place = self.place(state, inner);
        matches!(place, Place::Local(_)) && self.read(state, &place) == Value::Int(0)
    }

    /// The memory that the pages go to; one that the call makes is new.
    fn array(
        &mut self,
        state: &mut State,
        target: &Expr,
        (boxed, allocates): (bool, bool),
    ) -> Option<(u32, i64)> {
        match (visit::bare(target), boxed) {
            (Expr::AddressOf(inner, _), true) => {
                let place = self.place(state, inner);
                let array = self.read(state, &place);
                match (array, &place) {
                    (Value::Sym(sym, first), _) if !allocates => Some((sym, first)),
                    (_, Place::Local(_)) => {
                        let sym = self.fresh();
                        self.write(state, &place, Value::Sym(sym, 0));
                        Some((sym, 0))
                    }
                    (_, Place::Elsewhere(text)) if owner(state, text).is_some() => {
                        let sym = self.fresh();
                        self.write(state, &place, Value::Sym(sym, 0));
                        Some((sym, 0))
                    }
                    _ => None,
                }
            }
            (_, true) => None,
            (target, false) => match self.target(state, target) {
                Target::Memory(sym, first) => Some((sym, first)),
                _ => None,
            },
        }
    }

    fn fill(
        &mut self,
        state: &mut State,
        function: &refimpl::api::Function,
        (sym, first, taken): (u32, i64, &Taken),
        span: Span,
    ) {
        let number = state.acquisitions.len();
        let visible = state.visible.contains(&sym);
        let loans = state.loans_of(Some(sym));
        let pages = usize::try_from(taken.pages).unwrap_or(0);
        state.acquisitions.push(Acquisition {
            call: span,
            callee: function.name.as_str().into(),
            pin: function.count == Count::Pin,
            got: taken.pages,
            wanted: taken.wanted,
            memory: Some(sym),
            first,
            held: vec![1; pages],
            handed_on: false,
            escaped: false,
            visible,
            home: None,
            // What a call fills that does not say of how many bytes it takes pages is not known.
            shared_before: !self.acts.is(&function.name, Does::TakesBytes)
                || visible
                || !loans.is_empty(),
            more: false,
            container: None,
            maybe: function.count == Count::Pin && !self.user_backed,
            by_address: false,
            in_list: None,
            loans,
            loans_when_back: 0,
            lent_when_back: 0,
            extra: vec![0; pages],
            asked: None,
            put_in: BTreeSet::new(),
        });
        for page in 0..pages {
            let place = (sym, first + page as i64);
            state.memory.insert(place, Value::Page(number, Some(page)));
        }
    }

    /// Of a call that says for how many bytes it took pages; None where this outcome is none.
    fn taken(&mut self, state: &mut State, act: &Act, values: &[Value]) -> Option<Taken> {
        let size = self.acts.constant("PAGE_SIZE")?;
        let asked = act.at.and_then(|at| values.get(at)).copied();
        let asked = asked.map(|asked| self.bytes(state, asked, size));
        let most = act.most.and_then(|at| values.get(at)).copied();
        let most = most.map(|most| self.settle(state, most));
        let limit = match most {
            Some(Value::Int(most)) => most.min(MOST_PAGES),
            _ => MOST_PAGES,
        };
        let pages = match asked {
            Some(Value::Int(asked)) => asked.saturating_add(size - 1) / size,
            _ => ASKED_FOR,
        };
        let wanted = pages.min(limit);
        let got = match self.outcome {
            1 => wanted / 2,
            2 => wanted,
            _ => 0,
        };
        if wanted <= 0 || self.outcome == 1 && got == 0 {
            state.over = true;
            return None;
        }
        let whole = got == pages && self.outcome == 2;
        let bytes = match asked {
            Some(asked @ Value::Int(_)) if whole => asked,
            _ => Value::Int(got * size),
        };
        Some(Taken {
            pages: got,
            wanted,
            bytes,
        })
    }

    /// Of any other call the first page stands for all.
    fn some_taken(&mut self, state: &mut State) -> Option<Taken> {
        // How many of the bytes asked for it gets makes no difference here.
        if self.outcome == 1 || self.outcome == 3 {
            state.over = true;
            return None;
        }
        let bytes = self.fresh();
        state.ranges.insert(bytes, (1, i64::MAX));
        Some(Taken {
            pages: 1,
            wanted: 1,
            bytes: Value::Sym(bytes, 0),
        })
    }

    /// A number of bytes as a number; a variable of which nothing is known becomes [`ASKED_FOR`] pages.
    fn bytes(&mut self, state: &mut State, bytes: Value, size: i64) -> Value {
        match self.settle(state, bytes) {
            Value::Sym(sym, offset) if !self.is_computed(sym) => {
                let (low, high) = state
                    .ranges
                    .get(&sym)
                    .copied()
                    .unwrap_or((i64::MIN, i64::MAX));
                let number = (ASKED_FOR * size - offset).clamp(low, high.max(low));
                state.bound.insert(sym, Value::Int(number));
                Value::Int(number + offset)
            }
            other => other,
        }
    }

    pub(super) fn is_computed(&self, sym: u32) -> bool {
        self.meaning.contains_key(&sym) || self.interned.values().any(|known| *known == sym)
    }

    /// `iov_iter_count(iter)`
    pub(super) fn bytes_left(&mut self, state: &mut State, iter: &Expr) -> Value {
        let place = Place::Elsewhere(left_in(iter).into());
        self.read(state, &place)
    }

    /// `iov_iter_npages(iter, most)`
    pub(super) fn pages_left(&mut self, state: &mut State, args: &[Expr]) -> Option<Value> {
        let [iter, most] = args else { return None };
        let size = self.acts.constant("PAGE_SIZE")?;
        let most = self.eval(state, most);
        let left = self.bytes_left(state, iter);
        let Value::Int(left) = self.bytes(state, left, size) else {
            return Some(Value::Sym(self.fresh(), 0));
        };
        let pages = left.saturating_add(size - 1) / size;
        Some(match self.settle(state, most) {
            Value::Int(most) => Value::Int(pages.min(most)),
            _ => Value::Int(pages),
        })
    }

    /// What was taken is no longer left.
    fn advance(&mut self, state: &mut State, left: String, bytes: Value) {
        let place = Place::Elsewhere(left.into());
        let before = self.read(state, &place);
        let after = match (before, bytes) {
            (Value::Int(before), Value::Int(bytes)) => Value::Int((before - bytes).max(0)),
            _ => Value::Sym(self.fresh(), 0),
        };
        self.write(state, &place, after);
    }
}

/// Where the iterator says how many bytes it has left: include/linux/uio.h: struct iov_iter, 6.12.
fn left_in(iter: &Expr) -> String {
    match visit::bare(iter) {
        Expr::AddressOf(inner, _) => format!("{}.count", visit::text(inner)),
        iter => format!("{}->count", visit::text(iter)),
    }
}
