// SPDX-License-Identifier: MIT OR Apache-2.0
//! R18, locks: the lock of the address space is not held where pages are taken, or a lock is kept by a way that fails.
//!
//! Matches a call that has to be made with the lock of the address space held, in a function that is reached from a table of
//! operations or a system call of the directory, or that copies from or to user space or gives the address space up itself,
//! where no function on the way there takes that lock or is called under it.
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
use crate::lex::{code, words};
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
    let mut known: HashMap<&str, Directory> = HashMap::new();
    let mut names: HashMap<usize, HashSet<&str>> = HashMap::new();
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
        if calls.is_empty() {
            continue;
        }
        let own = names.entry(file).or_insert_with(|| {
            let items = facts.outline.iter();
            items.map(|item| item.name.as_str()).collect()
        });
        calls.retain(|(name, _)| !own.contains(name));
        if calls.is_empty() || locks(&view.words(file, function.span)) {
            continue;
        }
        let directory = parent(path);
        let items = known
            .entry(directory)
            .or_insert_with(|| Directory::of(view, directory));
        let Some(root) = items.unlocked_root(path.as_str(), &function.name) else {
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
    /// It takes the lock, or is called under it; a table does that itself or not at all, anything else may call what does.
    locks: bool,
    /// A table, or an entry of the kernel.
    root: bool,
    /// It does what nobody does who holds the lock.
    refuses: bool,
}

/// What the sources of a directory define.
struct Directory {
    items: Vec<Item>,
    /// By each word, what it stands in.
    naming: HashMap<String, BTreeSet<usize>>,
}

impl Directory {
    fn of(view: &View<'_>, directory: &str) -> Self {
        let found = RefCell::new(Self {
            items: Vec::new(),
            naming: HashMap::new(),
        });
        let none = NameSet::new(std::iter::empty::<&str>());
        let empty = Wanted::Named(&none);
        (view.input.any_in)(Utf8Path::new(directory), &|path, bytes| {
            if view.file(path.as_str()).is_none() {
                let mut found = found.borrow_mut();
                found.add(&parse(path, bytes, &empty), bytes);
            }
            false
        });
        let mut found = found.into_inner();
        for file in &view.files {
            if parent(&file.path) == directory {
                let bytes = (view.input.read)(&file.path).unwrap_or_default();
                found.add(file, &bytes);
            }
        }
        found.lock_through();
        found
    }

    fn add(&mut self, file: &FileFacts, bytes: &[u8]) {
        for item in &file.outline {
            if matches!(item.kind, OutlineKind::Prototype | OutlineKind::Record) {
                continue;
            }
            let range = item.span.start as usize..item.span.end as usize;
            let code = code(bytes.get(range).unwrap_or_default());
            let table = matches!(item.kind, OutlineKind::Table | OutlineKind::Variable);
            let (mut locks, mut enters, mut refuses) = (false, false, false);
            let at = self.items.len();
            for word in words(&code).filter_map(|word| std::str::from_utf8(word).ok()) {
                locks |= acts().tells_of_space_lock(word);
                enters |= acts().enters_kernel(word);
                refuses |= acts().refuses_space_lock(word);
                match self.naming.get_mut(word) {
                    Some(known) => {
                        known.insert(at);
                    }
                    None => {
                        self.naming.insert(word.to_owned(), BTreeSet::from([at]));
                    }
                }
            }
            self.items.push(Item {
                path: file.path.to_string(),
                name: item.name.to_string(),
                locks,
                root: table || enters,
                refuses: refuses && item.kind == OutlineKind::Function,
            });
        }
    }

    /// What names a function that takes the lock, and is no root, takes it as well.
    fn lock_through(&mut self) {
        let locking = self.items.iter().filter(|item| item.locks);
        let locking: HashSet<String> = locking.map(|item| item.name.clone()).collect();
        for name in locking {
            for at in self.naming.get(&name).into_iter().flatten() {
                let item = &mut self.items[*at];
                item.locks |= !item.root && item.name != name;
            }
        }
    }

    /// A table or an entry from which a function is reached, when nothing on any way to it takes the lock.
    fn unlocked_root(&self, path: &str, function: &str) -> Option<&str> {
        let naming = |name: &str| self.naming.get(name).into_iter().flatten();
        let own = naming(function).map(|at| &self.items[*at]);
        let mut root = None;
        for item in own.filter(|item| item.name == function && item.path == path) {
            if item.locks {
                return None;
            }
            root = root.or(item.refuses.then_some(item.name.as_str()));
        }
        let mut names: BTreeSet<&str> = BTreeSet::from([function]);
        let mut open = vec![function];
        while let Some(name) = open.pop() {
            for item in naming(name).map(|at| &self.items[*at]) {
                if item.name == name {
                    continue;
                }
                if item.locks {
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
}
