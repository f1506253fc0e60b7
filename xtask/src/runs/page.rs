// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTML page of one run or of several: the parts that the rooms make, in the order in which a run goes.

use crate::runs::record::{Ended, Record, Stage};
use crate::runs::shown::Shown;
use callsites::formats::html::{Beside, Excerpts, Known};
use callsites::report::Report;
use ktest::Verdict;
use ktest::verdict::Evidence;
use maud::{Markup, html};
use page::{Ids, Mark, Part, Sheet, mark, soft};
use patches::Series;

/// The page.
pub(crate) fn page(runs: &[Shown]) -> String {
    let (title, about) = match runs {
        [one] => (format!("Linux {}", one.record.inputs.tree), about(one)),
        many => (
            format!("{} runs", many.len()),
            html! { "The parts of each stand one after the other." },
        ),
    };
    let mut parts = Vec::new();
    if runs.len() > 1 {
        parts.push(Part {
            id: "runs".into(),
            name: "Runs".into(),
            count: Some(runs.len()),
            body: overview(runs),
        });
    }
    for (at, run) in runs.iter().enumerate() {
        let (ids, prefix) = match runs.len() {
            1 => (Ids::plain(), String::new()),
            _ => (Ids::of_run(at + 1), format!("Run {}: ", at + 1)),
        };
        let of_run = parts_of(run, &ids).into_iter();
        parts.extend(of_run.map(|part| Part {
            name: format!("{prefix}{}", part.name),
            ..part
        }));
    }
    Sheet {
        title,
        about,
        parts,
    }
    .html()
}

/// The name of the page of a series, beside its mails.
pub(crate) const OF_SERIES: &str = "series.html";

/// The page of a series by itself: the series, what the audit says of the tree that it is for, and what came of running it.
pub(crate) fn of_series(
    series: &Series,
    audit: &Report,
    excerpts: &Excerpts,
    verdict: Option<&Verdict>,
) -> String {
    let ids = Ids::plain();
    let beside = beside(Some(series), verdict, &ids);
    let mut parts = patches::shown::parts(series, &ids);
    if let Some(verdict) = verdict {
        let consoles = ktest::formats::html::Consoles::new();
        parts.extend(ktest::formats::html::parts(verdict, &consoles, &ids));
    }
    parts.extend(callsites::formats::html::parts(
        audit, excerpts, &beside, &ids,
    ));
    let patches = match series.info.patches.len() {
        1 => "1 patch".to_owned(),
        count => format!("{count} patches"),
    };
    Sheet {
        title: series.info.title.clone(),
        about: html! { (patches) " for Linux " (series.info.base.version) ", as they will be read, and what they rest on." },
        parts,
    }
    .html()
}

fn about(run: &Shown) -> Markup {
    let inputs = &run.record.inputs;
    let words = [("paths", &inputs.paths), ("targets", &inputs.targets)];
    html! {
        "Run " (run.id) ", asked for: "
        @if inputs.paths.is_empty() && inputs.targets.is_empty() { "everything" }
        @for (at, (what, values)) in words.iter().filter(|(_, values)| !values.is_empty()).enumerate() {
            @if at > 0 { "; " } (what) ": " (soft(&values.join(", ")))
        }
        @for (name, value) in &inputs.kbuild { ", " (name) "=" (value) }
        @if let Some(module) = &inputs.module { ", the module in " (soft(&module.place)) }
        @if let Some(revision) = &inputs.revision { ", revision " (revision) }
        "."
    }
}

fn overview(runs: &[Shown]) -> Markup {
    html! {
        table class="plain" {
            thead { tr { th scope="col" { "run" } th scope="col" { "tree" } th scope="col" { "verdict" } th scope="col" { "stages" } } }
            tbody { @for (at, run) in runs.iter().enumerate() {
                @let (passed, failed, skipped) = run.record.counts();
                tr {
                    td { a href={ "#" (Ids::of_run(at + 1).part("run")) } { (at + 1) ". " (soft(&run.id)) } }
                    td { "Linux " (run.record.inputs.tree) }
                    td { (verdict(&run.record)) }
                    td { (passed) " passed, " (failed) " failed, " (skipped) " skipped" }
                }
            } }
        }
    }
}

fn verdict(record: &Record) -> Markup {
    let state = match record.verdict() {
        "pass" => Mark::Good,
        "fail" => Mark::Bad,
        _ => Mark::Unsure,
    };
    mark(state, record.verdict())
}

