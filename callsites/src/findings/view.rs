// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the rules look at, prepared once.

use super::atomic::Sleepers;
use super::manners::Manners;
use super::paths::{Callees, Fact, Locals, MOST_WAYS, What, walk};
use super::{atomic, helpers, paths, visit};
use crate::flow::places::parent;
use crate::index::ir::{
    Expr, FileFacts, Function, Linkage, LoopKind, OutlineKind, Span, Stmt, TypeRef,
};
use crate::lex::{code, words};
use crate::report::{Callsite, Era, Evidence, Finding, Group, Severity};
use crate::tree::VersionCode;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use refimpl::api::{Does, Role, acts, followed};
use smol_str::SmolStr;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// What an audit hands to the rules.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What was read, sorted by path.
    pub files: &'a [Arc<FileFacts>],
    /// What was judged; may be empty, then the rules that need it find nothing.
    pub callsites: &'a [Callsite],
    /// What belongs together.
    pub groups: &'a [Group],
    /// Which API the tree has.
    pub era: Era,
    /// Which API the release has that the tree's version names: a series may have brought another.
    pub released: Era,
    /// The release of the tree, which C may ask as well as the preprocessor.
    pub code: Option<VersionCode>,
    /// The bytes of a file of the tree.
    pub read: &'a (dyn Fn(&Utf8Path) -> Option<Vec<u8>> + Sync),
    /// Whether a source of a directory passes a test on its path and bytes.
    pub any_in: &'a AnyIn<'a>,
}

/// Asks the sources of a directory.
pub type AnyIn<'a> = dyn Fn(&Utf8Path, &dyn Fn(&Utf8Path, &[u8]) -> bool) -> bool + Sync + 'a;

/// One function after its ways were walked.
pub(crate) struct Walked<'a> {
    /// Position of its file.
    pub file: usize,
    /// The function.
    pub function: &'a Function,
    /// What happens in it.
    pub facts: Vec<Fact>,
}

/// [`Input`] and what was worked out from it.
pub(crate) struct View<'a> {
    /// As handed in.
    pub input: &'a Input<'a>,
    /// The files, with the callers that the rule about sleeping asked for in addition.
    pub files: Vec<Arc<FileFacts>>,
    /// Read when a finding shows a line.
    sources: Vec<OnceLock<Vec<u8>>>,
    /// Which functions sleep because they dirty pages.
    pub sleepers: Sleepers,
    /// The position of each file.
    by_path: HashMap<Utf8PathBuf, usize>,
    /// The functions of each file that hide those of the catalogue, and all that it defines.
    names: Vec<OnceLock<[HashSet<SmolStr>; 2]>>,
    /// The callsite of each id.
    by_id: HashMap<&'a str, &'a Callsite>,
    /// The callsite at each place.
    by_place: HashMap<(&'a str, u32), &'a Callsite>,
    /// Facts by function: position of the file, position of the function, facts.
    facts: Vec<(usize, usize, Vec<Fact>)>,
}

impl<'a> View<'a> {
    /// Reads the sources, finds what sleeps, and walks the functions that are worth it.
    pub(crate) fn of(input: &'a Input<'a>) -> Self {
        let (mut files, sleepers) = Sleepers::of(input);
        helpers::read(&mut files, input);
        let jobs: Vec<(usize, usize)> = files
            .iter()
            .enumerate()
            .flat_map(|(at, file)| (0..file.functions.len()).map(move |n| (at, n)))
            .filter(|(at, n)| worth_walking(&files[*at].functions[*n], *at, &sleepers))
            .collect();
        let own: Vec<HashSet<&str>> = files.iter().map(|file| own_names(file)).collect();
        let defined: Vec<HashSet<&str>> = files.iter().map(|file| defined_in(file)).collect();
        let mut beside: HashMap<&str, HashSet<&str>> = HashMap::new();
        for file in &files {
            let known = beside.entry(parent(&file.path)).or_default();
            let functions = file.functions.iter();
            known.extend(functions.map(|function| function.name.as_str()));
        }
        let manners: Vec<Manners<'_>> = files.iter().map(|file| Manners::of(file)).collect();
        let look = |at: usize, function: &Function, most: usize| {
            let sleeps = |name: &str, args: &[Expr]| sleepers.call(at, name, args);
            let unlocks = |name: &str| sleepers.unlocks(at, name);
            let shadowed = |name: &str| own[at].contains(name);
            let defined = |name: &str| defined[at].contains(name);
            let directory = beside.get(parent(&files[at].path));
            let beside = |name: &str| directory.is_some_and(|names| names.contains(name));
            let member = |tag: &str, name: &str| member_of(&files, at, tag, name);
            let manners = &manners[at];
            let callees = Callees {
                fails: &|name| manners.fails(name),
                spared: &|name| manners.spares(name),
                in_result: &|name| manners.keeps_in_result(name),
                code: input.code,
                sleeps: &sleeps,
                unlocks: &unlocks,
                shadowed: &shadowed,
                defined: &defined,
                beside: &beside,
                member: &member,
            };
            walk(function, most, &callees)
        };
        let mut facts: Vec<(usize, usize, Vec<Fact>)> = jobs
            .into_par_iter()
            .map(|(at, n)| (at, n, look(at, &files[at].functions[n], MOST_WAYS).0))
            .filter(|(_, _, facts)| !facts.is_empty())
            .collect();
        super::across::add(&files, &mut facts, &look);
        Self {
            input,
            by_path: by_path(&files),
            sources: unset(&files),
            names: unset(&files),
            files,
            sleepers,
            by_id: by_id(input),
            by_place: by_place(input),
            facts,
        }
    }

