// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line for each group; opened, its flow, its calls with the source around them, and its patch.

use super::drawing;
use super::excerpts::Excerpts;
use super::facets::{Facets, subsystem};
use super::standing::{Standing, causes, marked};
use super::{Beside, Known};
use crate::formats::words;
use crate::report::{Callsite, Confidence, Evidence, Group, Role, Step, Verdict, When};
use failure::counted;
use maud::{Markup, html};
use page::{Ids, List, Mark, Note, Row, diff, excerpt, list, mark, soft};
use std::collections::BTreeSet;

/// Origins that are listed for one call; the rest are counted, as a page is no place for hundreds.
const ORIGINS: usize = 12;
/// Calls nearer than this are shown in one piece of source: two windows would overlap.
const NEAR: u32 = 2 * AROUND;
/// Lines around a call: enough to see its arguments and the test of what it returned, as in the excerpts of findings.
const AROUND: u32 = 5;

/// What the rows of a page are made of beside the report.
#[derive(Clone, Copy)]
pub(super) struct Made<'r> {
    pub(super) excerpts: &'r Excerpts,
    pub(super) facets: &'r Facets<'r>,
    pub(super) ids: &'r Ids,
}

pub(super) fn groups(
    groups: &[(&Group, Vec<&Callsite>)],
    beside: &Beside,
    made: Made<'_>,
) -> Markup {
    let mut rows: Vec<(Standing, Row)> = groups
        .iter()
        .map(|(group, members)| {
            let standing = Standing::of(group, members);
            let row = row(group, members, standing, beside, made);
            (standing, row)
        })
        .collect();
    rows.sort_by_key(|(standing, _)| *standing);
    list(&List {
        what: "group",
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        nothing: "No call of a page-pinning function was found.",
    })
}

fn row(
    group: &Group,
    members: &[&Callsite],
    standing: Standing,
    beside: &Beside,
    made: Made<'_>,
) -> Row {
    let nothing = Known::default();
    let known = beside.groups.get(&group.id).unwrap_or(&nothing);
    Row {
        id: made.ids.of("group", &group.id),
        state: (standing.mark(), standing.word().into()),
        name: subsystem(group).into(),
        cells: vec![
            ("where", soft(&files(members))),
            ("", tags(members, known, beside)),
            ("why", soft(&in_short(group, members, standing, known))),
        ],
        facets: made.facets.group(group, members),
        size: members.len(),
        body: body(group, members, standing, known, made),
        open: false,
    }
}

/// The files in which a group lies, without the directories that its name says already.
fn files(members: &[&Callsite]) -> String {
    let mut names: Vec<&str> = members
        .iter()
        .map(|site| site.path.rsplit('/').next().unwrap_or(&site.path))
        .collect();
    names.dedup();
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    match more {
        0 => names.join(" "),
        more => format!("{} and {more} more", names.join(" ")),
    }
}

fn tags(members: &[&Callsite], known: &Known, beside: &Beside) -> Markup {
    let cases: BTreeSet<u8> = members.iter().filter_map(|site| site.case).collect();
    let cases: Vec<String> = cases.iter().map(u8::to_string).collect();
    html! {
        (counted(members.len(), "call"))
        @if !cases.is_empty() { ", case " (cases.join(" and ")) }
        @match &known.evidence {
            Some((state, word)) => { " " (mark(*state, word)) }
            None if beside.tried => { " " (mark(Mark::Skipped, "not run")) }
            None => {}
        }
    }
}

/// One short sentence: the patch, what stops it, or why it stays.
fn in_short(group: &Group, members: &[&Callsite], standing: Standing, known: &Known) -> String {
    let of = |verdict| {
        // What the pages are for is said of the acquire; of a release only whose pages they are.
        let mut sites = members.iter().filter(|site| site.verdict == verdict);
        let acquire = sites.clone().find(|site| site.role == Role::Acquire);
        let site = acquire.or_else(|| sites.next());
        site.map_or_else(String::new, |site| site.reason.clone())
    };
    match (standing, &known.patch) {
        (_, Some((subject, _))) => format!("patch: {subject}"),
        (Standing::Convert, None) => of(Verdict::Convert),
        (Standing::Done, None) => "pinned and unpinned".into(),
        (Standing::Keep, None) => of(Verdict::Keep),
        (Standing::Blocked, None) => {
            let causes = causes(members).into_iter();
            let causes: Vec<String> = causes
                .map(|(cause, count, _)| match cause {
                    "mixed origin" => format!("{} of mixed origin", counted(count, "call")),
                    cause => format!("{} {cause}", counted(count, "call")),
                })
                .collect();
            let why = match causes.is_empty() {
                true => group.blocked_by.first().cloned().unwrap_or_default(),
                false => causes.join(", "),
            };
            match &known.next {
                Some(next) => format!("{why}. Next: {next}"),
                None => why,
            }
        }
    }
}

