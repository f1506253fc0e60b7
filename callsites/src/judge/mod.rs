// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each call should become, and what must change together.
//!
//! In goes the solved flow; out come the callsites and groups of a report. `classify` says what the pages of an acquire
//! are used for, `verdict` what that means for every call, `release` for those that let pages go and `dirty` for those
//! that mark them; `entry` and `evidence` say how it is told, `groups` what belongs together, `plan` how that is converted
//! and `backed` which iterators walk user memory. Nothing here follows a page: whatever is not in the flow is not known.

mod backed;
mod classify;
mod dirty;
mod entry;
mod evidence;
mod groups;
mod plan;
mod release;
mod verdict;

pub use verdict::{Judged, judge};
