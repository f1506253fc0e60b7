// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbered cases over a corpus of real files, each the same for the same seed.

use super::broken::broken;
use super::compare::{Difference, difference};
use super::dice::Dice;
use super::same::Change;
use crate::audit::{AuditOptions, audit};
use crate::formats::{self, Format};
use crate::report::{Era, Report};
use crate::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use walkdir::WalkDir;

/// Real files by path, sorted.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    files: Vec<(Utf8PathBuf, Vec<u8>)>,
}

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Where it stands in the tree.
    pub path: Utf8PathBuf,
    /// As it was.
    pub original: Vec<u8>,
    /// As it is.
    pub bytes: Vec<u8>,
    /// What was done to it; None where it is broken.
    pub change: Option<Change>,
}

/// Every eighth case is a change that must not change a verdict: it costs two audits, and the broken ones find more.
const SAME_EVERY: u64 = 8;

impl Corpus {
    /// The files of a tree that hold a callsite.
    pub fn of(tree: &Tree, report: &Report) -> Corpus {
        let paths: BTreeSet<&str> = report.callsites.iter().map(|site| &*site.path).collect();
        let files = paths.into_iter().filter_map(|path| {
            let path = Utf8PathBuf::from(path);
            tree.read(&path).ok().map(|bytes| (path, bytes))
        });
        Corpus {
            files: files.collect(),
        }
    }

    /// Every file beneath a directory, as [`Corpus::write`] has left them.
    ///
    /// # Errors
    /// Where the directory or a file in it cannot be read.
    pub fn read(dir: &Utf8Path) -> std::io::Result<Corpus> {
        let mut files = Vec::new();
        for entry in WalkDir::new(dir).sort_by_file_name() {
            let entry = entry?;
            let path = Utf8Path::from_path(entry.path());
            let path = path.and_then(|path| path.strip_prefix(dir).ok());
            if let (Some(path), true) = (path, entry.file_type().is_file()) {
                files.push((path.to_owned(), std::fs::read(entry.path())?));
            }
        }
        files.sort();
        Ok(Corpus { files })
    }

    /// Writes every file beneath a directory of our own.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write(&self, dir: &Utf8Path) -> std::io::Result<()> {
        for (path, bytes) in &self.files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// The files with their paths.
    pub fn files(&self) -> impl Iterator<Item = (&Utf8Path, &[u8])> {
        self.files.iter().map(|(path, bytes)| (&**path, &**bytes))
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A case by its number; None of an empty corpus.
    pub fn case(&self, seed: u64, number: u64) -> Option<Case> {
        let mut dice = Dice::of_case(seed, number);
        let (path, original) = dice.pick(&self.files)?;
        let (_, other) = dice.pick(&self.files)?;
        let change = match number % SAME_EVERY {
            0 => dice.pick(&Change::ALL).copied(),
            _ => None,
        };
        let bytes = match change {
            Some(change) => change.of(original, &mut dice),
            None => broken(original, other, &mut dice),
        };
        Some(Case {
            path: path.clone(),
            original: original.clone(),
            bytes,
            change,
        })
    }

    /// Every file rewritten at once, to be laid over the tree that they are of.
    pub fn changed(&self, change: Change, seed: u64) -> BTreeMap<Utf8PathBuf, Option<Vec<u8>>> {
        let files = self.files.iter().zip(0..).map(|((path, bytes), number)| {
            let changed = change.of(bytes, &mut Dice::of_case(seed, number));
            (path.clone(), Some(changed))
        });
        files.collect()
    }
}

impl Case {
    /// Audits the file in the small tree; what is wrong with the result, a line each.
    ///
    /// A panic is the caller's to catch.
    pub fn run(&self) -> Vec<String> {
        let after = audited(&self.path, &self.bytes);
        let mut wrong = unprintable(&after);
        if self.change.is_some() {
            let before = audited(&self.path, &self.original);
            wrong.extend(difference(&before, &after).lines().map(str::to_owned));
        }
        wrong
    }
}

/// How the report of a tree differs when every file with a callsite is rewritten.
pub fn rewritten(tree: Tree, before: &Report, change: Change, seed: u64) -> Difference {
    let changed = Corpus::of(&tree, before).changed(change, seed);
    let after = audit(&tree.overlaid(changed), &listed());
    // Without paths to look for and threads of its own there is nothing that an audit could fail for.
    after.map_or_else(
        |error| Difference {
            lost: vec![error.to_string()],
            ..Difference::default()
        },
        |after| difference(before, &after),
    )
}

/// What is compared: the callsites that an audit lists. Releases of other pages, which `--all` adds, are those of the files
/// that were read on the way, and a word more or less in a function can lead there.
pub fn listed() -> AuditOptions {
    AuditOptions::default()
}

/// The audit of the small tree with one file more.
fn audited(path: &Utf8Path, bytes: &[u8]) -> Report {
    let files = BTreeMap::from([(path.to_owned(), Some(bytes.to_vec()))]);
    let tree = Tree::embedded(Era::Pin).overlaid(files);
    // No path is asked for, so that nothing can be missing.
    audit(&tree, &listed()).unwrap_or_else(|error| panic!("{error}"))
}

/// Formats that cannot be read back, or hold what a terminal or an editor would obey.
fn unprintable(report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    for format in [
        Format::Text,
        Format::Summary,
        Format::Quickfix,
        Format::Csv,
        Format::Json,
        Format::Sarif,
        Format::Html,
    ] {
        let mut bytes = Vec::new();
        if let Err(error) = formats::write(report, format, &mut bytes) {
            wrong.push(format!("{format} cannot be written: {error}"));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            wrong.push(format!("{format} is not UTF-8"));
            continue;
        };
        let mark = |c: &char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
        if let Some(mark) = text.chars().find(mark) {
            wrong.push(format!("{format} has the control character {mark:?}"));
        }
        let read = match format {
            Format::Json => serde_json::from_str::<Report>(&text).map(|again| again == *report),
            Format::Sarif => serde_json::from_str::<serde::de::IgnoredAny>(&text).map(|_| true),
            _ => Ok(true),
        };
        match read {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{format} read again is another report")),
            Err(error) => wrong.push(format!("{format} cannot be read again: {error}")),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    fn corpus() -> Corpus {
        let files = embedded::files(embedded::Era::V6_12).into_iter();
        let drivers = files.filter(|(path, _)| path.extension() == Some("c"));
        Corpus {
            files: drivers
                .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
                .collect(),
        }
    }

    #[test]
    fn a_case_is_the_same_again_and_a_corpus_is_read_as_it_was_written() {
        let (corpus, dir) = (corpus(), tempfile::tempdir().unwrap());
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        corpus.write(dir).unwrap();
        let again = Corpus::read(dir).unwrap();
        assert!(again.len() > 20);
        for number in 0..30 {
            assert_eq!(corpus.case(1, number), again.case(1, number));
        }
        assert!(Corpus::default().case(1, 1).is_none());
    }

    #[test]
    fn a_changed_verdict_is_told() {
        let path = Utf8PathBuf::from("drivers/misc/onebuf.c");
        let original = embedded::files(embedded::Era::V6_12)[&*path].to_vec();
        let text = String::from_utf8(original.clone()).unwrap();
        // Not the same at all: what was acquired is thrown away.
        let bytes = text.replace("put_page(", "no_put(").into_bytes();
        let case = Case {
            path,
            original,
            bytes,
            change: Some(Change::Layout),
        };
        let wrong = case.run();
        assert!(
            wrong.iter().any(|line| line.starts_with("lost: ")),
            "{wrong:?}"
        );
    }
}
