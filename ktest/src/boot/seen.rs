// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one boot left behind.

use super::LOG_BYTES;
use crate::console::{Patterns, Scan};
use crate::error::Error;
use crate::results::Results;
use camino::Utf8Path;

/// How QEMU's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited,
    /// It was stopped at its deadline.
    Deadline,
    /// It was stopped because the console or the results grew beyond their limit.
    Flooded,
}

/// All that one boot left behind.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How it ended.
    pub ended: Ended,
    /// The console.
    pub scan: Scan,
    /// The results port.
    pub results: Results,
}

impl Seen {
    /// The guest gave no verdict, and its kernel did not complain.
    pub(crate) fn is_silent(&self) -> bool {
        self.results.verdicts.is_empty() && self.scan.found.is_empty()
    }
}

/// Reads what a boot left behind; also for a run that is resumed.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn seen(ended: Ended, console: &Utf8Path, results: &Utf8Path) -> Result<Seen, Error> {
    let read = |path: &Utf8Path| {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let end = bytes.len().min(2 * LOG_BYTES as usize);
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    };
    Ok(Seen {
        ended,
        scan: Patterns::built_in()?.scan(&read(console)?),
        results: Results::parse(&read(results)?),
    })
}
