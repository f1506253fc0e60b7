// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the walk knows at one point of one way.

pub(super) use super::held::{Acquisition, Loan};
use super::shared::Shared;
use super::values::{Values, mentions};
use crate::index::ir::{Expr, Span};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A symbol: something unknown that stays the same.
pub(super) type Sym = u32;

/// What an expression is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// A number.
    Int(i64),
    /// A symbol and so many more; also a pointer into the memory that the symbol stands for.
    Sym(Sym, i64),
    /// Page number n of acquisition a, or some page of it.
    Page(usize, Option<usize>),
    /// An entry that acquisition a did not fill.
    Unfilled(usize),
}

/// Where a value can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A local variable or parameter.
    Local(SmolStr),
    /// A field or global, by its text.
    Elsewhere(SmolStr),
    /// An entry of the memory of a symbol; None when the index is unknown.
    Memory(Sym, Option<i64>),
    /// Something else.
    Opaque,
}

/// A lock under which sleeping is forbidden.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lock {
    /// Where it is taken.
    pub at: Span,
    /// What says whether it was, where it is only tried.
    pub tried: Option<Sym>,
    /// The block at whose end it is given back by itself, and how deep that is.
    pub block: Option<(Span, usize)>,
}

/// What was charged for pinned pages on this way.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    /// Where.
    pub at: Span,
    /// The counter by its member, or the function that has one of its own.
    pub counter: SmolStr,
    /// How many pages; none where the number is written down.
    pub amount: Option<Value>,
    /// The variable through which the counter is reached.
    pub root: Option<SmolStr>,
    /// What the call returned: it charged only when that is 0.
    pub result: Option<Sym>,
}

/// The way so far, last step first.
#[derive(Debug)]
pub(super) struct Trail {
    pub at: Span,
    pub note: &'static str,
    pub before: Option<Rc<Trail>>,
}

/// Everything known.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub at: usize,
    pub values: Values,
    pub memory: Shared<BTreeMap<(Sym, i64), Value>>,
    pub bound: Shared<BTreeMap<Sym, Value>>,
    pub ranges: Shared<BTreeMap<Sym, (i64, i64)>>,
    pub nonzero: Shared<BTreeSet<Sym>>,
    /// Objects that were made on this way, each with the variable that had it first: its members bear that name.
    pub first_names: Shared<BTreeMap<Sym, SmolStr>>,
    /// Something was written where others see it since pages were taken: it may tell them what is held.
    pub marked: bool,
    /// Memory that others see.
    pub visible: Shared<BTreeSet<Sym>>,
    pub acquisitions: Vec<Acquisition>,
    pub visits: Shared<BTreeMap<usize, u32>>,
    /// Locks held that forbid sleeping, innermost last.
    pub atomic: Vec<Lock>,
    /// Locks that this way has taken, by the text of their argument: where, and what says whether they were.
    pub locks: BTreeMap<SmolStr, (Span, Option<Value>)>,
    /// A lock was given back that this way has not taken: it is the caller's, who has it back at the end.
    pub locks_of_caller: bool,
    /// Releases of user pages so far on this way.
    pub released: Vec<Span>,
    /// How many there were where a loop began, by its step.
    pub released_before: BTreeMap<usize, usize>,
    pub trail: Option<Rc<Trail>>,
    /// `#if` conditions that hold on this way, and those that do not.
    pub configured: BTreeMap<String, bool>,
    /// Structures whose members are zero until they are written.
    pub zeroed: BTreeSet<Sym>,
    /// Objects that were allocated on this way and that nobody else sees.
    pub own: Shared<BTreeSet<Sym>>,
    /// Which case of a `switch` a value turned out to be.
    pub chosen: BTreeMap<Value, Value>,
    /// What was given back.
    pub freed: BTreeSet<Sym>,
    /// Memory that was given back and that nobody can have replaced since, with the place.
    pub gone: BTreeMap<Sym, Span>,
    /// The same of scatterlists, by their text.
    pub lists_gone: BTreeMap<SmolStr, Span>,
    /// Objects of this way that are freed by themselves.
    pub managed: BTreeSet<Sym>,
    /// Members of the entries of memory that was made on this way.
    pub entries: BTreeSet<Sym>,
    /// Memory that was made on this way, whoever sees it.
    pub made: BTreeSet<Sym>,
    /// Arrays that such an object holds.
    pub inside: BTreeMap<Sym, Sym>,
    /// What is charged.
    pub charges: Vec<Charge>,
    /// What was charged and given back whole, each by the first byte of the charge.
    pub returned: BTreeSet<u32>,
    /// What was given back without having been charged on this way: the counter, through what it is reached, how many.
    pub uncharged: BTreeMap<(SmolStr, Option<Value>, Value), Span>,
    /// A call whose failure was seen, and not kept in any variable.
    pub failed: Option<Span>,
    /// Variables that were given to calls that the walk cannot follow.
    pub lent: Shared<BTreeSet<SmolStr>>,
    /// Calls that the walk cannot follow, by the memory that they were given.
    pub loans: Shared<BTreeMap<Sym, Vec<Loan>>>,
    /// Variables through which a member was looked at.
    pub asked: Shared<BTreeSet<SmolStr>>,
    /// Memory of which an entry was looked at.
    pub seen: Shared<BTreeSet<Sym>>,
    /// Pins that were dropped without having been taken on this way, with the number.
    pub dropped: BTreeMap<(Sym, i64), (Span, Option<Value>)>,
    /// Memory of the slab allocator.
    pub slab: BTreeSet<Sym>,
    /// Pages of such memory.
    pub slab_pages: BTreeSet<Sym>,
    /// Pages were released of which this way does not know where they come from.
    pub strangers: bool,
    /// Variables that a macro sets, which is the head of a loop that the way is in or has left by a jump.
    pub turned: BTreeSet<SmolStr>,
    /// Pages that such a variable is were released: they may be all that the way has taken.
    pub strangers_in_turns: bool,
    /// A call got no page, and did not fail: of such a way it is only asked whether it tells of success.
    pub none: Option<Span>,
    /// That way has asked what is another of one page.
    pub none_told: bool,
    /// A fact was found that makes the rest of this way meaningless.
    pub over: bool,
}

