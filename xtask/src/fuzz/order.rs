// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker is told to do, and what it says of it, a line of JSON each.

use callsites::fuzz::compare::Difference;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What cases are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A damaged or rewritten file of the corpus, audited in the small tree.
    Files,
    /// One file, which stands in the directory of the order.
    File,
    /// A series of a stranger, applied and laid over.
    Series,
    /// A run's directory of a stranger, shown.
    Runs,
    /// What a guest printed.
    Guest,
    /// The whole tree with every file rewritten.
    Whole,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Files | Kind::File => "files",
            Kind::Series => "series",
            Kind::Runs => "runs",
            Kind::Guest => "guest",
            Kind::Whole => "whole",
        })
    }
}

/// What one case may cost before its worker ends itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of this process: a machine that is busy makes nothing hang.
    pub(crate) cpu_seconds: f64,
    /// What waits for a FIFO uses no processor; what waits for a busy machine does not wait so long.
    pub(crate) wall_seconds: f64,
    /// The largest resident set.
    pub(crate) mib: u64,
}

impl Kind {
    /// A case of one file must end within 5 s and 500 MiB, whatever is in it; an audit of a whole kernel takes seconds and
    /// some 300 MiB by itself.
    pub(crate) const fn limits(self) -> Limits {
        match self {
            Kind::Whole => Limits {
                cpu_seconds: 600.0,
                wall_seconds: 1800.0,
                mib: 4096,
            },
            _ => Limits {
                cpu_seconds: 5.0,
                wall_seconds: 60.0,
                mib: 500,
            },
        }
    }
}

/// Which cases a worker runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What they are about.
    pub(crate) kind: Kind,
    /// Draws them.
    pub(crate) seed: u64,
    /// The first.
    pub(crate) from: u64,
    /// One past the last.
    pub(crate) to: u64,
    /// Where the corpus lies, or where a desk is made.
    pub(crate) dir: Utf8PathBuf,
    /// The tree of [`Kind::Whole`]; none is the small one.
    pub(crate) kernel: Option<String>,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// A case begins.
    Begin(u64),
    /// It has ended, and taken so long on the processor.
    End(u64, f64),
    /// Something of the case is to be counted.
    Count(String),
    /// It is bad.
    Bad(u64, Fate),
    /// A whole tree said this.
    Whole(Rewritten),
}

/// What a rewritten tree said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rewritten {
    /// How it was rewritten.
    pub(crate) change: String,
    /// Files with callsites, all of which were rewritten.
    pub(crate) files: usize,
    /// Callsites before.
    pub(crate) callsites: usize,
    /// What differs.
    pub(crate) difference: Difference,
}

/// Why a case is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It panicked, with this message.
    Panic(String),
    /// It did not end in time.
    Hang,
    /// It took more memory than it may.
    Memory(u64),
    /// It ended the process: a stack that overflowed, a signal.
    Died(String),
    /// Its result is wrong.
    Wrong(Vec<String>),
}

impl Fate {
    /// The word that it is counted under.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Fate::Panic(_) => "panic",
            Fate::Hang => "hang",
            Fate::Memory(_) => "memory",
            Fate::Died(_) => "died",
            Fate::Wrong(_) => "wrong",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Panic(said) => write!(f, "panicked: {said}"),
            Fate::Hang => write!(f, "did not end in time"),
            Fate::Memory(mib) => write!(f, "took {mib} MiB"),
            Fate::Died(how) => write!(f, "ended the process: {how}"),
            Fate::Wrong(lines) => write!(f, "{}", lines.join("\n")),
        }
    }
}
