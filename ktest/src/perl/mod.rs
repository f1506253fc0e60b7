// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own tools/testing/ktest/ktest.pl, driven: a complete configuration for it, a repository of the series, a
//! power switch, and its log read back.
//!
//! ktest.pl builds, boots and watches; what a boot is worth is judged from the same console and results as everywhere
//! else, so that both ways give the same words. What ktest.pl says of each test is kept beside it: where it failed and we
//! saw nothing, the kernel is inconclusive.
//!
//! The machine is a guest of our own (`machine`), or the user's (`user` reads their configuration): then the targets are
//! copied there and run by way of a login (`remote`), and how far each kernel came is read from what ktest.pl printed
//! (`passage`, `kernel`).

mod boots;
mod conf;
mod kernel;
mod log;
mod machine;
mod passage;
mod remote;
mod repository;
#[cfg(test)]
mod tests;
mod user;

/// Where the tree has it.
pub(crate) const SCRIPT: &str = "tools/testing/ktest/ktest.pl";

/// Runs a program with a standard input that never says anything and never ends: ktest.pl waits for its console and for what a
/// person may type at once, and where that has ended it does not wait but runs in a circle (ktest.pl: wait_for_input()).
pub(crate) const WAITS: &str = r#"$^F = 9; pipe(R, W); open(STDIN, "<&R"); exec($^X, @ARGV)"#;

pub(crate) use boots::boots;
pub(crate) use conf::Conf;
pub(crate) use kernel::{Came, came, not_better};
pub(crate) use log::{Said, read};
pub(crate) use machine::power_switch;
pub(crate) use passage::{Passage, by_lines, passages};
pub(crate) use remote::{Remote, end_logins, name, names};
pub(crate) use repository::Repository;
pub(crate) use user::User;
