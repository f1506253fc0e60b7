// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is lost across a call within a file: functions whose helpers take, keep or release pages are walked once more
//! with the helpers in them.
//!
//! Only what the first walk cannot see is added: pages that are lost, and errors that a helper takes for a number. What
//! it took for lost, for want of knowing what a helper returns, is taken back. A helper with a mistake of its own is left out, or each of its callers would be told of it.

use super::paths::{Fact, What, with_helpers};
use super::visit;
use crate::index::ir::{FileFacts, Function, Linkage};
use rayon::prelude::*;
use refimpl::api::{Role, followed};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How often what the helpers do is handed up to their callers.
const TURNS: usize = 3;

/// Facts by function: position of the file, position of the function, facts.
type Facts = Vec<(usize, usize, Vec<Fact>)>;

/// Walks a function of a file on so many ways; says whether it came to the end of every way.
type Look<'l> = dyn Fn(usize, &Function, usize) -> (Vec<Fact>, bool) + Sync + 'l;

/// Ways through a function with its helpers in it after which it is given up, and nothing is said of it: a fifth of what a
/// first walk has. With all of it the audit of 6.12 takes half as long again, and says one thing more (net/rds/rdma.c).
const MOST_WAYS: usize = 100;

/// What a second walk found: position of the file, position of the function, facts, whether it was complete.
type Second = (usize, usize, Vec<Fact>, bool);

/// Walks what is worth it, and adds to `facts`.
pub(super) fn add(files: &[Arc<FileFacts>], facts: &mut Facts, look: &Look<'_>) {
    let faulty: BTreeSet<(usize, usize)> = facts.iter().map(|(at, n, _)| (*at, *n)).collect();
    let found: Vec<Vec<Second>> = files
        .par_iter()
        .enumerate()
        .map(|(at, file)| of_file(at, file, &faulty, look))
        .collect();
    let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (position, (at, n, _)) in facts.iter().enumerate() {
        known.insert((*at, *n), position);
    }
    for (at, n, new, complete) in found.into_iter().flatten() {
        match known.get(&(at, n)) {
            Some(position) => {
                let old = &mut facts[*position].2;
                if complete {
                    let again =
                        |old: &Fact| new.iter().any(|new| new.cause == old.cause && lost(new));
                    old.retain(|fact| !lost(fact) || again(fact));
                }
                for fact in new {
                    let told = |old: &Fact| old.cause == fact.cause && lost(old) == lost(&fact);
                    if !old.iter().any(told) {
                        old.push(fact);
                    }
                }
            }
            None if new.is_empty() => {}
            None => facts.push((at, n, new)),
        }
    }
    facts.sort_by_key(|(at, n, _)| (*at, *n));
}

fn lost(fact: &Fact) -> bool {
    matches!(
        fact.what,
        What::Leak | What::FreedWhileHeld | What::ArrayLost
    )
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Does {
    acquires: bool,
    touches: bool,
}

fn of_file(
    at: usize,
    file: &FileFacts,
    faulty: &BTreeSet<(usize, usize)>,
    look: &Look<'_>,
) -> Vec<Second> {
    if file.path.extension() != Some("c") {
        return Vec::new();
    }
    let functions: Vec<(usize, &Function)> = file
        .functions
        .iter()
        .enumerate()
        .filter(|(_, function)| function.linkage != Linkage::Macro)
        .collect();
    let does = what_they_do(&functions);
    // Of two functions of one name, in two arms of an `#if`, it is not known which is called.
    let mut named: HashMap<&str, Vec<(usize, &Function)>> = HashMap::new();
    for (n, function) in &functions {
        named
            .entry(&function.name)
            .or_default()
            .push((*n, function));
    }
    let helper = |name: &str| match named.get(name).map(Vec::as_slice) {
        Some([(n, function)]) => {
            let of_use = does.get(name).is_some_and(|does| does.touches) || is_small(function);
            (of_use && !faulty.contains(&(at, *n))).then_some((*n, *function))
        }
        _ => None,
    };
    let acquires = |name: &str| does.get(name).is_some_and(|does| does.acquires);
    let second = |(n, function): &(usize, &Function), spared: &BTreeSet<usize>| {
        // What the catalogue knows is the API itself.
        if !acquires(&function.name) || followed().get(&function.name).is_some() {
            return None;
        }
        let helper = |name: &str| {
            helper(name)
                .filter(|(n, _)| !spared.contains(n))
                .map(|(_, f)| f)
        };
        let whole = with_helpers(function, &helper)?;
        let (mut facts, complete) = look(at, &whole, MOST_WAYS);
        let inside =
            |fact: &Fact| function.span.start <= fact.at.start && fact.at.end <= function.span.end;
        let across = |fact: &Fact| {
            lost(fact) || matches!(fact.what, What::ErrnoUnsigned | What::ErrnoAsCount)
        };
        facts.retain(|fact| complete && across(fact) && inside(fact));
        Some((at, *n, facts, complete))
    };
    let none = BTreeSet::new();
    let first: Vec<Second> = functions.iter().filter_map(|f| second(f, &none)).collect();
    // Whose helper has the mistake is looked at again without it.
    let spared: BTreeSet<usize> = first
        .iter()
        .filter(|f| !f.2.is_empty())
        .map(|f| f.1)
        .collect();
    let again = |old: Second| {
        let function = functions.iter().find(|(n, _)| *n == old.1);
        match function {
            Some(function) if !old.2.is_empty() => second(function, &spared),
            _ => Some(old),
        }
    };
    first.into_iter().filter_map(again).collect()
}

/// Of so few statements it is soon seen what they return.
fn is_small(function: &Function) -> bool {
    let mut count = 0;
    visit::statements(&function.body, &mut |_| count += 1);
    count <= 8
}

/// What the functions do with pages, themselves or through one another.
fn what_they_do<'f>(functions: &[(usize, &'f Function)]) -> HashMap<&'f str, Does> {
    let catalogue = followed();
    let mut does: HashMap<&str, Does> = HashMap::new();
    let mut calls: Vec<(&str, Vec<&str>)> = Vec::new();
    for (_, function) in functions {
        let mut own = Does::default();
        let mut names = Vec::new();
        visit::all_calls(&function.body, &mut |name, _, _| {
            let known = catalogue.get(name).map(|function| function.role);
            own.acquires |= known == Some(Role::Acquire);
            own.touches |= known.is_some();
            names.push(name);
        });
        does.insert(&function.name, own);
        calls.push((&function.name, names));
    }
    for _ in 0..TURNS {
        for (name, names) in &calls {
            let mut all = does.get(name).copied().unwrap_or_default();
            for callee in names {
                let callee = does.get(callee).copied().unwrap_or_default();
                all.acquires |= callee.acquires;
                all.touches |= callee.touches;
            }
            does.insert(name, all);
        }
    }
    does
}
