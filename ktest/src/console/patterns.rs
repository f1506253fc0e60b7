// SPDX-License-Identifier: MIT OR Apache-2.0
//! The patterns of complaints, compiled.

use crate::error::Error;
use regex::Regex;
use serde::Deserialize;

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

/// The patterns, compiled.
#[derive(Debug)]
pub(crate) struct Patterns {
    splats: Vec<Splats>,
    exceptions: Vec<Regex>,
}

#[derive(Debug)]
struct Splats {
    kind: String,
    pattern: Regex,
    fatal: bool,
}

impl Patterns {
    /// The built-in ones.
    ///
    /// # Errors
    /// When the data does not parse, which a test rules out.
    pub(crate) fn built_in() -> Result<Patterns, Error> {
        Patterns::parse(DATA)
    }

    pub(super) fn parse(text: &str) -> Result<Patterns, Error> {
        let bad = |why: String| Error::Data {
            path: DATA_PATH.into(),
            why,
        };
        let data: Data = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        let compile = |pattern: &str| Regex::new(pattern).map_err(|e| bad(e.to_string()));
        let mut splats = Vec::new();
        for splat in data.splat {
            if splat.source.is_empty() {
                return Err(bad(format!("pattern `{}` has no source", splat.kind)));
            }
            splats.push(Splats {
                pattern: compile(&splat.pattern)?,
                kind: splat.kind,
                fatal: splat.fatal,
            });
        }
        let mut exceptions = Vec::new();
        for exception in data.exception {
            if exception.reason.is_empty() {
                let why = format!("exception `{}` has no reason", exception.pattern);
                return Err(bad(why));
            }
            exceptions.push(compile(&exception.pattern)?);
        }
        Ok(Patterns { splats, exceptions })
    }

    /// Kind of a complaint and whether it is fatal; `None` of a text that is none.
    pub(super) fn kind(&self, text: &str) -> Option<(&str, bool)> {
        let found = self.splats.iter().find(|s| s.pattern.is_match(text))?;
        let excepted = self.exceptions.iter().any(|re| re.is_match(text));
        (!excepted).then_some((found.kind.as_str(), found.fatal))
    }
}
