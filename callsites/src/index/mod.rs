// SPDX-License-Identifier: MIT OR Apache-2.0
//! From bytes to facts: which files matter, what stands in them, as the reduced C of [`ir`].
//!
//! In go the bytes of a file; out come [`ir::FileFacts`]. Parsing never fails: what could not be understood is
//! listed as unread. The index knows nothing of pages: it is told which names to look for.

pub mod ir;
