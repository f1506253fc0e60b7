// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules: what a target, and the boot that it ran in, is worth after what was seen.
//!
//! In goes what one boot left behind ([`crate::boot::Seen`]): the console, the results, how QEMU ended. Out comes a
//! [`crate::verdict::Target`] for every target that was asked for. Nothing is guessed: what was not seen is inconclusive.
//!
//! A complaint of the kernel belongs to the target it came in, and to no other: one of the boot is the boot's, one that follows a
//! target is that target's.

mod boot;
mod died;
mod drift;
mod exercise;
mod taint;
mod target;

pub use boot::boot;
pub(crate) use drift::against;
pub(crate) use exercise::{Changed, Ran, exercise, exercised};
pub use target::{Converted, judge};
