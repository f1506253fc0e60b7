// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory that is built from. It is read, never written.

use crate::error::Error;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::KernelVersion;
use std::time::Duration;

/// A directory with a kernel's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Absolute, without links.
    pub(crate) root: Utf8PathBuf,
    /// "6.12.117".
    pub(crate) version: String,
}

impl Source {
    /// What stands in for a tree that has no directory, where an image was given and nothing is built.
    pub(crate) fn nowhere(tree: &Tree) -> Source {
        Source {
            root: Utf8PathBuf::from("no directory"),
            version: tree.version().to_owned(),
        }
    }

    /// The directory of a tree: its own, or of a git revision an export that is kept below `cache`.
    ///
    /// # Errors
    /// [`Error::NotKbuild`] for the embedded tree, [`Error::Child`] when git or tar fails.
    pub(crate) fn of(tree: &Tree, cache: &Utf8Path) -> Result<Source, Error> {
        if let Some(root) = tree.root() {
            return Source::directory(root, tree.version());
        }
        match tree.repository() {
            Some((repository, revision)) => export(repository, revision, tree.version(), cache),
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
        Ok(Source {
            root,
            version: version.to_owned(),
        })
    }
}

/// Writes the files of a revision below `cache`, once for each commit.
fn export(
    repository: &Utf8Path,
    revision: &str,
    version: &str,
    cache: &Utf8Path,
) -> Result<Source, Error> {
    let commit = proc::git::commit_id(repository.as_std_path(), revision)
        .map_err(Error::child(format!("find revision {revision}")))?;
    let trees = cache.join("trees");
    let root = trees.join(format!(
        "linux-{version}-{}",
        commit.get(..12).unwrap_or(&commit)
    ));
    if root.is_dir() {
        return Source::directory(&root, version);
    }
    std::fs::create_dir_all(&trees).map_err(Error::io("make directory", &trees))?;
    let scratch = tempfile::Builder::new()
        .prefix(".exporting-")
        .tempdir_in(&trees)
        .map_err(Error::io("make directory", &trees))?;
    let (archive, files) = (scratch.path().join("tar"), scratch.path().join("tree"));
    std::fs::create_dir(&files).map_err(Error::io("make directory", &trees))?;
    proc::git::git(repository.as_std_path())
        .args(["archive", "--format=tar", "-o"])
        .arg(&archive)
        .arg(&commit)
        .run()
        .map_err(Error::child(format!("export revision {revision}")))?;
    proc::Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(&files)
        .deadline(Duration::from_secs(600))
        .run()
        .map_err(Error::child(format!("unpack revision {revision}")))?;
    std::fs::rename(&files, &root).map_err(Error::io("rename", &root))?;
    Source::directory(&root, version)
}
