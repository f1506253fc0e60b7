// SPDX-License-Identifier: MIT OR Apache-2.0
//! R4, offset-forgotten: the number of pages of a buffer is made of its length alone, though it need not begin with a page.
//!
//! Matches an acquiring call in a function that works out how far the address lies behind the beginning of its page, or rounds
//! it down to that, where the number of pages asked for is a length divided by the size of a page, and neither the address
//! nor that distance is part of it. Wrong because a buffer of one page that begins in the middle of one lies in two: the
//! last page is neither taken nor looked at, and what is written there goes elsewhere. Would have caught drivers that
//! round the length up and forget where it is counted from.
//!
//! Not matched is a function that refuses such an address.

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, Linkage, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};
use std::collections::{BTreeMap, BTreeSet};

/// How many variables are followed one after the other: a length, its sum, the number of pages.
const DEEP: usize = 4;

/// A function with more such calls is left alone: it is gone through for each of them, and the kernel's own have a few.
const CALLS: usize = 32;

/// Looks at every call that is asked for a number of pages.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        let inside = view.files[file].path.starts_with("mm");
        if function.linkage == Linkage::Macro || function.has_unread || inside {
            continue;
        }
        let mut taken = Vec::new();
        visit::all_calls(&function.body, &mut |name, args, span| {
            let known = followed().get(name).filter(|f| f.role == Role::Acquire);
            let form = known.and_then(|known| known.signature(args.len()));
            let pair = form.and_then(|form| Some((args.get(form.start?)?, args.get(form.nr?)?)));
            if let Some((start, number)) = pair {
                taken.push((name, start, number, span));
            }
        });
        if taken.is_empty() || taken.len() > CALLS {
            continue;
        }
        let values = Values::of(function);
        for (name, start, number, span) in taken {
            let Some((offset, division)) = forgotten(&values, start, number) else {
                continue;
            };
            let message = format!(
                "the number of pages that {name}() is asked for is made of a length alone, but the buffer need not begin with a page"
            );
            let evidence = vec![
                view.evidence(file, offset, "it may begin in the middle of a page"),
                view.evidence(
                    file,
                    division,
                    "the offset in the first page is not part of this",
                ),
                view.evidence(file, span, ""),
            ];
            let rule = ("R4", "offset-forgotten", Severity::Error);
            let place = (file, &*function.name, division);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// What a function gives each of its variables and members, and what it refuses.
struct Values<'f> {
    given: BTreeMap<String, Vec<&'f Expr>>,
    /// Conditions.
    asked: Vec<Span>,
    /// What has its address taken: others may give it anything.
    open: BTreeSet<String>,
    function: &'f Function,
}

impl<'f> Values<'f> {
    fn of(function: &'f Function) -> Self {
        let mut values = Self {
            given: BTreeMap::new(),
            asked: Vec::new(),
            open: BTreeSet::new(),
            function,
        };
        values.statements(&function.body);
        // Of what a macro is given, the statements.
        visit::all(&function.body, &mut |expr| {
            if let Expr::Block(inner, _) = expr {
                values.statements(inner);
            }
        });
        visit::all(&function.body, &mut |expr| match expr {
            Expr::Assign { target, value, .. } => {
                let known = values.given.entry(visit::text(target)).or_default();
                known.push(value);
            }
            Expr::AddressOf(inner, _) => {
                values.open.insert(visit::text(inner));
            }
            _ => {}
        });
        values
    }

    fn statements(&mut self, statements: &'f [Stmt]) {
        visit::statements(statements, &mut |statement| match statement {
            Stmt::Decl(list, _) => {
                for one in list {
                    if let Some(init) = &one.init {
                        let known = self.given.entry(one.name.to_string()).or_default();
                        known.push(init);
                    }
                }
            }
            Stmt::If { cond, .. } => self.asked.push(cond.span()),
            _ => {}
        });
    }

    /// What an expression is made of, by text: its variables and members, and what these are made of.
    fn made_of(&self, expr: &Expr) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = places(expr);
        for _ in 0..DEEP {
            let mut next = BTreeSet::new();
            for text in open {
                if found.insert(text.clone()) {
                    let given = self.given.get(&text).into_iter().flatten();
                    next.extend(given.flat_map(|value| places(value)));
                }
            }
            open = next;
        }
        found
    }
}

/// The variables and members that stand in an expression, each whole.
fn places(expr: &Expr) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit::expressions(expr, &mut |inner| {
        if matches!(inner, Expr::Name(..) | Expr::Field { .. }) {
            found.insert(visit::text(inner));
        }
    });
    found
}

