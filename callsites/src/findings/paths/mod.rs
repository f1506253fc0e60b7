// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one function on every way through it, with small numbers for what matters and symbols for the rest.
//!
//! `steps` flattens the structured body (loops, switches, gotos into cleanup chains) into a list of steps. `machine`
//! walks that list; `inline` puts the helpers of a file where they are called, for a second walk. Each acquiring call
//! forks the walk into its outcomes: it fails, it gets half of what was asked for, it gets all. The count asked for
//! becomes a small number, so that a cleanup loop really runs and each page is really counted. Whatever else is unknown
//! is a symbol; a condition on symbols forks the walk, and the answer is remembered, so that `if (write)` is the same
//! both times.
//!
//! The walk errs on the side of silence: pages that reach a function, a field, or a carrier that the walk cannot follow
//! count as handed on, a loop whose condition is unknown runs once, and a function with too many ways is given up.
//! What comes out are [`Fact`]s; what is wrong about them is said by the rules.

mod acquire;
mod calls;
mod charges;
mod decide;
mod evaluate;
mod facts;
mod freed;
mod handles;
mod held;
mod inline;
mod iterators;
mod lifetimes;
mod loans;
mod locks;
mod machine;
mod numbers;
mod places;
mod releases;
mod rename;
mod shared;
mod state;
mod steps;
mod types;
mod uses;
mod values;

pub(crate) use calls::root;
pub(crate) use inline::with_helpers;
pub(crate) use machine::{Callees, Fact, MOST_WAYS, What, kept, walk};
pub(crate) use types::Locals;
