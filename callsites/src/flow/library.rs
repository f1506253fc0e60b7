// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been read of the tree, and how more is read when a question needs it.
//!
//! The audit starts from the functions that name a call of the catalogue. Whatever else it needs (a caller, the users
//! of a field, a definition, a struct) is asked for by name and looked for near the question first.

use crate::index::ir::{FileFacts, OutlineKind};
use crate::index::{self, NameSet, Wanted};
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
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

/// Files read so far.
pub struct Library<'t> {
    files: &'t dyn Files,
    paths: Vec<Utf8PathBuf>,
    entries: BTreeMap<Utf8PathBuf, Entry>,
    bytes: BTreeMap<Utf8PathBuf, Option<Arc<[u8]>>>,
    directories: BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>>,
    included: BTreeMap<Utf8PathBuf, Arc<[Utf8PathBuf]>>,
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

    /// Reads in `path` the items that bear a name of `named` or hold one of `held`. True when anything new was read.
    pub fn read(&mut self, path: &Utf8Path, named: &[&str], held: &[&str]) -> bool {
        let Some(bytes) = self.bytes(path) else {
            return false;
        };
        let known = self.entries.get(path);
        let new = |names: &[&str], seen: fn(&Entry) -> &BTreeSet<String>| -> Vec<String> {
            names
                .iter()
                .filter(|name| known.is_none_or(|entry| !seen(entry).contains(**name)))
                .filter(|name| memmem::find(&bytes, name.as_bytes()).is_some())
                .map(|name| (*name).to_owned())
                .collect()
        };
        let named = new(named, |entry| &entry.named);
        let held = new(held, |entry| &entry.held);
        if named.is_empty() && held.is_empty() {
            return false;
        }
        let sets = (NameSet::new(&named), NameSet::new(&held));
        let facts = index::parse(path, &bytes, &Wanted::Either(&sets.0, &sets.1));
        let entry = self.entries.entry(path.to_owned()).or_default();
        let before = size(&entry.facts);
        if entry.facts.line_starts.is_empty() {
            entry.facts = Arc::new(facts);
        } else {
            Arc::make_mut(&mut entry.facts).merge(facts);
        }
        entry.named.extend(named);
        entry.held.extend(held);
        size(&entry.facts) != before
    }

    /// Reads the functions that mention `word`: in the file, its directory, and (for a small one) below it.
    pub fn mentions(&mut self, from: &Utf8Path, word: &str, scope: Scope<'_>) -> bool {
        let directory = from.parent().unwrap_or(Utf8Path::new(""));
        let paths = match scope {
            Scope::File => vec![from.to_owned()],
            Scope::Directory => self.siblings(directory),
            Scope::Subtree | Scope::Naming(_) => self
                .below(directory)
                .unwrap_or_else(|| self.siblings(directory)),
        };
        let mut new = false;
        for path in paths {
            if let Scope::Naming(tag) = scope
                && path != from
                && self
                    .bytes(&path)
                    .is_none_or(|bytes| memmem::find(&bytes, tag.as_bytes()).is_none())
            {
                continue;
            }
            new |= self.read(&path, &[], &[word]);
        }
        new
    }

    /// Reads the definition of function or macro `name` as `from` sees it: nearest first.
    pub fn define(&mut self, from: &Utf8Path, name: &str) -> bool {
        if self.defined_in(from, name) {
            return self.read(from, &[name], &[]);
        }
        let mut directory = from.parent();
        while let Some(here) = directory {
            if here.as_str().is_empty() {
                break;
            }
            let paths = self.siblings(here);
            let found: Vec<_> = paths
                .into_iter()
                .filter(|path| self.defined_in(path, name))
                .collect();
            if !found.is_empty() {
                return found
                    .iter()
                    .fold(false, |new, path| self.read(path, &[name], &[]) | new);
            }
            directory = here.parent();
        }
        for header in self.included(from).iter() {
            if self.defined_in(header, name) {
                return self.read(header, &[name], &[]);
            }
        }
        false
    }

    fn defined_in(&mut self, path: &Utf8Path, name: &str) -> bool {
        let Some(bytes) = self.bytes(path) else {
            return false;
        };
        if memmem::find(&bytes, name.as_bytes()).is_none() {
            return false;
        }
        let entry = self.entry(path, &bytes);
        entry.facts.outline.iter().any(|item| {
            item.name == name && matches!(item.kind, OutlineKind::Function | OutlineKind::Macro)
        })
    }

    fn entry(&mut self, path: &Utf8Path, bytes: &[u8]) -> &mut Entry {
        let entry = self.entries.entry(path.to_owned()).or_default();
        if entry.facts.line_starts.is_empty() {
            let none = NameSet::new::<&str>([]);
            entry.facts = Arc::new(index::parse(path, bytes, &Wanted::Named(&none)));
        }
        entry
    }

    /// Reads the file that defines struct `tag` as `from` sees it. True when it is a new one.
    pub fn record(&mut self, from: &Utf8Path, tag: &str) -> bool {
        let needle = format!("{tag} {{");
        let alias = format!(" {tag};");
        let mut near = vec![from.to_owned()];
        let mut directory = from.parent();
        while let Some(here) = directory {
            if here.as_str().is_empty() {
                break;
            }
            near.extend(
                self.siblings(here)
                    .into_iter()
                    .filter(|path| path.extension() == Some("h")),
            );
            directory = here.parent();
        }
        near.extend(self.included(from).iter().cloned());
        for path in near {
            let Some(bytes) = self.bytes(&path) else {
                continue;
            };
            if memmem::find(&bytes, needle.as_bytes()).is_some()
                || memmem::find(&bytes, alias.as_bytes()).is_some()
            {
                let known = self
                    .entries
                    .get(&path)
                    .is_some_and(|entry| !entry.facts.line_starts.is_empty());
                let entry = self.entry(&path, &bytes);
                let has = entry
                    .facts
                    .records
                    .iter()
                    .any(|record| record.tag.ends_with(tag))
                    || entry.facts.typedefs.iter().any(|(name, _)| name == tag);
                if has {
                    return !known;
                }
            }
        }
        false
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
