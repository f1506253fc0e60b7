// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run was worth: plain data, the schema `verdict/1`, and the rules that make a verdict of what was seen.
//!
//! In goes what one boot left behind: the console, the results, how QEMU ended. Out comes a [`Target`] for every target
//! that was asked for, and of all of them a [`Verdict`]. Nothing is guessed: what was not seen is inconclusive.

mod judge;
mod merge;
mod types;

pub use judge::{Converted, Ended, Seen, judge, summarise};
pub use merge::{MergeError, merge};
pub use types::{
    Build, CallsiteEvidence, Evidence, Inner, Outcome, Pins, SCHEMA, Splat, Stage, Subtest, Target,
    Verdict,
};
