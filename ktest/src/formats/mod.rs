// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict as text for people, as JSON, as JUnit, as KTAP, and as parts of a page.
//!
//! KTAP and JUnit carry leaves for everything that decides: the build, the boot, each subtest, the pins, the console and
//! the verdict of each target, what ran of a patch, and the run. A reader that counts leaves comes to the same result.

#[cfg(test)]
mod corpus;
pub mod html;
mod junit;
mod ktap;
mod leaves;
#[cfg(test)]
mod tests;
mod text;

use crate::error::Error;
use crate::verdict::{Outcome, Stage, Verdict};
use callsites::formats::shown;
use callsites::formats::visible::{json, visible};
use camino::Utf8PathBuf;
use std::io::Write;

/// How a verdict is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The schema `verdict/1`.
    Json,
    /// For CI systems.
    Junit,
    /// For the kernel's own tools.
    Ktap,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Format, String> {
        match word {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "junit" => Ok(Format::Junit),
            "ktap" => Ok(Format::Ktap),
            other => Err(format!(
                "no format `{other}`: text, json, junit, ktap or html"
            )),
        }
    }
}

/// Writes `verdict` to `to`.
///
/// # Errors
/// [`Error::Io`] when `to` cannot be written.
pub fn write(verdict: &Verdict, format: Format, to: &mut dyn Write) -> Result<(), Error> {
    let text = match format {
        Format::Text => {
            // Each text stays on its line: a name with a line end in it would be a result of its own.
            let plain = shown(verdict)
                .map_err(|error| Error::Internal(format!("write a verdict as text: {error}")))?;
            visible(&text::text(&plain), &[]).into_owned()
        }
        Format::Ktap => ktap::ktap(verdict),
        Format::Json => {
            let mut bytes = Vec::new();
            json(verdict, &mut bytes)
                .map_err(|error| Error::Internal(format!("write a verdict as JSON: {error}")))?;
            format!("{}\n", String::from_utf8_lossy(&bytes))
        }
        Format::Junit => junit::junit(verdict, stages(verdict))
            .map_err(|error| Error::Internal(format!("write a verdict as JUnit: {error}")))?,
    };
    to.write_all(text.as_bytes()).map_err(|source| Error::Io {
        what: "write",
        path: Utf8PathBuf::from("the verdict"),
        source,
    })
}

fn stages(verdict: &Verdict) -> impl Iterator<Item = &Stage> {
    std::iter::once(&verdict.base).chain(&verdict.patches)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip => "skip",
        Outcome::Fail => "FAIL",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Crash => "CRASH",
        Outcome::Timeout => "TIMEOUT",
    }
}