impl State {
    pub(super) fn note(&mut self, at: Span, note: &'static str) {
        self.trail = Some(Rc::new(Trail {
            at,
            note,
            before: self.trail.take(),
        }));
    }

    /// The way, first step first.
    pub(super) fn way(&self) -> Vec<(Span, &'static str)> {
        let mut way = Vec::new();
        let mut next = self.trail.as_ref();
        while let Some(step) = next {
            way.push((step.at, step.note));
            next = step.before.as_ref();
        }
        way.reverse();
        way
    }

    /// A macro that is the head of a loop sets the variables that it is given.
    pub(super) fn begin_turns(&mut self, args: &[Expr]) {
        self.turned.extend(names(args).cloned());
    }

    /// It sets them no more.
    pub(super) fn end_turns(&mut self, args: &[Expr]) {
        for name in names(args) {
            self.turned.remove(name);
        }
    }

    /// A loop of unknown length ends: of what it released a part, it may have released the rest, and so of an array that
    /// several calls filled.
    pub(super) fn end_of_unknown_loop(&mut self) {
        let parted = |acquisition: &&Acquisition| acquisition.held.iter().any(|held| *held <= 0);
        let arrays = self.acquisitions.iter().filter(parted);
        let arrays: BTreeSet<Sym> = arrays
            .filter_map(|acquisition| acquisition.memory)
            .collect();
        for acquisition in &mut self.acquisitions {
            let of_array = acquisition.memory.is_some_and(|sym| arrays.contains(&sym));
            let some = of_array || parted(&&*acquisition);
            acquisition.handed_on |= some && acquisition.held.iter().any(|held| *held > 0);
        }
    }

    /// Forgets what was dropped or freed through members of `name`: others may have filled them anew.
    pub(super) fn forget_dropped(&mut self, name: &str) {
        let another = |list: &SmolStr, _: &mut Span| list != name && !mentions(list, name);
        self.lists_gone.retain(another);
        if self.dropped.is_empty() && self.gone.is_empty() {
            return;
        }
        let held: Vec<Sym> = self
            .values
            .through(name)
            .into_iter()
            .filter_map(|value| match value {
                Value::Sym(sym, _) => Some(sym),
                _ => None,
            })
            .collect();
        self.dropped.retain(|(sym, _), _| !held.contains(sym));
        self.gone.retain(|sym, _| !held.contains(sym));
    }

    /// The variable under whose name the members stand of the object that `name` points to.
    pub(super) fn first_name<'s>(&'s self, name: &'s str) -> &'s str {
        let Some(Value::Sym(sym, 0)) = self.values.get(name) else {
            return name;
        };
        let first = self.first_names.get(sym);
        let same = |first: &&SmolStr| self.values.get(first) == Some(&Value::Sym(*sym, 0));
        first.filter(same).map_or(name, SmolStr::as_str)
    }