fn parts_of(run: &Shown, ids: &Ids) -> Vec<Part> {
    let mut parts = vec![Part {
        id: ids.part("run"),
        name: "The run".into(),
        count: None,
        body: section(run),
    }];
    let beside = beside(run.series.as_ref(), run.verdict.as_ref(), ids);
    if let Some(audit) = &run.audit {
        parts.extend(callsites::formats::html::parts(
            audit,
            &run.excerpts,
            &beside,
            ids,
        ));
    }
    if let Some(series) = &run.series {
        parts.extend(patches::shown::parts(series, ids));
    }
    if let Some(verdict) = &run.verdict {
        parts.extend(ktest::formats::html::parts(verdict, &run.consoles, ids));
    }
    parts
}

/// What the series and the verdict know of each group.
fn beside(series: Option<&Series>, verdict: Option<&Verdict>, ids: &Ids) -> Beside {
    let mut beside = Beside {
        tried: verdict.is_some(),
        ..Beside::default()
    };
    let Some(series) = series else {
        return beside;
    };
    for (at, patch) in series.info.patches.iter().enumerate() {
        let mail = series.mails.iter().find(|mail| mail.file == patch.file);
        let known = Known {
            patch: Some((patch.subject.clone(), patches::shown::patch_id(at, ids))),
            mail: mail.map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()),
            evidence: verdict.and_then(|verdict| reached(verdict, at + 1)),
        };
        for group in &patch.groups {
            beside.groups.insert(group.clone(), known.clone());
        }
    }
    beside
}

/// How far the calls of a patch got: the least of them counts, as what was not run has not been tested.
fn reached(verdict: &Verdict, number: usize) -> Option<(Mark, String)> {
    let stage = verdict
        .patches
        .iter()
        .find(|stage| stage.number == number)?;
    let mut calls: std::collections::BTreeMap<&str, Evidence> = std::collections::BTreeMap::new();
    for call in stage.targets.iter().flat_map(|target| &target.callsites) {
        let known = calls.entry(&call.id).or_insert(call.evidence);
        *known = call.evidence.max(*known);
    }
    let ran = calls
        .values()
        .filter(|evidence| **evidence == Evidence::Executed)
        .count();
    let least = calls.values().copied().min();
    Some(match least {
        Some(Evidence::Executed) => (Mark::Good, "executed".into()),
        _ if ran > 0 => (Mark::Unsure, format!("{ran} of {} executed", calls.len())),
        Some(Evidence::Booted) => (Mark::Note, "booted".into()),
        Some(Evidence::Built) => (Mark::Note, "built".into()),
        None if stage.build.result == ktest::verdict::Outcome::Pass => (Mark::Note, "built".into()),
        Some(Evidence::None) | None => (Mark::Skipped, "not run".into()),
    })
}

fn section(run: &Shown) -> Markup {
    let record = &run.record;
    html! {
        p { (verdict(record)) " " (about(run)) }
        table class="plain stages" {
            thead { tr { th scope="col" { "stage" } th scope="col" { "result" } th scope="col" { "what came of it" } th scope="col" class="n" { "seconds" } } }
            tbody { @for stage in &record.stages { (stage_row(stage)) } }
        }
        @if !record.tools.is_empty() {
            details {
                summary { "With which tools" }
                table class="plain" { @for (name, version) in &record.tools { tr { th scope="row" { (name) } td { (soft(version)) } } } }
            }
        }
        @for (name, text) in &run.mails {
            details { summary { code { (name) } } pre { (text) } }
        }
    }
}

fn stage_row(stage: &Stage) -> Markup {
    let state = match stage.result {
        Ended::Passed => Mark::Good,
        Ended::Failed => Mark::Bad,
        Ended::Skipped => Mark::Skipped,
    };
    html! {
        tr {
            th scope="row" { (stage.name) }
            td { (mark(state, stage.result.word())) }
            td {
                (soft(&stage.summary))
                @if !stage.details.is_empty() {
                    details open[stage.result == Ended::Failed] { summary { "details" } ul { @for line in &stage.details { li { (soft(line)) } } } }
                }
                @if let Some(hint) = &stage.hint { div { "hint: " code { (soft(hint)) } } }
            }
            // The sum of no seconds at all is -0.0.
            td class="n" { (format!("{:.1}", stage.seconds.abs())) }
        }
    }
}
