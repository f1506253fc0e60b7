// SPDX-License-Identifier: MIT OR Apache-2.0
//! What there is to do, at one look.

use super::facets::{SEVERAL, subsystem};
use super::standing::{Standing, causes};
use crate::formats::words;
use crate::report::{Callsite, Group, Report, Severity};
use maud::{Markup, html};
use page::{Bar, Figure, Mark, bars, figures};
use std::collections::BTreeMap;

/// The state of what could not be read.
pub(super) const UNREAD: &str = "not read";

type Members<'a> = [(&'a Group, Vec<&'a Callsite>)];

pub(super) fn overview(report: &Report, groups: &Members<'_>) -> Markup {
    html! {
        (figures(&headline(report, groups)))
        div class="overview" {
            (bars("Groups by subsystem", &by_subsystem(groups)))
            div {
                (bars("What blocks groups", &by_cause(groups)))
                (bars("Findings by rule", &by_rule(report)))
            }
        }
    }
}

fn count(groups: &Members<'_>, test: impl Fn(&Group, &[&Callsite]) -> bool) -> usize {
    groups
        .iter()
        .filter(|(group, members)| test(group, members))
        .count()
}

fn headline(report: &Report, groups: &Members<'_>) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Standing::ALL
        .iter()
        .map(|state| {
            let (what, sentence) = match state {
                Standing::Convert => (
                    "to convert",
                    "groups of which every call is known: a patch can be written.",
                ),
                Standing::Blocked => (
                    "blocked",
                    "groups with something to convert, and a call that stands in the way.",
                ),
                Standing::Done => ("done", "groups that use the pinning functions."),
                Standing::Keep => ("keep", "groups that have to stay as they are, and say why."),
            };
            Figure {
                count: count(groups, |group, members| {
                    Standing::of(group, members) == *state
                }),
                what: what.into(),
                mark: state.mark(),
                sentence: sentence.into(),
                facet: Some(("state", state.word().into())),
            }
        })
        .collect();
    let severities = [
        (
            Severity::Error,
            Mark::Bad,
            "errors",
            "findings: pages leak, are corrupted, or the kernel warns.",
        ),
        (
            Severity::Warning,
            Mark::Stop,
            "warnings",
            "findings: likely wrong, or wrong under conditions that are not seen here.",
        ),
        (
            Severity::Note,
            Mark::Note,
            "notes",
            "findings worth knowing.",
        ),
    ];
    for (severity, mark, what, sentence) in severities {
        let found = report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity);
        figures.push(Figure {
            count: found.count(),
            what: what.into(),
            mark,
            sentence: sentence.into(),
            facet: Some(("severity", words::severity(severity).into())),
        });
    }
    figures.push(Figure {
        count: report.coverage.unread.len(),
        what: "not read".into(),
        mark: Mark::Unsure,
        sentence: "functions or files that could not be read; each says why.".into(),
        facet: Some(("state", UNREAD.into())),
    });
    figures
}

fn by_subsystem(groups: &Members<'_>) -> Vec<Bar> {
    let mut tops: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for (group, members) in groups {
        let counts = tops.entry(top(subsystem(group))).or_default();
        counts[Standing::of(group, members) as usize] += 1;
    }
    let mut bars: Vec<([usize; 4], Bar)> = tops
        .into_iter()
        .map(|(label, counts)| {
            let parts =
                Standing::ALL.map(|state| (state.mark(), state.word(), counts[state as usize]));
            let bar = Bar {
                facet: ("under", label.clone()),
                label,
                parts: parts.into(),
            };
            (counts, bar)
        })
        .collect();
    // What there is to do comes first; the sort is stable, so that the rest stays in the order of the names.
    bars.sort_by_key(|([convert, blocked, ..], _)| std::cmp::Reverse((*convert, *blocked)));
    bars.into_iter().map(|(_, bar)| bar).collect()
}

/// The subsystem under which a bar gathers groups: drivers and architectures by their second name, the rest by its first.
fn top(subsystem: &str) -> String {
    let mut names = subsystem.split('/');
    match (names.next(), names.next()) {
        (None, _) => SEVERAL.into(),
        (Some(first @ ("arch" | "drivers" | "sound")), Some(second)) => format!("{first}/{second}"),
        (Some(first), _) => first.into(),
    }
}

fn by_cause(groups: &Members<'_>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for (group, members) in groups {
        if Standing::of(group, members) != Standing::Blocked {
            continue;
        }
        for (cause, ..) in causes(members) {
            match bars.iter_mut().find(|bar| bar.label == cause) {
                Some(bar) => bar.parts[0].2 += 1,
                None => bars.push(Bar {
                    label: cause.into(),
                    parts: vec![(Mark::Stop, "blocked", 1)],
                    facet: ("cause", cause.into()),
                }),
            }
        }
    }
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.parts[0].2));
    bars
}

fn by_rule(report: &Report) -> Vec<Bar> {
    let mut rules: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for finding in &report.findings {
        rules.entry(&finding.name).or_default()[finding.severity as usize] += 1;
    }
    let mut bars: Vec<Bar> = rules
        .into_iter()
        .map(|(name, [errors, warnings, notes])| Bar {
            label: name.into(),
            parts: vec![
                (Mark::Bad, "error", errors),
                (Mark::Stop, "warning", warnings),
                (Mark::Note, "note", notes),
            ],
            facet: ("rule", name.into()),
        })
        .collect();
    bars.sort_by_key(|bar| std::cmp::Reverse((bar.parts[0].2, bar.parts[1].2)));
    bars
}
