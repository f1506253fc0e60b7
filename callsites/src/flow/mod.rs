// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where user pages go, from the call that acquires them to the call that releases them.
//!
//! In goes what the index read; out comes, for every value that a release is given, the set of calls its pages may
//! come from. The analysis is inclusion-based (Andersen's) on abstract pages and containers, with fields told apart by
//! struct type, locals by the definitions that reach a use, and calls followed in their direction through parameters,
//! results and function pointers. It knows no driver: the functions it has a meaning for are those of `refimpl::api`.

mod ahead;
pub mod analysis;
pub(crate) mod answers;
mod apart;
mod assign;
mod calls;
pub(crate) mod conditions;
mod demand;
mod env;
mod expr;
pub(crate) mod graph;
pub(crate) mod hash;
pub(crate) mod iterators;
pub mod library;
pub(crate) mod mapping;
pub(crate) mod numbers;
pub(crate) mod origins;
mod owned;
pub(crate) mod places;
pub(crate) mod program;
mod script;
pub(crate) mod scripts;
mod shape;
pub(crate) mod sites;
pub(crate) mod sources;
pub(crate) mod state;
pub(crate) mod tables;
pub(crate) mod text;
mod types;
mod unfilled;
mod walk;
mod want;
pub(crate) mod way;
mod window;
