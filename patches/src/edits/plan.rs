// SPDX-License-Identifier: MIT OR Apache-2.0
//! Groups become edits: all members of a group, or none.

use super::acquire::acquire;
use super::arms;
use super::braces;
use super::flag::{self, Carried};
use super::folio;
use super::guard::guarded;
use super::layout;
use super::reasons::{always, asked, only_too_many};
use super::release::{NO_MANY, release};
use super::replace::{Edit, carry_out, columns_kept, line_ends_kept, ordered};
use super::source::Source;
use super::unused;
use super::walk::{self, holds};
use super::words::Words;
use crate::commit::Files;
use crate::info::Replaced;
use crate::options::Api;
use callsites::index::ir::Span;
use callsites::report::{Callsite, Group, Report, Role, Step, Verdict, When};
use camino::Utf8PathBuf;
use refimpl::api::catalogue;
use std::collections::{BTreeMap, BTreeSet};

/// Parsed files by path.
pub(crate) type Sources = BTreeMap<Utf8PathBuf, Source>;

/// What a group becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Planned {
    /// Ids of its groups.
    pub groups: Vec<String>,
    /// Edits by file.
    pub edits: BTreeMap<Utf8PathBuf, Vec<Edit>>,
    /// Every member, in the order (path, line).
    pub replaced: Vec<Replaced>,
    /// Changes in behaviour, whole sentences.
    pub changes: BTreeSet<String>,
    /// What is left for a reviewer to decide, whole sentences.
    pub notes: BTreeSet<String>,
    /// Functions whose flags do not say that their pages may stay pinned for long.
    pub keep_flags: BTreeSet<String>,
    /// By function, the cases of pin_user_pages.rst that its acquires were given.
    pub cases: BTreeMap<String, BTreeSet<u8>>,
    /// What else its message must say, a paragraph each.
    pub remarks: BTreeSet<String>,
    /// All that changes is wrong as it stands.
    pub fix: Option<Fix>,
    /// Trailers of its message, in front of the Signed-off-by.
    pub trailers: Vec<String>,
    /// Loops that stay, with the reason, whole sentences.
    pub kept: BTreeSet<String>,
    /// Functions that are called now, each with its number of arguments where that is what it was.
    pub written: BTreeSet<(String, Option<usize>)>,
    pub(super) folds: Vec<Folded>,
    /// Edits of comments by file, which give way to any other edit.
    pub(super) comments: BTreeMap<Utf8PathBuf, Vec<Edit>>,
}

/// What a patch mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fix {
    /// What is pinned is released plainly.
    Leak,
    /// A page of user space is given back as if it had been allocated.
    Freed,
}

/// A loop that went, for the variables it leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folded {
    path: Utf8PathBuf,
    function: Span,
    statement: Span,
    variables: Vec<String>,
    becomes: String,
}

/// The files in which `group` has members.
pub(crate) fn files<'a>(report: &'a Report, group: &Group) -> BTreeSet<&'a str> {
    members(report, group)
        .map(|site| site.path.as_str())
        .collect()
}

pub(super) fn members<'a>(report: &'a Report, group: &Group) -> impl Iterator<Item = &'a Callsite> {
    let ids: BTreeSet<String> = group
        .acquires
        .iter()
        .chain(&group.releases)
        .chain(&group.dirties)
        .cloned()
        .collect();
    report
        .callsites
        .iter()
        .filter(move |site| ids.contains(&site.id))
}

