// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been read of the tree, and how more is read when a question needs it.
//!
//! The audit starts from the functions that name a call of the catalogue. Whatever else it needs (a caller, the users
//! of a field, a definition, a struct) is asked for by name and looked for near the question first.

use super::answers::{Answers, mentions};
use super::hash::{FastMap, FastSet};
use super::places::{Places, is_inside, is_public, named_from, parent};
use super::program::tag;
use super::text::{RecordFinder, defined, defines, includes};
use super::want::{Scope, Want};
use crate::index::ir::FileFacts;
use crate::index::shelf::{Key, Shelf};
use crate::index::{self, NameSet, Wanted};
use crate::tree::Defined;
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use rayon::prelude::*;
use refimpl::api::catalogue;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A tree as far as the flow needs it.
pub trait Files {
    /// What decides conditions of the preprocessor in it.
    fn defined(&self) -> Defined {
        Defined::default()
    }
    /// All `.c` and `.h` files, sorted.
    fn paths(&self) -> &[Utf8PathBuf];
    /// Puts the bytes of one into a buffer, which is emptied first; None when it cannot be read.
    fn read_into(&self, path: &Utf8Path, buffer: &mut Vec<u8>) -> Option<()>;
    /// The bytes of one; None when it cannot be read.
    fn bytes(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(path, &mut bytes)?;
        Some(bytes)
    }
    /// Whether any `.c` file of a directory passes `test`.
    fn any_in(&self, directory: &Utf8Path, test: &dyn Fn(&[u8]) -> bool) -> bool {
        let inside = |path: &&Utf8PathBuf| {
            path.as_str().ends_with(".c") && parent(path) == directory.as_str()
        };
        let mut buffer = Vec::new();
        let mut paths = self.paths().iter().filter(inside);
        paths.any(|path| self.read_into(path, &mut buffer).is_some() && test(&buffer))
    }
}

#[derive(Debug, Default)]
struct Entry {
    facts: Arc<FileFacts>,
    asked: Planned,
}

/// What an item has to do with a name that it is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    shelf: &'t Shelf,
    answers: Answers,
    places: Places<'t>,
    entries: FastMap<String, Entry>,
    bytes: FastMap<String, Option<Arc<[u8]>>>,
    /// What a file is read into before as much as it takes is kept of it.
    buffer: Vec<u8>,
    planned: FastMap<String, Planned>,
    /// The file that asked last, how often in a row, and what it defines itself once that is worth knowing.
    own: (Utf8PathBuf, usize, Option<FastSet<SmolStr>>),
}

/// So many questions of one file are answered by looking through it; for more its definitions are listed, which costs as
/// much as some searches, so that many questions cost no more than few. An estimate, and not a measurement.
const QUESTIONS: usize = 16;

impl<'t> Library<'t> {
    /// Begins with the facts of the files that name a call of the catalogue, and with what is known from before.
    pub fn new(
        files: &'t dyn Files,
        hits: Vec<FileFacts>,
        shelf: &'t Shelf,
        answers: Answers,
    ) -> Self {
        let entry = |facts| Entry {
            facts: Arc::new(facts),
            ..Entry::default()
        };
        let entries = hits
            .into_iter()
            .map(|facts: FileFacts| (facts.path.to_string(), entry(facts)));
        Self {
            files,
            shelf,
            answers,
            places: Places::new(files.paths()),
            entries: entries.collect(),
            bytes: FastMap::default(),
            buffer: Vec::new(),
            planned: FastMap::default(),
            own: (Utf8PathBuf::new(), 0, None),
        }
    }

    /// What was asked and answered.
    pub fn into_answers(self) -> Answers {
        self.answers
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
        let read = self.files.read_into(path, &mut self.buffer);
        let bytes: Option<Arc<[u8]>> = read.map(|()| Arc::from(self.buffer.as_slice()));
        self.bytes.insert(path.to_string(), bytes.clone());
        bytes
    }

    /// Lets go of what was only searched: nothing more is asked for.
    pub fn close(&mut self) {
        let entries = &self.entries;
        self.bytes.retain(|path, _| entries.contains_key(path));
        self.buffer = Vec::new();
    }

    /// The bytes of a file, when they were read already.
    pub fn known(&self, path: &Utf8Path) -> Option<Arc<[u8]>> {
        self.bytes.get(path.as_str()).cloned().flatten()
    }

    /// What the earlier run asked in a round, when all it had read until then is as it was.
    pub fn remembered(&self, round: usize) -> Option<Vec<Want>> {
        let wants = self.answers.round(round)?;
        self.shelf.is_same().then(|| wants.to_vec())
    }

    /// Marks for reading whatever answers to the wants of a round.
    pub fn ask(&mut self, wants: &[Want]) {
        self.answers.asks(wants);
        for want in wants {
            self.ask_one(want);
        }
    }

