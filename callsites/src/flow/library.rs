// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been read of the tree, and how more is read when a question needs it.
//!
//! The audit starts from the functions that name a call of the catalogue. Whatever else it needs (a caller, the users
//! of a field, a definition, a struct) is asked for by name and looked for near the question first.

use super::hash::FastMap;
use super::program::tag;
use super::text::{RecordFinder, defines};
use crate::index::ir::FileFacts;
use crate::index::{self, NameSet, Wanted};
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use rayon::prelude::*;
use std::collections::BTreeSet;
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
    asked: Planned,
}

/// What an item has to do with a name that it is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// It bears the name.
    Defined,
    /// The name stands in it.
    Held,
    /// It names a member of some record so.
    Member,
}

/// What is to be read of a file in this round, in one pass over it.
type Planned = BTreeSet<(How, String)>;

/// Files read so far.
pub struct Library<'t> {
    files: &'t dyn Files,
    paths: Vec<Utf8PathBuf>,
    entries: FastMap<String, Entry>,
    bytes: FastMap<String, Option<Arc<[u8]>>>,
    directories: FastMap<String, Arc<[Utf8PathBuf]>>,
    included: FastMap<String, Arc<[Utf8PathBuf]>>,
    planned: FastMap<String, Planned>,
}

impl<'t> Library<'t> {
    /// Begins with the facts of the files that name a call of the catalogue.
    pub fn new(files: &'t dyn Files, hits: Vec<FileFacts>) -> Self {
        let entries = hits
            .into_iter()
            .map(|facts| {
                (
                    facts.path.to_string(),
                    Entry {
                        facts: Arc::new(facts),
                        ..Entry::default()
                    },
                )
            })
            .collect();
        let mut paths = files.paths().to_vec();
        paths.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut directories: FastMap<String, Vec<Utf8PathBuf>> = FastMap::default();
        for path in &paths {
            let directory = parent(path);
            match directories.get_mut(directory) {
                Some(known) => known.push(path.clone()),
                None => {
                    directories.insert(directory.to_owned(), vec![path.clone()]);
                }
            }
        }
        let directories = directories
            .into_iter()
            .map(|(directory, paths)| (directory, paths.into()))
            .collect();
        Self {
            files,
            paths,
            entries,
            bytes: FastMap::default(),
            directories,
            included: FastMap::default(),
            planned: FastMap::default(),
        }
    }

    /// The facts of all files, sorted by path.
    pub fn facts(&self) -> Vec<Arc<FileFacts>> {
        let entries = self.entries.values();
        let mut facts: Vec<Arc<FileFacts>> =
            entries.map(|entry| Arc::clone(&entry.facts)).collect();
        facts.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
        facts
    }

    /// The bytes of a file.
    pub fn bytes(&mut self, path: &Utf8Path) -> Option<Arc<[u8]>> {
        if let Some(known) = self.bytes.get(path.as_str()) {
            return known.clone();
        }
        let bytes: Option<Arc<[u8]>> = self.files.bytes(path).map(Arc::from);
        self.bytes.insert(path.to_string(), bytes.clone());
        bytes
    }

    /// The files of a directory, without those below it.
    fn siblings(&self, directory: &str) -> Arc<[Utf8PathBuf]> {
        match self.directories.get(directory) {
            Some(paths) => Arc::clone(paths),
            None => Arc::new([]),
        }
    }

    /// The files of a directory and of all below it; None when there are many.
    fn below(&self, directory: &str) -> Option<Arc<[Utf8PathBuf]>> {
        let inside = |path: &str| {
            let rest = path.strip_prefix(directory);
            rest.is_some_and(|rest| directory.is_empty() || rest.starts_with('/'))
        };
        let from = self.paths.partition_point(|path| path.as_str() < directory);
        // Between a directory and what is in it stand those whose names go on with a smaller byte than '/'.
        let from = from
            + self.paths[from..]
                .iter()
                .take_while(|path| path.as_str().starts_with(directory) && !inside(path.as_str()))
                .count();
        let below: Vec<_> = self.paths[from..]
            .iter()
            .take_while(|path| inside(path.as_str()))
            .take(LARGE + 1)
            .cloned()
            .collect();
        (below.len() <= LARGE).then(|| below.into())
    }

    /// Marks for reading the items of `path` that have to do with `name` as `how` says.
    fn plan(&mut self, path: &Utf8Path, how: How, name: &str) {
        let Some(bytes) = self.bytes(path) else {
            return;
        };
        let asked = (how, name.to_owned());
        let known = self.entries.get(path.as_str());
        if known.is_some_and(|entry| entry.asked.contains(&asked))
            || memmem::find(&bytes, name.as_bytes()).is_none()
        {
            return;
        }
        self.planned
            .entry(path.to_string())
            .or_default()
            .insert(asked);
    }

    /// Reads what was marked, each file once, then the records that the parameters of the functions read point to.
    /// True when anything new was read.
    pub fn settle(&mut self) -> bool {
        let (new, pointed) = self.read_marked();
        let known: BTreeSet<&str> = self
            .entries
            .values()
            .flat_map(|entry| &entry.facts.records)
            .map(|record| tag(&record.tag))
            .collect();
        let missing: Vec<(Utf8PathBuf, String)> = pointed
            .into_iter()
            .filter(|(_, tag)| !known.contains(tag.as_str()))
            .collect();
        let mut asked = BTreeSet::new();
        for (path, tag) in missing {
            if asked.insert(tag.clone()) {
                self.record(&path, &tag);
            }
        }
        self.read_marked();
        new
    }

