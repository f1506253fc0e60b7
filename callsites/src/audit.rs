// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole audit: tree, index, flow, verdicts, groups.

mod coverage;
mod within;

use crate::findings;
use crate::flow::analysis::Analysis;
use crate::flow::answers::Answers;
use crate::flow::library::Files;
use crate::flow::places::Places;
use crate::flow::scripts::Scripts;
use crate::index::cache::{Last, Session};
use crate::index::prefilter::Seeds;
use crate::index::shelf::Changes;
use crate::index::{Index, Module, NameSet, Shelf, ir::FileFacts};
use crate::judge::judge;
use crate::report::{Coverage, Report, SCHEMA};
use crate::tree::{Defined, Tree};
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Act, Exit, Failure, Hint};
use refimpl::api::followed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What a caller chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditOptions {
    /// Files and directories, relative to the tree, whose callsites are wanted; empty for all. The whole tree is read
    /// in any case: pages come and go between files.
    pub paths: Vec<Utf8PathBuf>,
    /// Threads; None for one a processor.
    pub jobs: Option<usize>,
    /// A directory for what may be kept between runs.
    pub cache: Option<Utf8PathBuf>,
    /// List releases of other pages too.
    pub all: bool,
    /// The process goes on after the audit, as an editor's does: memory is given back.
    pub goes_on: bool,
}

/// Why an audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that was asked for is not in the tree.
    #[error("find {path} in the tree")]
    NoSuchPath {
        /// As given.
        path: Utf8PathBuf,
    },
    /// Threads could not be started.
    #[error("start {jobs} threads")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// The reason.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::NoSuchPath { .. } => Some(Act::GivePathsOfTree.into()),
            Error::Threads { .. } => Some(Act::UseFewerJobs.into()),
        }
    }
}

impl Files for Tree {
    fn defined(&self) -> Defined {
        Tree::defined(self)
    }

    fn paths(&self) -> &[Utf8PathBuf] {
        self.files()
    }

    fn read_into(&self, path: &Utf8Path, buffer: &mut Vec<u8>) -> Option<()> {
        Tree::read_into(self, path, buffer).ok()
    }
}

/// Threads beyond this are not started, however many are asked for: reading gains nothing from more than there are
/// processors, and no machine that audits has more than this many.
const MOST_THREADS: usize = 256;

/// Audits a tree.
///
/// # Errors
/// When a path of the options is not in the tree, or no threads can be had. What cannot be read is no error: it is
/// listed in the report's coverage.
pub fn audit(tree: &Tree, options: &AuditOptions) -> Result<Report, Error> {
    for path in &options.paths {
        if !tree.files().iter().any(|file| file.starts_with(path)) {
            return Err(Error::NoSuchPath { path: path.clone() });
        }
    }
    tree.settle(Module::features);
    let Some(jobs) = options.jobs else {
        return Ok(run(tree, options));
    };
    let threads = jobs.min(MOST_THREADS);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| Error::Threads { jobs, source })?;
    Ok(pool.install(|| run(tree, options)))
}

fn run(tree: &Tree, options: &AuditOptions) -> Report {
    let report = match &options.cache {
        Some(directory) if tree.is_overlaid() => beside(tree, directory, options),
        Some(directory) => remembering(tree, directory, options),
        None => {
            let index = Index::build(tree, followed().seeds());
            compute(tree, index, options, &Shelf::none(), Known::default()).0
        }
    };
    within::within(report, &options.paths, tree.files())
}

