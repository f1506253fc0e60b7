// SPDX-License-Identifier: MIT OR Apache-2.0
//! From bytes to facts: which files matter, what stands in them, as the reduced C of [`ir`].
//!
//! In go the bytes of a file; out come [`ir::FileFacts`]. Parsing never fails: what could not be understood is
//! listed as unread. The index knows nothing of pages: it is told which names to look for.
//!
//! The way of a file: [`lex`] makes tokens, [`source`] pairs brackets and `#if` groups, [`items`] splits the file
//! into functions, records, macros and tables. What [`wanted`] selects is made readable by [`mask`] and [`arms`],
//! parsed by [`grammar`], and lowered by [`lower`] and [`expressions`]; heads and records are read by [`declare`].

pub mod arms;
pub mod declare;
pub mod expressions;
pub mod facts;
pub mod function;
pub mod grammar;
pub mod ir;
pub mod items;
pub mod lex;
pub mod lower;
pub mod mask;
pub mod source;
pub mod walk;
pub mod wanted;
pub mod words;

pub use facts::{parse, parse_items};
pub use wanted::{NameSet, Wanted};
