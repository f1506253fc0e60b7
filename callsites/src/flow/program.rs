// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was read of the tree so far, with names resolved to the nearest definition.
//!
//! C has one name space a file and one a kernel. A name is looked for in the file itself, then among what other files
//! export; where several define it (an architecture each, a driver each) the one that shares most of the path wins.

mod kinds;
mod nearest;

pub(crate) use kinds::{holds_pages, names_record};

use super::hash::{FastHasher, FastMap, FastSet};
use super::places::is_public;
use crate::index::ir::{
    Declaration, Expr, FileFacts, Function, Linkage, OutlineItem, OutlineKind, Record, Stmt,
    TypeRef,
};
use camino::Utf8Path;
use refimpl::api::{self, followed};
use smol_str::SmolStr;
use std::cell::{OnceCell, RefCell};
use std::hash::Hasher as _;
use std::sync::Arc;

/// A function that was read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(crate) struct FnId(pub u32);

/// A record of more members than this is looked up by name; shorter ones are quicker to walk through.
const WIDE: usize = 64;

/// The members of a wide record.
#[derive(Debug, Default)]
struct Members {
    /// By name, the first of that name.
    named: FastMap<SmolStr, u32>,
    /// Those without one, whose own members are reached through them.
    unnamed: Vec<u32>,
}

impl Members {
    fn of(record: &Record) -> Self {
        let mut members = Self::default();
        for (member, at) in record.fields.iter().zip(0..) {
            match member.name.is_empty() {
                true => members.unnamed.push(at),
                false => drop(members.named.entry(member.name.clone()).or_insert(at)),
            }
        }
        members
    }
}

/// All that was read.
#[derive(Debug, Default)]
pub(crate) struct Program {
    files: Vec<Arc<FileFacts>>,
    functions: Vec<(u32, u32)>,
    functions_by_name: FastMap<SmolStr, Vec<FnId>>,
    records: FastMap<SmolStr, Vec<(u32, u32)>>,
    /// Wide records, by their address: the files are held, and not changed, as long as this lives.
    wide: FastMap<usize, Members>,
    typedefs: FastMap<SmolStr, Vec<(u32, u32)>>,
    globals: FastMap<SmolStr, Vec<(u32, u32)>>,
    /// Of each file, hash of the path.
    path_hashes: Vec<u64>,
    places: FastMap<(u64, u32), FnId>,
    /// By hash of a name, what it may mean anywhere.
    meanings: FastMap<u64, u64>,
    /// Object-like macros that stand for a function of the catalogue.
    aliases: FastSet<SmolStr>,
    /// Of each file, the functions that nobody had a reason to read: positions in its outline, found when they are asked for.
    unread: Vec<OnceCell<Box<[usize]>>>,
    /// What was found of names that mean very much.
    found: RefCell<nearest::Found>,
    /// Hashes of the names that were looked up, while somebody wants to know.
    looked_up: RefCell<Option<Vec<u64>>>,
}

/// `page` of `struct page`.
pub(crate) fn tag(name: &str) -> &str {
    name.strip_prefix("struct ")
        .or_else(|| name.strip_prefix("union "))
        .unwrap_or(name)
}

/// The function of the catalogue that an object-like macro stands for.
pub(crate) fn alias_of(function: &Function) -> Option<&str> {
    let short = function.body_span.end - function.body_span.start < 64;
    if function.linkage != Linkage::Macro || !function.params.is_empty() || !short {
        return None;
    }
    match function.body.as_slice() {
        [Stmt::Return(Some(Expr::Name(name, _)), _)] => followed().get(name).map(|_| name.as_str()),
        _ => None,
    }
}