fn body(
    group: &Group,
    members: &[&Callsite],
    standing: Standing,
    known: &Known,
    made: Made<'_>,
) -> Markup {
    let ids = made.ids;
    // As the pages go: taken, dirtied, given back.
    let mut in_order = members.to_vec();
    in_order.sort_by_key(|site| match site.role {
        Role::Acquire => 0,
        Role::Dirty => 1,
        Role::Release => 2,
    });
    html! {
        p class="dim" { "Group " code { (group.id) } ": " (counted(group.acquires.len(), "acquire")) ", "
            (group.dirties.len()) " dirtying, " (counted(group.releases.len(), "release")) "." }
        @if standing == Standing::Blocked {
            section {
                h3 { "What stands in the way" }
                ul class="said-of" { @for why in &group.blocked_by { li { (soft(why)) } } }
                h3 { "What to do next" }
                @match &known.next {
                    Some(next) => p class="said-of" { (soft(next)) },
                    None => ul { @for (_, _, next) in causes(members) { li { (next) } } },
                }
            }
        }
        @if let Some(flow) = drawing::flow(group, members, ids) { section { h3 { "The way of the pages" } (flow) } }
        section {
            h3 { "The calls" }
            ol class="calls" { @for site in in_order { (call(site, group.plan.iter().find(|step| step.id == site.id), ids)) } }
        }
        (source(members, made.excerpts))
        @if let Some((subject, link)) = &known.patch {
            section {
                h3 { "The patch: " a href={ "#" (link) } { (soft(subject)) } }
                @if let Some(mail) = &known.mail { (diff(mail)) }
            }
        }
    }
}

fn call(site: &Callsite, step: Option<&Step>, ids: &Ids) -> Markup {
    // An acquire says where its pages go, and among that where they are released; the others say where theirs come from.
    let (released, others): (Vec<&str>, Vec<&str>) = site
        .origins
        .iter()
        .map(String::as_str)
        .partition(|origin| origin.starts_with("released in "));
    let heading = match site.role {
        Role::Acquire => "held in or passed to ",
        Role::Release | Role::Dirty => "the pages come from ",
    };
    html! {
        li id=(ids.of("call", &site.id)) class="said-of" {
            p class="tags" {
                (mark(marked(site.verdict), words::verdict(site.verdict)))
                code { (soft(&words::change(site))) }
                span class="place" { (soft(&format!("{}:{}", site.path, site.line))) }
                span { "in " code { (soft(&format!("{}()", site.function))) } }
                @if let Some(case) = site.case { span { "case " (case) } }
                @if site.confidence != Confidence::High { span { "confidence " (format!("{:?}", site.confidence).to_lowercase()) } }
                @if !site.guards.is_empty() { span { "built only with " code { (soft(&site.guards.join(" and "))) } } }
            }
            p { (soft(&site.reason)) }
            @if let Some(step) = step { (planned(step)) }
            (named(heading, &others))
            (named("", &released))
            (walk(&site.evidence))
        }
    }
}

/// Under which condition a call becomes another, and what sees to that.
fn planned(step: &Step) -> Markup {
    let set_up = step.because.iter();
    let set_up: Vec<String> = set_up
        .map(|by| format!("{}() in {}()", by.call, by.function))
        .collect();
    html! {
        @if step.when == When::WillPin {
            p { "Pins only where " code { "iov_iter_extract_will_pin()" } " says so of the iterator before it moves." }
        }
        @if !set_up.is_empty() { p { "The iterator is always user-backed: " (soft(&set_up.join(", "))) "." } }
    }
}

/// A sentence that lists names, not all where there are many.
fn named(heading: &str, names: &[&str]) -> Markup {
    let more = names.len().saturating_sub(ORIGINS);
    html! {
        @if !names.is_empty() {
            p class="dim" { (heading) (soft(&names[..names.len() - more].join("; "))) @if more > 0 { "; and " (more) " more" } }
        }
    }
}

/// The lines of source that show it.
fn walk(steps: &[Evidence]) -> Markup {
    html! {
        @if !steps.is_empty() {
            ol class="walk" {
                @for Evidence { path, line, text } in steps {
                    li { span class="place" { (soft(&format!("{path}:{line}"))) } " " code { (soft(text)) } }
                }
            }
        }
    }
}

/// The source around the calls, in one piece where they are near each other.
fn source(members: &[&Callsite], excerpts: &Excerpts) -> Markup {
    let mut pieces: Vec<Vec<&Callsite>> = Vec::new();
    for site in members {
        match pieces.last_mut() {
            Some(piece)
                if piece.last().is_some_and(|last| {
                    last.path == site.path && site.line.saturating_sub(last.line) <= NEAR
                }) =>
            {
                piece.push(site);
            }
            _ => pieces.push(vec![site]),
        }
    }
    let drawn: Vec<Markup> = pieces
        .iter()
        .filter_map(|piece| {
            let (first, last) = (piece.first()?, piece.last()?);
            let from = first.line.saturating_sub(AROUND).max(1);
            let (number, lines) = excerpts.between(&first.path, from, last.line + AROUND)?;
            let notes: Vec<Note> = piece
                .iter()
                .map(|site| Note {
                    line: site.line,
                    label: words::verdict(site.verdict).into(),
                    class: marked(site.verdict).class(),
                })
                .collect();
            let title = format!("{} in {}()", first.path, first.function);
            Some(excerpt(&title, &[(number, lines)], &notes))
        })
        .collect();
    html! { @if !drawn.is_empty() { section { h3 { "The source" } @for piece in drawn { (piece) } } } }
}

/// Calls that share their pages with no other call.
pub(super) fn alone(sites: &[&Callsite], made: Made<'_>) -> Markup {
    let rows = sites.iter().map(|site| {
        Row {
            id: made.ids.of("alone", &site.id),
            state: (marked(site.verdict), words::verdict(site.verdict).into()),
            name: format!("{}()", site.function),
            cells: vec![
                ("where", soft(&format!("{}:{}", site.path, site.line))),
                ("", html! { code { (soft(&words::change(site))) } }),
                ("why", soft(&site.reason)),
            ],
            facets: made.facets.alone(site),
            size: 1,
            body: html! { ol class="calls" { (call(site, None, made.ids)) } (source(&[*site], made.excerpts)) },
            open: false,
        }
    });
    list(&List {
        what: "call",
        rows: rows.collect(),
        nothing: "",
    })
}
