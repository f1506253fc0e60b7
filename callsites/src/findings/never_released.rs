// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, never-released: an array is freed in which an object keeps pinned pages, and nobody unpins them.
//!
//! Matches a function that pins pages into an array and keeps it in a member of a record when nothing fails, where
//! another function of the file frees the array of that member, and no function but those that pin releases any page:
//! neither in that file, nor in another of the directory that knows the member. Wrong because the last pointer to the pages goes with the
//! array: they stay pinned until reboot. Would have caught release callbacks that were written for kmalloc() memory and were not told
//! when the buffer became the user's.

use super::paths::{Locals, root};
use super::view::{View, kept};
use super::{helpers, visit};
use crate::flow::places::parent;
use crate::index::ir::{Expr, Function, Linkage, OutlineKind, Span};
use crate::lex::{Mode, tokens};
use crate::report::{Finding, Severity};
use camino::Utf8Path;
use refimpl::api::{Count, Does, Role, acts, followed};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Reports the freeing of each such array once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        if function.linkage == Linkage::Macro || view.files[file].path.extension() != Some("c") {
            continue;
        }
        for taken in pinned_into_members(view, file, function) {
            let Some((freeing, at)) = freed(view, file, function, &taken) else {
                continue;
            };
            if released_by_another(view, file, &taken.member)
                || !kept(&view.files[file], function).contains(&taken.call.start)
            {
                continue;
            }
            let line = view.line(file, taken.call.start);
            let message = format!(
                "the array in `{}` is freed, and nobody unpins the pages that {}() put there at line {line}",
                taken.member, taken.name
            );
            let evidence = vec![
                view.evidence(file, taken.call, "pinned, and kept when nothing fails"),
                view.evidence(file, at, "the last pointer to the pages"),
            ];
            let rule = ("R3", "never-released", Severity::Warning);
            findings.push(view.finding(rule, (file, &freeing.name, at), message, evidence));
        }
    }
}

/// A pinning call whose array is a member of a record, or is put into one.
struct Taken<'f> {
    name: &'f str,
    call: Span,
    member: SmolStr,
    /// The type of the record.
    record: SmolStr,
}

fn pinned_into_members<'f>(view: &View<'_>, file: usize, function: &'f Function) -> Vec<Taken<'f>> {
    let mut calls = Vec::new();
    visit::all_calls(&function.body, &mut |name, args, span| {
        let pins = followed()
            .get(name)
            .filter(|f| f.role == Role::Acquire && f.count == Count::Pin && f.kind != "iter");
        let form = pins.and_then(|pins| pins.signature(args.len()));
        if let Some(pages) = form.and_then(|form| args.get(form.pages?)) {
            calls.push((name, span, pages));
        }
    });
    if calls.is_empty() {
        return Vec::new();
    }
    let locals = Locals::of(function);
    let of_member = |expr: &Expr| match visit::bare(expr) {
        Expr::Field { base, name, .. } => {
            let record = view.record(file, &locals, base)?;
            Some((name.clone(), record))
        }
        _ => None,
    };
    let put_into = |variable: &str| {
        let mut found = None;
        visit::all(&function.body, &mut |expr| {
            if let Expr::Assign {
                op, target, value, ..
            } = expr
            {
                let given = matches!(visit::bare(value), Expr::Name(name, _) if name == variable);
                if op == "=" && given && found.is_none() {
                    found = of_member(target);
                }
            }
        });
        found
    };
    let taken = calls.into_iter().filter_map(|(name, call, pages)| {
        let (member, record) = match visit::bare(pages) {
            Expr::Name(variable, _) => put_into(variable)?,
            pages => of_member(pages)?,
        };
        Some(Taken {
            name,
            call,
            member,
            record,
        })
    });
    taken.collect()
}

/// Another function that frees the array of the member and gives its object to nobody who may release the pages.
fn freed<'v>(
    view: &'v View<'_>,
    file: usize,
    taker: &Function,
    taken: &Taken<'_>,
) -> Option<(&'v Function, Span)> {
    let functions = view.files[file].functions.iter();
    let mut others = functions.filter(|f| f.span != taker.span && f.linkage != Linkage::Macro);
    others.find_map(|function| {
        let mut found = None;
        let mut given = false;
        visit::all_calls(&function.body, &mut |name, args, span| {
            given |= helpers::acquires(name);
            if !acts().is(name, Does::Frees) {
                return;
            }
            let Some(Expr::Field { base, name, .. }) = args.first().map(visit::bare) else {
                return;
            };
            let of_record = || {
                let locals = Locals::of(function);
                view.record(file, &locals, base).as_ref() == Some(&taken.record)
            };
            if *name == taken.member && of_record() {
                found = root(base).map(|object| (object, span));
            }
        });
        let (object, span) = found?;
        visit::all_calls(&function.body, &mut |name, args, _| {
            let known = followed().get(name).is_some() || acts().get(name).is_some();
            let own = || view.files[file].functions.iter().any(|f| f.name == name);
            let reached = args.iter().any(|arg| root(arg) == Some(object));
            given |= reached && !known && !own();
        });
        (!given).then_some((function, span))
    })
}

/// Whether a function of the file that takes no pages releases some, or a file of the directory that names the member does.
fn released_by_another(view: &View<'_>, file: usize, member: &str) -> bool {
    let own = &view.files[file];
    let items = own
        .outline
        .iter()
        .filter(|item| matches!(item.kind, OutlineKind::Function | OutlineKind::Macro));
    let here = items.into_iter().any(|item| {
        let words = view.words(file, item.span);
        words.iter().any(|word| releases(word)) && !words.iter().any(|word| helpers::acquires(word))
    });
    let directory = Utf8Path::new(parent(&own.path));
    here || (view.input.any_in)(directory, &|path, bytes| {
        let names = || {
            let all = tokens(bytes, 0, bytes.len(), Mode::File);
            let words = all
                .iter()
                .filter_map(|token| std::str::from_utf8(token.text(bytes)).ok());
            words.collect::<BTreeSet<&str>>()
        };
        path != own.path && {
            let names = names();
            names.contains(member) && names.iter().any(|name| releases(name))
        }
    })
}

fn releases(name: &str) -> bool {
    followed().is(name, Role::Release) || acts().is(name, Does::DropsPins)
}
