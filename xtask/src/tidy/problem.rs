// SPDX-License-Identifier: MIT OR Apache-2.0
//! One broken rule.

use camino::Utf8PathBuf;
use serde::Serialize;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Problem {
    /// Relative to the root of the repository.
    pub(crate) path: Utf8PathBuf,
    /// 1-based; 0 when it is the whole file.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl Problem {
    /// A problem of one line.
    pub(crate) fn new(
        path: impl Into<Utf8PathBuf>,
        line: usize,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}
