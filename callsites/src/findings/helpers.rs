// SPDX-License-Identifier: MIT OR Apache-2.0
//! Functions that the rules read besides what the flow asked for: helpers of functions that acquire pages, and the
//! callers of these, in the same file.
//!
//! A helper that takes no page, such as one that charges or makes an error pointer, decides what its caller does all the
//! same.

use super::view::Input;
use super::visit;
use crate::index::ir::{FileFacts, Linkage, OutlineItem, OutlineKind};
use crate::index::lex::{code, has_word, words};
use crate::index::parse_items;
use rayon::prelude::*;
use refimpl::api::{Count, Does, Role, acts, followed};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// How deep the helpers of helpers are read: as deep as calls are followed.
const DEPTH: usize = 3;
/// Bytes of a helper that is read: 16 KiB hold more statements than a walk has room for.
const LONGEST: u32 = 16 << 10;

/// Whether a call of that name takes pages.
pub(super) fn acquires(name: &str) -> bool {
    followed().is(name, Role::Acquire) || acts().is(name, Does::HoldsPins)
}

/// Whether a call of that name drops pins.
pub(super) fn unpins(name: &str) -> bool {
    let function = followed().get(name);
    function.is_some_and(|f| f.role == Role::Release && f.count == Count::Unpin)
}

/// Adds them to the files.
pub(super) fn read(files: &mut [Arc<FileFacts>], input: &Input<'_>) {
    files.par_iter_mut().for_each(|file| {
        if let Some(more) = of_file(file, input) {
            *file = Arc::new(more);
        }
    });
}

fn of_file(file: &FileFacts, input: &Input<'_>) -> Option<FileFacts> {
    if file.path.extension() != Some("c") {
        return None;
    }
    let mut called: BTreeSet<&str> = BTreeSet::new();
    let mut takers: HashSet<&str> = HashSet::new();
    for function in &file.functions {
        let mut names = Vec::new();
        let mut takes = false;
        visit::all_calls(&function.body, &mut |name, _, _| {
            takes |= acquires(name) || unpins(name);
            names.push(name);
        });
        if takes && function.linkage != Linkage::Macro {
            called.extend(names);
            takers.insert(&function.name);
        }
    }
    let read: BTreeSet<u32> = file.functions.iter().map(|f| f.span.start).collect();
    let unread: Vec<&OutlineItem> = file
        .outline
        .iter()
        .filter(|item| matches!(item.kind, OutlineKind::Function | OutlineKind::Macro))
        .filter(|item| !read.contains(&item.span.start))
        .filter(|item| item.span.end - item.span.start <= LONGEST)
        .collect();
    if unread.is_empty() {
        return None;
    }
    let bytes = (input.read)(&file.path)?;
    let code = code(&bytes);
    let text = |item: &OutlineItem| {
        let range = item.span.start as usize..item.span.end as usize;
        code.get(range).unwrap_or_default()
    };
    let of_slab = acts_on_slab_pages(&code);
    if takers.is_empty() && !of_slab {
        return None;
    }
    let drops = lets_go(&code);
    let acting: HashSet<&str> = unread
        .iter()
        .filter(|item| of_slab && acts_on_slab_pages(text(item)))
        .map(|item| item.name.as_str())
        .collect();
    takers.extend(&acting);
    // Callers, and theirs, as far up as calls are followed down.
    for _ in 1..DEPTH {
        let callers = file.functions.iter().filter(|function| {
            let mut calls = false;
            visit::all_calls(&function.body, &mut |name, _, _| {
                calls |= takers.contains(name)
            });
            calls && function.linkage != Linkage::Macro
        });
        let callers = callers.map(|function| function.name.as_str());
        let others = unread
            .iter()
            .filter(|item| item.kind == OutlineKind::Function && names_one(text(item), &takers));
        let others = others.map(|item| item.name.as_str());
        let before = takers.len();
        let found: Vec<&str> = callers.chain(others).collect();
        takers.extend(found);
        if takers.len() == before {
            break;
        }
    }
    let mut by_name: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (at, item) in unread.iter().enumerate() {
        by_name.entry(item.name.as_bytes()).or_default().push(at);
    }
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    for (at, item) in unread.iter().enumerate() {
        let helper = called.contains(item.name.as_str());
        // The head of a loop that a macro is takes the pages with it where the ways do not go.
        if item.kind == OutlineKind::Macro && (!helper || is_loop(text(item))) {
            continue;
        }
        if helper
            || drops && lets_go(text(item))
            || acting.contains(item.name.as_str())
            || names_one(text(item), &takers)
        {
            wanted.insert(at);
        }
    }
    let mut fresh: Vec<usize> = wanted.iter().copied().collect();
    for _ in 1..DEPTH {
        let mut next = Vec::new();
        for at in fresh {
            for word in words(text(unread[at])) {
                let named = by_name.get(word).into_iter().flatten();
                next.extend(named.copied().filter(|at| wanted.insert(*at)));
            }
        }
        fresh = next;
    }
    if wanted.is_empty() {
        return None;
    }
    let spans: Vec<_> = wanted.iter().map(|at| unread[*at].span).collect();
    let more = parse_items(file, &bytes, &spans);
    let mut file = file.clone();
    let new = more.functions.into_iter();
    file.functions
        .extend(new.filter(|f| !read.contains(&f.span.start)));
    file.functions.sort_by_key(|f| f.span.start);
    Some(file)
}

/// Whether one of these names stands in `text`.
fn names_one(text: &[u8], names: &HashSet<&str>) -> bool {
    words(text).any(|word| std::str::from_utf8(word).is_ok_and(|word| names.contains(word)))
}

/// Whether `text` drops pins by a handle: what stands before that tells of the calls there that they do not.
fn lets_go(text: &[u8]) -> bool {
    acts()
        .names(Does::DropsPins)
        .any(|name| has_word(text, name.as_bytes()))
}

/// Whether `text` has what takes references on pages of an address, in one function or several.
fn acts_on_slab_pages(text: &[u8]) -> bool {
    let of_address = followed()
        .with_role(Role::Translate)
        .filter(|function| function.kind == "kernel address");
    let any = |mut functions: Box<dyn Iterator<Item = &refimpl::api::Function> + '_>| {
        functions.any(|function| has_word(text, function.name.as_bytes()))
    };
    any(Box::new(of_address)) && any(Box::new(followed().with_role(Role::Reference)))
}

/// Whether a macro is a loop, or has one.
fn is_loop(text: &[u8]) -> bool {
    ["for", "while"]
        .iter()
        .any(|word| has_word(text, word.as_bytes()))
}
