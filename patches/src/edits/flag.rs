// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the answer of iov_iter_extract_will_pin() gets from where an iterator is at hand to where its pages are released.
//!
//! It is asked before the iterator moves and kept in a variable where both stand in one function. Otherwise it goes the
//! way that something else goes already: beside a member that is tested at the release and set where the iterator is at
//! hand, in the record that holds the pages, or as one more argument of the function that releases.

mod local;
mod place;
mod told;

use super::extract::{declaration, free_name, root};
use super::layout::{indent, line_end, line_start};
use super::plan::Sources;
use super::replace::Edit;
use super::seen::{
    assigned, calls, conjuncts, field_in, made_here, may_be_null, named, only_releases, tag,
    variables,
};
use super::source::{Found, Source};
use super::walk::{self, all_expressions, every_part, holds, is_name, plain, statements};
use callsites::index::ir::{Declaration, Expr, Function, Linkage, Span, Stmt, TypeRef};
use callsites::report::Callsite;
use camino::Utf8PathBuf;
use refimpl::api::catalogue;
use std::collections::{BTreeMap, BTreeSet};

use told::Told;

/// The function that is asked.
const ASK: &str = "iov_iter_extract_will_pin";

/// Names for the answer; the first is what crypto/af_alg.c (6.12) calls it.
const NAMES: [&str; 2] = ["need_unpin", "pages_need_unpin"];

/// Through how many callers an iterator or an answer is handed: an entry point, a request, its setup, and what fills its
/// entries. A bound, and not a measurement.
const DEPTH: usize = 4;

/// How the answer is carried.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried {
    /// By the id of a release, the condition under which it unpins.
    pub conditions: BTreeMap<String, String>,
    /// Edits by file.
    pub edits: BTreeMap<Utf8PathBuf, Vec<Edit>>,
    /// Where the answer is asked for, kept and handed on.
    told: BTreeSet<Told>,
}

/// A function in which the iterator is at hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Home {
    /// Its name.
    function: String,
    /// The iterator, as written.
    iter: String,
    /// The call that takes the pages, or leads there.
    call: (u32, u32),
}

/// Finds a way for the answer from one acquire to all its releases.
///
/// # Errors
/// Why there is none, as a clause.
pub(super) fn carry(
    sources: &Sources,
    acquire: &Callsite,
    releases: &[&Callsite],
) -> Result<Carried, String> {
    let source = source_of(sources, acquire)?;
    let found = source.find(acquire)?;
    let at = catalogue()
        .get(&acquire.call)
        .and_then(|function| function.signature(found.arguments.len()))
        .and_then(|form| form.iter)
        .ok_or("its iterator could not be read")?;
    let mut way = Way {
        sources,
        source,
        acquire: found.function,
        taken: found.whole,
        homes: Vec::new(),
        locals: BTreeMap::new(),
        parameters: BTreeSet::new(),
        members: BTreeMap::new(),
        record: None,
        inserts: BTreeMap::new(),
        edits: BTreeMap::new(),
        told: BTreeSet::new(),
    };
    let iter = source.text(found.arguments[at]);
    way.add_home(found.function, iter, found.whole, DEPTH);
    let mut conditions = BTreeMap::new();
    // Those elsewhere first: what carries the answer to them may serve at home as well.
    let at_home = |site: &&&Callsite| way_is_home(&way.homes, source, site);
    let (home, away): (Vec<&&Callsite>, Vec<&&Callsite>) = releases.iter().partition(at_home);
    for site in away.into_iter().chain(home) {
        let own = source_of(sources, site)?;
        let found = own.find(site)?;
        if let Some(condition) = way.condition(own, &found)? {
            conditions.insert(site.id.clone(), condition);
        }
    }
    let mut edits = way.edits;
    for ((path, at), text) in way.inserts {
        edits.entry(path).or_default().push(Edit::new(at, at, text));
    }
    Ok(Carried {
        conditions,
        edits,
        told: way.told,
    })
}

fn way_is_home(homes: &[Home], source: &Source, site: &Callsite) -> bool {
    source.path == site.path && homes.iter().any(|home| home.function == site.function)
}

fn source_of<'s>(sources: &'s Sources, site: &Callsite) -> Result<&'s Source, String> {
    let source = sources.get(&Utf8PathBuf::from(&site.path));
    source.ok_or_else(|| "its file could not be read".into())
}

