// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audits a kernel tree: where user pages are acquired, where they are released, which calls belong together, and
//! what each should become.
//!
//! In goes a tree (a directory, or a git revision that is read without a checkout); out comes a [`report::Report`].
//! This crate runs nothing from the tree it reads, writes nothing into it, and knows of no driver by name: the only
//! names it has are those of the kernel-wide functions in `refimpl`'s catalogue.

pub mod audit;
pub mod baseline;
pub mod editor;
pub mod embedded;
pub mod explain;
pub mod findings;
pub mod flow;
pub mod formats;
pub mod fuzz;
pub mod index;
pub mod judge;
pub mod lex;
pub mod report;
pub mod sample;
pub mod since;
pub(crate) mod span;
pub mod tree;
pub mod truth;

pub use audit::{AuditOptions, Error, audit};
