// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exit codes.

use serde::{Deserialize, Serialize};

/// What the exit code of a verb says; the numbers are the contract of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    /// The work was done and nothing wrong was found.
    Clean = 0,
    /// Findings of severity error that were asked for, a failed or inconclusive target or test, all of them skipped, nothing convertible.
    #[serde(rename = "failed")]
    Findings = 1,
    /// The request, or what it points at, makes no sense: a directory that is no kernel tree, an unknown target.
    Usage = 2,
    /// A series does not apply, or a file changed under it.
    Conflict = 3,
    /// The compiler or make failed.
    Build = 4,
    /// The patched kernel panicked or oopsed.
    Crash = 5,
    /// The patched kernel hung, or a deadline passed.
    Timeout = 6,
    /// The machine is at fault: no emulator, no compiler, a full disk, a base kernel that fails.
    Infrastructure = 69,
    /// A bug of this toolkit.
    Internal = 70,
    /// Ctrl-C. A process that SIGTERM stops exits with 143, whatever it was doing.
    Interrupted = 130,
}

impl Exit {
    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
