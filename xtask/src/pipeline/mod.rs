// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole way in one run: audit, convert, apply, build, trial, report.
//!
//! Each stage is one library call; what it returns is written into the run's directory before the next one starts, so
//! that `--resume` can go on from there. A stage that cannot run is skipped with its reason and never counts as passed.

pub(crate) mod module;
pub(crate) mod progress;
pub(crate) mod stages;
pub(crate) mod userspace;
