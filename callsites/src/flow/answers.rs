// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was asked of the tree, and which files answered: kept between runs.
//!
//! An answer depends on the text of files one by one, so when a few files change it is mended by looking at those
//! alone: whoever mentions a word is looked for in the changed files only; where a name is defined is asked again only
//! when a changed file defines it or did so. Which headers a file includes is kept with what each of them includes.

use super::hash::{FastHasher, FastMap, FastSet};
use super::places::{Places, parent};
use super::text::{RecordFinder, defines, includes};
use super::want::{Scope, Want};
use crate::index::lex::is_ident;
use crate::index::shelf::Changes;
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::Arc;

/// Whether `bytes` mention `word` as `scope` has it; `own` when they are those of the file that asks.
pub(crate) fn mentions(bytes: &[u8], word: &str, scope: Scope<'_>, own: bool) -> bool {
    let says = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
    let named = match scope {
        // Who includes the header may go from record to record, and never say of which struct one is.
        Scope::Naming(tag, header) => own || says(tag) || header.is_some_and(says),
        Scope::File | Scope::Directory | Scope::Subtree => true,
    };
    named && says(word)
}

/// As it is kept: paths are numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    paths: Vec<Utf8PathBuf>,
    wants: Vec<(Want, Vec<u32>)>,
    /// The wants of each round, as numbers into `wants`.
    rounds: Vec<Vec<u32>>,
    closures: Vec<(u32, Vec<u32>)>,
    lists: Vec<(u32, List)>,
}

/// What a file includes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    /// Hash of the names in their order.
    all: u64,
    /// Hashes of the names without their directories.
    last: Vec<u32>,
}

impl List {
    fn of(names: &[String]) -> Self {
        let mut all = FastHasher::default();
        for name in names {
            all.write(name.as_bytes());
            all.write_u8(b'\n');
        }
        List {
            all: all.finish(),
            last: names.iter().map(|name| last(name)).collect(),
        }
    }
}

fn last(path: &str) -> u32 {
    let mut hasher = FastHasher::default();
    hasher.write(path.rsplit('/').next().unwrap_or(path).as_bytes());
    (hasher.finish() >> 32) as u32
}

/// A file that is other than when the answers were given.
#[derive(Debug)]
struct Other {
    path: Utf8PathBuf,
    /// None when it is gone or cannot be read.
    bytes: Option<Arc<[u8]>>,
    /// Hashes of its words.
    words: FastSet<u64>,
}

impl Other {
    fn has(&self, word: &str) -> bool {
        !word.bytes().all(is_ident) || self.words.contains(&hash(word.as_bytes()))
    }
}

fn hash(word: &[u8]) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(word);
    hasher.write_usize(word.len());
    hasher.finish()
}

/// Answers of an earlier run that still hold, and those of this one.
#[derive(Debug, Default)]
pub struct Answers {
    paths: Vec<Utf8PathBuf>,
    wants: FastMap<Want, Vec<u32>>,
    rounds: Vec<Vec<Want>>,
    closures: FastMap<Utf8PathBuf, Vec<u32>>,
    lists: FastMap<Utf8PathBuf, List>,
    others: Vec<Other>,
    changes: Changes,
    /// Whether anybody will want the answers.
    keeps: bool,
    given: BTreeMap<Want, Vec<Utf8PathBuf>>,
    asked: Vec<Vec<Want>>,
    included: FastMap<Utf8PathBuf, Arc<[Utf8PathBuf]>>,
    including: FastMap<Utf8PathBuf, List>,
}

impl Answers {
    /// None, and none are kept.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that an earlier run kept, as far as they can be read; `read` gives the bytes of a file as it is now.
    pub fn of(kept: &[u8], changes: &Changes, read: impl Fn(&Utf8Path) -> Option<Vec<u8>>) -> Self {
        let kept: Kept = postcard::from_bytes(kept).unwrap_or_default();
        let path = |at: u32| kept.paths.get(at as usize).cloned().unwrap_or_default();
        let closures = kept.closures.into_iter();
        let lists = kept.lists.into_iter();
        let want = |at: &u32| kept.wants.get(*at as usize).map(|(want, _)| want.clone());
        let rounds = kept.rounds.iter();
        let rounds = rounds.map(|round| round.iter().filter_map(want).collect());
        let mut answers = Answers {
            rounds: rounds.collect(),
            wants: kept.wants.into_iter().collect(),
            closures: closures.map(|(from, to)| (path(from), to)).collect(),
            lists: lists.map(|(at, list)| (path(at), list)).collect(),
            keeps: true,
            changes: changes.clone(),
            ..Self::default()
        };
        answers.paths = kept.paths;
        if !answers.wants.is_empty() {
            let there = changes.changed.iter().chain(&changes.added);
            let others = there.map(|path| (path, read(path).map(Arc::from)));
            let gone = changes.gone.iter().map(|path| (path, None));
            answers.others = others
                .chain(gone)
                .map(|(path, bytes)| other(path, bytes))
                .collect();
            answers.doubt();
        }
        answers
    }

