// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series as what the tree looks like after each of its patches.
//!
//! ```text
//! input      a directory of mails, one patch, an mbox, BASE..HEAD: the patches in order, each with its subject
//! overlay    what differs from the tree: files with their contents and mode, links, what is gone
//! apply      git applies each patch to copies of the files that it names; what then differs is the overlay
//! functions  which functions of a file a patch edits
//! lines      which of its lines
//! ```
//!
//! A patch is a stranger's: what it names is read from the tree only where it is an ordinary file inside of it, with no link on the
//! way, and git itself refuses to write anywhere else. Nothing of the tree is written.

mod apply;
mod functions;
mod input;
mod lines;
mod overlay;

pub(crate) use apply::{Staged, stage};
pub(crate) use functions::{changed_functions, functions_at};
pub(crate) use input::subjects;
pub(crate) use lines::Edited;
pub(crate) use overlay::{Content, Overlay, RESERVED, from_outside, tree_path};