struct Way<'s> {
    sources: &'s Sources,
    /// The acquire's file.
    source: &'s Source,
    acquire: &'s Function,
    taken: Span,
    homes: Vec<Home>,
    /// Variables by function.
    locals: BTreeMap<String, String>,
    /// Functions that have been given a parameter.
    parameters: BTreeSet<String>,
    /// New members by the record's tag and the member beside which they stand.
    members: BTreeMap<(String, String), String>,
    /// What the record that holds the pages is called in the acquire's function, with the new member.
    record: Option<String>,
    inserts: BTreeMap<(Utf8PathBuf, usize), String>,
    edits: BTreeMap<Utf8PathBuf, Vec<Edit>>,
    told: BTreeSet<Told>,
}

impl<'s> Way<'s> {
    /// Adds a function in which the iterator is at hand, and its callers where it is a parameter.
    fn add_home(&mut self, function: &'s Function, iter: String, call: Span, depth: usize) {
        let parameter = function.params.iter().position(|param| param.name == iter);
        self.homes.push(Home {
            function: function.name.to_string(),
            iter,
            call: (call.start, call.end),
        });
        let Some(at) = parameter.filter(|_| depth > 0 && function.linkage == Linkage::Static)
        else {
            return;
        };
        for (caller, span, args) in calls(self.source, &function.name) {
            if let Some(given) = args.get(at).filter(|_| caller.name != function.name) {
                let text = self.source.text(given.span());
                self.add_home(caller, text, span, depth - 1);
            }
        }
    }

    /// The condition of one release; None where its callers ask.
    fn condition(&mut self, own: &'s Source, found: &Found<'s>) -> Result<Option<String>, String> {
        let path = walk::path(found.function, found.whole);
        if let Some(condition) = self.beside_a_test(own, found.function, &path)? {
            return Ok(Some(condition));
        }
        let here = own.path == self.source.path;
        if here && self.is_home(&found.function.name) {
            let same = found.function.name == self.acquire.name;
            return match self.record.clone().filter(|_| same) {
                Some(record) => Ok(Some(record)),
                None => self.local(found.function).map(Some),
            };
        }
        if let Some(condition) = self.in_the_record(own, found)? {
            return Ok(Some(condition));
        }
        if only_releases(found.function) && self.over_the_calls(own, found.function)? {
            return Ok(None);
        }
        if !here || found.function.linkage != Linkage::Static {
            return Err(format!(
                "{}() releases the pages and others may call it, and nothing that it is given tells how its iterator was \
                 backed",
                found.function.name
            ));
        }
        self.parameter(found.function, DEPTH).map(Some)
    }

    fn is_home(&self, function: &str) -> bool {
        self.homes.iter().any(|home| home.function == function)
    }

    /// A member beside one that is tested around the release and set where the iterator is at hand.
    fn beside_a_test(
        &mut self,
        own: &'s Source,
        function: &'s Function,
        path: &[&Stmt],
    ) -> Result<Option<String>, String> {
        if own.path != self.source.path {
            return Ok(None);
        }
        for pair in path.windows(2) {
            let Stmt::If { cond, then, .. } = pair[0] else {
                continue;
            };
            if !holds(then.span(), pair[1].span()) {
                continue;
            }
            let mut tested = Vec::new();
            conjuncts(cond, &mut tested);
            for expr in tested {
                if let Some(condition) = self.beside(function, expr)? {
                    return Ok(Some(condition));
                }
            }
        }
        Ok(None)
    }

