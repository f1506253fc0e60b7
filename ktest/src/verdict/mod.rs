// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run was worth: plain data, the schema `verdict/1`, and what its stages and shards come to together.
//!
//! The rules that make a [`Target`] of what one boot left behind are in [`crate::judge`].

mod accelerator;
mod changes;
mod exercise;
mod merge;
mod shard;
mod summary;
mod types;

pub use accelerator::Accelerator;
pub use changes::Changes;
pub use exercise::{Exercise, Exercised, NotRun};
pub(crate) use merge::together;
pub use merge::{MergeError, merge};
pub use shard::Shard;
pub(crate) use summary::summarise;
pub use types::{
    Boot, Build, CallsiteEvidence, Drift, Evidence, Inner, Outcome, Pins, SCHEMA, Splat, Stage,
    Subtest, Target, Verdict,
};