    /// Marks for reading whatever answers to `want`.
    pub fn ask_one(&mut self, want: &Want) {
        let found = match self.answers.recall(want, &self.places) {
            Some(found) => found,
            None => self.find(want),
        };
        if self.shelf.is_same() && !self.answers.had(want, &found) {
            self.shelf.differs();
        }
        self.answers.give(want, &found);
        for path in found {
            match want {
                Want::Definition { name, .. } => self.plan(path, How::Defined, name),
                Want::Callers { name, .. } => self.plan(path, How::Held, name),
                Want::Users { field, .. } => self.plan(path, How::Member, field),
                Want::Record { .. } => {
                    // All records of a file are read with whatever else is read of it.
                    let known = self.entries.get(path.as_str());
                    if known.is_none_or(|entry| entry.facts.line_starts.is_empty()) {
                        self.planned.entry(path.into_string()).or_default();
                    }
                }
            }
        }
    }

    fn plan(&mut self, path: Utf8PathBuf, how: How, name: &str) {
        let asked = (how, name.to_owned());
        let known = self.entries.get(path.as_str());
        if known.is_none_or(|entry| !entry.asked.contains(&asked)) {
            self.planned
                .entry(path.into_string())
                .or_default()
                .insert(asked);
        }
    }

    /// The files that answer to `want`, sorted.
    fn find(&mut self, want: &Want) -> Vec<Utf8PathBuf> {
        match want {
            Want::Definition { from, name } => self.definitions(from, name),
            Want::Record { from, tag } => self.record(from, tag).into_iter().collect(),
            Want::Callers { from, .. } | Want::Users { from, .. } => self.mentioning(from, want),
        }
    }

    fn mentioning(&mut self, from: &Utf8Path, want: &Want) -> Vec<Utf8PathBuf> {
        let Some((word, scope)) = want.mentioned() else {
            return Vec::new();
        };
        let directory = parent(from);
        let paths = match scope {
            Scope::File => Arc::from([from.to_owned()]),
            Scope::Directory => self.places.siblings(directory),
            Scope::Subtree | Scope::Naming(..) => self.places.below(directory),
        };
        let mut out = Vec::new();
        for path in paths.iter() {
            let bytes = self.bytes(path);
            if bytes.is_some_and(|bytes| mentions(&bytes, word, scope, path == from)) {
                out.push(path.clone());
            }
        }
        out
    }

    /// Where function or macro `name` is defined as `from` sees it: nearest first.
    fn definitions(&mut self, from: &Utf8Path, name: &str) -> Vec<Utf8PathBuf> {
        if self.defines_itself(from, name) {
            return vec![from.to_owned()];
        }
        let mut here = parent(from);
        while !here.is_empty() {
            let paths = self.places.siblings(here);
            let found: Vec<Utf8PathBuf> = paths
                .iter()
                .filter(|path| *path != from && self.defined_in(path, name))
                .cloned()
                .collect();
            if !found.is_empty() {
                return found;
            }
            here = parent(Utf8Path::new(here));
        }
        let headers = self.included(from);
        let found = headers.iter().find(|header| self.defined_in(header, name));
        if let Some(found) = found {
            return vec![found.clone()];
        }
        // What a header of another directory of the same driver declares is defined beside that header.
        for header in headers.iter().filter(|header| !is_public(header)) {
            if is_inside(from, parent(header)) || !self.names(header, name) {
                continue;
            }
            let paths = self.places.siblings(parent(header));
            let beside = paths.iter().filter(|path| self.defined_in(path, name));
            let found: Vec<Utf8PathBuf> = beside.cloned().collect();
            if !found.is_empty() {
                return found;
            }
        }
        // A function of the catalogue stands where it says, or in another file beside that one: files are split and renamed.
        let Some(listed) = catalogue().get(name).map(|function| function.file()) else {
            return Vec::new();
        };
        let listed = Utf8Path::new(listed);
        if self.places.has(listed) && self.defined_in(listed, name) {
            return vec![listed.to_owned()];
        }
        let paths = self.places.beside(listed);
        let found = paths.iter().filter(|path| self.defined_in(path, name));
        found.cloned().collect()
    }

    fn names(&mut self, path: &Utf8Path, name: &str) -> bool {
        self.bytes(path)
            .is_some_and(|bytes| memmem::find(&bytes, name.as_bytes()).is_some())
    }

    /// The file that asks is asked first for every function that it calls.
    fn defines_itself(&mut self, path: &Utf8Path, name: &str) -> bool {
        if self.own.0 != path {
            self.own = (path.to_owned(), 0, None);
        }
        self.own.1 += 1;
        if self.own.1 <= QUESTIONS {
            return self.defined_in(path, name);
        }
        if self.own.2.is_none() {
            let bytes = self.bytes(path);
            self.own.2 = Some(bytes.map_or_else(FastSet::default, |bytes| defined(&bytes)));
        }
        self.own
            .2
            .as_ref()
            .is_some_and(|names| names.contains(name))
    }

