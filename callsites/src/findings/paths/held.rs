// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one call has taken on one way, and who may have it by now.

use super::state::{Sym, Value};
use crate::index::ir::Span;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// One acquiring call on one way.
#[derive(Debug, Clone)]
pub(super) struct Acquisition {
    pub call: Span,
    pub callee: SmolStr,
    pub pin: bool,
    pub got: i64,
    pub wanted: i64,
    /// The memory its pages went to.
    pub memory: Option<Sym>,
    /// First entry in that memory.
    pub first: i64,
    /// References held, a page each.
    pub held: Vec<i32>,
    /// Pages went where the walk cannot follow.
    pub handed_on: bool,
    /// They did so by a call, and not only by being stored.
    pub escaped: bool,
    /// Others see the array.
    pub visible: bool,
    /// The place of the array as text, when it is a field.
    pub home: Option<String>,
    /// Others may have filled entries of the array.
    pub shared_before: bool,
    /// The object, made on this way and seen by nobody else yet, that holds the page.
    pub container: Option<Sym>,
    /// Whether anything was taken is not known: of a kernel-backed iterator nothing is.
    pub maybe: bool,
    /// More pins may have been added, or not: that call can fail.
    pub more: bool,
    /// What drops them needs no page: who returns success can still have them dropped.
    pub by_address: bool,
    /// The scatterlist that knows of them, by its text.
    pub in_list: Option<SmolStr>,
    /// Calls that the walk cannot follow, to which they were given.
    pub loans: Vec<Loan>,
    /// How many calls had been given the array when the last of its pages was released.
    pub loans_when_back: usize,
    /// How many had been given the pages themselves by then.
    pub lent_when_back: usize,
    /// References that were taken on a page besides, a number each.
    pub extra: Vec<i32>,
    /// The number of pages that was asked for, as it was written; of pages that are dropped by their address, that.
    pub asked: Option<Value>,
    /// Memory that was made on this way, and into which the pages were put; what is freed is none of it any more.
    pub put_in: BTreeSet<Sym>,
}

impl Acquisition {
    pub(super) fn leaks(&self) -> bool {
        !self.is_kept()
            && !self.maybe
            && self.in_list.is_none()
            && self.held.iter().any(|held| *held > 0)
    }

    /// Whether somebody, or something that is not freed, has the pages.
    pub(super) fn is_kept(&self) -> bool {
        self.handed_on || !self.put_in.is_empty()
    }

    /// Whether all its pages were released.
    pub(super) fn is_back(&self) -> bool {
        !self.held.is_empty() && self.held.iter().all(|held| *held <= 0)
    }

    /// Whether no function that was read, and not followed, was given the pages.
    pub(super) fn is_followed(&self) -> bool {
        self.loans.iter().all(|loan| loan.sound)
    }

    /// Adds calls to those that were given the pages.
    pub(super) fn lend(&mut self, loans: &[Loan]) {
        for loan in loans {
            if !self.loans.contains(loan) {
                self.loans.push(*loan);
            }
        }
    }
}

/// A call that the walk cannot follow, and that was given pages, their array, or the object that holds them.
///
/// Whether it keeps them is not known at once: that its caller releases them afterwards, on this way or another, says
/// that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loan {
    /// Its first byte.
    pub call: u32,
    /// What it returned.
    pub result: Sym,
    /// Nothing that was read defines a function of that name, which might release them.
    pub sound: bool,
    /// Another function of the file calls it, and releases afterwards what it was given: so it does not.
    pub spared: bool,
    /// It keeps the pages in what it returns, and so none where it returns none.
    pub in_result: bool,
}