/// Audits with what an earlier run left, and leaves what this one learnt.
fn remembering(tree: &Tree, directory: &Utf8Path, options: &AuditOptions) -> Report {
    let all = options.all;
    let session = Session::open(tree, directory);
    let state = session.state();
    if let Some(report) = state
        .as_deref()
        .and_then(|state| recalled(&session, NOW, state, all))
    {
        return report;
    }
    let last = session.last();
    let notes = last.as_ref().map_or(&[][..], |last| &last.notes);
    let notes: Notes<'_> = postcard::from_bytes(notes).unwrap_or_default();
    let nothing = Changes::default();
    let changes = last.as_ref().map_or(&nothing, |last| &last.changes);
    let answers = Answers::of(notes.answers, changes, |path| tree.read(path).ok());
    let still = last
        .as_ref()
        .and_then(|last| still(tree, &session, last, &notes.looked_at, &answers, all));
    // After a few changes it is cheaper to look at them again than to write everything down; the report is kept.
    let few = |last: &Last| last.changes.len() <= FEW;
    // A cache that cannot be written costs time, and nothing else.
    if let (Some(report), Some(last)) = (still, &last) {
        keep(&session, NOW, state.as_deref(), all, &report);
        if !few(last) {
            let _ = session.renew(last);
            keep(&session, BASE, state.as_deref(), all, &report);
        }
        return report;
    }
    let known = Known {
        answers,
        scripts: Scripts::of(notes.scripts),
        findings: notes.findings.clone(),
        looked_at: BTreeSet::new(),
    };
    let shelf = session.shelf(last.as_ref());
    let index = Index::with(tree, followed().seeds(), &shelf);
    let (report, learnt) = compute(tree, index, options, &shelf, known);
    keep(&session, NOW, state.as_deref(), all, &report);
    if shelf.is_empty() || !last.as_ref().is_some_and(few) {
        let notes = postcard::to_stdvec(&Notes {
            looked_at: learnt.looked_at,
            findings: learnt.findings,
            answers: &learnt.answers.kept(),
            scripts: &learnt.scripts.kept(),
        });
        let _ = session.save(&shelf, &notes.unwrap_or_default());
        keep(&session, BASE, state.as_deref(), all, &report);
    }
    report
}

/// Audits a tree over which something is laid, with what an earlier run over the tree itself left. What is kept is of the tree
/// itself; what is laid over it is looked at once.
fn beside(tree: &Tree, directory: &Utf8Path, options: &AuditOptions) -> Report {
    let session = Session::open(tree, directory);
    let last = session.last();
    let notes = last.as_ref().map_or(&[][..], |last| &last.notes);
    let notes: Notes<'_> = postcard::from_bytes(notes).unwrap_or_default();
    let nothing = Changes::default();
    let changes = last.as_ref().map_or(&nothing, |last| &last.changes);
    let known = Known {
        answers: Answers::of(notes.answers, changes, |path| tree.read(path).ok()),
        scripts: Scripts::of(notes.scripts),
        findings: notes.findings,
        looked_at: BTreeSet::new(),
    };
    let shelf = session.shelf(last.as_ref());
    let index = Index::with(tree, followed().seeds(), &shelf);
    compute(tree, index, options, &shelf, known).0
}

/// The report of the last run, when nothing that has changed since bears on it: no changed file was or is to be read,
/// and every question that was asked of the tree has the answer it had.
fn still(
    tree: &Tree,
    session: &Session<'_>,
    last: &Last,
    looked_at: &BTreeSet<Utf8PathBuf>,
    answers: &Answers,
    all: bool,
) -> Option<Report> {
    let changes = &last.changes;
    if answers.is_empty() {
        return None;
    }
    let filter = Seeds::new(NameSet::new(followed().seeds()));
    for path in changes
        .changed
        .iter()
        .chain(&changes.added)
        .chain(&changes.gone)
    {
        let directory = path.parent().unwrap_or(Utf8Path::new(""));
        if last.holds(path) || looked_at.contains(directory) {
            return None;
        }
        if !changes.gone.contains(path) && filter.hits(&tree.read(path).ok()?) {
            return None;
        }
    }
    if !answers.all_hold(&Places::new(tree.files())) {
        return None;
    }
    let mut report = recalled(session, BASE, last.state()?, all)?;
    report.coverage.files_walked = tree.files().len();
    Some(report)
}

/// Up to this many changed files everything but the report is left as the run before the changes wrote it: somebody who
/// edits a driver between two audits changes a handful, and looking at them again costs less than writing everything.
const FEW: usize = 8;
/// The report of the last run.
const NOW: &str = "report";
/// The report of the run that wrote what is known of the tree.
const BASE: &str = "base";

/// Listings with and without the releases of other pages are kept side by side.
fn kept_as(name: &str, all: bool) -> String {
    format!("{name}{}", if all { "-all" } else { "" })
}

/// The whole report of an earlier run of this very program over a tree in that state.
fn recalled(session: &Session<'_>, name: &str, state: &str, all: bool) -> Option<Report> {
    let bytes = session.recall(&kept_as(name, all), state)?;
    postcard::from_bytes(&bytes).ok()
}

