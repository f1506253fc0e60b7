// SPDX-License-Identifier: MIT OR Apache-2.0
//! `report RUN…`: one self-contained HTML page of one run or of several; shards of a run are put together. Or the verdict
//! of one run in another format, without what the run was begun with.

use crate::console::{Console, deliver_as_it_is, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Report, ReportFormat};
use crate::places;
use crate::runs::directory::{file, find};
use crate::runs::page::page;
use crate::runs::shown::{self, Shown};
use ktest::formats::{self, Format};
use ktest::verdict::merge;
use serde_json::json;
use std::collections::BTreeMap;

/// Runs `report`.
pub(crate) fn run(common: &Common, args: &Report, console: &Console) -> Result<Exit, Failure> {
    let runs = read(&args.runs, console)?;
    let (runs, exit) = put_together(runs)?;
    if common.dry_run {
        console.say(format!("would make one page of {} runs", runs.len()));
        return Ok(Exit::Clean);
    }
    let output = common.output.as_deref();
    if let Some(format) = of_a_verdict(args.format).filter(|_| !common.json) {
        let [run] = runs.as_slice() else {
            let why = "a verdict is one run's, or that of all its shards";
            return Err(
                Failure::new(Exit::Usage, why).hint("name one run, or ask for --format html")
            );
        };
        let Some(verdict) = &run.verdict else {
            let why = format!("run {} has no verdict", run.id);
            return Err(Failure::new(Exit::Usage, why));
        };
        deliver_as_it_is(output, |to| Ok(formats::write(verdict, format, to)?))?;
        return Ok(exit);
    }
    if common.json || args.format == ReportFormat::Json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| json!({ "id": run.id, "result": run.record.verdict(), "record": run.record, "verdict": run.verdict }))
            .collect();
        deliver_json(output, &json!({ "schema": "report/1", "runs": runs }))?;
    } else {
        deliver_as_it_is(output, |to| Ok(to.write_all(page(&runs).as_bytes())?))?;
    }
    Ok(exit)
}

/// The runs of these names. An attempt at a shard that was lost has left no verdict: it is left out where other shards of
/// its run are there, because what is missing is then told by those.
fn read(names: &[String], console: &Console) -> Result<Vec<Shown>, Failure> {
    let (mut runs, mut lost) = (Vec::new(), Vec::new());
    for name in names {
        let dir = find(&places::runs(), name)?;
        let begun = match file(&dir, "verdict.json")? {
            Some(_) => None,
            None => file(&dir, "run.json")?.and_then(|run| ktest::begun(&run)),
        };
        match (shown::read(&dir), begun) {
            (Ok(run), _) => runs.push(run),
            (Err(failure), None) => return Err(failure),
            (Err(failure), Some(begun)) => lost.push((dir, begun, failure)),
        }
    }
    for (dir, (shard, inputs), failure) in lost {
        let of_its_run = |run: &Shown| {
            let verdict = run.verdict.as_ref();
            verdict.is_some_and(|v| v.shard.is_some() && v.inputs.as_ref() == Some(&inputs))
        };
        if !runs.iter().any(of_its_run) {
            return Err(failure);
        }
        console.say(format!(
            "{dir}, an attempt at shard {shard}, has no verdict"
        ));
    }
    Ok(runs)
}

/// The format in which a verdict alone is written.
fn of_a_verdict(format: ReportFormat) -> Option<Format> {
    match format {
        ReportFormat::Junit => Some(Format::Junit),
        ReportFormat::Ktap => Some(Format::Ktap),
        ReportFormat::Html | ReportFormat::Json => None,
    }
}

/// Shards of one run become that run, whose verdict then decides the exit code; what is no shard stays as it is.
fn put_together(runs: Vec<Shown>) -> Result<(Vec<Shown>, Exit), Failure> {
    let is_shard = |run: &Shown| run.verdict.as_ref().is_some_and(|v| v.shard.is_some());
    let (shards, mut others): (Vec<Shown>, Vec<Shown>) = runs.into_iter().partition(is_shard);
    let mut of_a_run: BTreeMap<Option<String>, Vec<Shown>> = BTreeMap::new();
    for shard in shards {
        let inputs = shard.verdict.as_ref().and_then(|v| v.inputs.clone());
        of_a_run.entry(inputs).or_default().push(shard);
    }
    let mut exit = Exit::Clean;
    for parts in of_a_run.into_values() {
        let verdicts: Vec<_> = parts.iter().filter_map(|p| p.verdict.clone()).collect();
        let merged =
            merge(&verdicts).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        if exit == Exit::Clean {
            exit = merged.exit();
        }
        others.push(shown::together(merged, &parts));
    }
    Ok((others, exit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_verdicts_formats_are_those_of_ktest_by_their_names() {
        let mut count = 0;
        for format in ReportFormat::value_variants() {
            let word = format.to_possible_value().unwrap();
            if let Some(format) = of_a_verdict(*format) {
                assert_eq!(word.get_name().parse(), Ok(format));
                count += 1;
            }
        }
        assert_eq!(count, 2);
    }
}