    fn read_marked(&mut self) -> (bool, BTreeSet<(Utf8PathBuf, String)>) {
        let planned: Vec<(String, Planned)> =
            std::mem::take(&mut self.planned).into_iter().collect();
        let bytes = &self.bytes;
        let read: Vec<(String, Planned, FileFacts)> = planned
            .into_par_iter()
            .filter_map(|(path, planned)| {
                let bytes = bytes.get(&path)?.clone()?;
                let of = |how: How| {
                    let asked = planned.iter().filter(|(kind, _)| *kind == how);
                    NameSet::new(asked.map(|(_, name)| name))
                };
                let (named, held, members) = (of(How::Defined), of(How::Held), of(How::Member));
                let wanted = Wanted::Either(&named, &held, &members);
                let facts = index::parse(Utf8Path::new(&path), &bytes, &wanted);
                Some((path, planned, facts))
            })
            .collect();
        let mut new = false;
        let mut pointed = BTreeSet::new();
        for (path, planned, facts) in read {
            let params = facts.functions.iter().flat_map(|function| &function.params);
            let tags = params.filter(|param| param.ty.pointers == 1);
            pointed.extend(
                tags.filter(|param| param.ty.name.starts_with("struct "))
                    .map(|param| {
                        (
                            Utf8PathBuf::from(path.as_str()),
                            tag(&param.ty.name).to_owned(),
                        )
                    }),
            );
            let entry = self.entries.entry(path).or_default();
            let before = size(&entry.facts);
            if entry.facts.line_starts.is_empty() {
                entry.facts = Arc::new(facts);
            } else {
                Arc::make_mut(&mut entry.facts).merge(facts);
            }
            entry.asked.extend(planned);
            new |= size(&entry.facts) != before;
        }
        (new, pointed)
    }

    /// Marks the functions that mention `word`: in the file, its directory, and (for a small one) below it.
    pub fn mentions(&mut self, from: &Utf8Path, how: How, word: &str, scope: Scope<'_>) {
        let directory = parent(from);
        let paths = match scope {
            Scope::File => return self.plan(from, how, word),
            Scope::Directory => self.siblings(directory),
            Scope::Subtree | Scope::Naming(_) => self
                .below(directory)
                .unwrap_or_else(|| self.siblings(directory)),
        };
        for path in paths.iter() {
            if let Scope::Naming(tag) = scope
                && path != from
                && self
                    .bytes(path)
                    .is_none_or(|bytes| memmem::find(&bytes, tag.as_bytes()).is_none())
            {
                continue;
            }
            self.plan(path, how, word);
        }
    }

    /// Marks the definition of function or macro `name` as `from` sees it: nearest first.
    pub fn define(&mut self, from: &Utf8Path, name: &str) {
        if self.defined_in(from, name) {
            return self.plan(from, How::Defined, name);
        }
        let mut here = parent(from);
        while !here.is_empty() {
            let paths = self.siblings(here);
            let found: Vec<&Utf8PathBuf> = paths
                .iter()
                .filter(|path| self.defined_in(path, name))
                .collect();
            if !found.is_empty() {
                for path in found {
                    self.plan(path, How::Defined, name);
                }
                return;
            }
            here = parent(Utf8Path::new(here));
        }
        for header in self.included(from).iter() {
            if self.defined_in(header, name) {
                return self.plan(header, How::Defined, name);
            }
        }
    }

    fn defined_in(&mut self, path: &Utf8Path, name: &str) -> bool {
        self.bytes(path).is_some_and(|bytes| defines(&bytes, name))
    }

    /// Marks the file that defines struct `tag` as `from` sees it.
    pub fn record(&mut self, from: &Utf8Path, tag: &str) {
        let mut near = vec![from.to_owned()];
        let mut here = parent(from);
        while !here.is_empty() {
            let headers = self.siblings(here);
            let headers = headers.iter().filter(|path| path.as_str().ends_with(".h"));
            near.extend(headers.cloned());
            here = parent(Utf8Path::new(here));
        }
        near.extend(self.included(from).iter().cloned());
        let finder = RecordFinder::new(tag);
        for path in near {
            if self.bytes(&path).is_some_and(|bytes| finder.is_in(&bytes)) {
                // All records of a file are read with whatever else is read of it.
                let known = self.entries.get(path.as_str());
                if known.is_none_or(|entry| entry.facts.line_starts.is_empty()) {
                    self.planned.entry(path.into_string()).or_default();
                }
                return;
            }
        }
    }

    /// Headers `from` includes, and those its own headers include.
    fn included(&mut self, from: &Utf8Path) -> Arc<[Utf8PathBuf]> {
        if let Some(known) = self.included.get(from.as_str()) {
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
                    let known = self
                        .paths
                        .binary_search_by(|path| path.as_str().cmp(candidate.as_str()))
                        .is_ok();
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
        self.included.insert(from.to_string(), Arc::clone(&out));
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

/// The directory of a file as text: comparing paths part by part costs more than searching small files.
fn parent(path: &Utf8Path) -> &str {
    path.as_str()
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory)
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
