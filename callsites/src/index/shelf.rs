// SPDX-License-Identifier: MIT OR Apache-2.0
//! What parsing gave, kept by path, content hash and what was asked for.
//!
//! A part is the facts of one reading of one file. It is taken from the shelf as long as the file's bytes are the same;
//! what of a shelf a run did not take is not kept for the next.

use super::ir::{FileFacts, Span};
use super::{alike, facts};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Names what a reading was asked for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Key([u8; 16]);

impl Key {
    /// Of any question that can be written down.
    pub fn of(question: &impl Serialize) -> Self {
        let mut hasher = blake3::Hasher::new();
        // Writing to memory does not fail.
        hasher.update(&postcard::to_stdvec(question).unwrap_or_default());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Key(key)
    }

    /// Of the functions in which one of these names stands.
    pub fn of_seeds(names: &[String]) -> Self {
        Self::of(&("seeds", names))
    }

    /// Of the items that begin at these places.
    pub fn of_items(spans: &[Span]) -> Self {
        Self::of(&("items", spans))
    }
}

/// Which paths of a tree are other than they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// There before and now, with other bytes; sorted.
    pub changed: BTreeSet<Utf8PathBuf>,
    /// New.
    pub added: BTreeSet<Utf8PathBuf>,
    /// No longer there.
    pub gone: BTreeSet<Utf8PathBuf>,
}

impl Changes {
    /// How many paths.
    pub fn len(&self) -> usize {
        self.changed.len() + self.added.len() + self.gone.len()
    }

    /// Whether nothing is other.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a path is among them.
    pub fn has(&self, path: &Utf8Path) -> bool {
        self.changed.contains(path) || self.added.contains(path) || self.gone.contains(path)
    }
}

/// Where in the pack the parts of a file lie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Shelved {
    pub hash: [u8; 16],
    /// What was asked, first byte, length.
    parts: Vec<(Key, u32, u32)>,
}

/// The table of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// What the pass over all files asked for.
    seeds: Key,
    pub files: BTreeMap<Utf8PathBuf, Shelved>,
}

#[derive(Debug, Default)]
struct Taken {
    hash: [u8; 16],
    parts: BTreeMap<Key, Part>,
}

#[derive(Debug)]
enum Part {
    /// As it lies in the pack.
    Old(u32, u32),
    New(Vec<u8>),
}

/// Facts of an earlier run, and those of this one for the next.
#[derive(Debug, Default)]
pub struct Shelf {
    contents: Contents,
    pack: Vec<u8>,
    changes: Changes,
    /// Whether anybody will want what is learnt.
    keeps: bool,
    taken: Mutex<BTreeMap<Utf8PathBuf, Taken>>,
    unreadable: Mutex<BTreeSet<Utf8PathBuf>>,
    seeds: Mutex<Key>,
    /// Whether the code of what was parsed is other than in the earlier run, and not only where it stands.
    other: AtomicBool,
}

impl Shelf {
    /// One that holds nothing and keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// One that holds nothing and keeps what it is given.
    pub(super) fn empty() -> Self {
        Shelf {
            keeps: true,
            ..Self::default()
        }
    }

    /// The shelf of an earlier run.
    pub(super) fn of(contents: Contents, pack: Vec<u8>, changes: Changes) -> Self {
        let lost = changes
            .gone
            .iter()
            .any(|path| contents.files.contains_key(path));
        Shelf {
            contents,
            pack,
            changes,
            keeps: true,
            other: AtomicBool::new(lost),
            ..Self::default()
        }
    }

    /// Whether it came with nothing.
    pub fn is_empty(&self) -> bool {
        self.contents.files.is_empty()
    }

    /// What is other than when the shelf was filled.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether nothing is known of a file any more.
    pub fn is_stale(&self, path: &Utf8Path) -> bool {
        self.changes.has(path)
    }

    /// The files that answered to `seeds` and are as they were; None when all were not asked that.
    pub fn hits(&self, seeds: &Key) -> Option<Vec<&Utf8Path>> {
        *self.seeds.lock().unwrap_or_else(PoisonError::into_inner) = *seeds;
        if self.contents.seeds != *seeds || self.contents.files.is_empty() {
            return None;
        }
        let holds = |shelved: &Shelved| shelved.parts.iter().any(|(key, ..)| key == seeds);
        let files = self.contents.files.iter();
        let hits = files.filter(|(path, shelved)| holds(shelved) && !self.is_stale(path));
        Some(hits.map(|(path, _)| path.as_path()).collect())
    }