    /// What the members hold, by their text.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.members()
    }

    /// Whether a member holds that value.
    pub(super) fn in_a_member(&self, value: Value) -> bool {
        self.values.has_member(value, |_| true)
    }

    /// Forgets what was known through variable `name`, for it has a new value.
    pub(super) fn forget_through(&mut self, name: &str) {
        let another = |list: &SmolStr, _: &mut Span| list != name && !mentions(list, name);
        self.lists_gone.retain(another);
        self.values.forget_through(name);
    }

    /// The innermost lock that is held at a place, as far as that is known.
    pub(super) fn lock(&self, at: Span) -> Option<usize> {
        // Who leaves a block by a jump does not come to its end.
        let within = |(block, _): (Span, usize)| block.start <= at.start && at.end <= block.end;
        self.atomic.iter().rposition(|lock| {
            let taken = lock.tried.is_none_or(|sym| self.nonzero.contains(&sym));
            taken && lock.block.is_none_or(within)
        })
    }

    /// What the members of the local variable `name` hold goes out of sight, or is given to a call.
    pub(super) fn hand_on_through(&mut self, name: &str, loan: Option<Loan>) {
        let held = self.values.through(name);
        held.into_iter().for_each(|value| self.give(value, loan));
    }

    /// A page or an array of pages is given to a call, or goes out of sight.
    pub(super) fn give(&mut self, value: Value, loan: Option<Loan>) {
        match (value, loan) {
            (_, None) => self.hand_on(value),
            (Value::Page(a, _), Some(loan)) => self.acquisitions[a].lend(&[loan]),
            (Value::Sym(sym, _), Some(loan)) => self.lend(sym, &[loan]),
            (Value::Int(_) | Value::Unfilled(_), _) => {}
        }
    }

    /// Calls are given the memory of `sym`, and so what it holds.
    pub(super) fn lend(&mut self, sym: Sym, loans: &[Loan]) {
        let known = self.loans.entry(sym).or_default();
        let new: Vec<Loan> = loans
            .iter()
            .filter(|loan| !known.contains(loan))
            .copied()
            .collect();
        if new.is_empty() {
            return;
        }
        known.extend(&new);
        self.zeroed.remove(&sym);
        let own = self.own.contains(&sym);
        for acquisition in &mut self.acquisitions {
            let held = acquisition.memory == Some(sym) || acquisition.put_in.contains(&sym);
            if held || own && acquisition.container == Some(sym) {
                acquisition.lend(&new);
            }
        }
        let held: Vec<Sym> = self
            .inside
            .iter()
            .filter(|(_, holder)| **holder == sym)
            .map(|(held, _)| *held)
            .collect();
        held.into_iter().for_each(|held| self.lend(held, &new));
    }

    /// The calls that were given the memory of `sym`.
    pub(super) fn loans_of(&self, sym: Option<Sym>) -> Vec<Loan> {
        let loans = sym.and_then(|sym| self.loans.get(&sym));
        loans.cloned().unwrap_or_default()
    }

    /// Others see the object `sym`, and so what it holds.
    pub(super) fn give_away(&mut self, sym: Sym) {
        if !self.own.remove(&sym) {
            return;
        }
        for acquisition in &mut self.acquisitions {
            acquisition.handed_on |= acquisition.container == Some(sym);
        }
        let held: Vec<Sym> = self
            .inside
            .iter()
            .filter(|(_, holder)| **holder == sym)
            .map(|(held, _)| *held)
            .collect();
        for held in held {
            self.hand_on(Value::Sym(held, 0));
        }
    }

    /// The memory of `sym` can now be reached by others.
    pub(super) fn show(&mut self, sym: Sym) {
        self.visible.insert(sym);
        self.give_away(sym);
        for acquisition in self
            .acquisitions
            .iter_mut()
            .filter(|a| a.memory == Some(sym))
        {
            acquisition.visible = true;
        }
    }

    /// Pages are put into memory.
    pub(super) fn put(&mut self, page: Value, memory: Sym) {
        let holder = self.inside.get(&memory).copied().unwrap_or(memory);
        match page {
            Value::Page(a, _) if self.made.contains(&holder) && !self.freed.contains(&holder) => {
                self.acquisitions[a].put_in.insert(holder);
            }
            page => self.hand_on(page),
        }
    }

    /// Pages were released of which this way does not know where they come from: those in memory may be these.
    pub(super) fn releases_strangers(&mut self) {
        self.strangers = true;
        for acquisition in &mut self.acquisitions {
            acquisition.handed_on |= !acquisition.put_in.is_empty();
        }
    }

    /// A call can reach what the members of `root` hold: pages in such memory went out of sight.
    pub(super) fn reached_through(&mut self, root: &str) {
        if self.acquisitions.iter().all(|a| a.put_in.is_empty()) {
            return;
        }
        for held in self.values.through(root) {
            let Value::Sym(sym, _) = held else { continue };
            for acquisition in &mut self.acquisitions {
                if acquisition.put_in.contains(&sym) {
                    acquisition.handed_on = true;
                    acquisition.escaped = true;
                }
            }
        }
    }

    /// A page or an array of pages went out of sight.
    pub(super) fn hand_on(&mut self, value: Value) {
        match value {
            Value::Page(a, _) => {
                self.acquisitions[a].handed_on = true;
                self.acquisitions[a].escaped = true;
            }
            Value::Sym(sym, _) => {
                self.zeroed.remove(&sym);
                for acquisition in self
                    .acquisitions
                    .iter_mut()
                    .filter(|a| a.memory == Some(sym) || a.put_in.contains(&sym))
                {
                    acquisition.handed_on = true;
                    acquisition.escaped = true;
                }
                self.show(sym);
            }
            Value::Int(_) | Value::Unfilled(_) => {}
        }
    }
}

/// The variables that are arguments of a macro as they stand.
fn names(args: &[Expr]) -> impl Iterator<Item = &SmolStr> {
    args.iter().filter_map(|arg| match arg {
        Expr::Name(name, _) => Some(name),
        _ => None,
    })
}
