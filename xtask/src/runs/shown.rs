// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run with everything it has left, read back for a page.

use crate::exit::{Exit, Failure};
use crate::runs::directory;
use crate::runs::record::{Ended, Inputs, Record, SCHEMA, Stage};
use callsites::report::Report;
use camino::Utf8Path;
use ktest::Verdict;
use ktest::verdict::Outcome;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A run with what it has left beside its record.
#[derive(Debug)]
pub struct Shown {
    /// Name of its directory.
    pub id: String,
    /// Its record.
    pub record: Record,
    /// audit.json
    pub audit: Option<Report>,
    /// The mails of the series: name and text.
    pub mails: Vec<(String, String)>,
    /// verdict.json
    pub verdict: Option<Verdict>,
}

/// Reads a run of `pipeline` or of `ktest`.
pub fn read(dir: &Utf8Path) -> Result<Shown, Failure> {
    let id = dir.file_name().unwrap_or("run").to_owned();
    let verdict: Option<Verdict> = json(&dir.join("verdict.json"))?;
    let record = match (directory::read(dir), &verdict) {
        (Ok(record), _) => record,
        (Err(_), Some(verdict)) => of_verdict(verdict),
        (Err(failure), None) => return Err(failure),
    };
    Ok(Shown {
        id,
        record,
        audit: json(&dir.join("audit.json"))?,
        mails: mails(&dir.join("series")),
        verdict,
    })
}

/// A run of which only its verdict is there: shards put together.
pub fn of(verdict: Verdict) -> Shown {
    Shown {
        id: verdict.run.clone(),
        record: of_verdict(&verdict),
        audit: None,
        mails: Vec::new(),
        verdict: Some(verdict),
    }
}

/// A run of `ktest` alone: one stage.
fn of_verdict(verdict: &Verdict) -> Record {
    let result = match verdict.result {
        Outcome::Pass => Ended::Passed,
        Outcome::Skip => Ended::Skipped,
        _ => Ended::Failed,
    };
    let lines = std::iter::once(&verdict.base)
        .chain(&verdict.patches)
        .flat_map(|stage| &stage.targets);
    let seconds = lines
        .flat_map(|target| &target.subtests)
        .map(|test| test.seconds)
        .sum();
    let stage = Stage {
        name: "ktest".into(),
        result,
        summary: verdict.reason.clone(),
        details: vec![],
        hint: None,
        seconds,
    };
    let inputs = Inputs {
        tree: verdict.base.subject.clone(),
        revision: None,
        paths: vec![],
        targets: vec![],
        kbuild: vec![],
    };
    Record {
        schema: SCHEMA.into(),
        inputs,
        tools: BTreeMap::new(),
        stages: vec![stage],
    }
}

fn json<T: DeserializeOwned>(path: &Utf8Path) -> Result<Option<T>, Failure> {
    let Ok(bytes) = std::fs::read(path) else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{path} was written by another version"),
        )
        .because(error)
    })
}

/// The mails of a series directory, in order.
fn mails(dir: &Utf8Path) -> Vec<(String, String)> {
    let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
    let mut mails: Vec<(String, String)> = entries
        .filter(|entry| entry.path().extension() == Some("patch"))
        .filter_map(|entry| {
            let bytes = std::fs::read(entry.path()).ok()?;
            Some((
                entry.file_name().to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ))
        })
        .collect();
    mails.sort();
    mails
}
