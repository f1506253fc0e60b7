// SPDX-License-Identifier: MIT OR Apache-2.0
//! What came of building and booting a series: written into the series, and said in lines, for the verbs and the pipeline.

use crate::console::Console;
use crate::exit::Failure;
use camino::Utf8Path;
use ktest::build::BuildStage;
use ktest::verdict::{Evidence as Reached, Exercise, Outcome, Stage};
use ktest::{BuildReport, Verdict};
use patches::series::tested::{News, record};
use patches::series::{Check, Outcome as Checked};
use patches::{Evidence, Series};

/// Writes what compiled into the checks of the series and into its mails.
pub(crate) fn record_build(
    dir: &Utf8Path,
    version: &str,
    report: &BuildReport,
    console: &Console,
) -> Result<(), Failure> {
    if !has_record(dir, console) {
        return Ok(());
    }
    let mut series = Series::read(dir)?;
    for (at, stage) in report.patches.iter().enumerate() {
        let outcome = match stage.result {
            Outcome::Pass if stage.new_warnings.is_empty() => Checked::Passed,
            Outcome::Skip => Checked::Skipped,
            _ => Checked::Failed,
        };
        let objects = stage.objects.iter().map(|object| object.text());
        let said: Vec<String> = stage
            .reason
            .iter()
            .cloned()
            .chain(objects)
            .chain(
                stage
                    .new_warnings
                    .iter()
                    .map(|w| format!("new warning: {w}")),
            )
            .chain(ktest::build::not_compared(&stage.uncompared_warnings))
            .collect();
        series
            .checks
            .set(at, Check::new("compile", outcome, said.join("\n")));
    }
    series.write_checks(dir)?;
    let news: Vec<News> = report.patches.iter().map(compiled).collect();
    for sentence in record(dir, version, &news)? {
        console.say(sentence);
    }
    Ok(())
}

/// Whether `dir` holds the record that a series of convert's has beside its mails; says so where it does not.
fn has_record(dir: &Utf8Path, console: &Console) -> bool {
    let there = dir.join("series.toml").is_file();
    if !there {
        console.say(format!(
            "{dir} has no series.toml, as one that convert writes has: nothing is recorded in its mails"
        ));
    }
    there
}

/// What was compiled, and for which architecture.
fn compiled(stage: &BuildStage) -> News {
    let made = stage
        .objects
        .iter()
        .filter(|object| object.result != Outcome::Skip);
    let objects = made.filter_map(|object| {
        let well = object.result == Outcome::Pass;
        Some((object.path.clone(), object.architecture.clone()?, well))
    });
    News {
        objects: objects.collect(),
        ..News::default()
    }
}

/// Writes into the mails of a series how far its calls got in targets that passed.
pub(crate) fn record_run(
    dir: &Utf8Path,
    version: &str,
    verdict: &Verdict,
    console: &Console,
) -> Result<(), Failure> {
    if !has_record(dir, console) {
        return Ok(());
    }
    for sentence in record(dir, version, &by_patch(&verdict.patches))? {
        console.say(sentence);
    }
    Ok(())
}

/// A shard does not have every patch; what it has goes to its place in the series.
fn by_patch(stages: &[Stage]) -> Vec<News> {
    let mut news = Vec::new();
    for stage in stages {
        if let Some(at) = stage.number.checked_sub(1) {
            news.resize_with(news.len().max(at + 1), News::default);
            news[at] = reached(stage);
        }
    }
    news
}

/// How far the calls got in targets that passed.
fn reached(stage: &Stage) -> News {
    let passed = stage.targets.iter().filter(|t| t.result == Outcome::Pass);
    let mut news = News::default();
    for site in passed.flat_map(|target| &target.callsites) {
        let evidence = match site.evidence {
            Reached::Executed => Evidence::Executed,
            Reached::Booted => Evidence::Booted,
            Reached::Built | Reached::None => continue,
        };
        let known = news.calls.entry(site.id.clone()).or_insert(evidence);
        *known = evidence.max(*known);
    }
    news
}

/// What happened to one kernel, a line each.
pub(crate) fn lines(stage: &Stage) -> Vec<String> {
    let mut lines = Vec::new();
    let because = |reason: &Option<String>| {
        reason
            .as_ref()
            .map_or(String::new(), |reason| format!(": {reason}"))
    };
    if stage.build.result != Outcome::Pass {
        lines.push(format!(
            "{:<13} build{}",
            word(stage.build.result),
            because(&stage.build.reason)
        ));
    }
    lines.extend(
        stage
            .build
            .new_warnings
            .iter()
            .map(|warning| format!("new warning: {warning}")),
    );
    lines.extend(ktest::build::not_compared(&stage.build.uncompared_warnings));
    if let Some(boot) = stage
        .boot
        .as_ref()
        .filter(|boot| boot.result != Outcome::Pass)
    {
        lines.push(format!(
            "{:<13} boot{}",
            word(boot.result),
            because(&boot.reason)
        ));
        let splats = boot.splats.iter();
        lines.extend(splats.map(|splat| format!("    {}", splat.first_line)));
    }
    lines.extend(stage.exercise.as_ref().and_then(Exercise::reason));
    for target in &stage.targets {
        let pins = target.pins.as_ref().map_or(String::new(), |pins| {
            format!(
                ", {} pins taken, {} given back",
                pins.acquired, pins.released
            )
        });
        lines.push(format!(
            "{:<13} {}{pins}{}",
            word(target.result),
            target.name,
            because(&target.reason)
        ));
        lines.extend(
            target
                .splats
                .iter()
                .map(|splat| format!("    {}", splat.first_line)),
        );
    }
    lines
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip => "skip",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Crash => "crash",
        Outcome::Timeout => "timeout",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_ran_in_a_target_that_passed_is_news() {
        let target = |result: &str, evidence: &str| {
            json!({ "name": "t", "result": result, "reason": null, "subtests": [], "pins": null, "drift_pages": null,
                "splats": [], "callsites": [{ "id": evidence, "evidence": evidence }] })
        };
        let stage = json!({ "number": 2, "subject": "toy", "build": { "result": "pass", "reason": null, "new_warnings": [],
            "seconds": 0.0, "image_hash": null }, "targets": [target("pass", "booted"), target("pass", "built"),
            target("fail", "executed")] });
        let stage: Stage = serde_json::from_value(stage).unwrap();
        let expected = [("booted".to_owned(), Evidence::Booted)];
        assert_eq!(reached(&stage).calls, expected.into());
        // The second of two patches in a shard that does not have the first.
        let calls: Vec<usize> = by_patch(&[stage]).iter().map(|n| n.calls.len()).collect();
        assert_eq!(calls, [0, 1]);
    }

    #[test]
    fn what_did_not_run_and_a_boot_that_complained_are_shown() {
        let stage = json!({ "number": 1, "subject": "toy", "build": { "result": "pass", "reason": null, "new_warnings": [],
            "seconds": 0.0, "image_hash": null }, "targets": [],
            "boot": { "result": "fail", "reason": "it complains", "splats": [{ "kind": "warning", "first_line": "WARNING: a.c", "console_line": 3 }] },
            "exercise": { "result": "not-exercised", "ran": [], "not_run": [{ "function": "a.c:toy_read" }] } });
        let stage: Stage = serde_json::from_value(stage).unwrap();
        assert_eq!(
            lines(&stage),
            [
                "fail          boot: it complains",
                "    WARNING: a.c",
                "not-exercised: nothing that it changes ran in any target: a.c:toy_read"
            ]
        );
    }
}
