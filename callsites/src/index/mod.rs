// SPDX-License-Identifier: MIT OR Apache-2.0
//! From bytes to facts: which files matter, what stands in them, as the reduced C of [`ir`].
//!
//! In go the bytes of a file; out come [`ir::FileFacts`]. Parsing never fails: what could not be understood is
//! listed as unread. The index knows nothing of pages: it is told which names to look for.
//!
//! The way of a file: [`lex`] makes tokens, `conditions` and `pairing` find `#if` groups and brackets among them,
//! `items` splits the file into functions, records, macros and tables. What [`wanted`] selects is laid out by `stream`
//! and read by `statements` (with `control`, `locals`, `expressions`, `initialisers`, `arguments`); heads and records
//! are read by `declare`.
//!
//! The way of a tree: [`prefilter`] finds the files that name a function of the catalogue, [`build`] makes an [`Index`]
//! of their facts. [`shelf`] keeps what was parsed and [`cache`] keeps it between runs, so that a file is parsed once.
//!
//! ```no_run
//! use callsites::index::Index;
//! let tree = callsites::tree::Tree::open("/usr/src/linux")?;
//! let index = Index::build(&tree, ["put_page", "get_user_pages_fast"]);
//! println!("{} files", index.hits.len());
//! # Ok::<(), callsites::tree::Error>(())
//! ```

pub(crate) mod alike;
pub(crate) mod arguments;
pub(crate) mod arms;
pub mod body;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod chain;
pub(crate) mod conditions;
pub(crate) mod control;
pub(crate) mod declare;
pub(crate) mod expressions;
pub(crate) mod facts;
pub mod features;
pub(crate) mod function;
pub(crate) mod initialisers;
pub mod ir;
pub(crate) mod items;
pub mod ladder;
pub(crate) mod locals;
pub(crate) mod pairing;
pub(crate) mod prefilter;
pub(crate) mod shelf;
pub(crate) mod source;
pub(crate) mod statements;
pub(crate) mod stream;
mod versions;
pub mod walk;
pub(crate) mod wanted;
pub(crate) mod words;

pub use crate::lex;
pub use build::Index;
pub use facts::parse;
pub(crate) use facts::{parse_for, parse_items, parse_more};
pub use features::Module;
pub(crate) use shelf::Shelf;
pub use wanted::{NameSet, Wanted};
