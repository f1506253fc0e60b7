// SPDX-License-Identifier: MIT OR Apache-2.0
//! R9, released-and-left: a function lets the pages of a member go and leaves the member as it is, for another to do it again.
//!
//! Matches a function that releases the pages of a member of an object that lives on, and changes neither that member nor
//! anything that the function asks which releases them again and frees the object. Wrong because who stops a device and then
//! closes it drops each reference twice. Would have caught io_uring's rings that were unpinned where their setup failed,
//! and once more when the ring was freed (03d89a2de25b).
//!
//! Not matched is a function of which a caller frees the object, or changes what is asked.

use super::paths::{Locals, root};
use super::view::View;
use super::{helpers, visit};
use crate::index::ir::{Expr, Function, Linkage, LoopKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Count, Does, Role, acts, followed};
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};

/// A file in which more members are released, by one function or another, is left alone: each is compared with each. A
/// bound on time, and not a measurement.
const MOST: usize = 64;

/// A function that releases the pages of a member.
struct Release<'v> {
    function: &'v Function,
    member: &'v str,
    record: SmolStr,
    at: Span,
    /// What the function does besides.
    does: Manner<'v>,
}

/// What a function does with members and objects, by name.
#[derive(Default, Clone)]
struct Manner<'v> {
    /// Members that get a value.
    changes: HashSet<&'v str>,
    /// Members that stand in a condition.
    asks: HashSet<&'v str>,
    calls: HashSet<&'v str>,
    /// Takes pages.
    takes: bool,
    /// Frees an object that a variable points to.
    frees: bool,
    /// Gives an object to a call of which it is not known what that changes.
    gives: bool,
}

/// Reports each member once for each function that leaves it.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, facts) in view.files.iter().enumerate() {
        if facts.path.extension() != Some("c") || facts.path.starts_with("mm") {
            continue;
        }
        let own: HashSet<&str> = facts.functions.iter().map(|f| f.name.as_str()).collect();
        let functions = facts.functions.iter();
        let functions: Vec<&Function> = functions
            .filter(|function| function.linkage != Linkage::Macro)
            .collect();
        let mut found: Vec<Release<'_>> = Vec::new();
        for function in &functions {
            for (member, record, at) in released(view, file, function) {
                let does = manner(function, &own);
                found.push(Release {
                    function,
                    member,
                    record,
                    at,
                    does,
                });
            }
        }
        if found.len() < 2 || found.len() > MOST {
            continue;
        }
        let mut manners: HashMap<&str, Manner<'_>> = HashMap::new();
        for function in &functions {
            manners.insert(&function.name, manner(function, &own));
        }
        let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, does) in &manners {
            for called in &does.calls {
                callers.entry(called).or_default().push(name);
            }
        }
        let mut named: HashSet<&str> = HashSet::new();
        for init in facts
            .globals
            .iter()
            .filter_map(|global| global.init.as_ref())
        {
            visit::expressions(init, &mut |expr| {
                if let Expr::Name(name, _) = expr {
                    named.insert(name);
                }
            });
        }
        let mut told = HashSet::new();
        for first in &found {
            let above = above(&first.function.name, &callers);
            // Who is called by nobody is called by others.
            if !above.iter().any(|name| named.contains(name)) {
                continue;
            }
            let above: Vec<&Manner<'_>> = above
                .iter()
                .filter(|name| **name != first.function.name)
                .filter_map(|name| manners.get(name))
                .collect();
            let last = found.iter().find(|last| {
                last.member == first.member
                    && last.record == first.record
                    && left_for(first, last, &above)
            });
            let Some(last) = last else { continue };
            if !told.insert((first.function.span.start, first.member)) {
                continue;
            }
            let message = format!(
                "the pages of `{}` are released, the member is left as it is, and {}() releases them again",
                first.member, last.function.name
            );
            let evidence = vec![
                view.evidence(file, first.at, "released, and nothing tells so"),
                view.evidence(file, last.at, "released again"),
            ];
            let rule = ("R9", "released-and-left", Severity::Error);
            let place = (file, &*first.function.name, first.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// A function, and all that call it, or call these.
fn above<'v>(function: &'v str, callers: &HashMap<&'v str, Vec<&'v str>>) -> HashSet<&'v str> {
    let mut found = HashSet::from([function]);
    let mut open = vec![function];
    while let Some(name) = open.pop() {
        let more = callers.get(name).into_iter().flatten();
        open.extend(more.copied().filter(|name| found.insert(name)));
    }
    found
}

