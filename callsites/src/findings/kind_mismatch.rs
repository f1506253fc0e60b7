// SPDX-License-Identifier: MIT OR Apache-2.0
//! R1 and R2, kind-mismatch: a pin is dropped with put_page(), or a plain reference with unpin_user_page().
//!
//! Matches a release whose pages all come from acquiring calls of the other kind, or an unpin of pages of the page
//! allocator: R1 in the same file, R2 in another, as when a scatterlist or a structure carries the pages over. Wrong
//! because a pin of a small page counts 1024: one put_page() leaves 1023 behind and the page leaks, one unpin of a plain
//! reference drives the count negative. Would have caught net/rds/ib_rdma.c, which released with put_page() what
//! net/rds/rdma.c had pinned since 0d4597c8c5ab, and io_uring's folio_put_refs() on pins (57bebf807e2a). Silent before
//! 5.6, when nothing counts a pin apart.

use super::paths::What;
use super::view::View;
use super::visit;
use crate::report::{Callsite, Era, Evidence, Finding, Fix, Role, Severity, Verdict};
use refimpl::api::{self, Count, followed};
use std::collections::BTreeSet;

/// Whether the tree counts pins apart from references. Before 5.6 put_user_page() is put_page() by another name, and
/// drops what get_user_pages() takes, as it should.
pub(super) fn counts_apart(view: &View<'_>) -> bool {
    view.input.era == Era::Pin
}

/// What the ways through functions show.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    if !counts_apart(view) {
        return;
    }
    for walked in view.walked(&[What::PutOfPin, What::UnpinOfGet]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let how = if fact.what == What::PutOfPin {
                "is dropped as a plain reference"
            } else {
                "is dropped as a pin"
            };
            let message = format!("what {}() took at line {line} {how}", fact.name);
            let evidence = view.way(walked.file, fact, "the other kind");
            let rule = ("R1", "kind-mismatch", Severity::Error);
            let finding = view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            );
            findings.push(finding);
        }
    }
}

/// What the flow across functions shows, where the ways through one did not.
pub(crate) fn across(view: &View<'_>, findings: &mut Vec<Finding>) {
    if !counts_apart(view) {
        return;
    }
    let known = findings
        .iter()
        .filter(|finding| finding.name == "kind-mismatch");
    let seen: BTreeSet<(String, u32)> = known
        .map(|finding| (finding.path.clone(), finding.line))
        .collect();
    for site in &view
        .input
        .callsites
        .iter()
        .filter(|s| s.role == Role::Release)
        .collect::<Vec<_>>()
    {
        if !seen.contains(&(site.path.clone(), site.line)) {
            findings.extend(of_site(view, site));
        }
    }
}

