// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line for each finding; opened, the way that leads there, line by line in the source.

use super::excerpts::Excerpts;
use super::groups::Made;
use crate::findings::rules;
use crate::formats::words;
use crate::report::{Evidence, Finding, Report, Severity};
use maud::{Markup, html};
use page::{Ids, List, Mark, Note, Row, Window, excerpt, list, soft};
use std::collections::BTreeSet;

/// Steps nearer than this are shown in one piece of source: two windows would overlap.
const NEAR: u32 = 2 * AROUND;
/// Lines around a step: a way has many, and each needs no more than the statement it stands in and the test that follows.
const AROUND: u32 = 4;

pub(super) fn findings(report: &Report, made: Made<'_>) -> Markup {
    let mut all: Vec<&Finding> = report.findings.iter().collect();
    // The sort is stable: within a severity they stay in the order of the tree.
    all.sort_by_key(|finding| finding.severity);
    let names: BTreeSet<&str> = all.iter().map(|finding| finding.name.as_str()).collect();
    html! {
        (list(&List {
            what: "finding",
            rows: all.iter().enumerate().map(|(index, finding)| row(index, finding, made)).collect(),
            nothing: "Nothing was found that is wrong.",
        }))
        @if !names.is_empty() {
            h3 { "What the rules look for" }
            @for name in names { @for rule in rules::named(name) {
                details id=(made.ids.of("rule", name)) {
                    summary { b { (name) } " " (rule.id) }
                    pre class="message" { (rule.documentation()) }
                }
            } }
        }
    }
}

fn marked(severity: Severity) -> Mark {
    match severity {
        Severity::Error => Mark::Bad,
        Severity::Warning => Mark::Stop,
        Severity::Note => Mark::Note,
    }
}

fn row(index: usize, finding: &Finding, made: Made<'_>) -> Row {
    let severity = words::severity(finding.severity);
    let place = format!("{}:{}", finding.path, finding.line);
    // A report that another program wrote need not have ids.
    let id = match finding.id.as_str() {
        "" => index.to_string(),
        id => id.to_owned(),
    };
    Row {
        id: made.ids.of("finding", &id),
        state: (marked(finding.severity), severity.into()),
        name: finding.name.clone(),
        cells: vec![
            ("where", soft(&place)),
            ("why wide", soft(&finding.message)),
        ],
        facets: made.facets.finding(finding),
        size: finding.evidence.len(),
        body: body(finding, made.excerpts, made.ids),
        open: false,
    }
}

fn body(finding: &Finding, excerpts: &Excerpts, ids: &Ids) -> Markup {
    html! {
        p class="said-of" { b { (soft(&format!("{}()", finding.function))) } ": " (soft(&finding.message)) " "
            a href={ "#" (ids.of("rule", &finding.name)) } { "What the rule looks for" } }
        @if finding.evidence.is_empty() {
            (figure(&finding.path, &[vec![Note { line: finding.line, label: "here".into(), class: marked(finding.severity).class() }]], excerpts))
        } @else {
            section { h3 { "The way" } (way(finding, excerpts)) }
        }
        @if let Some(fix) = &finding.fix { p { "Suggested instead: " code { (soft(&fix.text)) } } }
    }
}

/// The steps in the order in which they are walked: their texts, then the source with the steps' numbers on it, a figure
/// for each file that the way comes through.
fn way(finding: &Finding, excerpts: &Excerpts) -> Markup {
    let mut files: Vec<(&str, Vec<Vec<Note>>)> = Vec::new();
    for (number, Evidence { path, line, text }) in (1..).zip(&finding.evidence) {
        let said =
            aside(text).map_or_else(|| number.to_string(), |said| format!("{number}: {said}"));
        let note = Note {
            line: *line,
            label: said,
            class: marked(finding.severity).class(),
        };
        match files.last_mut() {
            Some((of, pieces)) if of == path => {
                let near = |notes: &&mut Vec<Note>| {
                    notes.iter().any(|note| note.line.abs_diff(*line) <= NEAR)
                };
                match pieces.iter_mut().find(near) {
                    Some(notes) => notes.push(note),
                    None => pieces.push(vec![note]),
                }
            }
            _ => files.push((path, vec![vec![note]])),
        }
    }
    html! {
        ol class="walk said-of" { @for Evidence { path, line, text } in &finding.evidence {
            li { span class="place" { (soft(&format!("{path}:{line}"))) } " " code { (soft(text)) } }
        } }
        @for (path, pieces) in &files { (figure(path, pieces, excerpts)) }
    }
}

/// What a step says of its line, which it puts in brackets behind two blanks.
fn aside(text: &str) -> Option<&str> {
    text.rsplit_once("  (")?.1.strip_suffix(')')
}

/// The source around each piece of a way, in the order of the lines: what is walked back has a smaller number than the
/// step before.
fn figure(path: &str, pieces: &[Vec<Note>], excerpts: &Excerpts) -> Markup {
    let mut ranges: Vec<(u32, u32)> = pieces
        .iter()
        .filter_map(|notes| {
            let lines = notes.iter().map(|note| note.line);
            let (first, last) = (lines.clone().min()?, lines.max()?);
            Some((
                first.saturating_sub(AROUND).max(1),
                last.saturating_add(AROUND),
            ))
        })
        .collect();
    ranges.sort_unstable();
    let mut apart: Vec<(u32, u32)> = Vec::new();
    for (from, to) in ranges {
        match apart.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => apart.push((from, to)),
        }
    }
    let windows: Vec<Window<'_>> = apart
        .into_iter()
        .filter_map(|(from, to)| excerpts.between(path, from, to))
        .collect();
    let notes: Vec<Note> = pieces.iter().flatten().cloned().collect();
    html! { @if !windows.is_empty() { (excerpt(path, &windows, &notes)) } }
}