/// Whether what one function released is released again by another, which frees the object; `above` are its callers.
fn left_for<'v>(first: &Release<'v>, last: &Release<'v>, above: &[&Manner<'v>]) -> bool {
    let (early, late) = (&first.does, &last.does);
    let (a, b) = (first.function.name.as_str(), last.function.name.as_str());
    if a == b || early.takes || early.frees || early.gives || late.takes || !late.frees {
        return false;
    }
    if early.calls.contains(b) || late.calls.contains(a) {
        return false;
    }
    let told = |does: &Manner<'_>| {
        does.changes.contains(first.member) || late.asks.iter().any(|m| does.changes.contains(m))
    };
    if told(early) {
        return false;
    }
    // Whoever calls it may tell, or free the object.
    above
        .iter()
        .all(|does| !does.frees && !told(does) && !does.calls.contains(b))
}

/// The members whose pages a function releases, each with its record and its first release.
fn released<'v>(
    view: &View<'_>,
    file: usize,
    function: &'v Function,
) -> Vec<(&'v str, SmolStr, Span)> {
    let mut found: Vec<(&str, SmolStr, Span)> = Vec::new();
    let mut locals = None;
    visit::all_calls(&function.body, &mut |name, args, span| {
        // What put_page() drops may be no user's page, and another each time.
        let release = followed()
            .get(name)
            .filter(|f| f.role == Role::Release && f.count == Count::Unpin);
        let page = release
            .and_then(|release| release.page_argument(args.len()))
            .and_then(|at| args.get(at));
        let Some((base, member)) = page.and_then(member) else {
            return;
        };
        let locals = locals.get_or_insert_with(|| Locals::of(function));
        if let Some(record) = view.record(file, locals, base) {
            if !found.iter().any(|(known, ..)| *known == member) {
                found.push((member, record, span));
            }
        }
    });
    found
}

/// The member that pages are read from, and what it is a member of: one object, and no entry of several.
fn member(expr: &Expr) -> Option<(&Expr, &str)> {
    match visit::bare(expr) {
        Expr::Field {
            base,
            name,
            arrow: true,
            ..
        } if matches!(visit::bare(base), Expr::Name(..)) => Some((base, name)),
        Expr::Index { base, .. } => member(base),
        Expr::AddressOf(inner, _) => member(inner),
        _ => None,
    }
}

fn manner<'v>(function: &'v Function, own: &HashSet<&str>) -> Manner<'v> {
    let mut does = Manner::default();
    let mut conditions: Vec<&Expr> = Vec::new();
    visit::statements(&function.body, &mut |statement| match statement {
        Stmt::If { cond, .. } => conditions.push(cond),
        Stmt::Loop { cond, kind, .. } => {
            conditions.extend(cond);
            if let LoopKind::Iterator { args, .. } = kind {
                conditions.extend(args);
            }
        }
        Stmt::Switch { value, .. } => conditions.push(value),
        _ => {}
    });
    visit::all(&function.body, &mut |expr| match expr {
        Expr::Assign { target, .. }
        | Expr::Update {
            operand: target, ..
        } => {
            if let Expr::Field { name, .. } = visit::bare(target) {
                does.changes.insert(name);
            }
        }
        Expr::Conditional { cond, .. } => conditions.push(cond),
        _ => {}
    });
    visit::all_calls(&function.body, &mut |name, args, _| {
        does.takes |= helpers::acquires(name);
        does.calls.insert(name);
        let object = matches!(args.first().map(visit::bare), Some(Expr::Name(..)));
        let act = acts().of(name);
        does.frees |= object && matches!(act, Some(Does::Frees | Does::GivesUp));
        if let Some(Role::Release) = followed().get(name).map(|known| known.role) {
            conditions.extend(args);
        }
        let known = followed().get(name).is_some() || act.is_some();
        // What is given the object, or the address of a member, may change it, here or in another file.
        let given = args.iter().any(|arg| match visit::bare(arg) {
            Expr::Name(..) => true,
            Expr::AddressOf(..) => root(arg).is_some(),
            _ => false,
        });
        does.gives |= !known && given && !own.contains(name);
    });
    for cond in conditions {
        visit::expressions(cond, &mut |inner| {
            if let Expr::Field { name, .. } = inner {
                does.asks.insert(name);
            }
        });
    }
    does
}