/// Plans one whole group.
///
/// # Errors
/// Every reason why it must be left alone, one sentence each.
pub(crate) fn group(
    sources: &Sources,
    report: &Report,
    group: &Group,
    words: &Words,
) -> Result<Planned, Vec<String>> {
    let planned_out = words.api == Api::Pin && !group.plan.is_empty();
    if !group.convertible && !planned_out {
        let mut reasons = group.blocked_by.clone();
        if reasons.is_empty() {
            reasons.push(
                "what takes and releases its pages belongs to the pinning API already".into(),
            );
        }
        return Err(reasons);
    }
    if let Some(why) = only_too_many(report, group) {
        return Err(vec![why]);
    }
    let mut planned = Planned {
        groups: vec![group.id.clone()],
        ..Planned::default()
    };
    let mut reasons = Vec::new();
    let steps: BTreeMap<&str, &Step> = match planned_out {
        true => group
            .plan
            .iter()
            .map(|step| (step.id.as_str(), step))
            .collect(),
        false => BTreeMap::new(),
    };
    let asks = steps.values().any(|step| step.when == When::WillPin);
    if asks && !words.extracts {
        return Err(vec![
            "the kind of an iterator decides how its pages are released, and the tree does not have iov_iter_extract_pages() \
             and iov_iter_extract_will_pin(), which came with 6.3"
                .into(),
        ]);
    }
    let mut carried = Carried::default();
    match carry(sources, report, group, &steps) {
        Ok(known) => carried = known,
        Err(why) => reasons.push(why),
    }
    for (path, edits) in std::mem::take(&mut carried.edits) {
        planned.edits.entry(path).or_default().extend(edits);
    }
    planned.remarks.extend(asked(&carried));
    let ways = Ways {
        steps: &steps,
        conditions: &carried.conditions,
    };
    for site in members(report, group) {
        if let Err(why) = planned.add(sources, report, site, words, &ways) {
            reasons.push(format!(
                "{}:{} {}(): {}() stays because {why}",
                site.path, site.line, site.function, site.call
            ));
        }
    }
    planned.dirties_went_too(report, group);
    planned.mends(report, group);
    planned.known(sources, report);
    planned.other_kernels(report);
    planned.stale_comments(sources, report);
    let changed = planned.edits.values().any(|edits| !edits.is_empty());
    if reasons.is_empty() && !changed {
        reasons.push("every call of the group already is what it should be".into());
    }
    if reasons.is_empty() {
        Ok(planned)
    } else {
        Err(reasons)
    }
}

/// What the audit's plan says of the members, and what has become of it.
struct Ways<'a> {
    steps: &'a BTreeMap<&'a str, &'a Step>,
    conditions: &'a BTreeMap<String, String>,
}

/// The way of the answer from an iterator whose kind only the running kernel knows to the releases of its pages.
fn carry(
    sources: &Sources,
    report: &Report,
    group: &Group,
    steps: &BTreeMap<&str, &Step>,
) -> Result<Carried, String> {
    let asks = |site: &&Callsite| {
        let step = steps.get(site.id.as_str());
        step.is_some_and(|step| step.when == When::WillPin) && site.verdict != Verdict::Done
    };
    let (acquires, releases): (Vec<&Callsite>, Vec<&Callsite>) = members(report, group)
        .filter(asks)
        .partition(|site| site.role == Role::Acquire);
    match acquires.as_slice() {
        [] => Ok(Carried::default()),
        [acquire] => flag::carry(sources, acquire, &releases).map_err(|why| {
            format!(
                "{}:{} {}(): {}() stays because {why}",
                acquire.path, acquire.line, acquire.function, acquire.call
            )
        }),
        [first, ..] => Err(format!(
            "{}:{} {}(): {}() stays because its pages are released together with those of other iterators, and one answer of \
             iov_iter_extract_will_pin() does not serve for all; give each its own release first",
            first.path, first.line, first.function, first.call
        )),
    }
}

/// Whether an acquire takes its pages from an iterator.
fn is_iterator(call: &str) -> bool {
    let known = catalogue().get(call);
    known.is_some_and(|function| function.kind == "iter")
}

impl Planned {
    fn add(
        &mut self,
        sources: &Sources,
        report: &Report,
        site: &Callsite,
        words: &Words,
        ways: &Ways<'_>,
    ) -> Result<(), String> {
        let step = ways.steps.get(site.id.as_str()).copied();
        let becomes = match (site.role, site.verdict) {
            (_, Verdict::Done) | (Role::Dirty, _) => site.call.clone(),
            (role, Verdict::Convert | Verdict::Mixed)
                if site.verdict == Verdict::Convert || step.is_some() =>
            {
                let path = Utf8PathBuf::from(&site.path);
                let source = sources.get(&path).ok_or("its file could not be read")?;
                match (role, ways.conditions.get(&site.id)) {
                    (Role::Acquire, _) => self.add_acquire(source, report, site, words, step)?,
                    (_, Some(condition)) => self.add_guarded(source, site, words, condition)?,
                    (_, None) => self.add_release(source, site, words)?,
                }
            }
            _ => return Err(format!("the audit says: {}", site.reason)),
        };
        if let (Role::Acquire, Some(case)) = (site.role, site.case) {
            let function = self.cases.entry(site.function.clone()).or_default();
            function.insert(case);
        }
        self.written.insert((becomes.clone(), None));
        self.replaced.push(Replaced {
            id: site.id.clone(),
            path: site.path.clone(),
            function: site.function.clone(),
            line: site.line,
            call: site.call.clone(),
            becomes,
        });
        Ok(())
    }

