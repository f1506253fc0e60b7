// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents made from code and data, so that neither can say what the other does not.
//!
//! Each module makes one page; [`files`] lists them all. `codegen` writes them, `codegen --check` compares.

pub(crate) mod api;
pub(crate) mod cli;
pub(crate) mod dependencies;
pub(crate) mod files;
