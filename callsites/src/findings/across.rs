// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is lost across a call within a file: functions whose helpers take, keep or release pages are walked once more
//! with the helpers in them.
//!
//! Only what the first walk cannot see is added: pages that are lost, and errors that a helper takes for a number. What
//! it guessed, for want of knowing what a helper returns, is taken back. A helper with a mistake of its own is left out,
//! or each of its callers would be told of it.

use super::paths::{Fact, What, with_helpers};
use super::{helpers, visit};
use crate::flow::places::parent;
use crate::index::ir::{FileFacts, Function, Linkage};
use rayon::prelude::*;
use refimpl::api::{Does as Act, Role, acts, followed};
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
    let of_files: Vec<OfFile<'_>> = files
        .par_iter()
        .enumerate()
        .map(|(at, file)| OfFile {
            at,
            file,
            own: tables[at].with(&|name| outside.does(file, name)),
            named: named(file),
        })
        .collect();
    let all = All {
        files: &of_files,
        outside: &outside,
        faulty: &faulty,
    };
    let found: Vec<Vec<Second>> = of_files
        .par_iter()
        .map(|file| all.second_walks(file, look))
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
                    // What is lost, and where, is known better now.
                    let again = |old: &Fact| {
                        let same = |new: &Fact| new.what == old.what && new.cause == old.cause;
                        new.iter()
                            .any(|new| same(new) && (!lost(old) || new.at == old.at))
                    };
                    old.retain(|fact| !is_guessed(fact) || again(fact));
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

/// Whether a walk that does not know what helpers return may tell of it where nothing is wrong.
fn is_guessed(fact: &Fact) -> bool {
    lost(fact)
        || matches!(
            fact.what,
            What::ErrnoAsCount
                | What::ReleasedBeyondGot
                | What::ReleasedAfterFailure
                | What::ReleasedTwice
                | What::UsedAfterRelease
                | What::DirtiedAfterRelease
                | What::WantedKept
                | What::LockKept
                | What::NoneIsSuccess
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
                | What::ReleasedBeyondGot
                | What::ReleasedAfterFailure
                | What::ReleasedFromFreed
                | What::DirtiedAfterRelease
                | What::UnmappedAfterRelease
                | What::SleepsWhenAtomic
                | What::UsedAfterRelease
                | What::WantedKept
                | What::LockKept
                | What::NoneIsSuccess
                | What::SlabReference
        )
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Does {
    acquires: bool,
    touches: bool,
    unpins: bool,
    /// Allocates from the slab allocator.
    allocates: bool,
    /// Takes references on the pages of an address.
    refers: bool,
}

impl Does {
    fn with(self, other: Self) -> Self {
        Self {
            acquires: self.acquires || other.acquires,
            touches: self.touches || other.touches,
            unpins: self.unpins || other.unpins,
            allocates: self.allocates || other.allocates,
            refers: self.refers || other.refers,
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
        for function in &file.functions {
            let mut own = Does::default();
            let mut names = Vec::new();
            let (mut translates, mut refers) = (false, false);
            visit::all_calls(&function.body, &mut |name, _, _| {
                let does = acts().of(name);
                own.allocates |=
                    matches!(does, Some(Act::AllocatesSlab | Act::AllocatesZeroedSlab));
                let known = catalogue.get(name);
                translates |= known.is_some_and(|f| f.kind == "kernel address");
                refers |= known.is_some_and(|f| f.role == Role::Reference);
                let acts = acts().get(name).is_some();
                own.acquires |= helpers::acquires(name);
                own.unpins |= helpers::unpins(name);
                own.touches |= acts || catalogue.get(name).is_some();
                names.push(name);
            });
            own.refers = translates && refers;
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
    /// By directory and name, with the position of the file; none where two bear the name.
    found: HashMap<(&'f str, &'f str), Option<Known<'f>>>,
}

/// A function, the position of its file, and what it does.
type Known<'f> = (usize, &'f Function, Does);

impl<'f> Outside<'f> {
    fn of(files: &'f [Arc<FileFacts>], tables: &[Table<'f>]) -> Self {
        let mut found = HashMap::new();
        for (at, (file, table)) in files.iter().zip(tables).enumerate() {
            let header = file.path.as_str().ends_with(".h");
            let directory = parent(&file.path);
            // What the kernel's headers say is in the catalogue.
            if header && (directory == "include" || directory.starts_with("include/")) {
                continue;
            }
            for function in &file.functions {
                // What the catalogue says of a function is not read out of it once more.
                if followed().get(&function.name).is_some() {
                    continue;
                }
                let open = header && function.linkage == Linkage::Static
                    || !header && function.linkage == Linkage::External;
                let does = table.does.get(function.name.as_str()).copied();
                let Some(does) = does.filter(|does| open && (does.acquires || does.unpins)) else {
                    continue;
                };
                found
                    .entry((directory, function.name.as_str()))
                    .and_modify(|one| *one = None)
                    .or_insert(Some((at, function, does)));
            }
        }
        Self { found }
    }

    fn get(&self, file: &FileFacts, name: &str) -> Option<Known<'f>> {
        self.found
            .get(&(parent(&file.path), name))
            .copied()
            .flatten()
    }

    fn does(&self, file: &FileFacts, name: &str) -> Option<Does> {
        self.get(file, name).map(|(_, _, does)| does)
    }
}

/// Functions and macros by name, each with its position. Of two of one name, in two arms of an `#if`, it is not known
/// which is called.
type Named<'f> = HashMap<&'f str, Vec<(usize, &'f Function)>>;

fn named(file: &FileFacts) -> Named<'_> {
    let mut named = Named::new();
    for (n, function) in file.functions.iter().enumerate() {
        named.entry(&function.name).or_default().push((n, function));
    }
    named
}

/// One file, and what its functions are.
struct OfFile<'f> {
    at: usize,
    file: &'f FileFacts,
    own: Table<'f>,
    named: Named<'f>,
}

