// SPDX-License-Identifier: MIT OR Apache-2.0
//! The index of a tree: the files with hits first, then whatever the flow asks for.
//!
//! One pass reads every file and keeps none: a file is parsed, in part, when it names a function of the catalogue.
//! [`Index::expand`] answers demands from the files near those, and on request from the whole tree.

use super::demand::{Chooser, Demand, Reach};
use super::facts;
use super::ir::{FileFacts, Function, Record, TypeRef};
use super::lex::{Mode, tokens};
use super::near::{self, Words};
use super::prefilter::Prefilter;
use super::wanted::{NameSet, Wanted};
use crate::report::UnreadItem;
use crate::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

thread_local! {
    /// Every thread reads all its files into one buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is known of a tree.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Index {
    /// Facts by path.
    pub(super) files: BTreeMap<Utf8PathBuf, FileFacts>,
    /// Content hash of each file of `files` when it was read.
    pub(super) hashes: BTreeMap<Utf8PathBuf, [u8; 32]>,
    /// Paths of files that name a function of the catalogue.
    pub(super) hits: BTreeSet<Utf8PathBuf>,
    /// Words of the files that are near.
    pub(super) near: BTreeMap<Utf8PathBuf, Words>,
    /// The names that make a hit.
    pub(super) seeds: Vec<String>,
    /// What was answered from near files, and from the whole tree.
    pub(super) answered: [Demand; 2],
    /// Files that could not be read.
    pub(super) unread: Vec<UnreadItem>,
    /// Files of the tree.
    pub(super) walked: usize,
}

/// What came of one file in a pass.
pub(super) enum Seen {
    Nothing,
    Facts(Box<FileFacts>, [u8; 32]),
    Unread(UnreadItem),
}

impl Index {
    /// Reads every file of the tree; those that name one of `seeds` are parsed where they do.
    pub fn build<S: AsRef<str>>(tree: &Tree, seeds: impl IntoIterator<Item = S>) -> Index {
        let seeds = NameSet::new(seeds);
        let mut index = Index {
            seeds: seeds.names(),
            walked: tree.files().len(),
            ..Index::default()
        };
        index.unread.extend(tree.unread().iter().cloned());
        let filter = Prefilter::new(seeds);
        index.take_hits(tree, &filter, tree.files());
        index
    }

    /// Parses those of `paths` that hit.
    pub(super) fn take_hits(&mut self, tree: &Tree, filter: &Prefilter, paths: &[Utf8PathBuf]) {
        let seen = pass(tree, paths, |path, bytes| {
            if !filter.hits(bytes) {
                return Seen::Nothing;
            }
            let facts = facts::parse(path, bytes, &Wanted::Holding(filter.names()));
            Seen::Facts(Box::new(facts), *blake3::hash(bytes).as_bytes())
        });
        for (path, seen) in seen {
            match seen {
                Seen::Nothing => {}
                Seen::Unread(item) => self.unread.push(item),
                Seen::Facts(facts, hash) => {
                    self.hits.insert(path.clone());
                    self.hashes.insert(path.clone(), hash);
                    self.files.insert(path, *facts);
                }
            }
        }
        self.unread.sort();
        self.unread.dedup();
    }