    /// `x->flag` beside `x->member`, where some home sets that member.
    fn beside(&mut self, function: &Function, expr: &Expr) -> Result<Option<String>, String> {
        let Expr::Field {
            base, name, arrow, ..
        } = expr
        else {
            return Ok(None);
        };
        let Expr::Name(variable, _) = plain(base) else {
            return Ok(None);
        };
        let Some(tag) = declaration(function, variable).map(|declared| tag(&declared.ty.name))
        else {
            return Ok(None);
        };
        let source = self.source;
        let mut set = None;
        for home in &self.homes {
            let Some(function) = named(source, &home.function) else {
                continue;
            };
            for stmt in &function.body {
                statements(stmt, &mut |stmt| {
                    let Stmt::Expr(Expr::Assign { op, target, .. }, span) = stmt else {
                        return;
                    };
                    let Expr::Field {
                        base, name: other, ..
                    } = plain(target)
                    else {
                        return;
                    };
                    let Expr::Name(variable, _) = plain(base) else {
                        return;
                    };
                    let same = declaration(function, variable)
                        .is_some_and(|d| super::seen::tag(&d.ty.name) == tag);
                    if op == "=" && other == name && same {
                        set = Some((function, *span, source.text(target.span()), name.len()));
                    }
                });
            }
        }
        let Some((home, statement, target, length)) = set else {
            return Ok(None);
        };
        // A page that is tested is no flag.
        let counts = self.record_of(&tag).is_some_and(|(_, record)| {
            let mut fields = record.fields.iter();
            fields
                .any(|field| field.name == *name && field.ty.pointers == 0 && field.ty.arrays == 0)
        });
        let Some(local) = counts.then(|| self.local(home).ok()).flatten() else {
            return Ok(None);
        };
        let Some(member) = self.member(&tag, name)? else {
            return Ok(None);
        };
        let bytes = &source.bytes;
        let margin = String::from_utf8_lossy(indent(bytes, statement.start as usize)).into_owned();
        let place = &target[..target.len() - length];
        let at = line_end(bytes, statement.end as usize);
        self.insert(
            &source.path,
            at,
            format!("{margin}{place}{member} = {local};\n"),
        );
        let dot = if *arrow { "->" } else { "." };
        Ok(Some(format!("{variable}{dot}{member}")))
    }

    /// A member of the record that holds the pages.
    fn in_the_record(
        &mut self,
        own: &'s Source,
        found: &Found<'s>,
    ) -> Result<Option<String>, String> {
        let Some(Expr::Field {
            base, name, arrow, ..
        }) = field_in(found.function, found.whole)
        else {
            return Ok(None);
        };
        let Some(variable) = root(base) else {
            return Ok(None);
        };
        let Some(ty) = declaration(found.function, variable).map(|declared| &declared.ty) else {
            return Ok(None);
        };
        // The one variable of that type where the pages are taken.
        let acquire = self.acquire;
        let same = variables(acquire)
            .into_iter()
            .filter(|declared| declared.ty.name == ty.name && declared.ty.pointers == ty.pointers);
        let same: Vec<&Declaration> = same.collect();
        let [there] = same.as_slice() else {
            return Ok(None);
        };
        let mut stores = false;
        all_expressions(acquire, &mut |expr| {
            stores |= matches!(expr, Expr::Field { name: other, .. } if other == name);
        });
        let Some((tag, field)) = self.type_of(found.function, base).and_then(|tag| {
            let field = self
                .record_of(&tag)?
                .1
                .fields
                .iter()
                .find(|field| field.name == *name)?;
            Some((tag, field.clone()))
        }) else {
            return Ok(None);
        };
        if !stores {
            return Ok(None);
        }
        let one_page =
            field.ty.name == "struct page" && field.ty.pointers == 1 && field.ty.arrays == 0;
        let calls = calls(self.source, &acquire.name);
        let once = matches!(calls.as_slice(), [(caller, span, _)]
            if !walk::path(caller, *span).iter().any(|stmt| matches!(stmt, Stmt::Loop { .. })));
        if !(one_page
            || once && acquire.linkage == Linkage::Static
            || self.filled_anew(name, &field.ty)
            || made_here(acquire, self.taken, &there.name))
        {
            return Err(format!(
                "{}() may add pages of several iterators to one {name}, and one answer does not serve for all",
                acquire.name
            ));
        }
        let Some(member) = self.member(&tag, name)? else {
            return Ok(None);
        };
        let path = own.text(base.span());
        let dot = if *arrow { "->" } else { "." };
        let here = format!("{path}{dot}{member}");
        let there = format!("{}{}", there.name, &here[variable.len()..]);
        if self.record.is_none() {
            self.ask_into(&there)?;
            self.record = Some(there);
        }
        Ok(Some(here))
    }

