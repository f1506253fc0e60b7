// SPDX-License-Identifier: MIT OR Apache-2.0
//! R2, half-converted-group: one release serves pages that were pinned and pages that were not.
//!
//! Matches a release whose pages come from a pinning call and from a call that takes plain references. Wrong because
//! whichever function releases them, it is the wrong one for some. Would have caught net/rds between 2020 and 2022,
//! when a part of its callers had been converted.
//!
//! Not matched is a pair that chooses: where one `if` pins in one arm and takes a plain reference in the other, and what
//! it took is released in both ways, the caller knows which of them it asked for.

use super::kind_mismatch::{Origin, counts_apart};
use super::paths::Locals;
use super::view::View;
use super::visit;
use crate::flow::places::parent;
use crate::index::ir::{Expr, Stmt};
use crate::report::{Callsite, Finding, Role, Severity, Verdict};
use camino::Utf8Path;
use refimpl::api::{self, Count, followed};
use std::collections::HashMap;

/// Reports each such release.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    if !counts_apart(view) {
        return;
    }
    let mut acquires = Acquires::new();
    for taken in view.input.callsites {
        if taken.role == Role::Acquire {
            acquires.entry((&taken.path, taken.line)).or_insert(taken);
        }
    }
    for site in view
        .input
        .callsites
        .iter()
        .filter(|s| s.role == Role::Release && s.verdict != Verdict::Unknown)
    {
        // All pages must be user pages of the release's own directory: what passes through the kernel's common carriers
        // has origins everywhere.
        let origins: Option<Vec<Origin<'_>>> = site
            .origins
            .iter()
            .map(|text| Origin::parse(text))
            .collect();
        let Some(mut origins) = origins else {
            continue;
        };
        let both = |origins: &[Origin<'_>]| {
            let of = |count| origins.iter().position(|origin| origin.count == count);
            of(Count::Pin).zip(of(Count::Get))
        };
        if both(&origins).is_none() {
            continue;
        }
        origins.retain(|origin| reaches(view, &acquires, origin, site));
        let Some((pin, get)) = both(&origins) else {
            continue;
        };
        let (pin, get) = (&origins[pin], &origins[get]);
        if origins
            .iter()
            .any(|origin| parent(Utf8Path::new(origin.path)) != parent(Utf8Path::new(&site.path)))
            || tells_apart(view, site)
            || chosen(view, site, &origins)
        {
            continue;
        }
        findings.push(Finding {
            id: String::new(),
            rule: "R2".to_owned(),
            name: "half-converted-group".to_owned(),
            severity: Severity::Warning,
            path: site.path.clone(),
            line: site.line,
            column: site.column,
            function: site.function.clone(),
            message: format!(
                "{}() releases what {}() pins at {}:{} and what {}() takes as a plain reference at {}:{}",
                site.call, pin.callee, pin.path, pin.line, get.callee, get.path, get.line
            ),
            evidence: site.evidence.clone(),
            fix: None,
        });
    }
}

/// The first acquire of each line.
type Acquires<'v> = HashMap<(&'v str, u32), &'v Callsite>;

/// Whether pages of an origin may come to a release: what a function keeps in a record on its stack comes only to what it
/// calls, and what it releases out of one comes only from there.
fn reaches(view: &View<'_>, acquires: &Acquires<'_>, origin: &Origin<'_>, site: &Callsite) -> bool {
    let taken = acquires.get(&(origin.path, origin.line));
    let Some(taken) = taken.filter(|taken| taken.path == site.path) else {
        return true;
    };
    if taken.function == site.function {
        return true;
    }
    let Some(file) = view.file(&site.path) else {
        return true;
    };
    let from_stack = |site: &Callsite| on_stack(view, file, site);
    (!from_stack(taken) || calls_down(view, file, &taken.function, &site.function))
        && (!from_stack(site) || calls_down(view, file, &site.function, &taken.function))
}

/// Whether a call is given pages of a record on the stack of its function.
fn on_stack(view: &View<'_>, file: usize, site: &Callsite) -> bool {
    let mut found = false;
    for function in view.around(file, site.span) {
        let locals = Locals::of(function);
        visit::all_calls(&function.body, &mut |name, args, at| {
            if at.start != site.span.start {
                return;
            }
            let known = followed().get(name);
            let page = known.and_then(|f| {
                let form = f.signature(args.len())?;
                args.get(form.pages.or(form.page)?)
            });
            found |= page.is_some_and(|page| is_in_record(&locals, page));
        });
    }
    found
}

