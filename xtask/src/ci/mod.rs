// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of `cargo xtask ci`, each with the command that mends it.
//!
//! A step passes, fails, or is skipped with a reason; a skipped step is counted apart and never as passed.

mod bare;
#[cfg(test)]
mod jobs;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod tools;
