// SPDX-License-Identifier: MIT OR Apache-2.0
//! Releases that let go what was taken on the way to them: the part of an array between where a function began and how
//! far it has come, and what a flag says was taken.
//!
//! A record that many fill holds pages of many origins. A loop that is bounded by a variable of its own function goes
//! over what this function has had stored since it set that variable to its start, and over nothing else. A member or a
//! variable that is set from such a count, or in the arm that takes the pages, says the same to whoever tests it.

mod handed;
mod told;

use super::analysis::Analysis;
use super::conditions::{is_null, same};
use super::hash::{FastMap, FastSet};
use super::mapping::around;
use super::origins::Origins;
use super::program::FnId;
use super::sites::Site;
use super::state::SiteKey;
use crate::index::ir::{Declaration, Expr, Function, Span, Stmt};
use crate::index::walk;
use handed::between_parameters;
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;
use told::{under_a_member, under_a_variable};

/// Who may have stored the pages of a release.
#[derive(Default)]
struct Fill {
    /// Functions, with everything that they call.
    functions: FastSet<FnId>,
    /// Calls of the catalogue.
    calls: BTreeSet<SiteKey>,
}

impl Fill {
    fn holds(&self, from: &SiteKey) -> bool {
        self.calls.contains(from) || self.functions.contains(&from.function)
    }

    fn join(&mut self, other: Fill) {
        self.functions.extend(other.functions);
        self.calls.extend(other.calls);
    }
}

/// Releases of one function that are looked at: for each the function is gone through, and no function of a kernel has a
/// half as many.
const RELEASES: usize = 16;

/// Takes from each release what nobody stored on the way to it.
pub(super) fn narrow(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let mut looked_at: FastMap<FnId, usize> = FastMap::default();
    for (site, origins) in sites.iter().zip(all.iter_mut()) {
        let released = followed()
            .get(&site.name)
            .is_some_and(|function| function.role == Role::Release);
        let several = origins.user.len()
            + origins.other.len()
            + origins.own.len()
            + origins.found.len()
            + origins.kernel.len()
            > 1;
        if site.beyond || !released || origins.user.is_empty() || !several {
            continue;
        }
        let looked_at = looked_at.entry(site.key.function).or_default();
        *looked_at += 1;
        if *looked_at > RELEASES {
            continue;
        }
        let fill = in_its_loop(analysis, site)
            .or_else(|| between_parameters(analysis, site))
            .or_else(|| under_a_member(analysis, site))
            .or_else(|| under_a_variable(analysis, site));
        let Some(fill) = fill else { continue };
        // A release to which nothing leads any more was not understood.
        if origins.user.iter().any(|from| fill.holds(from)) {
            origins.user.retain(|from| fill.holds(from));
            origins.other.retain(|from| fill.holds(from));
            origins.own.retain(|from| fill.holds(from));
            origins.found.retain(|from| fill.holds(from));
            origins.kernel.retain(|from| fill.holds(from));
        }
    }
}

/// `while (p < end) put_page(sg_page(p++));` where `end` began at `p`, and `while (n) put_page(pages[--n]);` where `n`
/// began at zero.
fn in_its_loop(analysis: &Analysis, site: &Site) -> Option<Fill> {
    let function = analysis.program.function(site.key.function);
    let Stmt::Loop {
        init,
        cond: Some(cond),
        ..
    } = innermost_loop(function, site)?
    else {
        return None;
    };
    let (start, bound) = bounds(cond)?;
    match start.filter(|start| !counts_from_zero(function, init.as_deref(), start)) {
        Some(start) => {
            begins_at(function, init.as_deref(), start, bound)?;
            let moved = BTreeSet::from([bound.to_owned()]);
            filled(analysis, site.key.function, bound, Some(&moved))
        }
        None => {
            local(function, bound)?;
            begins_at_zero(function, bound).then_some(())?;
            let mut names = names_of_page(function, site)?;
            names.remove(bound);
            start.map(|index| names.remove(index));
            filled(analysis, site.key.function, bound, Some(&names))
        }
    }
}

/// The loop that a release stands in.
fn innermost_loop<'f>(function: &'f Function, site: &Site) -> Option<&'f Stmt> {
    let mut innermost = None;
    around(&function.body, site.key.span, &mut |statement, _| {
        if matches!(statement, Stmt::Loop { .. }) {
            innermost = Some(statement);
        }
    });
    innermost
}

