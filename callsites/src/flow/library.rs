// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been read of the tree, and how more is read when a question needs it.
//!
//! The audit starts from the functions that name a call of the catalogue. Whatever else it needs (a caller, the users
//! of a field, a definition, a struct) is asked for by name and looked for near the question first.

use super::text::{RecordFinder, defines};
use crate::index::ir::FileFacts;
use crate::index::{self, NameSet, Wanted};
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A tree as far as the flow needs it.
pub trait Files {
    /// All `.c` and `.h` files, sorted.
    fn paths(&self) -> &[Utf8PathBuf];
    /// The bytes of one; None when it cannot be read.
    fn bytes(&self, path: &Utf8Path) -> Option<Vec<u8>>;
}

/// Directories with more files than this are searched only where a name is static or a struct is named.
const LARGE: usize = 400;

#[derive(Debug, Default)]
struct Entry {
    facts: Arc<FileFacts>,
    named: BTreeSet<String>,
    held: BTreeSet<String>,
}

/// What is to be read of a file in this round, in one pass over it.
#[derive(Debug, Default)]
struct Planned {
    named: BTreeSet<String>,
    held: BTreeSet<String>,
}

/// Files read so far.
pub struct Library<'t> {
    files: &'t dyn Files,
    paths: Vec<Utf8PathBuf>,
    entries: BTreeMap<Utf8PathBuf, Entry>,
    bytes: BTreeMap<Utf8PathBuf, Option<Arc<[u8]>>>,
    directories: BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>>,
    included: BTreeMap<Utf8PathBuf, Arc<[Utf8PathBuf]>>,
    planned: BTreeMap<Utf8PathBuf, Planned>,
}

impl<'t> Library<'t> {
    /// Begins with the facts of the files that name a call of the catalogue.
    pub fn new(files: &'t dyn Files, hits: Vec<FileFacts>) -> Self {
        let entries = hits
            .into_iter()
            .map(|facts| {
                (
                    facts.path.clone(),
                    Entry {
                        facts: Arc::new(facts),
                        ..Entry::default()
                    },
                )
            })
            .collect();
        let mut paths = files.paths().to_vec();
        paths.sort_unstable();
        let mut directories: BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>> = BTreeMap::new();
        for path in &paths {
            match directories.get_mut(path.parent().unwrap_or(Utf8Path::new(""))) {
                Some(known) => known.push(path.clone()),
                None => {
                    let directory = path.parent().unwrap_or(Utf8Path::new("")).to_owned();
                    directories.insert(directory, vec![path.clone()]);
                }
            }
        }
        Self {
            files,
            paths,
            entries,
            bytes: BTreeMap::new(),
            directories,
            included: BTreeMap::new(),
            planned: BTreeMap::new(),
        }
    }

    /// The facts of all files, sorted by path.
    pub fn facts(&self) -> Vec<Arc<FileFacts>> {
        self.entries
            .values()
            .map(|entry| Arc::clone(&entry.facts))
            .collect()
    }

    /// The bytes of a file.
    pub fn bytes(&mut self, path: &Utf8Path) -> Option<Arc<[u8]>> {
        if let Some(known) = self.bytes.get(path) {
            return known.clone();
        }
        let bytes: Option<Arc<[u8]>> = self.files.bytes(path).map(Arc::from);
        self.bytes.insert(path.to_owned(), bytes.clone());
        bytes
    }

    /// The files of a directory, without those below it.
    pub fn siblings(&self, directory: &Utf8Path) -> Vec<Utf8PathBuf> {
        self.directories.get(directory).cloned().unwrap_or_default()
    }

    /// The files of a directory and of all below it; None when there are many.
    fn below(&self, directory: &Utf8Path) -> Option<Vec<Utf8PathBuf>> {
        let paths = &self.paths;
        let from = paths.partition_point(|path| path.as_path() < directory);
        let below: Vec<_> = paths[from..]
            .iter()
            .take_while(|path| path.starts_with(directory))
            .take(LARGE + 1)
            .cloned()
            .collect();
        (below.len() <= LARGE).then_some(below)
    }

    /// Marks for reading the items of `path` that bear a name of `named` or hold one of `held`.
    fn plan(&mut self, path: &Utf8Path, named: Option<&str>, held: Option<&str>) {
        let Some(bytes) = self.bytes(path) else {
            return;
        };
        let known = self.entries.get(path);
        let new = |name: Option<&str>, seen: fn(&Entry) -> &BTreeSet<String>| -> Option<String> {
            let name = name?;
            let unseen = known.is_none_or(|entry| !seen(entry).contains(name));
            (unseen && memmem::find(&bytes, name.as_bytes()).is_some()).then(|| name.to_owned())
        };
        let named = new(named, |entry| &entry.named);
        let held = new(held, |entry| &entry.held);
        if named.is_none() && held.is_none() {
            return;
        }
        let planned = self.planned.entry(path.to_owned()).or_default();
        planned.named.extend(named);
        planned.held.extend(held);
    }

