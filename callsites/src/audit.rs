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
    let report = match &options.cache {
        Some(directory) => {
            let session = Session::open(tree, catalogue().seeds(), directory);
            // What is kept is of the tree itself; what is laid over it is looked at once.
            if tree.is_overlaid() {
                return within(compute(tree, &session.index(), options.all), &options.paths);
            }
            recalled(&session, options.all).unwrap_or_else(|| {
                let index = session.index();
                let report = compute(tree, &index, options.all);
                // A cache that cannot be written costs time, and nothing else.
                let _ = session.save(&index);
                keep(&session, options.all, &report);
                report
            })
        }
        None => {
            let index = Index::build(tree, catalogue().seeds());
            compute(tree, &index, options.all)
        }
    };
    within(report, &options.paths)
}

/// Listings with and without the releases of other pages are kept side by side.
fn kept_as(all: bool) -> &'static str {
    if all { "report-all" } else { "report" }
}

/// The whole report of an earlier run of this very program over this very tree.
fn recalled(session: &Session<'_>, all: bool) -> Option<Report> {
    let bytes = session.recall(kept_as(all), &session.state()?)?;
    postcard::from_bytes(&bytes).ok()
}

fn keep(session: &Session<'_>, all: bool, report: &Report) {
    if let (Some(state), Ok(bytes)) = (session.state(), postcard::to_stdvec(report)) {
        let _ = session.keep(kept_as(all), &state, &bytes);
    }
}

fn compute(tree: &Tree, index: &Index, all: bool) -> Report {
    let hits: Vec<FileFacts> = index
        .hits()
        .filter_map(|path| index.file(path))
        .cloned()
        .collect();
    let analysis = Analysis::new(tree, hits);
    let era = tree.info().era;
    let judged = verdict::judge(&analysis, tree, era, all);
    let coverage = coverage(index, &analysis, &judged);
    let findings = findings::run(&findings::Input {
        files: analysis.program.files(),
        callsites: &judged.callsites,
        groups: &judged.groups,
        era,
        read: &|path| tree.read(path).ok(),
    });
    Report {
        schema: SCHEMA.to_owned(),
        tree: tree.info(),
        coverage,
        callsites: judged.callsites,
        groups: judged.groups,
        findings,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const FILE: &str = "void f(void)\n{\n\tstruct page *p;\n\n\tget_user_pages_fast(0, 1, 0, &p);\n\tput_page(p);\n}\n";

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
        for (path, text) in [
            ("Makefile", "VERSION = 6\nPATCHLEVEL = 12\n"),
            ("include/linux/mm.h", "long pin_user_pages(void);\n"),
            ("a/a.c", FILE),
            ("b/b.c", FILE),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        (dir, root)
    }

    fn options(root: &Utf8Path) -> AuditOptions {
        AuditOptions {
            cache: Some(root.with_file_name("cache")),
            ..AuditOptions::default()
        }
    }

    /// Puts a report into the cache that no audit would make, to see whether it is taken.
    fn forge(root: &Utf8Path, all: bool) -> Report {
        let tree = Tree::open(root.as_str()).unwrap();
        let mut report = audit(
            &tree,
            &AuditOptions {
                all,
                ..options(root)
            },
        )
        .unwrap();
        report.coverage.functions = 4711;
        let cache = root.with_file_name("cache");
        keep(
            &Session::open(&tree, catalogue().seeds(), &cache),
            all,
            &report,
        );
        report
    }

    #[test]
    fn a_report_of_an_unchanged_tree_is_taken_from_the_cache_and_then_cut_to_the_paths() {
        let (_dir, root) = tree();
        let forged = forge(&root, false);
        let tree = Tree::open(root.as_str()).unwrap();
        assert_eq!(audit(&tree, &options(&root)).unwrap(), forged);
        let mut wanted = options(&root);
        wanted.paths = vec!["a".into()];
        let cut = audit(&tree, &wanted).unwrap();
        assert_eq!(cut.coverage.functions, 4711);
        assert!(!cut.callsites.is_empty());
        assert!(cut.callsites.iter().all(|site| site.path == "a/a.c"));
        // With all releases it is another report, which was not forged.
        wanted.all = true;
        assert_ne!(audit(&tree, &wanted).unwrap().coverage.functions, 4711);
    }

    #[test]
    fn a_report_is_made_anew_when_a_file_or_the_version_of_the_tree_changes() {
        for (path, text) in [
            ("a/a.c", "int nothing;\n"),
            ("Makefile", "VERSION = 6\nPATCHLEVEL = 13\n"),
        ] {
            let (_dir, root) = tree();
            forge(&root, false);
            fs::write(root.join(path), text).unwrap();
            let tree = Tree::open(root.as_str()).unwrap();
            let report = audit(&tree, &options(&root)).unwrap();
            assert_ne!(report.coverage.functions, 4711, "{path}");
            let fresh = AuditOptions::default();
            assert_eq!(report, audit(&tree, &fresh).unwrap(), "{path}");
        }
    }
}
