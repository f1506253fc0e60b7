// SPDX-License-Identifier: MIT OR Apache-2.0
//! The index of a tree: the files that name a function of the catalogue, each with the facts of the functions that do.
//!
//! One pass reads every file and keeps none of their bytes. With a [`Shelf`] only what changed is read.

use super::facts;
use super::ir::FileFacts;
use super::prefilter::Seeds;
use super::shelf::{Key, Shelf};
use super::wanted::{NameSet, Wanted};
use crate::report::UnreadItem;
use crate::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Every thread reads all its files into one buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that a file has made larger than this, in bytes, is given back: of the files of 6.12 all but a hundred, mostly
/// generated headers of register names, are smaller.
const ROOM: usize = 1 << 20;

/// What names a function of the catalogue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index {
    /// Facts of the files that do, sorted by path.
    pub hits: Vec<FileFacts>,
    /// Files that could not be read, sorted.
    pub unread: Vec<UnreadItem>,
    /// Files of the tree.
    pub walked: usize,
}

/// What came of one file in a pass.
enum Seen {
    Nothing,
    Facts(Box<FileFacts>),
    Unread(UnreadItem),
}

impl Index {
    /// Reads every file of the tree; those that name one of `seeds` are parsed where they do.
    pub fn build<S: AsRef<str>>(tree: &Tree, seeds: impl IntoIterator<Item = S>) -> Index {
        Self::with(tree, seeds, &Shelf::none())
    }

    /// The same; what the shelf knows is not read again.
    pub(crate) fn with<S: AsRef<str>>(
        tree: &Tree,
        seeds: impl IntoIterator<Item = S>,
        shelf: &Shelf,
    ) -> Index {
        let filter = Seeds::new(NameSet::new(seeds));
        let key = Key::of_seeds(&filter.all());
        let mut unread: BTreeSet<UnreadItem> = tree.unread().iter().cloned().collect();
        let unknown: Vec<&Utf8Path> = match shelf.hits(&key) {
            Some(_) => {
                let files = tree.files().iter().map(Utf8PathBuf::as_path);
                files.filter(|path| shelf.is_stale(path)).collect()
            }
            None => tree.files().iter().map(Utf8PathBuf::as_path).collect(),
        };
        let known: Vec<&Utf8Path> = shelf.hits(&key).unwrap_or_default();
        let defined = tree.defined();
        let see = |path: &Utf8Path, bytes: &[u8]| {
            if !filter.hits(bytes) {
                return Seen::Nothing;
            }
            let parse =
                || facts::parse_for(path, bytes, &Wanted::Holding(filter.names()), &defined);
            Seen::Facts(Box::new(shelf.learn(path, &key, bytes, parse)))
        };
        let mut seen = pass(tree, &unknown, &see);
        let taken: Vec<(&Utf8Path, Option<FileFacts>)> = known
            .into_par_iter()
            .map(|path| (path, shelf.facts(path, &key)))
            .collect();
        let mut lost = Vec::new();
        for (path, facts) in taken {
            match facts {
                Some(facts) => seen.push(Seen::Facts(Box::new(facts))),
                None => lost.push(path),
            }
        }
        seen.extend(pass(tree, &lost, &see));
        let mut hits = Vec::new();
        for seen in seen {
            match seen {
                Seen::Nothing => {}
                Seen::Unread(item) => {
                    shelf.unreadable(Utf8Path::new(&item.path));
                    unread.insert(item);
                }
                Seen::Facts(facts) => hits.push(*facts),
            }
        }
        hits.sort_by(|a: &FileFacts, b| a.path.as_str().cmp(b.path.as_str()));
        if hits.len() != shelf.had(&key) {
            shelf.differs();
        }
        Index {
            hits,
            unread: unread.into_iter().collect(),
            walked: tree.files().len(),
        }
    }

    /// Files and functions that could not be read, sorted.
    pub fn unread(&self) -> Vec<UnreadItem> {
        let mut out = self.unread.clone();
        for facts in &self.hits {
            out.extend(facts.unread.iter().map(|unread| UnreadItem {
                path: facts.path.to_string(),
                function: unread.function.clone(),
                line: if unread.function.is_some() {
                    facts.position(unread.span.start).0
                } else {
                    0
                },
                why: unread.why.clone(),
            }));
        }
        out.sort();
        out
    }
}

/// Reads `paths` in parallel and keeps what `see` makes of each, in the order of `paths`.
fn pass(
    tree: &Tree,
    paths: &[&Utf8Path],
    see: &(impl Fn(&Utf8Path, &[u8]) -> Seen + Sync),
) -> Vec<Seen> {
    paths
        .par_iter()
        .with_min_len(16)
        .map(|path| {
            with_bytes(tree, path, |bytes| see(path, bytes)).unwrap_or_else(|error| {
                Seen::Unread(UnreadItem {
                    path: path.to_string(),
                    function: None,
                    line: 0,
                    why: error.to_string(),
                })
            })
        })
        .filter(|seen| !matches!(seen, Seen::Nothing))
        .collect()
}

fn with_bytes<T>(
    tree: &Tree,
    path: &Utf8Path,
    see: impl FnOnce(&[u8]) -> T,
) -> Result<T, crate::tree::Error> {
    BUFFER.with_borrow_mut(|buffer| {
        tree.read_into(path, buffer)?;
        let seen = see(buffer);
        if buffer.capacity() > ROOM {
            *buffer = Vec::new();
        }
        Ok(seen)
    })
}