    fn add_acquire(
        &mut self,
        source: &Source,
        report: &Report,
        site: &Callsite,
        words: &Words,
        step: Option<&Step>,
    ) -> Result<String, String> {
        let whole_function = report
            .callsites
            .iter()
            .filter(|other| {
                (&other.path, &other.function, &other.call)
                    == (&site.path, &site.function, &site.call)
            })
            .all(|other| other.verdict == Verdict::Convert);
        if step.is_none() && words.api == Api::Pin && is_iterator(&site.call) {
            return Err("whether its iterator is user-backed is not known".into());
        }
        let acquired = acquire(source, site, words, whole_function)?;
        self.written
            .insert((acquired.becomes.clone(), acquired.arguments));
        self.edit(source, acquired.edits);
        if acquired.keeps_flags {
            self.keep_flags.insert(site.function.clone());
        }
        self.changes.extend(acquired.changes);
        self.remarks.extend(acquired.remarks);
        self.remarks
            .extend(step.and_then(|step| always(site, step)));
        Ok(acquired.becomes)
    }

    /// A release that unpins under a condition.
    fn add_guarded(
        &mut self,
        source: &Source,
        site: &Callsite,
        words: &Words,
        condition: &str,
    ) -> Result<String, String> {
        let found = source.find(site)?;
        let text = |span: &Span| layout::one_line(&source.text(*span));
        let own: Vec<String> = found.arguments.iter().map(text).collect();
        let (name, arguments) = match (site.call.as_str(), found.arguments.len()) {
            ("put_page", 1) => (words.one, own),
            ("release_pages", 2) => (words.many.ok_or(NO_MANY)?, own),
            (other, _) if folio::drops(other, &found) => folio::pins(source, &found, words)?,
            (other, _) => return Err(format!("there is no pinning counterpart of {other}()")),
        };
        let path = walk::path(found.function, found.whole);
        self.edit(
            source,
            guarded(source, &path, (name, &arguments), condition)?,
        );
        Ok(name.to_owned())
    }

    fn add_release(
        &mut self,
        source: &Source,
        site: &Callsite,
        words: &Words,
    ) -> Result<String, String> {
        let released = release(source, site, words)?;
        self.edit(source, released.edits);
        self.changes.extend(released.changes);
        self.notes.extend(released.notes);
        if let Some(why) = released.kept {
            self.kept
                .insert(format!("The loop in {}() stays: {why}.", site.function));
        }
        if let Some(gone) = released.gone {
            let function = source
                .facts
                .functions
                .iter()
                .map(|function| function.span)
                .find(|&span| holds(span, gone.statement))
                .unwrap_or_default();
            self.folds.push(Folded {
                path: source.path.clone(),
                function,
                statement: gone.statement,
                variables: gone.variables,
                becomes: released.becomes.clone(),
            });
        }
        Ok(released.becomes)
    }

    /// A plain release of what is pinned already is a bug, and its patch a fix.
    fn mends(&mut self, report: &Report, group: &Group) {
        let mut acquires = members(report, group).filter(|site| site.role == Role::Acquire);
        let changed = self.replaced.iter().any(|site| site.call != site.becomes);
        let leaks = changed && acquires.all(|site| site.verdict == Verdict::Done);
        self.fix = leaks.then_some(Fix::Leak);
    }

    /// A dirtying call inside of a folded loop is now part of the call that took the loop's place.
    fn dirties_went_too(&mut self, report: &Report, group: &Group) {
        for site in members(report, group).filter(|site| site.role == Role::Dirty) {
            let fold = self
                .folds
                .iter()
                .find(|fold| fold.path == site.path && holds(fold.statement, site.span));
            let replaced = self.replaced.iter_mut().find(|other| other.id == site.id);
            if let (Some(fold), Some(replaced)) = (fold, replaced) {
                replaced.becomes = fold.becomes.clone();
            }
        }
    }

