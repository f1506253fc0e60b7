// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an outcome means to the shell.

use serde::{Deserialize, Serialize};

/// The exit codes that this room can mean; the numbers are the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Every chosen job passed.
    Clean = 0,
    /// A target failed, was inconclusive, or all were skipped.
    Failed = 1,
    /// The request cannot be met as it was made.
    Usage = 2,
    /// The series does not apply.
    Conflict = 3,
    /// A patch does not compile.
    Build = 4,
    /// The patched kernel panicked or oopsed.
    Crash = 5,
    /// The patched kernel hung.
    Timeout = 6,
    /// The machine or the base kernel is at fault.
    Infrastructure = 69,
    /// A bug of ours, caught by a check.
    Internal = 70,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }
}
