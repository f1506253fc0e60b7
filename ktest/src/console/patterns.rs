// SPDX-License-Identifier: MIT OR Apache-2.0
//! The patterns of complaints, compiled.

use crate::error::Error;
use regex::RegexSet;
use serde::Deserialize;
use std::sync::LazyLock;

const DATA: &str = include_str!("../../config/splats.toml");
const DATA_PATH: &str = "ktest/config/splats.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    splat: Vec<PatternData>,
    #[serde(default)]
    exception: Vec<ExceptionData>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternData {
    kind: String,
    pattern: String,
    fatal: bool,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionData {
    pattern: String,
    reason: String,
}

/// The patterns, compiled: all of them look at a line in one pass.
#[derive(Debug)]
pub(crate) struct Patterns {
    set: RegexSet,
    /// Kind and whether it is fatal, of each pattern.
    kinds: Vec<(String, bool)>,
    exceptions: RegexSet,
}

static BUILT_IN: LazyLock<Result<Patterns, String>> = LazyLock::new(|| Patterns::parse(DATA));

impl Patterns {
    /// The built-in ones.
    ///
    /// # Errors
    /// When the data does not parse, which a test rules out.
    pub(crate) fn built_in() -> Result<&'static Patterns, Error> {
        BUILT_IN.as_ref().map_err(|why| Error::Data {
            path: DATA_PATH.into(),
            why: why.clone(),
        })
    }

    fn parse(text: &str) -> Result<Patterns, String> {
        let data: Data = toml::from_str(text).map_err(|error| error.to_string())?;
        for splat in &data.splat {
            if splat.source.is_empty() {
                return Err(format!("pattern `{}` has no source", splat.kind));
            }
        }
        for exception in &data.exception {
            if exception.reason.is_empty() {
                return Err(format!("exception `{}` has no reason", exception.pattern));
            }
        }
        let compile = |patterns: Vec<&String>| RegexSet::new(patterns).map_err(|e| e.to_string());
        Ok(Patterns {
            set: compile(data.splat.iter().map(|splat| &splat.pattern).collect())?,
            exceptions: compile(data.exception.iter().map(|e| &e.pattern).collect())?,
            kinds: data
                .splat
                .into_iter()
                .map(|splat| (splat.kind, splat.fatal))
                .collect(),
        })
    }

    /// Kind of a complaint and whether it is fatal, by the first pattern that matches; `None` of a text that is none.
    pub(super) fn kind(&self, text: &str) -> Option<(&str, bool)> {
        let first = self.set.matches(text).into_iter().next()?;
        let (kind, fatal) = self.kinds.get(first)?;
        (!self.exceptions.is_match(text)).then_some((kind.as_str(), *fatal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_its_source_and_an_exception_without_its_reason_are_refused() {
        let splat = "[[splat]]\nkind = \"x\"\npattern = \"^x\"\nfatal = true\nsource = \"\"\n";
        assert!(Patterns::parse(splat).unwrap_err().contains("no source"));
        let good = splat.replace("source = \"\"", "source = \"a.c: f()\"");
        let exception = format!("{good}[[exception]]\npattern = \"y\"\nreason = \"\"\n");
        assert!(
            Patterns::parse(&exception)
                .unwrap_err()
                .contains("no reason")
        );
        let patterns =
            Patterns::parse(&exception.replace("reason = \"\"", "reason = \"why\"")).unwrap();
        assert_eq!(
            (patterns.kind("x"), patterns.kind("xy")),
            (Some(("x", true)), None)
        );
    }
}
