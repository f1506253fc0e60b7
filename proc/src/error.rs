// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with a program, each with its command line.

use failure::{Act, Exit, Failure, Hint};
use std::time::Duration;

/// Why a command did not do what it was started for. Messages fit after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not on PATH.
    #[error("run `{argv}`: no program `{program}` on this machine")]
    NotFound {
        /// What was looked for.
        program: String,
        /// The whole command line, quoted.
        argv: String,
    },
    /// It ran and ended with a non-zero code or by a signal.
    #[error("run `{argv}`: {status}{}", tail(.stderr))]
    Failed {
        /// The whole command line, quoted.
        argv: String,
        /// "exit code 1" or "killed by signal 9".
        status: String,
        /// The exit code, when it was not killed by a signal.
        code: Option<i32>,
        /// The last lines it wrote to standard error (to standard output where standard error is empty).
        stderr: String,
    },
    /// It did not end in time and was killed with its whole process group.
    #[error("run `{argv}`: not finished after {} s, stopped", .deadline.as_secs())]
    Timeout {
        /// The whole command line, quoted.
        argv: String,
        /// The time it was given.
        deadline: Duration,
    },
    /// The user pressed ctrl-C; the child was stopped and has ended.
    #[error("run `{argv}`: interrupted")]
    Interrupted {
        /// The whole command line, quoted.
        argv: String,
    },
    /// The system refused: a pipe, the log file, the working directory.
    #[error("run `{argv}`: {what}")]
    Io {
        /// The whole command line, quoted.
        argv: String,
        /// What was attempted, "write log `build.log`".
        what: String,
        /// Why it did not work.
        #[source]
        source: std::io::Error,
    },
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Interrupted { .. } => Exit::Interrupted,
            Error::Timeout { .. } => Exit::Timeout,
            Error::NotFound { .. } | Error::Failed { .. } | Error::Io { .. } => {
                Exit::Infrastructure
            }
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::NotFound { .. } => Some(Act::InstallWhatIsMissing.into()),
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("the disk is full: free some room, or write to another disk".into())
            }
            _ => None,
        }
    }
}

fn tail(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("\n{stderr}")
    }
}