fn is_in_record(locals: &Locals<'_>, expr: &Expr) -> bool {
    match visit::bare(expr) {
        Expr::AddressOf(inner, _) => is_in_record(locals, inner),
        Expr::Index { base, .. } => is_in_record(locals, base),
        Expr::Field {
            base, arrow: false, ..
        } => match visit::bare(base) {
            Expr::Name(name, _) => locals.get(name).is_some_and(|ty| ty.pointers == 0),
            base => is_in_record(locals, base),
        },
        _ => false,
    }
}

/// How deep calls are followed: as deep as the rules follow them.
const DEPTH: usize = 3;

/// Whether a function of a file calls another, itself or through others of the file.
fn calls_down(view: &View<'_>, file: usize, from: &str, to: &str) -> bool {
    let functions = &view.files[file].functions;
    let mut level = vec![from];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for name in level {
            for function in functions.iter().filter(|f| f.name == name) {
                visit::all_calls(&function.body, &mut |callee, _, _| next.push(callee));
            }
        }
        if next.contains(&to) {
            return true;
        }
        next.sort_unstable();
        next.dedup();
        level = next;
    }
    false
}

/// Whether the function has a release of the other kind too, and so chooses.
fn tells_apart(view: &View<'_>, site: &Callsite) -> bool {
    let count = |call: &str| followed().get(call).map(|function| function.count);
    let own = count(&site.call);
    view.input.callsites.iter().any(|other| {
        other.role == Role::Release
            && other.path == site.path
            && other.function == site.function
            && count(&other.call) != own
    })
}

/// Whether the pages were taken by a function that chooses between a pin and a plain reference, and are released
/// elsewhere by the other kind of call: the choice is then handed on, and the flow does not see to whom.
fn chosen(view: &View<'_>, site: &Callsite, origins: &[Origin<'_>]) -> bool {
    let own = followed().get(&site.call).map(|function| function.count);
    let both_ways = view.input.callsites.iter().any(|other| {
        let count = followed().get(&other.call).map(|function| function.count);
        other.role == Role::Release
            && matches!(count, Some(Count::Put | Count::Unpin))
            && count != own
            && other.origins.iter().any(|text| site.origins.contains(text))
    });
    both_ways
        && view.functions().any(|(file, function)| {
            let span = function.span;
            let taken_here = origins.iter().any(|origin| {
                let file = &view.files[file];
                file.path.as_str() == origin.path
                    && view.input.callsites.iter().any(|taken| {
                        taken.path == origin.path
                            && taken.line == origin.line
                            && (span.start..span.end).contains(&taken.span.start)
                    })
            });
            taken_here && chooses(&function.body)
        })
}

/// Whether one arm of a condition pins and the other takes a plain reference.
fn chooses(body: &[Stmt]) -> bool {
    let opposite = |one: [bool; 2], other: [bool; 2]| {
        matches!(
            (one, other),
            ([true, false], [false, true]) | ([false, true], [true, false])
        )
    };
    let mut found = false;
    visit::statements(body, &mut |statement| {
        if let Stmt::If {
            then,
            otherwise: Some(otherwise),
            ..
        } = statement
        {
            let of = |arm| {
                let mut kinds = [false; 2];
                visit::all(std::slice::from_ref(arm), &mut |inner| {
                    note(inner, &mut kinds)
                });
                kinds
            };
            found |= opposite(of(then), of(otherwise));
        }
    });
    visit::all(body, &mut |expr| {
        if let Expr::Conditional {
            then: Some(then),
            otherwise,
            ..
        } = expr
        {
            let of = |arm| {
                let mut kinds = [false; 2];
                visit::expressions(arm, &mut |inner| note(inner, &mut kinds));
                kinds
            };
            found |= opposite(of(then), of(otherwise));
        }
    });
    found
}

/// Notes whether `expr` is a call that pins, or one that takes a plain reference.
fn note(expr: &Expr, kinds: &mut [bool; 2]) {
    let function = expr.callee_name().and_then(|name| followed().get(name));
    if let Some(function) = function.filter(|function| function.role == api::Role::Acquire) {
        kinds[0] |= function.count == Count::Pin;
        kinds[1] |= function.count == Count::Get;
    }
}
