// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a verdict costs, beside what has to be paid anyway.
//!
//! In go a tree whose kernel is built already, a target and how often to repeat; out come [`Row`]s. Two ratios are taken, each in
//! one run, because a machine is never twice the same:
//!
//! - one changed driver file to its verdict, over make's own incremental build, a bare boot of the same kernel, and the
//!   target's own run time;
//! - a boot until our init speaks, over a boot until a busybox init speaks.
//!
//! A row that cannot be taken says why.

mod boots;
mod verdict;

use crate::error::Error;
use crate::options::KtestOptions;
use callsites::tree::Tree;
use serde::Serialize;

/// One thing that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What.
    pub what: String,
    /// The least of all rounds, in seconds of the wall clock: what else the machine does only adds to it.
    pub seconds: Option<f64>,
    /// What it is compared with, in the same seconds.
    pub yardstick: Option<f64>,
    /// `seconds / yardstick`, where there is a yardstick.
    pub ratio: Option<f64>,
    /// What the ratio must not exceed.
    pub bar: Option<f64>,
    /// Why it could not be measured.
    pub skipped: Option<String>,
}

impl Row {
    fn plain(what: &str, seconds: f64) -> Row {
        Row {
            what: what.to_owned(),
            seconds: Some(seconds),
            yardstick: None,
            ratio: None,
            bar: None,
            skipped: None,
        }
    }

    fn against(what: &str, seconds: f64, yardstick: f64, bar: f64) -> Row {
        Row {
            yardstick: Some(yardstick),
            ratio: Some(seconds / yardstick.max(0.001)),
            bar: Some(bar),
            ..Row::plain(what, seconds)
        }
    }

    /// One that could not be taken.
    pub fn skipped(what: &str, why: impl Into<String>) -> Row {
        Row {
            what: what.to_owned(),
            seconds: None,
            yardstick: None,
            ratio: None,
            bar: None,
            skipped: Some(why.into()),
        }
    }
}

/// The names of the two rows that have a bar.
pub const ROWS: [&str; 2] = [
    "one changed file to its verdict",
    "boot until our init speaks",
];

/// Takes all rows, `rounds` times; `target` is one that is booted.
///
/// # Errors
/// See [`Error`]: whatever keeps a kernel from being built or booted. A kernel that was never built is no error: it would
/// take a cold build, and the rows say so.
pub fn measure(
    tree: &Tree,
    target: &str,
    rounds: usize,
    options: &KtestOptions,
) -> Result<Vec<Row>, Error> {
    let mut rows = verdict::rows(tree, target, rounds, options)?;
    if rows.iter().all(|row| row.skipped.is_some()) {
        let why = rows.first().and_then(|row| row.skipped.clone());
        rows.push(Row::skipped(ROWS[1], why.unwrap_or_default()));
    }
    Ok(rows)
}

fn least(seconds: impl IntoIterator<Item = f64>) -> f64 {
    seconds.into_iter().fold(f64::INFINITY, f64::min)
}