    /// Finds the files near the hits and the words in them. A directory like include/linux is near only by the files
    /// that are included: it belongs to everybody.
    pub(super) fn find_near(&mut self, tree: &Tree) {
        let directories: BTreeSet<&Utf8Path> = self
            .hits
            .iter()
            .filter(|path| path.extension() == Some("c"))
            .filter_map(|path| path.parent())
            .collect();
        let beside = |path: &&Utf8PathBuf| path.parent().is_some_and(|d| directories.contains(d));
        let mut paths: BTreeSet<&str> = tree
            .files()
            .iter()
            .filter(beside)
            .map(|p| p.as_str())
            .collect();
        paths.extend(self.hits.iter().map(|p| p.as_str()));
        // The headers that files with hits include, and those that headers of their own kind include.
        let mut headers: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let mut from: Vec<Utf8PathBuf> = self.hits.iter().cloned().collect();
        for quoted_only in [false, true] {
            let included: Vec<(bool, Utf8PathBuf)> = from
                .par_iter()
                .flat_map_iter(|path| {
                    let lines = with_bytes(tree, path, include_lines).unwrap_or_default();
                    let there = |(quoted, name): (bool, String)| {
                        let found = near::places(path, quoted, &name)
                            .into_iter()
                            .find(|p| tree.has(p))?;
                        Some((quoted, found))
                    };
                    lines.into_iter().filter_map(there).collect::<Vec<_>>()
                })
                .collect();
            from = included
                .iter()
                .filter(|(quoted, path)| *quoted && !headers.contains(path))
                .map(|(_, path)| path.clone())
                .collect();
            headers.extend(
                included
                    .into_iter()
                    .filter(|(quoted, _)| *quoted || !quoted_only)
                    .map(|(_, path)| path),
            );
        }
        paths.extend(headers.iter().map(|p| p.as_str()));
        let paths: Vec<&Utf8Path> = paths.into_iter().map(Utf8Path::new).collect();
        let known = std::mem::take(&mut self.near);
        self.near = paths
            .par_iter()
            .filter_map(|path| {
                let words = match known.get(*path) {
                    Some(words) => words.clone(),
                    None => with_bytes(tree, path, Words::of).ok()?,
                };
                Some((path.to_path_buf(), words))
            })
            .collect();
    }

    /// Answers a demand; returns how many functions, records and tables are new.
    pub fn expand(&mut self, tree: &Tree, demand: &Demand, reach: Reach) -> usize {
        let new = demand.without(&self.answered[1]);
        let new = if reach == Reach::Near {
            new.without(&self.answered[0])
        } else {
            new
        };
        if new.is_empty() {
            return 0;
        }
        // Whoever demands nothing pays for no neighbours.
        if self.near.is_empty() {
            self.find_near(tree);
        }
        let paths: Vec<Utf8PathBuf> = match reach {
            Reach::Near => self
                .near
                .iter()
                .filter(|(_, words)| new.may_be_in(words))
                .map(|(path, _)| path.clone())
                .collect(),
            Reach::Tree => tree.files().to_vec(),
        };
        let filter = (reach == Reach::Tree).then(|| Prefilter::new(new.names()));
        let added = self.answer(tree, &new, &paths, filter.as_ref());
        self.answered[reach as usize].add(&new);
        added
    }

    /// Parses what `demand` selects in `paths`.
    pub(super) fn answer(
        &mut self,
        tree: &Tree,
        demand: &Demand,
        paths: &[Utf8PathBuf],
        filter: Option<&Prefilter>,
    ) -> usize {
        let chooser = demand.chooser();
        let near = &self.near;
        let known = &self.files;
        let seen = pass(tree, paths, |path, bytes| {
            let hit = match near.get(path) {
                Some(words) => demand.may_be_in(words),
                None => filter.is_none_or(|filter| filter.hits(bytes)),
            };
            if !hit {
                return Seen::Nothing;
            }
            let facts = chosen(path, bytes, &chooser, known.get(path));
            let wanted_record = facts
                .records
                .iter()
                .any(|r| demand.records.contains(&r.tag))
                || facts
                    .typedefs
                    .iter()
                    .any(|(name, _)| demand.records.contains(name));
            if facts.functions.is_empty()
                && !wanted_record
                && !facts.globals.iter().any(|g| g.init.is_some())
            {
                return Seen::Nothing;
            }
            Seen::Facts(Box::new(facts), *blake3::hash(bytes).as_bytes())
        });
        let mut added = 0;
        for (path, seen) in seen {
            let Seen::Facts(facts, hash) = seen else {
                continue;
            };
            self.hashes.entry(path.clone()).or_insert(hash);
            match self.files.get_mut(&path) {
                Some(own) => {
                    let before = own.functions.len() + own.initialised();
                    own.merge(*facts);
                    added += own.functions.len() + own.initialised() - before;
                }
                None => {
                    added += facts.functions.len() + facts.records.len() + facts.initialised();
                    self.files.insert(path, *facts);
                }
            }
        }
        added
    }