impl Program {
    /// Takes the facts of files, sorted by path.
    pub(crate) fn new(files: Vec<Arc<FileFacts>>) -> Self {
        let mut program = Self {
            unread: vec![OnceCell::new(); files.len()],
            files,
            ..Self::default()
        };
        for (at, file) in program.files.iter().enumerate() {
            let at = at as u32;
            let path = first_word(blake3::hash(file.path.as_str().as_bytes()).as_bytes());
            let bytes = first_word(&file.hash);
            program.path_hashes.push(path);
            // What a name means is told by where it is defined, and by the bytes of that file.
            let meanings = &mut program.meanings;
            let mut means = |name: &str, kind: u32, at: u32| {
                let mut hasher = FastHasher::default();
                for word in [path, bytes, u64::from(kind) << 32 | u64::from(at)] {
                    hasher.write_u64(word);
                }
                let known = meanings.entry(name_hash(name)).or_default();
                *known = known.wrapping_add(hasher.finish());
            };
            for function in &file.functions {
                means(&function.name, 1, function.span.start);
            }
            for record in &file.records {
                means(tag(&record.tag), 2, record.span.start);
            }
            for (n, (name, _)) in file.typedefs.iter().enumerate() {
                means(name, 3, n as u32);
            }
            for global in &file.globals {
                means(&global.name, 4, global.span.start);
            }
            for (n, function) in file.functions.iter().enumerate() {
                let id = FnId(program.functions.len() as u32);
                if alias_of(function).is_some() {
                    program.aliases.insert(function.name.clone());
                }
                program.places.insert((path, function.span.start), id);
                program.functions.push((at, n as u32));
                program
                    .functions_by_name
                    .entry(function.name.clone())
                    .or_default()
                    .push(id);
            }
            for (n, record) in file.records.iter().enumerate() {
                if record.fields.len() > WIDE {
                    let address = std::ptr::from_ref(record).addr();
                    program.wide.insert(address, Members::of(record));
                }
                program
                    .records
                    .entry(tag(&record.tag).into())
                    .or_default()
                    .push((at, n as u32));
            }
            for (n, (name, _)) in file.typedefs.iter().enumerate() {
                program
                    .typedefs
                    .entry(name.clone())
                    .or_default()
                    .push((at, n as u32));
            }
            for (n, global) in file.globals.iter().enumerate() {
                program
                    .globals
                    .entry(global.name.clone())
                    .or_default()
                    .push((at, n as u32));
            }
        }
        program
    }

    /// Where a function stands: hash of the path, first byte.
    pub(crate) fn place(&self, id: FnId) -> (u64, u32) {
        let path = self.path_hashes[self.file_of(id) as usize];
        (path, self.function(id).span.start)
    }

    /// The function that stands there.
    pub(crate) fn at(&self, place: (u64, u32)) -> Option<FnId> {
        self.places.get(&place).copied()
    }

    /// A word for all that a name, told by its hash, may mean: equal words, equal meanings.
    pub(crate) fn meaning(&self, name: u64) -> u64 {
        self.meanings.get(&name).copied().unwrap_or_default()
    }

    /// Runs `f`, and says the hashes of the names that were looked up meanwhile.
    pub(crate) fn looking_up<T>(&self, f: impl FnOnce() -> T) -> (T, Vec<u64>) {
        self.looked_up.replace(Some(Vec::new()));
        let out = f();
        let mut names = self.looked_up.take().unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        (out, names)
    }

    fn look_up(&self, name: &str) {
        if let Some(names) = self.looked_up.borrow_mut().as_mut() {
            names.push(name_hash(name));
        }
    }

    /// All files, sorted by path.
    pub(crate) fn files(&self) -> &[Arc<FileFacts>] {
        &self.files
    }

    /// A file.
    pub(crate) fn file(&self, file: u32) -> &FileFacts {
        &self.files[file as usize]
    }

    /// The functions of a file that nobody had a reason to read.
    pub(crate) fn unread(&self, file: u32) -> impl Iterator<Item = &OutlineItem> {
        let facts = self.file(file);
        let unread = self.unread[file as usize].get_or_init(|| {
            let read: FastSet<&str> = facts.functions.iter().map(|f| f.name.as_str()).collect();
            let outline = facts.outline.iter().enumerate();
            outline
                .filter(|(_, item)| item.kind == OutlineKind::Function)
                .filter(|(_, item)| !read.contains(item.name.as_str()))
                .map(|(at, _)| at)
                .collect()
        });
        unread.iter().map(|at| &facts.outline[*at])
    }

