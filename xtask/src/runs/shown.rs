// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run with everything it has left, read back for a page.

use crate::exit::{Exit, Failure};
use crate::runs::directory;
use crate::runs::record::{Ended, Inputs, Record, SCHEMA, Stage};
use callsites::formats::html::Excerpts;
use callsites::report::Report;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::Verdict;
use ktest::formats::html::Consoles;
use ktest::verdict::Outcome;
use patches::Series;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Beside audit.json: the lines of source that a page shows.
pub(crate) const EXCERPTS: &str = "excerpts.json";

/// A run with what it has left beside its record.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Name of its directory.
    pub(crate) id: String,
    /// Its record.
    pub(crate) record: Record,
    /// audit.json
    pub(crate) audit: Option<Report>,
    /// The source around its calls and findings.
    pub(crate) excerpts: Excerpts,
    /// The series.
    pub(crate) series: Option<Series>,
    /// The mails of what should be a series and cannot be read as one: name and text.
    pub(crate) mails: Vec<(String, String)>,
    /// What the kernels printed.
    pub(crate) consoles: Consoles,
    /// verdict.json
    pub(crate) verdict: Option<Verdict>,
}

/// Reads a run of `pipeline` or of `ktest`.
pub(crate) fn read(dir: &Utf8Path) -> Result<Shown, Failure> {
    let id = dir.file_name().unwrap_or("run").to_owned();
    let verdict: Option<Verdict> = json(dir, "verdict.json")?;
    let record = match (directory::read(dir), &verdict) {
        (Ok(record), _) => record,
        (Err(_), Some(verdict)) => {
            let mut record = of_verdict(verdict);
            if let Some(asked) = json::<Asked>(dir, "run.json")? {
                let tools = asked.tools.into_iter();
                record.tools = tools.map(|tool| (tool.name, tool.version)).collect();
                record.inputs.targets = asked.targets;
            }
            record
        }
        (Err(failure), None) => return Err(failure),
    };
    let series = Series::read(&dir.join("series")).ok();
    let mails = match &series {
        Some(_) => Vec::new(),
        None => mails(&dir.join("series")),
    };
    Ok(Shown {
        id,
        record,
        audit: json(dir, "audit.json")?,
        excerpts: json(dir, EXCERPTS)?.unwrap_or_default(),
        series,
        mails,
        consoles: consoles(dir, verdict.as_ref())?,
        verdict,
    })
}

/// What is shown of the run.json of a run of `ktest`.
#[derive(Deserialize)]
struct Asked {
    targets: Vec<String>,
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    version: String,
}

/// Shards put together: what the first was begun with, and what the kernels of all of them printed.
pub(crate) fn together(verdict: Verdict, parts: &[Shown]) -> Shown {
    let mut record = of_verdict(&verdict);
    let mut consoles = Consoles::new();
    if let Some(part) = parts.first() {
        record.tools.clone_from(&part.record.tools);
        let targets = &mut record.inputs.targets;
        targets.clone_from(&part.record.inputs.targets);
    }
    for (number, texts) in parts.iter().flat_map(|part| &part.consoles) {
        consoles
            .entry(*number)
            .or_default()
            .extend(texts.iter().cloned());
    }
    Shown {
        id: verdict.run.clone(),
        record,
        audit: None,
        excerpts: Excerpts::default(),
        series: None,
        mails: Vec::new(),
        consoles,
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
    let tree = &verdict.base.subject;
    let inputs = Inputs {
        tree: tree.strip_prefix("Linux ").unwrap_or(tree).to_owned(),
        revision: None,
        paths: vec![],
        targets: vec![],
        kbuild: vec![],
        module: None,
    };
    Record {
        schema: SCHEMA.into(),
        inputs,
        tools: BTreeMap::new(),
        stages: vec![stage],
    }
}

fn json<T: DeserializeOwned>(dir: &Utf8Path, name: &str) -> Result<Option<T>, Failure> {
    let Some(bytes) = directory::file(dir, name)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{} was written by another version", dir.join(name)),
        )
        .because(error)
    })
}

/// What each kernel of a run has printed: of `ktest` in the run's directory, of `pipeline` in that of its run of ktest,
/// of a run whose kernels several machines booted in those of their shards.
pub(crate) fn consoles(dir: &Utf8Path, verdict: Option<&Verdict>) -> Result<Consoles, Failure> {
    let Some(verdict) = verdict else {
        return Ok(Consoles::new());
    };
    let mut places = vec![dir.to_owned(), dir.join("ktest").join(&verdict.run)];
    let shards = dir.join("shards").read_dir_utf8().into_iter().flatten();
    let mut shards: Vec<Utf8PathBuf> = shards.flatten().map(|entry| entry.into_path()).collect();
    shards.sort();
    places.extend(shards);
    let mut consoles = Consoles::new();
    for stage in std::iter::once(&verdict.base).chain(&verdict.patches) {
        for place in &places {
            let kernel = place.join(format!("{:02}", stage.number));
            if let Some(bytes) = directory::file(&kernel, "console.log")? {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                consoles.entry(stage.number).or_default().push(text);
            }
        }
    }
    Ok(consoles)
}

/// The mails of a series directory, in order.
fn mails(dir: &Utf8Path) -> Vec<(String, String)> {
    let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
    let mut mails: Vec<(String, String)> = entries
        .filter(|entry| entry.path().extension() == Some("patch"))
        .filter_map(|entry| {
            let bytes = directory::file(dir, entry.file_name()).ok()??;
            Some((
                entry.file_name().to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ))
        })
        .collect();
    mails.sort();
    mails
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::page::page;
    use serde_json::json;

    #[test]
    fn a_run_of_ktest_says_what_was_asked_for_and_with_which_tools() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let base = json!({ "subject": "Linux 6.12", "targets": [], "build": { "result": "pass", "reason": null,
            "new_warnings": [], "image_hash": null, "seconds": 0.0 } });
        let verdict = json!({ "schema": "verdict/1", "result": "pass", "reason": "", "run": "1", "first_bad": null,
            "base": base, "patches": [] });
        let asked = json!({ "targets": ["vmci"], "tools": [{ "name": "cc", "version": "cc 12" }] });
        std::fs::write(dir.join("verdict.json"), verdict.to_string()).unwrap();
        std::fs::write(dir.join("run.json"), asked.to_string()).unwrap();
        let part = read(dir).unwrap();
        let whole = together(part.verdict.clone().unwrap(), std::slice::from_ref(&part));
        for shown in [part, whole] {
            let html = page(&[shown]);
            for text in ["<h1>Linux 6.12</h1>", "targets: vmci", "cc 12"] {
                assert!(html.contains(text), "{text} is not in {html}");
            }
        }
    }
}