    /// Whether the acquire is given an array of the record from its beginning: what it takes is all that stands there.
    fn filled_anew(&self, name: &str, ty: &TypeRef) -> bool {
        let array = ty.name == "struct page" && ty.pointers == 1 && ty.arrays == 1;
        let mut given = false;
        all_expressions(self.acquire, &mut |expr| {
            if let Expr::Call { args, span, .. } = expr {
                let pages = args.get(1).map(plain);
                given |= *span == self.taken
                    && matches!(pages, Some(Expr::Field { name: other, .. }) if other == name);
            }
        });
        let repeated = walk::path(self.acquire, self.taken);
        let repeated = repeated
            .iter()
            .any(|stmt| matches!(stmt, Stmt::Loop { .. }));
        array && given && !repeated
    }

    /// `place = iov_iter_extract_will_pin(iter);` in front of the acquire.
    fn ask_into(&mut self, place: &str) -> Result<(), String> {
        let home = self.homes[0].clone();
        let path = walk::path(self.acquire, self.taken);
        let parameter = |name: &str| self.acquire.params.iter().any(|param| param.name == name);
        let first_word = place.split(['-', '.']).next().unwrap_or_default();
        let early = parameter(&home.iter)
            && parameter(first_word)
            && !assigned(self.acquire, &home.iter)
            && !assigned(self.acquire, first_word)
            && !may_be_null(self.acquire, &home.iter);
        let before = match early {
            true => path.first(),
            false => path.last(),
        };
        let before = before.ok_or("its statement could not be read")?;
        if matches!(before, Stmt::Decl(..)) {
            return Err(
                "the acquire stands in a declaration, before which nothing can be asked".into(),
            );
        }
        let bytes = &self.source.bytes;
        let start = before.span().start as usize;
        let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
        let text = format!("{margin}{place} = {ASK}({});\n", home.iter);
        let at = line_start(bytes, start);
        let path = self.source.path.clone();
        self.insert(&path, at, text);
        self.told
            .insert(Told::Asked(self.acquire.name.to_string(), place.to_owned()));
        Ok(())
    }

    /// One more parameter of a function that releases.
    fn parameter(&mut self, function: &'s Function, depth: usize) -> Result<String, String> {
        let source = self.source;
        let flag = free_name(source, function, &NAMES).ok_or("its names for a flag are taken")?;
        if !self.parameters.insert(function.name.to_string()) {
            return Ok(flag.to_owned());
        }
        let calls = calls(source, &function.name);
        let named_elsewhere = source.facts.globals.iter().any(|global| {
            global
                .init
                .as_ref()
                .is_some_and(|init| every_part(init, |part| is_name(part, &function.name)))
        });
        if calls.is_empty() || named_elsewhere || depth == 0 {
            return Err(format!(
                "{}() releases the pages and is called through a pointer, so it cannot be told how its iterator was backed",
                function.name
            ));
        }
        let last = function.params.last().ok_or("its function takes nothing")?;
        self.append(source, function.span, last.span, &format!("bool {flag}"));
        for item in &source.facts.outline {
            let prototype = item.kind == callsites::index::ir::OutlineKind::Prototype;
            if prototype && item.name == function.name {
                let text = source.slice(item.span);
                let close = text.iter().rposition(|&byte| byte == b')');
                let close = close.ok_or("its prototype could not be read")?;
                let at = item.span.start + close as u32;
                let end = Span { start: at, end: at };
                self.append(source, item.span, end, &format!("bool {flag}"));
            }
        }
        for (caller, span, args) in calls {
            let answer = self.answer(caller, args, depth)?;
            let last = args.last().ok_or("it is called without its pages")?;
            self.append(source, span, last.span(), &answer);
        }
        self.told.insert(Told::Parameter(function.name.to_string()));
        Ok(flag.to_owned())
    }

    /// What a caller gives for the new parameter.
    fn answer(
        &mut self,
        caller: &'s Function,
        args: &[Expr],
        depth: usize,
    ) -> Result<String, String> {
        if self.is_home(&caller.name) {
            return self.local(caller);
        }
        for arg in args {
            if let Some(beside) = self.beside(caller, plain(arg))? {
                return Ok(beside);
            }
        }
        if caller.linkage != Linkage::Static {
            return Err(format!(
                "{}() releases the pages and others may call it, and nothing that it is given tells how its iterator was \
                 backed",
                caller.name
            ));
        }
        self.parameter(caller, depth - 1)
    }
}