fn is_page_size(expr: &Expr) -> bool {
    visit::text(expr) == "PAGE_SIZE"
}

/// `PAGE_SIZE - 1`, `~PAGE_MASK`.
fn is_low_mask(expr: &Expr) -> bool {
    matches!(visit::text(expr).as_str(), "PAGE_SIZE - 1" | "~PAGE_MASK")
}

/// `PAGE_MASK`, `~(PAGE_SIZE - 1)`.
fn is_high_mask(expr: &Expr) -> bool {
    match visit::bare(expr) {
        Expr::Unary { op, operand, .. } => op == "~" && is_low_mask(operand),
        other => visit::text(other) == "PAGE_MASK",
    }
}

/// What lies so far behind the beginning of its page, or is rounded down to it.
fn within_page(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Binary {
            op, left, right, ..
        } => match op.as_str() {
            "&" if is_low_mask(right) || is_high_mask(right) => Some(left),
            "%" if is_page_size(right) => Some(left),
            _ => None,
        },
        Expr::Call { args, .. } => {
            let does = expr.callee_name().and_then(|name| acts().of(name));
            (does == Some(Does::OffsetInPage)).then(|| args.first())?
        }
        _ => None,
    }
}

/// A length divided by the size of a page: all that it is made of stands in it.
fn divides(expr: &Expr) -> Option<&Expr> {
    match visit::bare(expr) {
        Expr::Binary {
            op, left, right, ..
        } => {
            let by_size = op == "/" && is_page_size(right);
            let by_shift = op == ">>" && visit::text(right) == "PAGE_SHIFT";
            (by_size || by_shift).then_some(left.as_ref())
        }
        call @ Expr::Call { args, .. } => match (acts().of(call.callee_name()?)?, &args[..]) {
            (Does::DividesUp, [amount, unit]) if is_page_size(unit) => Some(amount),
            (Does::PagesUp | Does::PagesDown, [amount]) => Some(amount),
            _ => None,
        },
        _ => None,
    }
}

/// Where the address is seen not to begin with a page, and where the number of pages is made without that.
fn forgotten(values: &Values<'_>, start: &Expr, number: &Expr) -> Option<(Span, Span)> {
    let address = values.made_of(start);
    // Where the number is made, at the call or in the one value of its variable.
    let mut whole = visit::bare(number);
    for _ in 0..DEEP {
        let text = visit::text(whole);
        let parameter = values
            .function
            .params
            .iter()
            .any(|param| *param.name == text);
        match values.given.get(&text).map(Vec::as_slice) {
            Some([one]) if !parameter && !values.open.contains(&text) => whole = visit::bare(one),
            Some(_) => return None,
            None => break,
        }
    }
    let length = divides(whole)?;
    let parts = values.made_of(length);
    if parts.is_empty() || parts.iter().any(|part| values.open.contains(part)) {
        return None;
    }
    let mut calls = false;
    visit::calls(length, &mut |name, _, _| {
        calls |= acts().of(name) != Some(Does::RoundsUp)
    });
    if calls {
        return None;
    }
    let (mut offset, mut refused, mut derived) = (None, false, false);
    visit::all(&values.function.body, &mut |expr| {
        let Some(what) = within_page(expr) else {
            return;
        };
        let of = values.made_of(what);
        // The address of the buffer, and no length of which the rest of a page is worked out.
        let shared = of
            .iter()
            .any(|part| address.contains(part) && !is_constant(part));
        if !shared {
            return;
        }
        let at = expr.span();
        if values
            .asked
            .iter()
            .any(|cond| cond.start <= at.start && at.end <= cond.end)
        {
            refused = true;
        }
        derived |= of
            .iter()
            .any(|part| parts.contains(part) && !is_constant(part));
        offset = offset.or(Some(at));
    });
    let offset = offset.filter(|_| !refused && !derived)?;
    // The length may have been given the offset, or the address have a part in it.
    let shared = parts
        .iter()
        .any(|part| address.contains(part) && !is_constant(part));
    let aligned = asks_alignment(values, &address);
    (!shared && !aligned).then(|| (offset, whole.span()))
}

/// Whether a condition asks, in another way, for an address that begins with a page.
fn asks_alignment(values: &Values<'_>, address: &BTreeSet<String>) -> bool {
    let mut found = false;
    visit::all_calls(&values.function.body, &mut |name, args, _| {
        let asks = acts().is(name, Does::AsksAlignment);
        found |= asks
            && args.first().is_some_and(|arg| {
                places(arg)
                    .iter()
                    .any(|place| address.contains(place) && !is_constant(place))
            });
    });
    found
}

fn is_constant(text: &str) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    text.bytes().all(capital)
}