fn keep(session: &Session<'_>, name: &str, state: Option<&str>, all: bool, report: &Report) {
    if let (Some(state), Ok(bytes)) = (state, postcard::to_stdvec(report)) {
        let _ = session.keep(&kept_as(name, all), state, &bytes);
    }
}

/// What a run begins with from the one before, and what it knows at its end.
#[derive(Default)]
struct Known {
    answers: Answers,
    scripts: Scripts,
    findings: findings::Kept,
    /// Directories in whose files something was looked for without parsing them.
    looked_at: BTreeSet<Utf8PathBuf>,
}

/// The same, as it is written down.
#[derive(Default, Serialize, Deserialize)]
struct Notes<'n> {
    looked_at: BTreeSet<Utf8PathBuf>,
    findings: findings::Kept,
    #[serde(borrow)]
    answers: &'n [u8],
    #[serde(borrow)]
    scripts: &'n [u8],
}

/// A tree that notes in which directories something is looked for.
struct Watched<'t> {
    tree: &'t Tree,
    looked_at: Mutex<BTreeSet<Utf8PathBuf>>,
}

impl Watched<'_> {
    /// Whether a source of a directory passes a test on its path and bytes.
    fn any_with_path(&self, directory: &Utf8Path, test: &dyn Fn(&Utf8Path, &[u8]) -> bool) -> bool {
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        looked_at.insert(directory.to_owned());
        drop(looked_at);
        let paths = self.tree.files();
        let first = paths.partition_point(|path| path.as_path() < directory);
        paths[first..]
            .iter()
            .take_while(|path| path.starts_with(directory))
            .filter(|path| path.parent() == Some(directory))
            .any(|path| self.tree.read(path).is_ok_and(|bytes| test(path, &bytes)))
    }
}

impl Files for Watched<'_> {
    fn defined(&self) -> Defined {
        self.tree.defined()
    }

    fn paths(&self) -> &[Utf8PathBuf] {
        self.tree.files()
    }

    fn read_into(&self, path: &Utf8Path, buffer: &mut Vec<u8>) -> Option<()> {
        self.tree.read_into(path, buffer).ok()
    }

    fn any_in(&self, directory: &Utf8Path, test: &dyn Fn(&[u8]) -> bool) -> bool {
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        looked_at.insert(directory.to_owned());
        drop(looked_at);
        self.tree.any_in(directory, test)
    }
}

fn compute(
    tree: &Tree,
    mut index: Index,
    options: &AuditOptions,
    shelf: &Shelf,
    known: Known,
) -> (Report, Known) {
    let files_with_hits = index.hits.len();
    let unread = index.unread();
    let hits = std::mem::take(&mut index.hits);
    let flow = (known.answers, known.scripts);
    let (analysis, (answers, scripts)) = Analysis::with(tree, hits, shelf, flow);
    let era = tree.info().era;
    let watched = Watched {
        tree,
        looked_at: Mutex::default(),
    };
    let judged = judge(&analysis, &watched, era, options.all);
    let coverage = Coverage {
        files_walked: index.walked,
        files_with_hits,
        ..coverage::of(unread, &analysis, &judged)
    };
    let input = findings::Input {
        files: analysis.program.files(),
        callsites: &judged.callsites,
        groups: &judged.groups,
        era,
        released: tree.released(),
        code: tree.defined().code,
        read: &|path| tree.read(path).ok(),
        any_in: &|directory, test| watched.any_with_path(directory, test),
    };
    let key = |file: &FileFacts| shelf.key(&file.path);
    let (found, findings) = findings::run_with(&input, &key, known.findings);
    let report = Report {
        schema: SCHEMA.to_owned(),
        tree: tree.info(),
        coverage,
        callsites: judged.callsites,
        groups: judged.groups,
        findings: found,
    };
    let looked_at = watched.looked_at.into_inner();
    let looked_at = looked_at.unwrap_or_else(PoisonError::into_inner);
    // Taking a million small boxes apart costs as much as making them, and most who audit are about to end.
    match options.goes_on {
        true => drop(analysis),
        false => std::mem::forget(analysis),
    }
    let known = Known {
        answers,
        scripts,
        findings,
        looked_at,
    };
    (report, known)
}

#[cfg(test)]
mod tests;