    pub(crate) fn edit(&mut self, source: &Source, edits: Vec<Edit>) {
        self.edits
            .entry(source.path.clone())
            .or_default()
            .extend(edits);
    }

    /// Two plans as one.
    pub(crate) fn join(mut self, other: Planned) -> Planned {
        self.groups.extend(other.groups);
        self.fix = self.fix.filter(|fix| other.fix == Some(*fix));
        self.trailers.extend(other.trailers);
        for (path, edits) in other.edits {
            self.edits.entry(path).or_default().extend(edits);
        }
        self.replaced.extend(other.replaced);
        self.replaced
            .sort_by(|a, b| (&a.path, a.line, &a.id).cmp(&(&b.path, b.line, &b.id)));
        self.changes.extend(other.changes);
        self.notes.extend(other.notes);
        self.keep_flags.extend(other.keep_flags);
        for (function, cases) in other.cases {
            self.cases.entry(function).or_default().extend(cases);
        }
        self.remarks.extend(other.remarks);
        self.kept.extend(other.kept);
        for (path, edits) in other.comments {
            self.comments.entry(path).or_default().extend(edits);
        }
        self.written.extend(other.written);
        self.folds.extend(other.folds);
        self
    }

    /// The edits of each file in order, with those that remove what the folded loops leave unused.
    ///
    /// # Errors
    /// The file in which two edits overlap.
    pub(crate) fn finish(
        &self,
        sources: &Sources,
    ) -> Result<BTreeMap<Utf8PathBuf, Vec<Edit>>, String> {
        let mut edits = self.edits.clone();
        let functions: BTreeSet<(&Utf8PathBuf, Span)> = self
            .folds
            .iter()
            .map(|fold| (&fold.path, fold.function))
            .collect();
        for (path, span) in functions {
            let source = sources.get(path).ok_or("a planned file is not at hand")?;
            let folds = self
                .folds
                .iter()
                .filter(|fold| &fold.path == path && fold.function == span);
            let gone: Vec<Span> = folds.clone().map(|fold| fold.statement).collect();
            let names = folds.flat_map(|fold| fold.variables.clone()).collect();
            let function = source.facts.functions.iter().find(|f| f.span == span);
            let function = function.ok_or("a planned function is not at hand")?;
            let more = self.with_names_kept(source, function, names, &gone);
            edits.entry(path.clone()).or_default().extend(more);
        }
        let mut done = BTreeMap::new();
        for (path, mut edits) in edits {
            if let Some(source) = sources.get(&path) {
                arms::joined(source, &mut edits);
                braces::bared(source, &mut edits);
            }
            let bytes = sources
                .get(&path)
                .map_or(&[][..], |source| source.bytes.as_slice());
            let edits = ordered(columns_kept(bytes, edits), bytes.len())
                .map_err(|overlap| format!("edits of {path} overlap: {overlap:?}"))?;
            if !edits.is_empty() {
                let edits = self.with_comments(&path, edits);
                done.insert(path, line_ends_kept(bytes, edits));
            }
        }
        Ok(done)
    }

    /// A variable that the text in place of its loop still names is used.
    fn with_names_kept(
        &self,
        source: &Source,
        function: &callsites::index::ir::Function,
        names: BTreeSet<String>,
        gone: &[Span],
    ) -> Vec<Edit> {
        let texts: Vec<String> = self.edits[&source.path]
            .iter()
            .filter(|edit| gone.iter().any(|&gone| holds(edit.span, gone)))
            .map(|edit| String::from_utf8_lossy(&edit.text).into_owned())
            .collect();
        let named = |name: &String| {
            texts.iter().any(|text| {
                text.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == name)
            })
        };
        let names = names.into_iter().filter(|name| !named(name)).collect();
        unused::remove(source, function, &names, gone)
    }

    /// The new contents of every touched file.
    ///
    /// # Errors
    /// As [`Planned::finish`].
    pub(crate) fn contents(&self, sources: &Sources) -> Result<Files, String> {
        let edits = self.finish(sources)?;
        Ok(edits
            .into_iter()
            .map(|(path, edits)| {
                let bytes = carry_out(&sources[&path].bytes, &edits);
                (path, bytes)
            })
            .collect())
    }
}