    /// How many questions an earlier run asked.
    pub fn len(&self) -> usize {
        self.wants.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }

    /// Drops the lists of headers on which the changes bear.
    fn doubt(&mut self) {
        let mut doubtful: FastSet<Utf8PathBuf> = FastSet::default();
        for other in &self.others {
            let path = &other.path;
            if self.changes.added.contains(path) {
                // Whoever includes a file of that name may mean this one now.
                let name = last(path.as_str());
                for (from, list) in &self.lists {
                    if list.last.contains(&name) {
                        doubtful.insert(from.clone());
                    }
                }
                continue;
            }
            let list = other
                .bytes
                .as_deref()
                .map(|bytes| List::of(&includes(bytes)));
            match (self.lists.get_mut(path), list) {
                (Some(old), Some(new)) if *old == new => {}
                (Some(_), _) => {
                    self.lists.remove(path);
                    doubtful.insert(path.clone());
                }
                (None, None) => {
                    doubtful.insert(path.clone());
                }
                // Nobody looked into it.
                (None, Some(_)) => {}
            }
        }
        if !doubtful.is_empty() {
            let paths = &self.paths;
            self.closures.retain(|from, to| {
                let mut all = to.iter().filter_map(|at| paths.get(*at as usize));
                !doubtful.contains(from) && !all.any(|path| doubtful.contains(path))
            });
        }
    }

    /// Whether all that an earlier run asked has the answer it had.
    pub fn all_hold(&self, places: &Places<'_>) -> bool {
        self.wants.keys().all(|want| {
            let known = self.wants.get(want).map(|known| self.named(known));
            self.recall(want, places) == known
        })
    }

    fn named(&self, numbers: &[u32]) -> Vec<Utf8PathBuf> {
        let paths = numbers.iter().filter_map(|at| self.paths.get(*at as usize));
        paths.cloned().collect()
    }

    /// The files that answer, sorted, when that can be told from what is known.
    pub fn recall(&self, want: &Want, places: &Places<'_>) -> Option<Vec<Utf8PathBuf>> {
        let mut known = self.named(self.wants.get(want)?);
        let from = want.from();
        if let Some((word, scope)) = want.mentioned() {
            let far = matches!(scope, Scope::Subtree | Scope::Naming(..));
            if far && places.grew_out_of(parent(from), &self.changes) {
                return None;
            }
            for other in &self.others {
                let at = known.binary_search_by(|path| path.as_str().cmp(other.path.as_str()));
                let now = other.bytes.as_deref().is_some_and(|bytes| {
                    places.covers(from, scope, &other.path)
                        && mentions(bytes, word, scope, other.path == from)
                });
                match (at, now) {
                    (Ok(at), false) => {
                        known.remove(at);
                    }
                    (Err(at), true) => known.insert(at, other.path.clone()),
                    (Ok(_), true) | (Err(_), false) => {}
                }
            }
            return Some(known);
        }
        for other in &self.others {
            if known.contains(&other.path) {
                return None;
            }
            let Some(bytes) = other.bytes.as_deref() else {
                continue;
            };
            let here = match want {
                Want::Definition { name, .. } => other.has(name) && defines(bytes, name),
                Want::Record { tag, .. } => other.has(tag) && RecordFinder::new(tag).is_in(bytes),
                Want::Callers { .. } | Want::Users { .. } => false,
            };
            if here {
                return None;
            }
        }
        // Included headers are looked at last.
        let beside = |path: &Utf8PathBuf| path == from || is_above(parent(path), parent(from));
        let near = known.first().is_some_and(beside);
        (near || self.closures.contains_key(from)).then_some(known)
    }

    /// What was asked in a round, counted from 1.
    pub fn round(&self, round: usize) -> Option<&[Want]> {
        self.rounds.get(round.checked_sub(1)?).map(Vec::as_slice)
    }

    /// Remembers what is asked in the next round.
    pub fn asks(&mut self, wants: &[Want]) {
        if self.keeps {
            self.asked.push(wants.to_vec());
        }
    }

