// SPDX-License-Identifier: MIT OR Apache-2.0
//! What came of the cases of a kind.

use super::order::{Event, Fate, Kind, Rewritten};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A case that is bad.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Find {
    /// What it is about.
    pub(crate) kind: Kind,
    /// Its number.
    pub(crate) case: u64,
    /// Why it is bad.
    pub(crate) fate: Fate,
}

/// Counts.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// Cases that were run.
    pub(crate) cases: u64,
    /// What was counted of them.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Bad cases, by word.
    pub(crate) bad: BTreeMap<&'static str, u64>,
    /// Seconds on a processor, of all cases.
    pub(crate) cpu_seconds: f64,
    /// Of the slowest case.
    pub(crate) slowest_seconds: f64,
    /// Its number.
    pub(crate) slowest_case: u64,
    /// The largest resident set of a worker.
    pub(crate) peak_mib: f64,
    /// What rewritten trees said.
    pub(crate) whole: Vec<Rewritten>,
}

impl Tally {
    /// Counts what a worker said; the bad cases.
    pub(crate) fn count(&mut self, kind: Kind, events: Vec<Event>) -> Vec<Find> {
        let mut finds = Vec::new();
        for event in events {
            match event {
                Event::Begin(_) => self.cases += 1,
                Event::Count(what) => *self.counts.entry(what).or_default() += 1,
                Event::End(case, seconds) => {
                    self.cpu_seconds += seconds;
                    if seconds > self.slowest_seconds {
                        (self.slowest_seconds, self.slowest_case) = (seconds, case);
                    }
                }
                Event::Bad(case, fate) => {
                    *self.bad.entry(fate.word()).or_default() += 1;
                    finds.push(Find { kind, case, fate });
                }
                Event::Whole(rewritten) => self.whole.push(rewritten),
            }
        }
        finds
    }

    /// How many cases are bad in this way.
    pub(crate) fn of(&self, word: &str) -> u64 {
        self.bad.get(word).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} panics, {} hangs, {} over the limit of memory, {} deaths, {} wrong results; slowest {:.2} s (case {}), {:.1} s \
             in all, peak {:.0} MiB",
            self.of("panic"),
            self.of("hang"),
            self.of("memory"),
            self.of("died"),
            self.of("wrong"),
            self.slowest_seconds,
            self.slowest_case,
            self.cpu_seconds,
            self.peak_mib,
        )
    }
}
