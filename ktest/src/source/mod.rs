// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory that is built from. It is read, never written.
//!
//! Of a git revision it is an export, kept for each commit. A range of commits is a series whose tree is the export of its base.

mod export;
mod range;

pub(crate) use range::Range;

use crate::error::Error;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::KernelVersion;

/// A directory with a kernel's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Absolute, without links.
    pub(crate) root: Utf8PathBuf,
    /// "6.12.117".
    pub(crate) version: String,
    /// The mails of the commits on top of it, where a range was asked for.
    pub(crate) commits: Option<Vec<u8>>,
}

impl Source {
    /// The directory `root` as it is.
    pub(crate) fn at(root: &Utf8Path, version: &str) -> Source {
        Source {
            root: root.to_owned(),
            version: version.to_owned(),
            commits: None,
        }
    }

    /// What stands in for a tree that has no directory, where an image was given and nothing is built.
    pub(crate) fn nowhere(tree: &Tree) -> Source {
        Source::at("no directory".into(), tree.version())
    }

    /// The directory of a tree for `series`: its own, of a git revision an export that is kept below `cache`, and of a range of
    /// commits an export of its base.
    ///
    /// # Errors
    /// [`Error::NotKbuild`] for the embedded tree, [`Error::Child`] when git fails.
    pub(crate) fn of(
        tree: &Tree,
        series: Option<&Utf8Path>,
        cache: &Utf8Path,
    ) -> Result<Source, Error> {
        if let Some(range) = series.and_then(Range::of) {
            let repository = tree
                .repository()
                .map(|(repository, _)| repository)
                .or(tree.root());
            let repository =
                repository.ok_or_else(|| Error::NotKbuild(tree.version().to_owned()))?;
            return range.source(repository, cache);
        }
        if let Some(root) = tree.root() {
            return Source::directory(root, tree.version());
        }
        match tree.repository() {
            Some((repository, revision)) => {
                let root = export::export(repository, revision, cache)?;
                Source::directory(&root, tree.version())
            }
            None => Err(Error::NotKbuild(tree.version().to_owned())),
        }
    }

    /// Its first two numbers.
    ///
    /// # Errors
    /// [`Error::NotKbuild`] for a tree whose Makefile has no version.
    pub(crate) fn kernel_version(&self) -> Result<KernelVersion, Error> {
        let parsed = self.version.parse();
        parsed.map_err(|_| Error::NotKbuild(self.version.clone()))
    }

    fn directory(root: &Utf8Path, version: &str) -> Result<Source, Error> {
        let root = root
            .canonicalize_utf8()
            .map_err(Error::io("find tree", root))?;
        Ok(Source::at(&root, version))
    }
}
