// SPDX-License-Identifier: MIT OR Apache-2.0
//! R18, locks: the lock of the address space is not held where pages are taken, or a lock is kept by a way that fails.
//!
//! Matches a call that has to be made with the lock of the address space held, in a function that is reached from a table of
//! operations or a system call of the directory, where no function on the way there takes that lock or is called under it.
//! And matches a function that takes a lock, gives it back on one way, and returns on another, which fails, without that.
//! Wrong because the areas of the address space change under mm/gup.c's feet, and because the next who asks for the lock
//! waits for ever. Would have caught fs/exec.c's get_arg_page(), which relied on nobody else knowing of the new mm, and the
//! FPGA driver whose pin_user_pages() stood without mmap_lock.

use super::paths::What;
use super::view::View;
use super::visit;
use crate::flow::places::parent;
use crate::index::ir::{FileFacts, Linkage, OutlineKind, Span};
use crate::index::{NameSet, Wanted, parse};
use crate::lex::{Mode, tokens};
use crate::report::{Finding, Severity};
use camino::Utf8Path;
use refimpl::api::acts;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Functions on the ways to a call after which it is given up: a helper of a driver has a few callers, what a security module
/// asks of each system call a hundred.
const MOST: usize = 200;

/// Both.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    kept(view, findings);
    let mut known: HashMap<&str, Vec<Item>> = HashMap::new();
    for (file, function) in view.functions() {
        let facts = &view.files[file];
        let path = &facts.path;
        if function.linkage == Linkage::Macro
            || path.starts_with("mm")
            || path.extension() != Some("c")
        {
            continue;
        }
        let mut calls: Vec<(&str, Span)> = Vec::new();
        visit::all_calls(&function.body, &mut |name, _, span| {
            if acts().needs_space_lock(name) {
                calls.push((name, span));
            }
        });
        let own = |name: &str| facts.outline.iter().any(|item| item.name == name);
        calls.retain(|(name, _)| !own(name));
        if calls.is_empty() || locks(&view.words(file, function.span)) {
            continue;
        }
        let directory = parent(path);
        let items = known
            .entry(directory)
            .or_insert_with(|| items_of(view, directory));
        let Some(root) = unlocked_root(items, path.as_str(), &function.name) else {
            continue;
        };
        for (name, span) in calls {
            let message = format!(
                "{name}() has to be called with the lock of the address space held, and nobody takes it on the way from {root}"
            );
            let evidence = vec![view.evidence(file, span, "")];
            let rule = ("R18", "acquire-unlocked", Severity::Error);
            let place = (file, &*function.name, span);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

/// Locks that a way which fails keeps.
fn kept(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::LockKept]) {
        // Of the lock of the address space mm/ has functions that give it back where they fail.
        if view.files[walked.file].path.starts_with("mm") {
            continue;
        }
        let mut told = BTreeSet::new();
        for fact in &walked.facts {
            let Some(cause) = fact.cause else { continue };
            if !told.insert(cause.start) {
                continue;
            }
            let line = view.line(walked.file, cause.start);
            let message =
                format!("the lock that line {line} takes is not given back at this return");
            let evidence = view.way(walked.file, fact, "the lock is still held");
            let rule = ("R18", "lock-kept", Severity::Error);
            let place = (walked.file, &*walked.function.name, fact.at);
            findings.push(view.finding(rule, place, message, evidence));
        }
    }
}

fn locks(words: &[String]) -> bool {
    words.iter().any(|word| acts().tells_of_space_lock(word))
}

/// Something that a file defines.
struct Item {
    path: String,
    name: String,
    words: HashSet<String>,
    /// It takes the lock, or is called under it.
    locks: bool,
    /// A table, or an entry of the kernel.
    root: bool,
}

/// What the sources of a directory define.
fn items_of(view: &View<'_>, directory: &str) -> Vec<Item> {
    let items = RefCell::new(Vec::new());
    let none = NameSet::new(std::iter::empty::<&str>());
    let empty = Wanted::Named(&none);
    (view.input.any_in)(Utf8Path::new(directory), &|path, bytes| {
        if view.file(path.as_str()).is_none() {
            add(&mut items.borrow_mut(), &parse(path, bytes, &empty), bytes);
        }
        false
    });
    let mut items = items.into_inner();
    for file in &view.files {
        if parent(&file.path) == directory {
            let bytes = (view.input.read)(&file.path).unwrap_or_default();
            add(&mut items, file, &bytes);
        }
    }
    items
}

fn add(items: &mut Vec<Item>, file: &FileFacts, bytes: &[u8]) {
    for item in &file.outline {
        if matches!(item.kind, OutlineKind::Prototype | OutlineKind::Record) {
            continue;
        }
        let end = (item.span.end as usize).min(bytes.len());
        let start = (item.span.start as usize).min(end);
        let all = tokens(bytes, start, end, Mode::File);
        let words = all
            .iter()
            .filter_map(|token| std::str::from_utf8(token.text(bytes)).ok())
            .map(str::to_owned);
        let words: HashSet<String> = words.collect();
        let table = matches!(item.kind, OutlineKind::Table | OutlineKind::Variable);
        items.push(Item {
            path: file.path.to_string(),
            name: item.name.to_string(),
            locks: words.iter().any(|word| acts().tells_of_space_lock(word)),
            root: table || words.iter().any(|word| acts().enters_kernel(word)),
            words,
        });
    }
}

/// A table or an entry from which a function is reached, when nothing on any way to it takes the lock.
fn unlocked_root<'i>(items: &'i [Item], path: &str, function: &str) -> Option<&'i str> {
    let locking: HashSet<&str> = items
        .iter()
        .filter(|item| item.locks)
        .map(|item| item.name.as_str())
        .collect();
    let takes = |item: &Item| {
        let by_another = |word: &String| *word != item.name && locking.contains(word.as_str());
        item.locks || !item.root && item.words.iter().any(by_another)
    };
    let own = |item: &&Item| item.path == path && item.name == function;
    if items.iter().filter(own).any(takes) {
        return None;
    }
    let mut names: BTreeSet<&str> = BTreeSet::from([function]);
    let mut open = vec![function];
    let mut root = None;
    while let Some(name) = open.pop() {
        for item in items {
            if item.name == name || !item.words.contains(name) {
                continue;
            }
            if takes(item) {
                return None;
            }
            if item.root {
                root = root.or(Some(item.name.as_str()));
            } else if names.insert(&item.name) {
                open.push(&item.name);
            }
            if names.len() > MOST {
                return None;
            }
        }
    }
    root
}