    /// Without the ways through functions, for rules that look at callsites.
    pub(crate) fn plain(input: &'a Input<'a>) -> Self {
        Self {
            input,
            by_path: by_path(input.files),
            sources: unset(input.files),
            names: unset(input.files),
            files: input.files.to_vec(),
            sleepers: Sleepers::default(),
            by_id: by_id(input),
            by_place: by_place(input),
            facts: Vec::new(),
        }
    }

    /// Functions in which one of `whats` happens.
    pub(crate) fn walked(&self, whats: &[What]) -> Vec<Walked<'_>> {
        self.facts
            .iter()
            .map(|(file, n, facts)| Walked {
                file: *file,
                function: &self.files[*file].functions[*n],
                facts: facts
                    .iter()
                    .filter(|fact| whats.contains(&fact.what))
                    .cloned()
                    .collect(),
            })
            .filter(|walked| !walked.facts.is_empty())
            .collect()
    }

    /// All functions, each with the position of its file.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (usize, &Function)> {
        self.files
            .iter()
            .enumerate()
            .flat_map(|(at, file)| file.functions.iter().map(move |f| (at, f)))
    }

    /// The type of the record that `expr` names or points to, as far as the file or a header beside it tells.
    pub(crate) fn record(&self, file: usize, locals: &Locals<'_>, expr: &Expr) -> Option<SmolStr> {
        match visit::bare(expr) {
            Expr::Name(name, _) => locals.get(name).map(|ty| ty.name.clone()),
            Expr::Field { base, name, .. } => {
                let outer = self.record(file, locals, base)?;
                let tag = outer.strip_prefix("struct ")?;
                member_of(&self.files, file, tag, name).map(|ty| ty.name)
            }
            Expr::Index { base, .. } | Expr::Deref(base, _) | Expr::AddressOf(base, _) => {
                self.record(file, locals, base)
            }
            _ => None,
        }
    }

    /// The functions and macros that hold a place, the innermost first.
    pub(crate) fn around(&self, file: usize, span: Span) -> impl Iterator<Item = &Function> {
        let functions = &self.files[file].functions;
        let after = functions.partition_point(|function| function.span.start <= span.start);
        let before = functions[..after].iter().rev().take(NEAR);
        before.filter(move |function| span.start < function.span.end)
    }

    /// Position of a file, if it was read.
    pub(crate) fn file(&self, path: &str) -> Option<usize> {
        self.by_path.get(Utf8Path::new(path)).copied()
    }

    /// 1-based line of a byte.
    pub(crate) fn line(&self, file: usize, byte: u32) -> u32 {
        self.files[file]
            .line_starts
            .partition_point(|start| *start <= byte) as u32
    }

    fn source(&self, file: usize) -> &[u8] {
        self.sources[file]
            .get_or_init(|| (self.input.read)(&self.files[file].path).unwrap_or_default())
    }

    /// The code at `span`, on one line.
    pub(crate) fn text(&self, file: usize, span: Span) -> String {
        String::from_utf8_lossy(&self.code(file, span))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The words of the code at `span`, comments and layout aside.
    pub(crate) fn words(&self, file: usize, span: Span) -> Vec<String> {
        let code = self.code(file, span);
        let text = |word| String::from_utf8_lossy(word).into_owned();
        words(&code).map(text).collect()
    }

    /// What is code at `span`, as [`code`] tells.
    fn code(&self, file: usize, span: Span) -> Vec<u8> {
        let range = span.start as usize..span.end as usize;
        code(self.source(file).get(range).unwrap_or_default())
    }

    /// The source line at `span`, with what it shows.
    pub(crate) fn evidence(&self, file: usize, span: Span, note: &str) -> Evidence {
        let line = self.line(file, span.start);
        let text = source_line(self.source(file), span.start);
        let text = if note.is_empty() {
            text
        } else {
            format!("{text}  ({note})")
        };
        Evidence {
            path: self.files[file].path.to_string(),
            line,
            text,
        }
    }

    /// The lines of the way to a fact: the acquiring call, the last few decisions, the end.
    pub(crate) fn way(&self, file: usize, fact: &Fact, last: &str) -> Vec<Evidence> {
        let start = fact
            .cause
            .and_then(|cause| fact.way.iter().rposition(|(span, _)| *span == cause))
            .unwrap_or(0);
        let way = fact.way.get(start..).unwrap_or_default();
        let skipped = way.len().saturating_sub(6);
        let shown = way.iter().take(1).chain(way.iter().skip(1 + skipped));
        let mut lines: Vec<Evidence> = shown
            .map(|(span, note)| match *note {
                "true" | "false" => {
                    let condition = self.text(file, *span);
                    self.evidence(file, *span, &format!("`{condition}` is {note}"))
                }
                note => self.evidence(file, *span, note),
            })
            .collect();
        lines.push(self.evidence(file, fact.at, last));
        lines
    }

    /// A finding in `function` at `span`.
    pub(crate) fn finding(
        &self,
        (rule, name, severity): (&str, &str, Severity),
        (file, function, span): (usize, &str, Span),
        message: String,
        evidence: Vec<Evidence>,
    ) -> Finding {
        let (line, column) = self.files[file].position(span.start);
        Finding {
            id: String::new(),
            rule: rule.to_owned(),
            name: name.to_owned(),
            severity,
            path: self.files[file].path.to_string(),
            line,
            column,
            function: function.to_owned(),
            message,
            evidence,
            fix: None,
        }
    }

    /// A finding of what happens at a fact's place because of what happened at `before`.
    pub(crate) fn finding_of_two(
        &self,
        rule: (&str, &str, Severity),
        walked: &Walked<'_>,
        (before, earlier): (Span, &str),
        (at, later): (Span, &str),
        message: String,
    ) -> Finding {
        let evidence = vec![
            self.evidence(walked.file, before, earlier),
            self.evidence(walked.file, at, later),
        ];
        let place = (walked.file, &*walked.function.name, at);
        self.finding(rule, place, message, evidence)
    }

    /// The callsite at that place of that file.
    pub(crate) fn callsite(&self, path: &str, span: Span) -> Option<&Callsite> {
        self.by_place.get(&(path, span.start)).copied()
    }

    /// The acquiring calls of a function of a file whose pages it keeps when it does not fail, told from that function alone.
    pub(crate) fn kept(&self, file: usize, function: &Function) -> BTreeSet<u32> {
        let [own, defined] = self.names[file].get_or_init(|| {
            let file = &self.files[file];
            [own_names(file), defined_in(file)]
                .map(|names| names.into_iter().map(SmolStr::from).collect())
        });
        let callees = Callees {
            sleeps: &|_, _| None,
            unlocks: &|_| false,
            shadowed: &|name| own.contains(name),
            defined: &|name| defined.contains(name),
            beside: &|_| false,
            member: &|_, _| None,
            spared: &|_| false,
            in_result: &|_| false,
            fails: &|_| false,
            code: None,
        };
        paths::kept(function, &callees)
    }

    /// The callsites of these ids, in their order in the report.
    pub(crate) fn members(&self, ids: &[String]) -> Vec<&'a Callsite> {
        let known = ids.iter().filter_map(|id| self.by_id.get(id.as_str()));
        let mut known: Vec<&Callsite> = known.copied().collect();
        known.sort_by_key(|site| (&site.path, site.line, site.column));
        known
    }
}