    fn defined_in(&mut self, path: &Utf8Path, name: &str) -> bool {
        self.bytes(path).is_some_and(|bytes| defines(&bytes, name))
    }

    /// The file that defines struct `tag` as `from` sees it.
    fn record(&mut self, from: &Utf8Path, tag: &str) -> Option<Utf8PathBuf> {
        let mut near = vec![from.to_owned()];
        let mut here = parent(from);
        while !here.is_empty() {
            let headers = self.places.siblings(here);
            let headers = headers.iter().filter(|path| path.as_str().ends_with(".h"));
            near.extend(headers.cloned());
            here = parent(Utf8Path::new(here));
        }
        near.extend(self.included(from).iter().cloned());
        let finder = RecordFinder::new(tag);
        near.into_iter()
            .find(|path| self.bytes(path).is_some_and(|bytes| finder.is_in(&bytes)))
    }

    /// Headers `from` includes, and those its own headers include.
    fn included(&mut self, from: &Utf8Path) -> Arc<[Utf8PathBuf]> {
        if let Some(known) = self.answers.included(from) {
            return known;
        }
        let mut out: Vec<Utf8PathBuf> = Vec::new();
        let mut seen: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let mut queue = vec![(from.to_owned(), 0)];
        while let Some((path, depth)) = queue.pop() {
            let Some(bytes) = self.bytes(&path) else {
                continue;
            };
            let names = includes(&bytes);
            self.answers.lists(&path, &names);
            for name in names {
                let beside = named_from(parent(&path), &name);
                let public = Utf8Path::new("include").join(&name);
                for candidate in [beside, public] {
                    if self.places.has(&candidate) && seen.insert(candidate.clone()) {
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
        self.answers.includes(from, Arc::clone(&out));
        out
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
        for (from, tag) in missing {
            if asked.insert(tag.clone()) {
                self.ask_one(&Want::Record { from, tag });
            }
        }
        self.read_marked();
        new
    }

    fn read_marked(&mut self) -> (bool, BTreeSet<(Utf8PathBuf, String)>) {
        let planned: Vec<(String, Planned)> =
            std::mem::take(&mut self.planned).into_iter().collect();
        let shelf = self.shelf;
        let entries = &self.entries;
        let taken: Vec<(String, Planned, Option<FileFacts>)> = planned
            .into_par_iter()
            .map(|(path, planned)| {
                let key = asked(own(entries, &path), &planned);
                let facts = shelf.facts(Utf8Path::new(&path), &key);
                (path, planned, facts)
            })
            .collect();
        let mut read = Vec::new();
        for (path, planned, facts) in taken {
            let bytes = match facts {
                Some(_) => None,
                None => self.bytes(Utf8Path::new(&path)),
            };
            read.push((path, planned, facts, bytes));
        }
        let entries = &self.entries;
        let defined = self.files.defined();
        let read: Vec<(String, Planned, FileFacts)> = read
            .into_par_iter()
            .filter_map(|(path, planned, facts, bytes)| {
                let facts = match facts {
                    Some(facts) => facts,
                    None => {
                        let text = (bytes?, &defined);
                        let text = (text.0.as_ref(), text.1);
                        parsed(shelf, own(entries, &path), &path, &planned, text)
                    }
                };
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
}

/// What was read of a file before.
fn own<'e>(entries: &'e FastMap<String, Entry>, path: &str) -> Option<&'e FileFacts> {
    let known = entries.get(path).map(|entry| entry.facts.as_ref());
    known.filter(|facts| !facts.line_starts.is_empty())
}

/// Names a reading: what is planned, and what of the file was parsed before and is left out.
fn asked(own: Option<&FileFacts>, planned: &Planned) -> Key {
    Key::of(&(own.map(FileFacts::parsed), planned))
}

fn parsed(
    shelf: &Shelf,
    own: Option<&FileFacts>,
    path: &str,
    planned: &Planned,
    (bytes, defined): (&[u8], &Defined),
) -> FileFacts {
    let path = Utf8Path::new(path);
    let key = asked(own, planned);
    shelf.learn(path, &key, bytes, || {
        let of = |how: How| {
            let asked = planned.iter().filter(|(kind, _)| *kind == how);
            NameSet::new(asked.map(|(_, name)| name))
        };
        let (named, held, members) = (of(How::Defined), of(How::Held), of(How::Member));
        let wanted = Wanted::Either(&named, &held, &members);
        match own {
            None => index::parse_for(path, bytes, &wanted, defined),
            Some(own) => index::parse_more(path, bytes, &wanted, own),
        }
    })
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

#[cfg(test)]
mod tests;