/// What a condition lets a loop go between: the variable that starts, where there is one, and the one that bounds.
fn bounds(cond: &Expr) -> Option<(Option<&str>, &str)> {
    match cond {
        Expr::Binary {
            op, left, right, ..
        } => match (op.as_str(), name(left), name(right)) {
            ("<" | "!=", Some(start), Some(bound)) | (">", Some(bound), Some(start)) => {
                Some((Some(start), bound))
            }
            (">" | ">=" | "!=", Some(bound), None) if is_null(right) => Some((None, bound)),
            _ => None,
        },
        other => name(other).map(|bound| (None, bound)),
    }
}

/// The variable that an expression is, or counts up or down.
fn name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name, _) => Some(name),
        Expr::Update { operand, .. } | Expr::Cast { operand, .. } => name(operand),
        _ => None,
    }
}

fn is(expr: &Expr, wanted: &str) -> bool {
    match expr {
        Expr::Name(name, _) => name == wanted,
        Expr::Cast { operand, .. } => is(operand, wanted),
        _ => false,
    }
}

/// The variable's own declaration in a function.
fn local<'f>(function: &'f Function, wanted: &str) -> Option<&'f Declaration> {
    fn inside<'f>(list: &'f [Stmt], wanted: &str) -> Option<&'f Declaration> {
        list.iter().find_map(|statement| match statement {
            Stmt::Decl(list, _) => list.iter().find(|declared| declared.name == wanted),
            Stmt::Block(list, _) | Stmt::Unread(list, _) => inside(list, wanted),
            Stmt::If {
                then, otherwise, ..
            } => inside(std::slice::from_ref(then), wanted).or_else(|| {
                let otherwise = otherwise.as_deref()?;
                inside(std::slice::from_ref(otherwise), wanted)
            }),
            Stmt::Loop { init, body, .. } => init
                .as_deref()
                .and_then(|init| inside(std::slice::from_ref(init), wanted))
                .or_else(|| inside(std::slice::from_ref(body), wanted)),
            Stmt::Switch { body, .. } => inside(std::slice::from_ref(body), wanted),
            Stmt::Arms(arms, _) => arms.iter().find_map(|(_, list)| inside(list, wanted)),
            _ => None,
        })
    }
    inside(&function.body, wanted)
}

/// The values that a variable is given with `=`, its initialiser and that of a loop's head among them.
fn values<'f>(function: &'f Function, wanted: &str) -> Vec<&'f Expr> {
    let mut out: Vec<&Expr> = Vec::new();
    out.extend(local(function, wanted).and_then(|declared| declared.init.as_ref()));
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Assign {
            op, target, value, ..
        } = expr
        {
            if op == "=" && is(target, wanted) {
                out.push(value);
            }
        }
    });
    out
}

/// Whether a loop counts an index up from a number.
fn counts_from_zero(function: &Function, init: Option<&Stmt>, index: &str) -> bool {
    let number = |expr: &Expr| matches!(expr, Expr::Literal(text, _) if text.starts_with(|c: char| c.is_ascii_digit()));
    let head = match init {
        Some(Stmt::Expr(
            Expr::Assign {
                op, target, value, ..
            },
            _,
        )) => op == "=" && is(target, index) && number(value),
        Some(Stmt::Decl(list, _)) => list
            .iter()
            .any(|declared| declared.name == index && declared.init.as_ref().is_some_and(number)),
        _ => false,
    };
    let all = values(function, index);
    head || !all.is_empty() && all.into_iter().all(number)
}

/// Whether a count is zero before anything was counted, or is what the calls that fill have returned.
fn begins_at_zero(function: &Function, count: &str) -> bool {
    let all = values(function, count);
    !all.is_empty()
        && all
            .into_iter()
            .all(|value| is_null(value) || matches!(value, Expr::Call { .. }))
}

/// That one variable starts where another began: it was given its value, which nothing had changed yet.
fn begins_at(function: &Function, init: Option<&Stmt>, start: &str, bound: &str) -> Option<()> {
    let mut all = values(function, start);
    if let Some(Stmt::Decl(list, _)) = init {
        let own = list.iter().filter(|declared| declared.name == start);
        all.extend(own.filter_map(|declared| declared.init.as_ref()));
    }
    let [only] = all.as_slice() else {
        return None;
    };
    let parameter = function.params.iter().any(|param| param.name == bound);
    let taken = only.span().start;
    if is(only, bound) && parameter && values(function, bound).is_empty() {
        // Nothing has moved it before.
        let mut early = false;
        walk::expressions(&function.body, &mut |expr| {
            early |= changes(expr, bound) && expr.span().start < taken;
        });
        return (!early).then_some(());
    }
    // Or both are given the same place to begin with.
    let other = values(function, bound);
    let [other] = other.as_slice() else {
        return None;
    };
    (is(other, start) || same(only, other)).then_some(())
}