    /// Whether an answer is the one that the earlier run had.
    pub fn had(&self, want: &Want, found: &[Utf8PathBuf]) -> bool {
        self.wants.get(want).is_some_and(|known| {
            let paths = known.iter().map(|at| self.paths.get(*at as usize));
            paths.eq(found.iter().map(Some))
        })
    }

    /// Remembers an answer.
    pub fn give(&mut self, want: &Want, found: &[Utf8PathBuf]) {
        if self.keeps {
            self.given.insert(want.clone(), found.to_vec());
        }
    }

    /// The headers a file includes, when that is known.
    pub fn included(&mut self, from: &Utf8Path) -> Option<Arc<[Utf8PathBuf]>> {
        if let Some(known) = self.included.get(from) {
            return Some(Arc::clone(known));
        }
        let known: Arc<[Utf8PathBuf]> = self.named(self.closures.get(from)?).into();
        self.included.insert(from.to_owned(), Arc::clone(&known));
        Some(known)
    }

    /// Remembers the headers a file includes.
    pub fn includes(&mut self, from: &Utf8Path, found: Arc<[Utf8PathBuf]>) {
        self.included.insert(from.to_owned(), found);
    }

    /// Remembers the names in the `#include` lines of a file.
    pub fn lists(&mut self, path: &Utf8Path, names: &[String]) {
        if self.keeps {
            self.including.insert(path.to_owned(), List::of(names));
        }
    }

    /// What the next run is to have.
    pub fn kept(&self) -> Vec<u8> {
        let mut paths = Numbers::default();
        let mut kept = Kept::default();
        let numbers: FastMap<&Want, u32> = self.given.keys().zip(0..).collect();
        let number = |want: &Want| numbers.get(want).copied();
        let rounds = self.asked.iter();
        kept.rounds = rounds
            .map(|round| round.iter().filter_map(number).collect())
            .collect();
        let froms: FastSet<&Utf8Path> = self.given.keys().map(Want::from).collect();
        for (want, found) in &self.given {
            let found = found.iter().map(|path| paths.of(path)).collect();
            kept.wants.push((want.clone(), found));
        }
        let mut closures: BTreeMap<&Utf8Path, Vec<u32>> = BTreeMap::new();
        for (from, to) in &self.included {
            closures.insert(from, to.iter().map(|path| paths.of(path)).collect());
        }
        let mut again: Vec<Option<u32>> = vec![None; self.paths.len()];
        for (from, to) in &self.closures {
            if froms.contains(from.as_path()) && !closures.contains_key(from.as_path()) {
                let to = to.iter().filter_map(|at| {
                    let new = again.get_mut(*at as usize)?;
                    let path = self.paths.get(*at as usize)?;
                    Some(*new.get_or_insert_with(|| paths.of(path)))
                });
                closures.insert(from, to.collect());
            }
        }
        for (from, to) in closures {
            kept.closures.push((paths.of(from), to));
        }
        let mut lists: BTreeMap<&Utf8Path, &List> = BTreeMap::new();
        lists.extend(self.lists.iter().map(|(path, list)| (path.as_path(), list)));
        lists.extend(
            self.including
                .iter()
                .map(|(path, list)| (path.as_path(), list)),
        );
        for (path, list) in lists {
            // Of files that no longer are on any list, nothing need be known.
            if let Some(at) = paths.known(path) {
                kept.lists.push((at, list.clone()));
            }
        }
        kept.paths = paths.paths;
        // Writing to memory does not fail.
        postcard::to_stdvec(&kept).unwrap_or_default()
    }
}

fn other(path: &Utf8Path, bytes: Option<Arc<[u8]>>) -> Other {
    let words = bytes
        .as_deref()
        .unwrap_or_default()
        .split(|byte| !is_ident(*byte));
    Other {
        path: path.to_owned(),
        words: words.filter(|word| !word.is_empty()).map(hash).collect(),
        bytes,
    }
}

/// Whether a directory is `below` or one that it lies in.
fn is_above(directory: &str, below: &str) -> bool {
    below
        .strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Gives every path a number.
#[derive(Debug, Default)]
struct Numbers {
    numbers: FastMap<Utf8PathBuf, u32>,
    paths: Vec<Utf8PathBuf>,
}

impl Numbers {
    fn of(&mut self, path: &Utf8Path) -> u32 {
        if let Some(at) = self.numbers.get(path) {
            return *at;
        }
        let at = self.paths.len() as u32;
        self.paths.push(path.to_owned());
        self.numbers.insert(path.to_owned(), at);
        at
    }

    fn known(&self, path: &Utf8Path) -> Option<u32> {
        self.numbers.get(path).copied()
    }
}