    /// How many files answered to `seeds` in the earlier run.
    pub fn had(&self, seeds: &Key) -> usize {
        let files = self.contents.files.values();
        let holds = |shelved: &&Shelved| shelved.parts.iter().any(|(key, ..)| key == seeds);
        files.filter(holds).count()
    }

    /// A part, when there is one.
    pub fn facts(&self, path: &Utf8Path, key: &Key) -> Option<FileFacts> {
        if self.is_stale(path) {
            return None;
        }
        let (facts, start, length) = self.old(path, key)?;
        self.take(path, facts.hash, key, Part::Old(start, length));
        Some(facts)
    }

    /// A part as the earlier run learnt it.
    fn old(&self, path: &Utf8Path, key: &Key) -> Option<(FileFacts, u32, u32)> {
        let shelved = self.contents.files.get(path)?;
        let (_, start, length) = shelved.parts.iter().find(|(known, ..)| known == key)?;
        let bytes = self.pack.get(*start as usize..)?.get(..*length as usize)?;
        Some((postcard::from_bytes(bytes).ok()?, *start, *length))
    }

    /// Whether all code that this run was given is the code that the earlier run had, blanks, comments and places
    /// apart.
    pub fn is_same(&self) -> bool {
        !self.is_empty() && !self.other.load(Ordering::Relaxed)
    }

    /// Notes that what was read is not what the earlier run read.
    pub fn differs(&self) {
        self.other.store(true, Ordering::Relaxed);
    }

    /// Makes a part, for this run and the next.
    pub fn learn(
        &self,
        path: &Utf8Path,
        key: &Key,
        bytes: &[u8],
        parse: impl FnOnce() -> FileFacts,
    ) -> FileFacts {
        let mut facts = parse();
        if self.keeps {
            facts.hash = facts::hash(bytes);
        }
        if !self.is_empty() && self.is_same() {
            let old = self.old(path, key);
            if !old.is_some_and(|(old, ..)| alike::alike(&old, &facts)) {
                self.differs();
            }
        }
        if self.keeps {
            if let Ok(part) = postcard::to_stdvec(&facts) {
                self.take(path, facts.hash, key, Part::New(part));
            }
        }
        facts
    }

    /// Notes a file that could not be read, so that it is tried again the next time.
    pub fn unreadable(&self, path: &Utf8Path) {
        let mut unreadable = self
            .unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unreadable.insert(path.to_owned());
    }

    fn take(&self, path: &Utf8Path, hash: [u8; 16], key: &Key, part: Part) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let file = taken.entry(path.to_owned()).or_default();
        file.hash = hash;
        file.parts.insert(*key, part);
    }

    /// Names the facts of a file, as far as all parts of them were learnt or taken here.
    pub fn key(&self, path: &Utf8Path) -> Option<Key> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let file = taken.get(path)?;
        Some(Key::of(&(
            &file.hash,
            file.parts.keys().collect::<Vec<_>>(),
        )))
    }

    /// Files that could not be read in this run.
    pub(super) fn refused(&self) -> BTreeSet<Utf8PathBuf> {
        self.unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the next run is to have: the parts that this one took, in one piece.
    pub(super) fn packed(&self) -> (Contents, Vec<u8>) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pack = Vec::with_capacity(self.pack.len() + (1 << 16));
        let mut files = BTreeMap::new();
        for (path, file) in taken.iter() {
            let mut parts = Vec::new();
            for (key, part) in &file.parts {
                let start = pack.len() as u32;
                match part {
                    Part::Old(start, length) => {
                        let old = self.pack.get(*start as usize..);
                        let old = old.and_then(|rest| rest.get(..*length as usize));
                        pack.extend_from_slice(old.unwrap_or_default());
                    }
                    Part::New(bytes) => pack.extend_from_slice(bytes),
                }
                parts.push((*key, start, pack.len() as u32 - start));
            }
            let hash = file.hash;
            files.insert(path.clone(), Shelved { hash, parts });
        }
        let seeds = *self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        (Contents { seeds, files }, pack)
    }
}
