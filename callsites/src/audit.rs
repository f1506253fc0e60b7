// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole audit: tree, index, flow, verdicts, groups.

use crate::findings;
use crate::flow::analysis::Analysis;
use crate::flow::library::Files;
use crate::flow::verdict::{self, Judged};
use crate::index::cache::Session;
use crate::index::{Index, ir::FileFacts};
use crate::report::{Coverage, Report, SCHEMA, UnreadItem};
use crate::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::catalogue;
use std::collections::BTreeSet;

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

impl Error {
    /// The next command.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoSuchPath { .. } => {
                Some("paths are relative to the tree that --kernel names, as in `cargo xtask audit drivers/infiniband`".to_owned())
            }
            Error::Threads { .. } => Some("try a smaller -j".to_owned()),
        }
    }
}

impl Files for Tree {
    fn paths(&self) -> &[Utf8PathBuf] {
        self.files()
    }

    fn bytes(&self, path: &Utf8Path) -> Option<Vec<u8>> {
        self.read(path).ok()
    }
}

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
    let Some(jobs) = options.jobs else {
        return Ok(run(tree, options));
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool = pool.map_err(|source| Error::Threads { jobs, source })?;
    Ok(pool.install(|| run(tree, options)))
}

fn run(tree: &Tree, options: &AuditOptions) -> Report {
    let index = match &options.cache {
        Some(directory) => {
            let session = Session::open(tree, catalogue().seeds(), directory);
            let index = session.index();
            // A cache that cannot be written costs time, and nothing else.
            let _ = session.save(&index);
            index
        }
        None => Index::build(tree, catalogue().seeds()),
    };
    let hits: Vec<FileFacts> = index
        .hits()
        .filter_map(|path| index.file(path))
        .cloned()
        .collect();
    let analysis = Analysis::new(tree, hits);
    let era = tree.info().era;
    let judged = verdict::judge(&analysis, tree, era, options.all);
    let coverage = coverage(&index, &analysis, &judged);
    let findings = findings::run(&findings::Input {
        files: analysis.program.files(),
        callsites: &judged.callsites,
        groups: &judged.groups,
        era,
        read: &|path| tree.read(path).ok(),
    });
    let report = Report {
        schema: SCHEMA.to_owned(),
        tree: tree.info(),
        coverage,
        callsites: judged.callsites,
        groups: judged.groups,
        findings,
    };
    within(report, &options.paths)
}

fn coverage(index: &Index, analysis: &Analysis, judged: &Judged) -> Coverage {
    let files = analysis.program.files();
    let mut unread: Vec<UnreadItem> = index.unread();
    let held: BTreeSet<(String, String)> = judged
        .callsites
        .iter()
        .map(|site| (site.path.clone(), site.function.clone()))
        .collect();
    for file in files {
        for item in &file.unread {
            let known = item
                .function
                .as_ref()
                .is_none_or(|name| held.contains(&(file.path.to_string(), name.clone())));
            if known {
                unread.push(UnreadItem {
                    path: file.path.to_string(),
                    function: item.function.clone(),
                    line: file.position(item.span.start).0,
                    why: item.why.clone(),
                });
            }
        }
    }
    unread.sort();
    unread.dedup();
    Coverage {
        files_walked: index.walked(),
        files_with_hits: index.hits().count(),
        files_parsed: files
            .iter()
            .filter(|file| !file.functions.is_empty())
            .count(),
        functions: analysis.program.functions().count(),
        releases_of_other_pages: judged.releases_of_other_pages,
        unread,
    }
}

/// Keeps the callsites under `paths` and, whole, the groups they belong to.
fn within(mut report: Report, paths: &[Utf8PathBuf]) -> Report {
    if paths.is_empty() {
        return report;
    }
    let inside = |path: &str| {
        paths
            .iter()
            .any(|wanted| Utf8Path::new(path).starts_with(wanted))
    };
    let groups: BTreeSet<String> = report
        .callsites
        .iter()
        .filter(|site| inside(&site.path))
        .filter_map(|site| site.group.clone())
        .collect();
    report.callsites.retain(|site| {
        inside(&site.path)
            || site
                .group
                .as_ref()
                .is_some_and(|group| groups.contains(group))
    });
    report.groups.retain(|group| groups.contains(&group.id));
    report.findings.retain(|finding| inside(&finding.path));
    report
}