fn of_site(view: &View<'_>, site: &Callsite) -> Option<Finding> {
    let released = followed().get(&site.call)?.count;
    // What an iterator pins or leaves alone is no plain reference, whichever it was.
    let of_iterator = |text: &String| {
        let callee = text.split(' ').next().and_then(|name| followed().get(name));
        callee.is_some_and(|callee| callee.kind == "iter" && callee.count == Count::Pin)
    };
    let mixed = site.verdict == Verdict::Mixed && !site.origins.iter().all(of_iterator);
    if site.verdict == Verdict::Unknown || mixed || site.origins.is_empty() {
        return None;
    }
    let origins: Vec<Origin<'_>> = site
        .origins
        .iter()
        .map(|text| match released {
            Count::Unpin => Origin::of_kind(text).or_else(|| Origin::allocated(text)),
            _ => Origin::of_kind(text),
        })
        .collect::<Option<_>>()?;
    let other = match released {
        Count::Put => Count::Pin,
        Count::Unpin => Count::Get,
        _ => return None,
    };
    if !origins.iter().all(|origin| origin.count == other) {
        return None;
    }
    // Where the file takes references of its own, one of them may be what is dropped.
    if other == Count::Pin && takes_references(view, &site.path) {
        return None;
    }
    let first = origins.first()?;
    let across = origins.iter().all(|origin| origin.path != site.path);
    let kind = if other == Count::Pin {
        "pinned"
    } else {
        "taken with a plain reference"
    };
    let message = format!(
        "{}() releases pages that {}() has {kind} at {}:{}",
        site.call, first.callee, first.path, first.line
    );
    let line_of = |origin: &Origin<'_>| {
        let taken = view
            .input
            .callsites
            .iter()
            .find(|s| s.path == origin.path && s.line == origin.line)?;
        let file = view.file(origin.path)?;
        Some(view.evidence(file, taken.span, "taken here"))
    };
    let mut evidence: Vec<Evidence> = origins.iter().filter_map(line_of).collect();
    evidence.extend(site.evidence.iter().cloned());
    if let Some(file) = view.file(&site.path) {
        evidence.push(view.evidence(file, site.span, "released here"));
    }
    evidence.dedup();
    Some(Finding {
        id: String::new(),
        rule: if across { "R2" } else { "R1" }.to_owned(),
        name: if across {
            "kind-mismatch-across-files"
        } else {
            "kind-mismatch"
        }
        .to_owned(),
        severity: Severity::Error,
        path: site.path.clone(),
        line: site.line,
        column: site.column,
        function: site.function.clone(),
        message,
        evidence,
        fix: other_kind(site),
    })
}

/// The release of the other kind that takes the same arguments.
fn other_kind(site: &Callsite) -> Option<Fix> {
    let function = followed().get(&site.call)?;
    let text = match function.count {
        Count::Put => function.replacement(api::Era::Pin)?,
        _ => {
            // What stands in place of a plain reference's release is told by that.
            let name = function.replacement(api::Era::Pin).unwrap_or(&site.call);
            let of = |other: &&api::Function| {
                other.count == Count::Put
                    && other.until.is_none()
                    && other.replacement(api::Era::Pin) == Some(name)
            };
            followed()
                .with_role(api::Role::Release)
                .find(of)?
                .name
                .as_str()
        }
    };
    Some(Fix {
        path: site.path.clone(),
        span: site.edit.as_ref()?.callee,
        text: text.to_owned(),
    })
}

fn takes_references(view: &View<'_>, path: &str) -> bool {
    let mut takes = false;
    let file = view.file(path).map(|file| &view.files[file]);
    for function in file.iter().flat_map(|file| &file.functions) {
        visit::all_calls(&function.body, &mut |name, _, _| {
            takes |= followed().is(name, api::Role::Reference)
        });
    }
    takes
}

/// "pin_user_pages_fast net/rds/rdma.c:164"
pub(super) struct Origin<'t> {
    pub callee: &'t str,
    pub path: &'t str,
    pub line: u32,
    pub count: Count,
}

impl<'t> Origin<'t> {
    /// None when the text does not name an acquiring call that always counts the same way.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let origin = Self::of_kind(text)?;
        // What an iterator's pages are depends on the iterator.
        let function = followed().get(origin.callee)?;
        (function.kind != "iter").then_some(origin)
    }

    /// A call of the page allocator: what it gives comes with a plain reference.
    fn allocated(text: &'t str) -> Option<Self> {
        Some(Self {
            count: Count::Get,
            ..Self::with_role(text, api::Role::Allocate)?
        })
    }

    /// The same, with calls that pin or do nothing, as the iterator is: what they give is no plain reference.
    pub(super) fn of_kind(text: &'t str) -> Option<Self> {
        Self::with_role(text, api::Role::Acquire)
    }

    fn with_role(text: &'t str, role: api::Role) -> Option<Self> {
        let (callee, place) = text.split_once(' ')?;
        let (path, line) = place.split_whitespace().next()?.rsplit_once(':')?;
        let function = followed().get(callee)?;
        let known = function.role == role;
        known.then_some(Self {
            callee,
            path,
            line: line.parse().ok()?,
            count: function.count,
        })
    }
}