    /// Brings the index up to date: reads `changed` files again and forgets those that are `gone`.
    pub(super) fn refresh(&mut self, tree: &Tree, changed: &[Utf8PathBuf], gone: &[Utf8PathBuf]) {
        for path in gone.iter().chain(changed) {
            self.files.remove(path);
            self.hashes.remove(path);
            self.hits.remove(path);
            self.near.remove(path);
        }
        let touched: BTreeSet<&str> = gone.iter().chain(changed).map(|p| p.as_str()).collect();
        self.unread
            .retain(|item| !touched.contains(item.path.as_str()));
        self.walked = tree.files().len();
        let filter = Prefilter::new(NameSet::new(&self.seeds));
        self.take_hits(tree, &filter, changed);
        if self.answered == <[Demand; 2]>::default() {
            self.near.clear();
            return;
        }
        let before: BTreeSet<Utf8PathBuf> = self.near.keys().cloned().collect();
        self.find_near(tree);
        if before
            .iter()
            .any(|path| !self.near.contains_key(path) && !gone.contains(path))
        {
            // A file that is near no more may have given facts: begin anew.
            *self = Index::build(tree, self.seeds.clone());
            return;
        }
        // What is near for the first time has not been asked yet.
        let new: Vec<Utf8PathBuf> = self
            .near
            .keys()
            .filter(|p| !before.contains(*p) || touched.contains(p.as_str()))
            .cloned()
            .collect();
        let answered = self.answered.clone();
        self.answer(tree, &answered[Reach::Near as usize], &new, None);
        let filter = Prefilter::new(answered[Reach::Tree as usize].names());
        self.answer(
            tree,
            &answered[Reach::Tree as usize],
            changed,
            Some(&filter),
        );
    }

