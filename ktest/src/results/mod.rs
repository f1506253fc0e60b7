// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the guest wrote to its results port: KTAP, with the counters as diagnostic lines.
//!
//! Reading never fails: what is not understood is kept as a problem, and the judge makes of it what it deserves. The bytes come
//! from a guest, which may be broken or hostile: no number in them is added to another without a limit, and no control character
//! comes through.

mod read;
#[cfg(test)]
mod tests;

pub(crate) use read::clean;

use crate::verdict::{Pins, Subtest};
use std::collections::BTreeMap;

/// The line that ends every results file, followed by `pass` or `fail`.
pub(crate) const VERDICT: &str = "ktest verdict: ";

/// What one target reported.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Subtests in order.
    pub subtests: Vec<Subtest>,
    /// The counters over the whole target.
    pub pins: Option<Pins>,
    /// Pages gone, over all repetitions.
    pub drift_pages: Option<i64>,
    /// How many times a probed symbol ran, by function; a call within one is `function+0x12`.
    pub hits: BTreeMap<String, u64>,
    /// The kernel's taint and its own counts of what went wrong, around it; `None` where the guest could not read them.
    pub taint: Option<Tainted>,
    /// What init said at its end: `pass`, `fail`, `skip`, `timeout`, `crash`, and the reason. `None`: it never ended.
    pub end: Option<(String, String)>,
}

/// A whole results file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// By target, in order of their beginning.
    pub targets: Vec<(String, Report)>,
    /// The words of every verdict line.
    pub verdicts: Vec<String>,
    /// What was not understood.
    pub problems: Vec<String>,
    /// Release and version of the kernel that ran, where the host did not start it.
    pub kernel: Option<String>,
    /// Why the init could do nothing at all.
    pub refused: Option<String>,
    /// Pins that others took while nothing of ours ran.
    pub noise: Option<Pins>,
    /// The taint at the end of all.
    pub tainted: Option<u64>,
    /// Functions that could not be watched, and why.
    pub unwatched: BTreeMap<String, String>,
}

/// /proc/sys/kernel/tainted around a target, and how much /sys/kernel/warn_count and oops_count grew (since 6.2): the taint keeps
/// what was once set, the counts do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tainted {
    /// Bits before it.
    pub before: u64,
    /// Bits after it.
    pub after: u64,
    /// Warnings, where the kernel counts them.
    pub warnings: Option<u64>,
    /// Oopses, where the kernel counts them.
    pub oopses: Option<u64>,
}

impl Results {
    /// What `target` reported, if it began.
    pub fn target(&self, target: &str) -> Option<&Report> {
        let found = self.targets.iter().find(|(name, _)| name == target);
        found.map(|(_, report)| report)
    }
}
