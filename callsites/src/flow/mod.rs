// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where user pages go, from the call that acquires them to the call that releases them.
//!
//! In goes what the index read; out comes, for every value that a release is given, the set of calls its pages may
//! come from. The analysis is inclusion-based (Andersen's) on abstract pages and containers, with fields told apart by
//! struct type, locals by the definitions that reach a use, and calls followed in their direction through parameters,
//! results and function pointers. It knows no driver: the functions it has a meaning for are those of `refimpl::api`.

mod ahead;
pub mod analysis;
pub mod answers;
mod assign;
mod calls;
mod demand;
mod entry;
mod env;
mod evidence;
mod expr;
pub mod graph;
mod hash;
pub mod library;
pub(crate) mod mapping;
pub mod origins;
pub mod places;
pub mod program;
mod script;
pub mod scripts;
mod shape;
pub mod sites;
mod sources;
pub mod state;
pub mod tables;
mod text;
mod types;
pub mod verdict;
mod walk;
mod want;
pub mod way;
