// SPDX-License-Identifier: MIT OR Apache-2.0
//! A report as the parts of a page: what there is to do, group by group, what is wrong, and what could not be read.
//!
//! Source lines come from [`Excerpts`], which are gathered while the tree is at hand and can be kept beside the report.
//! What other rooms know of a group (its patch, whether it ran) comes in as [`Beside`].

mod drawing;
mod excerpts;
mod facets;
mod findings;
mod groups;
mod overview;
mod standing;

pub use excerpts::Excerpts;
pub use facets::of_groups;

use super::words;
use crate::report::{NotCompiled, Report};
use facets::Facets;
use failure::counted;
use groups::Made;
use maud::{Markup, html};
use page::{Ids, List, Mark, Part, Row, Sheet, list, soft};
use std::collections::BTreeMap;

/// What is known of the groups of a report beside it.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// By the id of a group.
    pub groups: BTreeMap<String, Known>,
    /// Whether anything was built or run at all: where it was, a group of which nothing is known says so.
    pub tried: bool,
}

/// What is known of one group.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The subject of the patch that converts it, and the name by which a link finds that.
    pub patch: Option<(String, String)>,
    /// That patch as a mail.
    pub mail: Option<String>,
    /// How far its calls got: executed, booted, built.
    pub evidence: Option<(Mark, String)>,
    /// What to do about it next, where it is blocked.
    pub next: Option<String>,
}

/// What a search finds on a page on a report.
pub const FINDS: &str = "function, file, call or reason";

/// The parts of a page on `report`.
pub fn parts(report: &Report, excerpts: &Excerpts, beside: &Beside, ids: &Ids) -> Vec<Part> {
    let groups = words::groups(report);
    let facets = Facets::of(report, &groups);
    let made = Made {
        excerpts,
        facets: &facets,
        ids,
    };
    let mut parts = vec![
        Part {
            id: ids.part("overview"),
            name: "Overview".into(),
            count: None,
            body: overview::overview(report, &groups),
        },
        Part {
            id: ids.part("groups"),
            name: "Groups".into(),
            count: Some(groups.len()),
            body: groups::groups(&groups, beside, made),
        },
    ];
    let alone = words::ungrouped(report);
    if !alone.is_empty() {
        parts.push(Part {
            id: ids.part("alone"),
            name: "Calls of no group".into(),
            count: Some(alone.len()),
            body: groups::alone(&alone, made),
        });
    }
    parts.push(Part {
        id: ids.part("findings"),
        name: "Findings".into(),
        count: Some(report.findings.len()),
        body: findings::findings(report, made),
    });
    parts.push(Part {
        id: ids.part("unread"),
        name: "Not read".into(),
        count: Some(report.coverage.unread.len()),
        body: unread(report, ids),
    });
    let dead = &report.coverage.not_compiled;
    if !dead.is_empty() {
        parts.push(Part {
            id: ids.part("dead"),
            name: "Not compiled".into(),
            count: Some(dead.len()),
            body: not_compiled(dead, ids),
        });
    }
    parts
}

/// The page of an audit alone.
pub(super) fn page(report: &Report, excerpts: &Excerpts, beside: &Beside) -> String {
    let ids = Ids::plain();
    Sheet {
        title: format!("Page pinning in Linux {}", report.tree.version),
        about: about(report),
        finds: FINDS,
        parts: parts(report, excerpts, beside, &ids),
    }
    .html()
}

/// What was read, in a sentence.
fn about(report: &Report) -> Markup {
    let coverage = &report.coverage;
    html! {
        (counted(report.callsites.len(), "call")) " of page-pinning functions in "
        (counted(report.groups.len(), "group")) " that share their pages; "
        (counted(coverage.files_walked, "file")) " walked, " (coverage.files_with_hits) " with a call. Era of "
        (words::era(report.tree.era)) "."
        @if let Some(revision) = &report.tree.revision { " Revision " (revision) "." }
        @if let Some(asked) = &report.coverage.asked { " Asked for: " (soft(&asked.paths.join(", "))) "." }
    }
}

fn unread(report: &Report, ids: &Ids) -> Markup {
    let rows = report.coverage.unread.iter().map(|item| {
        let place = match item.line {
            0 => item.path.clone(),
            line => format!("{}:{line}", item.path),
        };
        let function = item.function.clone().unwrap_or_default();
        Row {
            id: ids.of("unread", &format!("{place}:{function}")),
            state: (Mark::Unsure, "not read".into()),
            name: place,
            cells: vec![
                ("where", soft(&function)),
                ("why wider said-of", soft(&item.why)),
            ],
            facets: {
                let mut facets = facets::under(&item.path);
                facets.push(("state", overview::UNREAD.into()));
                facets
            },
            size: 1,
            body: html! { p { (soft(&item.why)) } },
            open: false,
        }
    });
    list(&List {
        what: "place not read",
        rows: rows.collect(),
        nothing: "Every function that names a call was read.",
    })
}

/// Calls in arms of `#if` that the kernel of the tree leaves out.
fn not_compiled(calls: &[NotCompiled], ids: &Ids) -> Markup {
    let rows = calls.iter().enumerate().map(|(at, call)| Row {
        id: ids.of("dead", &(at + 1).to_string()),
        state: (Mark::Skipped, "not judged".into()),
        name: call.call.clone(),
        cells: vec![
            ("where", soft(&format!("{}:{}", call.path, call.line))),
            (
                "why wider said-of",
                soft(&format!("compiled only where {}", call.condition)),
            ),
        ],
        facets: facets::under(&call.path),
        size: 1,
        body: html! { p { "The " (words::role(call.role)) " stands in an arm that this release, or a macro that was given, leaves out: " code { (soft(&call.condition)) } } },
        open: false,
    });
    list(&List {
        what: "call not compiled",
        rows: rows.collect(),
        nothing: "",
    })
}
