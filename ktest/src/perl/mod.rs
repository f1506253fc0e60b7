// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own tools/testing/ktest/ktest.pl, driven: a complete configuration for it, a repository of the series, a
//! power switch, and its log read back.
//!
//! ktest.pl builds, boots and watches; what a boot is worth is judged from the same console and results as everywhere
//! else, so that both ways give the same words. What ktest.pl says of each test is kept beside it: where it failed and we
//! saw nothing, the kernel is inconclusive.

mod conf;
mod log;
mod machine;
mod repository;

pub use conf::{Conf, Wanted};
pub(crate) use log::{Said, read};
pub(crate) use machine::{boots, power_switch};
pub(crate) use repository::{Repository, forget};