    /// Reads what was marked, each file once. True when anything new was read.
    pub fn settle(&mut self) -> bool {
        let planned: Vec<(Utf8PathBuf, Planned)> =
            std::mem::take(&mut self.planned).into_iter().collect();
        let bytes = &self.bytes;
        let read: Vec<(Utf8PathBuf, Planned, FileFacts)> = planned
            .into_par_iter()
            .filter_map(|(path, planned)| {
                let bytes = bytes.get(&path)?.clone()?;
                let sets = (NameSet::new(&planned.named), NameSet::new(&planned.held));
                let facts = index::parse(&path, &bytes, &Wanted::Either(&sets.0, &sets.1));
                Some((path, planned, facts))
            })
            .collect();
        let mut new = false;
        for (path, planned, facts) in read {
            let entry = self.entries.entry(path).or_default();
            let before = size(&entry.facts);
            if entry.facts.line_starts.is_empty() {
                entry.facts = Arc::new(facts);
            } else {
                Arc::make_mut(&mut entry.facts).merge(facts);
            }
            entry.named.extend(planned.named);
            entry.held.extend(planned.held);
            new |= size(&entry.facts) != before;
        }
        new
    }

    /// Marks the functions that mention `word`: in the file, its directory, and (for a small one) below it.
    pub fn mentions(&mut self, from: &Utf8Path, word: &str, scope: Scope<'_>) {
        let directory = from.parent().unwrap_or(Utf8Path::new(""));
        let paths = match scope {
            Scope::File => vec![from.to_owned()],
            Scope::Directory => self.siblings(directory),
            Scope::Subtree | Scope::Naming(_) => self
                .below(directory)
                .unwrap_or_else(|| self.siblings(directory)),
        };
        for path in paths {
            if let Scope::Naming(tag) = scope
                && path != from
                && self
                    .bytes(&path)
                    .is_none_or(|bytes| memmem::find(&bytes, tag.as_bytes()).is_none())
            {
                continue;
            }
            self.plan(&path, None, Some(word));
        }
    }

    /// Marks the definition of function or macro `name` as `from` sees it: nearest first.
    pub fn define(&mut self, from: &Utf8Path, name: &str) {
        if self.defined_in(from, name) {
            return self.plan(from, Some(name), None);
        }
        let mut directory = from.parent();
        while let Some(here) = directory {
            if here.as_str().is_empty() {
                break;
            }
            let mut found = self.siblings(here);
            found.retain(|path| self.defined_in(path, name));
            if !found.is_empty() {
                for path in found {
                    self.plan(&path, Some(name), None);
                }
                return;
            }
            directory = here.parent();
        }
        for header in self.included(from).iter() {
            if self.defined_in(header, name) {
                return self.plan(header, Some(name), None);
            }
        }
    }

    fn defined_in(&mut self, path: &Utf8Path, name: &str) -> bool {
        self.bytes(path).is_some_and(|bytes| defines(&bytes, name))
    }

    /// Marks the file that defines struct `tag` as `from` sees it.
    pub fn record(&mut self, from: &Utf8Path, tag: &str) {
        let mut near = vec![from.to_owned()];
        let mut directory = from.parent();
        while let Some(here) = directory {
            if here.as_str().is_empty() {
                break;
            }
            let headers = self.siblings(here).into_iter();
            near.extend(headers.filter(|path| path.extension() == Some("h")));
            directory = here.parent();
        }
        near.extend(self.included(from).iter().cloned());
        let finder = RecordFinder::new(tag);
        for path in near {
            if self.bytes(&path).is_some_and(|bytes| finder.is_in(&bytes)) {
                // All records of a file are read with whatever else is read of it.
                let known = self.entries.get(&path);
                if known.is_none_or(|entry| entry.facts.line_starts.is_empty()) {
                    self.planned.entry(path).or_default();
                }
                return;
            }
        }
    }

    /// Headers `from` includes, and those its own headers include.
    fn included(&mut self, from: &Utf8Path) -> Arc<[Utf8PathBuf]> {
        if let Some(known) = self.included.get(from) {
            return Arc::clone(known);
        }
        let mut out: Vec<Utf8PathBuf> = Vec::new();
        let mut queue = vec![(from.to_owned(), 0)];
        while let Some((path, depth)) = queue.pop() {
            let Some(bytes) = self.bytes(&path) else {
                continue;
            };
            for name in includes(&bytes) {
                let beside = path.parent().unwrap_or(Utf8Path::new("")).join(&name);
                let public = Utf8Path::new("include").join(&name);
                for candidate in [beside, public] {
                    let known = self.paths.binary_search(&candidate).is_ok();
                    if known && !out.contains(&candidate) {
                        out.push(candidate.clone());
                        if depth < 2 && !candidate.starts_with("include/linux") {
                            queue.push((candidate, depth + 1));
                        }
                        break;
                    }
                }
            }
        }
        let out: Arc<[Utf8PathBuf]> = out.into();
        self.included.insert(from.to_owned(), Arc::clone(&out));
        out
    }
}

/// How far to look for a word.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// The file itself.
    File,
    /// Its directory.
    Directory,
    /// Its directory and all below.
    Subtree,
    /// The same, in files that name this struct.
    Naming(&'a str),
}

fn size(facts: &FileFacts) -> (usize, usize, usize) {
    (
        facts.functions.len(),
        facts.records.len(),
        facts
            .globals
            .iter()
            .filter(|global| global.init.is_some())
            .count(),
    )
}

fn includes(bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let Some(rest) = line.strip_prefix(b"#") else {
            continue;
        };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"include") else {
            continue;
        };
        let rest = rest.trim_ascii_start();
        let close = match rest.first() {
            Some(b'<') => b'>',
            Some(b'"') => b'"',
            _ => continue,
        };
        if let Some(end) = rest[1..].iter().position(|byte| *byte == close) {
            out.push(String::from_utf8_lossy(&rest[1..=end]).into_owned());
        }
    }
    out
}