/// Whether an expression changes a variable in place.
fn changes(expr: &Expr, wanted: &str) -> bool {
    match expr {
        Expr::Assign { op, target, .. } => op != "=" && is(target, wanted),
        Expr::Update { operand, .. } => is(operand, wanted),
        _ => false,
    }
}

/// The variables that the page of a release is read through.
fn names_of_page(function: &Function, site: &Site) -> Option<BTreeSet<String>> {
    let mut argument = None;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call { args, span, .. } = expr {
            if *span == site.key.span {
                let listed = followed().get(&site.name);
                let at = listed.and_then(|listed| listed.page_argument(args.len()));
                argument = at.and_then(|at| args.get(at));
            }
        }
    });
    let mut names = names_in(argument?);
    // `page = sg_page(sg); put_page(page);`
    for _ in 0..2 {
        let through: Vec<String> = names.iter().cloned().collect();
        for name in through {
            for value in values(function, &name) {
                names.extend(names_in(value));
            }
        }
    }
    Some(names)
}

fn names_in(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk::expression(expr, &mut |inner| {
        if let Expr::Name(name, _) = inner {
            names.insert(name.to_string());
        }
    });
    names
}

/// Who stores what a variable of a function counts, or points behind. With `array`, the names one of which each call
/// that counts must be given.
fn filled(
    analysis: &Analysis,
    id: FnId,
    counted: &str,
    array: Option<&BTreeSet<String>>,
) -> Option<Fill> {
    let function = analysis.program.function(id);
    let mut calls: Vec<&Expr> = Vec::new();
    let mut results: BTreeSet<&str> = BTreeSet::new();
    let mut own = false;
    let mut unclear = false;
    walk::expressions(&function.body, &mut |expr| match expr {
        Expr::Assign {
            op, target, value, ..
        } if is(target, counted) => match (op.as_str(), value.as_ref()) {
            ("=", call @ Expr::Call { .. }) | ("+=", call @ Expr::Call { .. }) => calls.push(call),
            ("+=", result) => match name(result) {
                Some(result) => {
                    results.insert(result);
                }
                None => own = true,
            },
            ("=" | "-=", _) => {}
            _ => unclear = true,
        },
        Expr::Update { op, operand, .. } if is(operand, counted) => own |= op == "++",
        call @ Expr::Call { args, .. } => {
            let given = args
                .iter()
                .any(|arg| matches!(arg, Expr::AddressOf(inner, _) if is(inner, counted)));
            if given {
                calls.push(call);
            }
        }
        _ => {}
    });
    if let Some(init @ Expr::Call { .. }) =
        local(function, counted).and_then(|declared| declared.init.as_ref())
    {
        calls.push(init);
    }
    for result in results {
        let values = values(function, result);
        let returned = values
            .iter()
            .filter(|value| matches!(value, Expr::Call { .. }));
        let before = calls.len();
        calls.extend(returned);
        own |= calls.len() == before;
    }
    if unclear || calls.is_empty() && !own {
        return None;
    }
    let mut fill = Fill::default();
    if own {
        fill.functions = analysis.reached([id]);
        return Some(fill);
    }
    for call in calls {
        let Expr::Call { args, span, .. } = call else {
            continue;
        };
        let given = args.iter().map(names_in);
        let mut given = given.filter(|names| array.is_none_or(|wanted| !wanted.is_disjoint(names)));
        given.next()?;
        called(analysis, id, call, *span, &mut fill);
    }
    Some(fill)
}

/// Adds what a call does: the call itself, and all that its function reaches.
fn called(analysis: &Analysis, id: FnId, call: &Expr, span: Span, fill: &mut Fill) {
    fill.calls.insert(SiteKey { function: id, span });
    if let Some(name) = call.callee_name() {
        let file = analysis.program.file_of(id);
        let callees = analysis.program.resolve(name, file);
        fill.functions.extend(analysis.reached(callees));
    }
}