/// All files, and what their functions may call.
struct All<'a, 'f> {
    files: &'a [OfFile<'f>],
    outside: &'a Outside<'f>,
    faulty: &'a BTreeSet<(usize, usize)>,
}

impl<'f> All<'_, 'f> {
    fn second_walks(&self, file: &OfFile<'f>, look: &Look<'_>) -> Vec<Second> {
        if file.file.path.extension() != Some("c") {
            return Vec::new();
        }
        let functions: Vec<(usize, &Function)> = file
            .file
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| function.linkage != Linkage::Macro)
            .collect();
        let second = |one: &(usize, &Function), spared: &BTreeSet<usize>| {
            self.second(file, *one, spared, look)
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

    /// The function that a file means by a name, when it is worth following.
    fn helper(
        &self,
        from: usize,
        name: &str,
        spared: &dyn Fn(usize, usize) -> bool,
    ) -> Option<(usize, &'f Function)> {
        let file = &self.files[from];
        match file.named.get(name).map(Vec::as_slice) {
            Some([(n, function)]) => {
                let does = file.own.does.get(name).copied().unwrap_or_default();
                let of_use = does.touches || is_small(function);
                let sound = !self.faulty.contains(&(from, *n)) && !spared(from, *n);
                (of_use && sound).then_some((from, *function))
            }
            Some(_) => None,
            None => self
                .outside
                .get(file.file, name)
                .map(|(at, function, _)| (at, function)),
        }
    }

    fn second(
        &self,
        file: &OfFile<'f>,
        (n, function): (usize, &Function),
        spared: &BTreeSet<usize>,
        look: &Look<'_>,
    ) -> Option<Second> {
        let does = |name: &str| file.own.does.get(name).copied().unwrap_or_default();
        // What the catalogue knows is the API itself.
        let own = does(&function.name);
        let worth = own.acquires || own.unpins || own.allocates && own.refers;
        if !worth || followed().get(&function.name).is_some() {
            return None;
        }
        let spared = |at: usize, n: usize| at == file.at && spared.contains(&n);
        let helper = |from: usize, name: &str| self.helper(from, name, &spared);
        let whole = with_helpers((file.at, function), &helper)?;
        let (mut facts, complete) = look(file.at, &whole, MOST_WAYS);
        let inside =
            |fact: &Fact| function.span.start <= fact.at.start && fact.at.end <= function.span.end;
        facts.retain(|fact| complete && is_across(fact) && inside(fact));
        Some((file.at, n, facts, complete))
    }
}

/// Statements of a helper that is followed though it calls nothing of interest: a search for a free slot has nine or ten,
/// and each way through it is one more way through its caller.
const SMALL: usize = 14;

/// Of so few statements it is soon seen what they return.
fn is_small(function: &Function) -> bool {
    let mut count = 0;
    visit::statements(&function.body, &mut |_| count += 1);
    count <= SMALL
}
