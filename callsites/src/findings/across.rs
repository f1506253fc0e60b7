// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is lost across a call within a file: functions whose helpers take, keep or release pages are walked once more
//! with the helpers in them.
//!
//! Only what the first walk cannot see is added: pages that are lost, and errors that a helper takes for a number. What
//! it took for lost, for want of knowing what a helper returns, is taken back. A helper with a mistake of its own is left out, or each of its callers would be told of it.

use super::paths::{Fact, What, with_helpers};
use super::{helpers, visit};
use crate::index::ir::{FileFacts, Function, Linkage};
use camino::Utf8Path;
use rayon::prelude::*;
use refimpl::api::{acts, followed};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How often what the helpers do is handed up to their callers: as deep as the second walk follows calls.
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
    let mistaken = |(_, _, facts): &&(usize, usize, Vec<Fact>)| facts.iter().any(is_mistake);
    let faulty: BTreeSet<(usize, usize)> = facts
        .iter()
        .filter(mistaken)
        .map(|(at, n, _)| (*at, *n))
        .collect();
    let tables: Vec<Table<'_>> = files.par_iter().map(|file| Table::of(file)).collect();
    let outside = Outside::of(files, &tables);
    let found: Vec<Vec<Second>> = files
        .par_iter()
        .enumerate()
        .map(|(at, file)| {
            let own = tables[at].with(&|name| outside.does(file, name));
            let file = OfFile {
                at,
                file,
                own,
                outside: &outside,
                faulty: &faulty,
            };
            file.second_walks(look)
        })
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
                    let told = |old: &Fact| {
                        old.cause == fact.cause
                            && (lost(old) && lost(&fact) || old.what == fact.what)
                    };
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

/// Whether the function itself is at fault. A member is overwritten by whoever is called at the wrong time.
fn is_mistake(fact: &Fact) -> bool {
    fact.what != What::Overwritten
}

/// Whether a walk with the helpers in it says more than one without.
fn is_across(fact: &Fact) -> bool {
    lost(fact)
        || matches!(
            fact.what,
            What::ErrnoUnsigned
                | What::ErrnoAsCount
                | What::ReleasedTwice
                | What::ReleasedAgain
                | What::ChargeKept
                | What::SuccessAfterRelease
                | What::Overwritten
        )
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Does {
    acquires: bool,
    touches: bool,
    unpins: bool,
}

impl Does {
    fn with(self, other: Self) -> Self {
        Self {
            acquires: self.acquires || other.acquires,
            touches: self.touches || other.touches,
            unpins: self.unpins || other.unpins,
        }
    }
}

/// What the functions of a file do with pages, themselves or through one another, and whom they call.
#[derive(Default)]
struct Table<'f> {
    does: HashMap<&'f str, Does>,
    calls: Vec<(&'f str, Vec<&'f str>)>,
}

impl<'f> Table<'f> {
    fn of(file: &'f FileFacts) -> Self {
        let catalogue = followed();
        let mut table = Self::default();
        for function in file
            .functions
            .iter()
            .filter(|f| f.linkage != Linkage::Macro)
        {
            let mut own = Does::default();
            let mut names = Vec::new();
            visit::all_calls(&function.body, &mut |name, _, _| {
                let acts = acts().get(name).is_some();
                own.acquires |= helpers::acquires(name);
                own.unpins |= helpers::unpins(name);
                own.touches |= acts || catalogue.get(name).is_some();
                names.push(name);
            });
            table.does.insert(&function.name, own);
            table.calls.push((&function.name, names));
        }
        table.with(&|_| None)
    }

    /// The same, with what functions of other files do.
    fn with(&self, outside: &dyn Fn(&str) -> Option<Does>) -> Self {
        let mut does = self.does.clone();
        for _ in 0..TURNS {
            for (name, names) in &self.calls {
                let mut all = does.get(name).copied().unwrap_or_default();
                for callee in names {
                    let own = does.get(callee).copied();
                    all = all.with(own.or_else(|| outside(callee)).unwrap_or_default());
                }
                does.insert(name, all);
            }
        }
        Self {
            does,
            calls: self.calls.clone(),
        }
    }
}

/// Functions that others of a directory may call: those of a `.c` file that are not static, and those of a header.
struct Outside<'f> {
    /// By directory and name; none where two bear the name.
    found: HashMap<(&'f Utf8Path, &'f str), Option<(&'f Function, Does)>>,
}

