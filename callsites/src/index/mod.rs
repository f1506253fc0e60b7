// SPDX-License-Identifier: MIT OR Apache-2.0
//! From bytes to facts: which files matter, what stands in them, as the reduced C of [`ir`].
//!
//! In go the bytes of a file; out come [`ir::FileFacts`]. Parsing never fails: what could not be understood is
//! listed as unread. The index knows nothing of pages: it is told which names to look for.
//!
//! The way of a file: [`lex`] makes tokens, [`source`] pairs brackets and `#if` groups, [`items`] splits the file
//! into functions, records, macros and tables. What [`wanted`] selects is made readable by [`mask`] and [`arms`],
//! parsed by [`grammar`], and lowered by [`lower`] and [`expressions`]; heads and records are read by [`declare`].
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

pub mod alike;
pub mod arms;
pub mod body;
pub mod build;
pub mod cache;
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
pub mod prefilter;
pub mod shelf;
pub mod source;
pub mod walk;
pub mod wanted;
pub mod words;

pub use build::Index;
pub use facts::{parse, parse_items, parse_more};
pub use shelf::Shelf;
pub use wanted::{NameSet, Wanted};