    /// Names everything the index holds: equal fingerprints, equal facts.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let answered =
            postcard::to_stdvec(&(&self.seeds, &self.answered, &self.unread)).unwrap_or_default();
        hasher.update(&answered);
        for path in self.files.keys() {
            hasher.update(path.as_str().as_bytes());
            hasher.update(self.hashes.get(path).map_or(&[0; 32][..], |hash| hash));
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The facts of every file that was parsed, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = &FileFacts> {
        self.files.values()
    }

    /// The facts of a file.
    pub fn file(&self, path: &Utf8Path) -> Option<&FileFacts> {
        self.files.get(path)
    }

    /// Files that name a function of the catalogue, sorted.
    pub fn hits(&self) -> impl Iterator<Item = &Utf8Path> {
        self.hits.iter().map(Utf8PathBuf::as_path)
    }

    /// How many `.c` and `.h` files the tree has.
    pub fn walked(&self) -> usize {
        self.walked
    }

    /// Sizes, in one line for a person.
    pub fn summary(&self) -> String {
        let functions: usize = self.files().map(|f| f.functions.len()).sum();
        let records: usize = self.files().map(|f| f.records.len()).sum();
        let words: usize = self.near.values().map(Words::size).sum();
        format!(
            "{} files with hits, {} read in part, {functions} functions, {records} records, {} unread; {} near ({} KiB)",
            self.hits.len(),
            self.files.len(),
            self.unread().len(),
            self.near.len(),
            words / 1024
        )
    }

    /// Files and functions that could not be read, sorted.
    pub fn unread(&self) -> Vec<UnreadItem> {
        let mut out = self.unread.clone();
        for facts in self.files.values() {
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

    /// The functions and macros that a use of `name` in `from` can mean: those of the file itself; else those of
    /// headers and, with external linkage, of any file. Sorted by path.
    pub fn function(&self, name: &str, from: &Utf8Path) -> Vec<(&FileFacts, &Function)> {
        let own: Vec<_> = self
            .file(from)
            .into_iter()
            .flat_map(|facts| named(facts, name))
            .collect();
        if !own.is_empty() {
            return own;
        }
        self.files
            .values()
            .flat_map(|facts| named(facts, name))
            .filter(|(facts, function)| {
                facts.path.extension() == Some("h")
                    || function.linkage == super::ir::Linkage::External
            })
            .collect()
    }

    /// The records of a tag that `from` can mean: its own, else any. Sorted by path.
    pub fn record(&self, tag: &str, from: &Utf8Path) -> Vec<(&FileFacts, &Record)> {
        let tagged = |facts| records(facts, tag);
        let own: Vec<_> = self.file(from).into_iter().flat_map(tagged).collect();
        if !own.is_empty() {
            return own;
        }
        self.files.values().flat_map(tagged).collect()
    }

    /// What a typedef stands for, as `from` sees it.
    pub fn typedef(&self, name: &str, from: &Utf8Path) -> Option<&TypeRef> {
        let own = self.file(from).into_iter();
        own.chain(self.files.values())
            .flat_map(|facts| &facts.typedefs)
            .find(|(alias, _)| alias == name)
            .map(|(_, ty)| ty)
    }
}

fn named<'a>(
    facts: &'a FileFacts,
    name: &str,
) -> impl Iterator<Item = (&'a FileFacts, &'a Function)> {
    let found: Vec<&Function> = facts.functions.iter().filter(|f| f.name == name).collect();
    found.into_iter().map(move |f| (facts, f))
}

fn records<'a>(facts: &'a FileFacts, tag: &str) -> Vec<(&'a FileFacts, &'a Record)> {
    facts
        .records
        .iter()
        .filter(|r| r.tag == tag)
        .map(|r| (facts, r))
        .collect()
}

/// Parses what the chooser selects and is not known yet.
fn chosen(
    path: &Utf8Path,
    bytes: &[u8],
    chooser: &Chooser<'_>,
    known: Option<&FileFacts>,
) -> FileFacts {
    let have: BTreeSet<u32> = known
        .into_iter()
        .flat_map(|f| &f.functions)
        .map(|f| f.span.start)
        .collect();
    let mut fields = None;
    facts::read(path, bytes, |source, item| {
        let fields = fields.get_or_insert_with(|| {
            if chooser.asks_for_fields() {
                chooser.fields_of(source)
            } else {
                NameSet::new([""; 0])
            }
        });
        !have.contains(&item.span.start) && chooser.selects(source, item, fields)
    })
}

/// Only the lines that include something.
fn include_lines(bytes: &[u8]) -> Vec<(bool, String)> {
    let mut out = Vec::new();
    for at in memchr::memmem::find_iter(bytes, b"include") {
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
        if bytes[start..at].trim_ascii() == b"#" {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
            out.extend(near::includes(
                bytes,
                &tokens(bytes, start, end, Mode::File),
            ));
        }
    }
    out
}

/// Reads `paths` in parallel and keeps what `see` makes of each, in the order of `paths`.
pub(super) fn pass(
    tree: &Tree,
    paths: &[Utf8PathBuf],
    see: impl Fn(&Utf8Path, &[u8]) -> Seen + Sync,
) -> Vec<(Utf8PathBuf, Seen)> {
    paths
        .par_iter()
        .with_min_len(16)
        .filter_map(|path| {
            let seen = with_bytes(tree, path, |bytes| see(path, bytes)).unwrap_or_else(|error| {
                let why = error.to_string();
                Seen::Unread(UnreadItem {
                    path: path.to_string(),
                    function: None,
                    line: 0,
                    why,
                })
            });
            (!matches!(seen, Seen::Nothing)).then(|| (path.clone(), seen))
        })
        .collect()
}

pub(super) fn with_bytes<T>(
    tree: &Tree,
    path: &Utf8Path,
    see: impl FnOnce(&[u8]) -> T,
) -> Result<T, crate::tree::Error> {
    BUFFER.with_borrow_mut(|buffer| {
        tree.read_into(path, buffer)?;
        Ok(see(buffer))
    })
}
