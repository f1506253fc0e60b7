// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line for each finding; opened, the way that leads there, line by line in the source.

use super::excerpts::Excerpts;
use super::overview::under;
use crate::findings::rules;
use crate::formats::words;
use crate::report::{Evidence, Finding, Report, Severity};
use maud::{Markup, html};
use page::{Ids, List, Mark, Note, Row, excerpt, list, soft};
use std::collections::BTreeSet;

/// Steps nearer than this are shown in one piece of source: two windows would overlap.
const NEAR: u32 = 2 * AROUND;
/// Lines around a step: a way has many, and each needs no more than the statement it stands in and the test that follows.
const AROUND: u32 = 4;

pub(super) fn findings(report: &Report, excerpts: &Excerpts, ids: &Ids) -> Markup {
    let mut all: Vec<&Finding> = report.findings.iter().collect();
    // The sort is stable: within a severity they stay in the order of the tree.
    all.sort_by_key(|finding| finding.severity);
    let names: BTreeSet<&str> = all.iter().map(|finding| finding.name.as_str()).collect();
    html! {
        (list(&List {
            what: "finding",
            rows: all.iter().enumerate().map(|(index, finding)| row(index, finding, excerpts, ids)).collect(),
            nothing: "Nothing was found that is wrong.",
        }))
        @if !names.is_empty() {
            h3 { "What the rules look for" }
            @for name in names { @for rule in rules::named(name) {
                details id=(ids.of("rule", name)) {
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

fn row(index: usize, finding: &Finding, excerpts: &Excerpts, ids: &Ids) -> Row {
    let severity = words::severity(finding.severity);
    let mut facets = under(&finding.path);
    facets.push(("severity", severity.into()));
    facets.push(("rule", finding.name.clone()));
    let place = format!("{}:{}", finding.path, finding.line);
    // A report that another program wrote need not have ids.
    let id = match finding.id.as_str() {
        "" => index.to_string(),
        id => id.to_owned(),
    };
    Row {
        id: ids.of("finding", &id),
        state: (marked(finding.severity), severity.into()),
        name: finding.name.clone(),
        cells: vec![
            ("where", soft(&place)),
            ("why wide", soft(&finding.message)),
        ],
        facets,
        size: finding.evidence.len(),
        body: body(finding, excerpts, ids),
        open: false,
    }
}

fn body(finding: &Finding, excerpts: &Excerpts, ids: &Ids) -> Markup {
    html! {
        p class="said-of" { b { (soft(&format!("{}()", finding.function))) } ": " (soft(&finding.message)) " "
            a href={ "#" (ids.of("rule", &finding.name)) } { "What the rule looks for" } }
        @if finding.evidence.is_empty() {
            (piece(&finding.path, &[Note { line: finding.line, label: "here".into(), class: marked(finding.severity).class() }], excerpts))
        } @else {
            section { h3 { "The way" } (way(finding, excerpts)) }
        }
        @if let Some(fix) = &finding.fix { p { "Suggested instead: " code { (soft(&fix.text)) } } }
    }
}

/// The steps in the order in which they are walked: their texts, then the source with the steps' numbers on it.
fn way(finding: &Finding, excerpts: &Excerpts) -> Markup {
    let mut pieces: Vec<(&str, Vec<Note>)> = Vec::new();
    for (number, Evidence { path, line, text }) in (1..).zip(&finding.evidence) {
        let said =
            aside(text).map_or_else(|| number.to_string(), |said| format!("{number}: {said}"));
        let note = Note {
            line: *line,
            label: said,
            class: marked(finding.severity).class(),
        };
        match pieces.last_mut() {
            Some((of, notes))
                if of == path && notes.iter().any(|note| note.line.abs_diff(*line) <= NEAR) =>
            {
                notes.push(note);
            }
            _ => pieces.push((path, vec![note])),
        }
    }
    html! {
        ol class="walk said-of" { @for Evidence { path, line, text } in &finding.evidence {
            li { span class="place" { (soft(&format!("{path}:{line}"))) } " " code { (soft(text)) } }
        } }
        @for (path, notes) in &pieces { (piece(path, notes, excerpts)) }
    }
}

/// What a step says of its line, which it puts in brackets behind two blanks.
fn aside(text: &str) -> Option<&str> {
    text.rsplit_once("  (")?.1.strip_suffix(')')
}

fn piece(path: &str, notes: &[Note], excerpts: &Excerpts) -> Markup {
    let lines = notes.iter().map(|note| note.line);
    let from = lines
        .clone()
        .min()
        .unwrap_or(1)
        .saturating_sub(AROUND)
        .max(1);
    let to = lines.max().unwrap_or(1) + AROUND;
    match excerpts.between(path, from, to) {
        Some((first, lines)) => excerpt(path, first, lines, notes),
        None => html! {},
    }
}
