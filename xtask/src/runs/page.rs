// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTML page of one run or of several: the parts that the rooms make, in the order in which a run goes.

use crate::runs::record::{Ended, Record, Stage};
use crate::runs::shown::Shown;
use callsites::formats::html::{Beside, Excerpts, FINDS, Known};
use callsites::report::{Callsite, Report};
use failure::counted;
use ktest::Verdict;
use ktest::formats::html::Consoles;
use ktest::verdict::Evidence;
use maud::{Markup, html};
use page::{Facet, Ids, Mark, Part, Sheet, mark, soft};
use patches::Series;
use patches::shown::Ran;
use std::collections::{BTreeMap, BTreeSet};

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
        let ids = match runs.len() {
            1 => Ids::plain(),
            _ => Ids::of_run(at + 1),
        };
        parts.extend(parts_of(run, &ids, runs.len() > 1));
    }
    Sheet {
        title,
        about,
        finds: FINDS,
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
    consoles: &Consoles,
) -> String {
    let ids = Ids::plain();
    let beside = beside(Some(audit), Some(series), verdict, &ids);
    let facets = callsites::formats::html::of_groups(audit);
    let mut parts =
        patches::shown::parts(series, &of_patches(series, verdict, &facets, &ids), &ids);
    if let Some(verdict) = verdict {
        let of_kernels = of_kernels(Some(series), Some(audit), consoles.clone(), &facets);
        parts.extend(ktest::formats::html::parts(verdict, &of_kernels, &ids));
    }
    parts.extend(callsites::formats::html::parts(
        audit, excerpts, &beside, &ids,
    ));
    let patches = counted(series.info.patches.len(), "patch");
    Sheet {
        title: series.info.title.clone(),
        about: html! { (patches) " for Linux " (series.info.base.version) ", as they will be read, and what they rest on." },
        finds: FINDS,
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

fn parts_of(run: &Shown, ids: &Ids, one_of_several: bool) -> Vec<Part> {
    let mut parts = vec![Part {
        id: ids.part("run"),
        name: "The run".into(),
        count: None,
        body: section(run, one_of_several),
    }];
    let (audit, series) = (run.audit.as_ref(), run.series.as_ref());
    let facets = audit.map(callsites::formats::html::of_groups);
    let facets = facets.unwrap_or_default();
    if let Some(audit) = audit {
        parts.extend(callsites::formats::html::parts(
            audit,
            &run.excerpts,
            &beside(Some(audit), series, run.verdict.as_ref(), ids),
            ids,
        ));
    }
    if let Some(series) = series {
        let of_patches = of_patches(series, run.verdict.as_ref(), &facets, ids);
        parts.extend(patches::shown::parts(series, &of_patches, ids));
    }
    if let Some(verdict) = &run.verdict {
        let of_kernels = of_kernels(series, audit, run.consoles.clone(), &facets);
        parts.extend(ktest::formats::html::parts(verdict, &of_kernels, ids));
    }
    parts
}

/// What is known of a report that no series was made of: what to do next about its groups.
pub(crate) fn of_audit(audit: &Report) -> Beside {
    beside(Some(audit), None, None, &Ids::plain())
}

/// What the groups of each patch can be filtered by, and what the kernels did with it.
fn of_patches(
    series: &Series,
    verdict: Option<&Verdict>,
    facets: &BTreeMap<String, Vec<Facet>>,
    ids: &Ids,
) -> patches::shown::Beside {
    let numbers = 1..=series.info.patches.len();
    let ran = numbers.map(|number| {
        let compared = verdict.map(|verdict| ktest::formats::html::compared(verdict, number, ids));
        let compared = compared.unwrap_or_default().into_iter();
        compared
            .map(|(what, base, patched)| Ran {
                what,
                base,
                patched,
            })
            .collect()
    });
    patches::shown::Beside {
        facets: facets.clone(),
        ran: ran.collect(),
    }
}

/// What the patch of each kernel can be filtered by, and the names of the calls that were watched on them.
fn of_kernels(
    series: Option<&Series>,
    audit: Option<&Report>,
    consoles: Consoles,
    facets: &BTreeMap<String, Vec<Facet>>,
) -> ktest::formats::html::Beside {
    let patches = series.map_or(&[][..], |series| &series.info.patches);
    let mut of_kernels: BTreeMap<usize, Vec<Facet>> = BTreeMap::new();
    for (at, patch) in patches.iter().enumerate() {
        let known = patch.groups.iter().filter_map(|group| facets.get(group));
        let known: BTreeSet<Facet> = known.flatten().cloned().collect();
        // What the base did is part of what is said of every patch.
        for kernel in [0, at + 1] {
            of_kernels
                .entry(kernel)
                .or_default()
                .extend(known.iter().cloned());
        }
    }
    for facets in of_kernels.values_mut() {
        facets.sort();
        facets.dedup();
    }
    let calls = audit.map_or(&[][..], |audit| &audit.callsites).iter();
    let name = |site: &Callsite| {
        format!(
            "{}:{} {}() {}",
            site.path, site.line, site.function, site.call
        )
    };
    ktest::formats::html::Beside {
        consoles,
        facets: of_kernels,
        calls: calls.map(|site| (site.id.clone(), name(site))).collect(),
    }
}

/// What the series and the verdict know of each group, and what to do next about those that are left.
fn beside(
    audit: Option<&Report>,
    series: Option<&Series>,
    verdict: Option<&Verdict>,
    ids: &Ids,
) -> Beside {
    let mut beside = Beside {
        tried: verdict.is_some(),
        ..Beside::default()
    };
    for (group, next) in audit.map(patches::shown::next_steps).unwrap_or_default() {
        let known: &mut Known = beside.groups.entry(group).or_default();
        known.next = Some(next);
    }
    let Some(series) = series else {
        return beside;
    };
    for (at, patch) in series.info.patches.iter().enumerate() {
        let mail = series.mails.iter().find(|mail| mail.file == patch.file);
        let known = Known {
            patch: Some((patch.subject.clone(), patches::shown::patch_id(at, ids))),
            mail: mail.map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()),
            evidence: verdict.and_then(|verdict| reached(verdict, at + 1)),
            next: None,
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
    let mut calls: BTreeMap<&str, Evidence> = BTreeMap::new();
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

fn section(run: &Shown, one_of_several: bool) -> Markup {
    let record = &run.record;
    html! {
        // The head of a page on one run says what was asked for.
        p { (verdict(record)) @if one_of_several { " " (about(run)) } }
        table class="plain stages" {
            thead { tr { th scope="col" { "stage" } th scope="col" { "result" } th scope="col" { "what came of it" } th scope="col" class="n" { "took" } } }
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
            td class="n" { (format!("{:.1} s", stage.seconds.abs())) }
        }
    }
}