/// The type of a member of a record that the file defines, or a header beside it.
fn member_of(files: &[Arc<FileFacts>], at: usize, tag: &str, name: &str) -> Option<TypeRef> {
    let of = |file: &FileFacts| {
        let record = file.records.iter().find(|record| record.tag == tag)?;
        let field = record.fields.iter().find(|field| field.name == name)?;
        Some(field.ty.clone())
    };
    let own = &files[at];
    // The files are sorted by path, so that those of a directory stand near each other.
    let beside = |file: &&Arc<FileFacts>| {
        file.path.as_str().ends_with(".h") && parent(&file.path) == parent(&own.path)
    };
    let (before, after) = files.split_at(at);
    let near = before
        .iter()
        .rev()
        .take(NEAR)
        .chain(after.iter().take(NEAR));
    of(own).or_else(|| near.filter(beside).find_map(|file| of(file)))
}

/// A place for something of each file.
fn unset<T>(files: &[Arc<FileFacts>]) -> Vec<OnceLock<T>> {
    files.iter().map(|_| OnceLock::new()).collect()
}

fn by_path(files: &[Arc<FileFacts>]) -> HashMap<Utf8PathBuf, usize> {
    let paths = files.iter().map(|file| file.path.clone());
    paths.zip(0..).collect()
}

