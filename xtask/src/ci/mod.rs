// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of `cargo xtask ci`, each with the command that mends it.
//!
//! A step passes, fails, or is skipped with a reason; a skipped step is counted apart and never as passed.

mod bare;
pub mod step;
pub mod steps;
pub mod tools;