impl<'f> Outside<'f> {
    fn of(files: &'f [Arc<FileFacts>], tables: &[Table<'f>]) -> Self {
        let mut found = HashMap::new();
        for (file, table) in files.iter().zip(tables) {
            let header = file.path.extension() == Some("h");
            let directory = directory(file);
            // What the kernel's headers say is in the catalogue.
            if header && directory.starts_with("include") {
                continue;
            }
            for function in &file.functions {
                let open = header && function.linkage == Linkage::Static
                    || !header && function.linkage == Linkage::External;
                let does = table.does.get(function.name.as_str()).copied();
                let Some(does) = does.filter(|does| open && (does.acquires || does.unpins)) else {
                    continue;
                };
                found
                    .entry((directory, function.name.as_str()))
                    .and_modify(|one| *one = None)
                    .or_insert(Some((function, does)));
            }
        }
        Self { found }
    }

    fn get(&self, file: &FileFacts, name: &str) -> Option<(&'f Function, Does)> {
        self.found.get(&(directory(file), name)).copied().flatten()
    }

    fn does(&self, file: &FileFacts, name: &str) -> Option<Does> {
        self.get(file, name).map(|(_, does)| does)
    }
}

fn directory(file: &FileFacts) -> &Utf8Path {
    file.path.parent().unwrap_or(Utf8Path::new(""))
}

/// One file, and what its functions may call.
struct OfFile<'a, 'f> {
    at: usize,
    file: &'f FileFacts,
    own: Table<'f>,
    outside: &'a Outside<'f>,
    faulty: &'a BTreeSet<(usize, usize)>,
}

impl<'f> OfFile<'_, 'f> {
    fn second_walks(&self, look: &Look<'_>) -> Vec<Second> {
        if self.file.path.extension() != Some("c") {
            return Vec::new();
        }
        let functions: Vec<(usize, &Function)> = self
            .file
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| function.linkage != Linkage::Macro)
            .collect();
        // Of two functions of one name, in two arms of an `#if`, it is not known which is called.
        let mut named: HashMap<&str, Vec<(usize, &'f Function)>> = HashMap::new();
        for (n, function) in self.file.functions.iter().enumerate() {
            if function.linkage != Linkage::Macro {
                named.entry(&function.name).or_default().push((n, function));
            }
        }
        let second = |one: &(usize, &Function), spared: &BTreeSet<usize>| {
            self.second(*one, &named, spared, look)
        };
        let none = BTreeSet::new();
        let first: Vec<Second> = functions.iter().filter_map(|f| second(f, &none)).collect();
        // Whose helper has the mistake is looked at again without it.
        let spared: BTreeSet<usize> = first
            .iter()
            .filter(|f| f.2.iter().any(is_mistake))
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

    fn second(
        &self,
        (n, function): (usize, &Function),
        named: &HashMap<&str, Vec<(usize, &'f Function)>>,
        spared: &BTreeSet<usize>,
        look: &Look<'_>,
    ) -> Option<Second> {
        let does = |name: &str| self.own.does.get(name).copied().unwrap_or_default();
        // What the catalogue knows is the API itself.
        let worth = does(&function.name).acquires || does(&function.name).unpins;
        if !worth || followed().get(&function.name).is_some() {
            return None;
        }
        let helper = |name: &str| match named.get(name).map(Vec::as_slice) {
            Some([(n, function)]) => {
                let of_use = does(name).touches || is_small(function);
                let sound = !self.faulty.contains(&(self.at, *n)) && !spared.contains(n);
                (of_use && sound).then_some(*function)
            }
            Some(_) => None,
            None => self
                .outside
                .get(self.file, name)
                .map(|(function, _)| function),
        };
        let whole = with_helpers(function, &helper)?;
        let (mut facts, complete) = look(self.at, &whole, MOST_WAYS);
        let inside =
            |fact: &Fact| function.span.start <= fact.at.start && fact.at.end <= function.span.end;
        facts.retain(|fact| complete && is_across(fact) && inside(fact));
        Some((self.at, n, facts, complete))
    }
}

/// Of so few statements it is soon seen what they return.
fn is_small(function: &Function) -> bool {
    let mut count = 0;
    visit::statements(&function.body, &mut |_| count += 1);
    count <= 8
}