fn by_id<'a>(input: &Input<'a>) -> HashMap<&'a str, &'a Callsite> {
    let sites = input.callsites.iter().rev();
    sites.map(|site| (site.id.as_str(), site)).collect()
}

fn by_place<'a>(input: &Input<'a>) -> HashMap<(&'a str, u32), &'a Callsite> {
    let sites = input.callsites.iter().rev();
    sites
        .map(|site| ((site.path.as_str(), site.span.start), site))
        .collect()
}

/// Macros may be defined in a function before a place in it; so many are looked past. Without a bound every place would look
/// through all functions before it.
const NEAR: usize = 64;

/// The static functions and macros that a `.c` file has for itself.
fn own_names(file: &FileFacts) -> HashSet<&str> {
    let own = file.functions.iter().filter(|function| {
        function.linkage != Linkage::External && file.path.extension() == Some("c")
    });
    own.map(|function| function.name.as_str()).collect()
}

/// The functions and macros that a `.c` file defines.
fn defined_in(file: &FileFacts) -> HashSet<&str> {
    if file.path.extension() != Some("c") {
        return HashSet::new();
    }
    let outlined = file
        .outline
        .iter()
        .filter(|item| matches!(item.kind, OutlineKind::Function | OutlineKind::Macro));
    let read = file.functions.iter().map(|function| function.name.as_str());
    read.chain(outlined.map(|item| item.name.as_str()))
        .collect()
}

/// Only functions that acquire, that release and unmap, that unpin twice, that unpin and free, or dirty, that lock and may
/// sleep, or that take references on pages of an address have ways of interest.
fn worth_walking(function: &Function, file: usize, sleepers: &Sleepers) -> bool {
    if function.linkage == Linkage::Macro {
        return false;
    }
    let catalogue = followed();
    let (mut acquires, mut locks, mut sleeps, mut releases, mut unmaps) =
        (false, false, false, false, false);
    let (mut unpins, mut of_address, mut refers, mut slab) = (0, false, false, false);
    let (mut frees, mut frees_list, mut dirties) = (false, false, false);
    let mut uncharges = false;
    visit::all_calls(&function.body, &mut |name, args, _| {
        let known = catalogue.get(name);
        let role = known.map(|f| f.role);
        let does = acts().of(name);
        acquires |= helpers::acquires(name);
        releases |= role == Some(Role::Release);
        refers |= role == Some(Role::Reference);
        of_address |= known.is_some_and(|f| f.kind == "kernel address");
        unpins += usize::from(helpers::unpins(name));
        unmaps |= does == Some(Does::Unmaps);
        frees |= does == Some(Does::Frees);
        frees_list |= does == Some(Does::FreesList);
        slab |= matches!(does, Some(Does::AllocatesSlab | Does::AllocatesZeroedSlab));
        locks |= atomic::takes(name) || atomic::tries(name) || atomic::holds_in_block(name, args);
        sleeps |= sleepers.call(file, name, args).is_some();
        dirties |= role == Some(Role::Dirty);
        uncharges |= matches!(does, Some(Does::Charges | Does::Uncharges));
    });
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Loop {
            kind: LoopKind::Iterator { name, args, .. },
            ..
        } = statement
        {
            locks |= atomic::holds_in_block(name, args);
        }
    });
    let through_freed = frees && unpins > 0 || frees_list && releases;
    let of_slab = of_address && refers && slab;
    let late = unpins > 0 && dirties;
    acquires
        || locks && sleeps
        || releases && unmaps
        || unpins > 1
        || of_slab
        || through_freed
        || late
        || uncharges
}

fn source_line(bytes: &[u8], at: u32) -> String {
    let at = (at as usize).min(bytes.len());
    let start = bytes[..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |n| n + 1);
    let end = bytes[at..]
        .iter()
        .position(|b| *b == b'\n')
        .map_or(bytes.len(), |n| at + n);
    String::from_utf8_lossy(&bytes[start..end])
        .trim()
        .to_owned()
}
