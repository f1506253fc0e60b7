// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, never-released: an array is freed in which an object keeps pinned pages, and nobody unpins them.
//!
//! Matches a function that pins pages into an array and keeps it in a member of a record when nothing fails, where
//! another function of the file frees the array of that member, and no function but those that pin releases any page:
//! neither in that file, nor in another of the directory that knows the member. Wrong because the last pointer to the
//! pages goes with the array: they stay pinned until reboot. Would have caught release callbacks that were written for
//! kmalloc() memory and were not told when the buffer became the user's.

use super::paths::{Locals, root};
use super::view::View;
use super::{helpers, visit};
use crate::flow::places::parent;
use crate::index::ir::{Expr, Function, Linkage, OutlineItem, OutlineKind, Span};
use crate::lex::{code, words};
use crate::report::{Finding, Severity};
use camino::Utf8Path;
use refimpl::api::{Count, Does, Role, acts, followed};
use smol_str::SmolStr;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Reports the freeing of each such array once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut nearby = HashMap::new();
    for (file, facts) in view.files.iter().enumerate() {
        if facts.path.extension() != Some("c") {
            continue;
        }
        let functions = facts.functions.iter();
        let own = functions.filter(|function| function.linkage != Linkage::Macro);
        let (mut freed, mut itself) = (None, None);
        for function in own {
            let mut kept = None;
            for taken in pinned_into_members(view, file, function) {
                let freed = freed.get_or_insert_with(|| freed_in(view, file));
                let freed = freed.get(&(taken.member.clone(), taken.record.clone()));
                let others = freed.into_iter().flatten();
                let Some((freeing, at)) = others.copied().find(|(f, _)| f.span != function.span)
                else {
                    continue;
                };
                let directory = parent(&facts.path);
                let releasing = nearby
                    .entry(directory)
                    .or_insert_with(|| releasing_in(view, directory));
                let elsewhere = |(path, words): (&String, &BTreeSet<String>)| {
                    *path != facts.path && words.contains(&*taken.member)
                };
                if *itself.get_or_insert_with(|| releases_itself(view, file))
                    || releasing.iter().any(elsewhere)
                    || !kept
                        .get_or_insert_with(|| view.kept(file, function))
                        .contains(&taken.call.start)
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
    // By variable, the member that it is put into first.
    let mut put_into: HashMap<&str, (SmolStr, SmolStr)> = HashMap::new();
    visit::all(&function.body, &mut |expr| {
        let Expr::Assign {
            op, target, value, ..
        } = expr
        else {
            return;
        };
        if let Expr::Name(variable, _) = visit::bare(value) {
            if op == "=" && !put_into.contains_key(variable.as_str()) {
                put_into.extend(of_member(target).map(|member| (variable.as_str(), member)));
            }
        }
    });
    let taken = calls.into_iter().filter_map(|(name, call, pages)| {
        let (member, record) = match visit::bare(pages) {
            Expr::Name(variable, _) => put_into.get(variable.as_str())?.clone(),
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

/// By member and record, the functions of a file that free the array of that member and give its object to nobody who may
/// release the pages.
type Freed<'v> = HashMap<(SmolStr, SmolStr), Vec<(&'v Function, Span)>>;

fn freed_in<'v>(view: &'v View<'_>, file: usize) -> Freed<'v> {
    let functions = &view.files[file].functions;
    let names: HashSet<&str> = functions.iter().map(|f| f.name.as_str()).collect();
    let mut freed = Freed::new();
    for function in functions.iter().filter(|f| f.linkage != Linkage::Macro) {
        let mut found: BTreeMap<(SmolStr, SmolStr), (&str, Span)> = BTreeMap::new();
        let mut given: HashSet<&str> = HashSet::new();
        let mut takes = false;
        let mut locals = None;
        visit::all_calls(&function.body, &mut |name, args, span| {
            takes |= helpers::acquires(name);
            let known = followed().get(name).is_some() || acts().get(name).is_some();
            if !known && !names.contains(name) {
                given.extend(args.iter().filter_map(root));
            }
            let Some(Expr::Field { base, name, .. }) = args
                .first()
                .map(visit::bare)
                .filter(|_| acts().is(&*name, Does::Frees))
            else {
                return;
            };
            let locals = locals.get_or_insert_with(|| Locals::of(function));
            if let (Some(record), Some(object)) = (view.record(file, locals, base), root(base)) {
                found.insert((name.clone(), record), (object, span));
            }
        });
        let alone = found
            .into_iter()
            .filter(|(_, (object, _))| !takes && !given.contains(object));
        for (member, (_, span)) in alone {
            freed.entry(member).or_default().push((function, span));
        }
    }
    freed
}

/// Whether a function of the file that takes no pages releases some.
fn releases_itself(view: &View<'_>, file: usize) -> bool {
    let items = view.files[file].outline.iter();
    let defines =
        |item: &&OutlineItem| matches!(item.kind, OutlineKind::Function | OutlineKind::Macro);
    items.filter(defines).any(|item| {
        let words = view.words(file, item.span);
        words.iter().any(|word| releases(word)) && !words.iter().any(|word| helpers::acquires(word))
    })
}

/// The files of a directory that release pages, with the words in them.
fn releasing_in(view: &View<'_>, directory: &str) -> BTreeMap<String, BTreeSet<String>> {
    let found = RefCell::new(BTreeMap::new());
    (view.input.any_in)(Utf8Path::new(directory), &|path, bytes| {
        let code = code(bytes);
        let words = words(&code).filter_map(|word| std::str::from_utf8(word).ok());
        let words: BTreeSet<String> = words.map(str::to_owned).collect();
        if words.iter().any(|word| releases(word)) {
            found.borrow_mut().insert(path.to_string(), words);
        }
        false
    });
    found.into_inner()
}

fn releases(name: &str) -> bool {
    followed().is(name, Role::Release) || acts().is(name, Does::DropsPins)
}