    /// All functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = FnId> + use<> {
        (0..self.functions.len() as u32).map(FnId)
    }

    /// A function.
    pub(crate) fn function(&self, id: FnId) -> &Function {
        let (file, at) = self.functions[id.0 as usize];
        &self.files[file as usize].functions[at as usize]
    }

    /// The file a function stands in.
    pub(crate) fn file_of(&self, id: FnId) -> u32 {
        self.functions[id.0 as usize].0
    }

    /// Path of the file a function stands in.
    pub(crate) fn path_of(&self, id: FnId) -> &Utf8Path {
        &self.file(self.file_of(id)).path
    }

    /// The functions `name` may mean in `file`; more than one where `#if` arms each define it.
    pub(crate) fn resolve(&self, name: &str, file: u32) -> Vec<FnId> {
        self.look_up(name);
        let Some(all) = self.functions_by_name.get(name) else {
            return Vec::new();
        };
        let visible = |id: FnId| {
            let own = self.file_of(id) == file;
            let header = || self.path_of(id).extension() == Some("h");
            own || header() || self.function(id).linkage == Linkage::External
        };
        self.nearest(file, all, visible, |id| self.file_of(id))
    }

    /// Whether `file` itself defines `name` as a static function or macro, so that no kernel-wide function is meant.
    pub(crate) fn shadows(&self, name: &str, file: u32) -> bool {
        self.look_up(name);
        self.file(file).path.extension() == Some("c")
            && self.functions_by_name.get(name).is_some_and(|all| {
                let mut all = all.iter();
                all.any(|id| {
                    self.file_of(*id) == file && self.function(*id).linkage != Linkage::External
                })
            })
    }

    /// The function of the catalogue that `name` stands for in `file`: its own, or that of an object-like macro
    /// (`#define grab get_user_pages`). None where the file has another function of that name.
    pub(crate) fn listed(&self, name: &str, file: u32) -> Option<&'static api::Function> {
        if let Some(function) = followed().get(name) {
            return (!self.shadows(name, file)).then_some(function);
        }
        if !self.aliases.contains(name) {
            return None;
        }
        let mut meant = self.resolve(name, file).into_iter().map(|id| {
            let real = alias_of(self.function(id))?;
            followed().get(real)
        });
        let first = meant.next()??;
        meant
            .all(|other| other.is_some_and(|other| other.name == first.name))
            .then_some(first)
    }

    /// Whether any macro stands for a function of the catalogue.
    pub(crate) fn has_aliases(&self) -> bool {
        !self.aliases.is_empty()
    }

    /// The record of that tag which `file` most likely means.
    pub(crate) fn record(&self, name: &str, file: u32) -> Option<&Record> {
        self.look_up(tag(name));
        let all = self.records.get(tag(name))?;
        let best = self.nearest(file, all, |_| true, |(at, _)| at);
        let (at, n) = *best.first()?;
        Some(&self.files[at as usize].records[n as usize])
    }

    /// Whether `file`, a `.c` file, defines a record of that tag and another file defines one too: they are two records.
    pub(crate) fn is_one_of_several(&self, name: &str, file: u32) -> bool {
        self.look_up(tag(name));
        let Some(all) = self.records.get(tag(name)) else {
            return false;
        };
        // They stand in the order of their files.
        let several = all.first().map(|(at, _)| at) != all.last().map(|(at, _)| at);
        let own = || all.binary_search_by_key(&file, |(at, _)| *at).is_ok();
        several && self.file(file).path.extension() == Some("c") && own()
    }

    /// Some record of that tag, with the file that defines it.
    pub(crate) fn any_record(&self, name: &str) -> Option<(u32, &Record)> {
        let (at, n) = *self.records.get(tag(name))?.first()?;
        Some((at, &self.files[at as usize].records[n as usize]))
    }

    /// Whether the record of that tag which `file` most likely means is one of the kernel's public headers.
    pub(crate) fn is_public(&self, name: &str, file: u32) -> bool {
        self.look_up(tag(name));
        let Some(all) = self.records.get(tag(name)) else {
            return false;
        };
        let best = self.nearest(file, all, |_| true, |(at, _)| at);
        best.first()
            .is_some_and(|(at, _)| self.file(*at).path.starts_with("include/linux"))
    }

    /// The header of a driver's own that defines the record of that tag which `file` most likely means.
    pub(crate) fn private_header(&self, name: &str, file: u32) -> Option<&Utf8Path> {
        let all = self.records.get(tag(name))?;
        let best = self.nearest(file, all, |_| true, |(at, _)| at);
        let (at, _) = *best.first()?;
        let path = self.file(at).path.as_path();
        (path.extension() == Some("h") && !is_public(path)).then_some(path)
    }

    /// Follows typedefs.
    pub(crate) fn expand(&self, ty: &TypeRef, file: u32) -> TypeRef {
        let mut ty = ty.clone();
        for _ in 0..8 {
            self.look_up(&ty.name);
            let Some(all) = self.typedefs.get(&ty.name) else {
                break;
            };
            let best = self.nearest(file, all, |_| true, |(at, _)| at);
            let Some((at, n)) = best.first().copied() else {
                break;
            };
            let target = &self.files[at as usize].typedefs[n as usize].1;
            if target.name == ty.name && target.pointers == 0 && target.arrays == 0 {
                break;
            }
            ty = TypeRef {
                name: target.name.clone(),
                pointers: ty.pointers + target.pointers,
                arrays: ty.arrays + target.arrays,
                function: ty.function || target.function,
            };
        }
        ty
    }

    /// The variable at file scope that `name` means in `file`, with the file that defines it.
    pub(crate) fn global(&self, name: &str, file: u32) -> Option<(u32, &Declaration)> {
        self.look_up(name);
        let all = self.globals.get(name)?;
        let best = self.nearest(file, all, |_| true, |(at, _)| at);
        let (at, n) = *best.first()?;
        Some((at, &self.files[at as usize].globals[n as usize]))
    }

    /// The member `field` of `record`, looked for in unnamed members too, with the tag it belongs to.
    pub(crate) fn member<'a>(
        &'a self,
        record: &'a Record,
        field: &str,
        file: u32,
    ) -> Option<(&'a str, &'a Declaration)> {
        self.member_within(record, field, file, 4)
    }

    fn member_within<'a>(
        &'a self,
        record: &'a Record,
        field: &str,
        file: u32,
        depth: u8,
    ) -> Option<(&'a str, &'a Declaration)> {
        let wide = self.wide.get(&std::ptr::from_ref(record).addr());
        let found = match wide {
            Some(members) => members
                .named
                .get(field)
                .map(|at| &record.fields[*at as usize]),
            None => record.fields.iter().find(|member| member.name == field),
        };
        if let Some(found) = found {
            return Some((tag(&record.tag), found));
        }
        if depth == 0 {
            return None;
        }
        let unnamed: Vec<&Declaration> = match wide {
            Some(members) => members
                .unnamed
                .iter()
                .map(|at| &record.fields[*at as usize])
                .collect(),
            None => record
                .fields
                .iter()
                .filter(|member| member.name.is_empty())
                .collect(),
        };
        unnamed
            .into_iter()
            .filter_map(|member| self.record(&member.ty.name, file))
            .find_map(|inner| self.member_within(inner, field, file, depth - 1))
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    let first = bytes.first_chunk::<8>();
    first.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn name_hash(name: &str) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(name.as_bytes());
    hasher.write_usize(name.len());
    hasher.finish()
}
