// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place that starts programs.
//!
//! Every child gets a process group of its own, a deadline, and, where asked, a log file that begins with the quoted
//! command line. Ctrl-C is passed on to the group and waited for; when this process dies, the kernel kills the child.
//! A failed command is an [`Error`] that carries its command line and the end of what it said.
//!
//! ```
//! let output = proc::Command::new("git").args(["--version"]).run()?;
//! assert!(output.stdout_text().starts_with("git version"));
//! # Ok::<(), proc::Error>(())
//! ```
//!
//! [`git`] holds one typed function for each git command that the toolkit uses, with a pinned environment.
//!
//! [`slurm`] is the same for the batch engine of that name.
//!
//! [`short`] is for programs that end by themselves in seconds.
//!
//! Deliberately absent: pipelines, shells, and any knowledge of what is being run.

mod child;
mod command;
mod error;
pub mod git;
pub mod interrupt;
pub mod short;
pub mod slurm;
mod usage;

pub use child::Child;
pub use command::{Command, Output, Stdio, on_path, quote};
pub use error::Error;
pub use interrupt::interrupted;
pub use usage::{Usage, spent};
pub use xshell::cmd;
