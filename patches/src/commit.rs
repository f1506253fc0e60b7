// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edited files become commits in a bare repository of our own.
//!
//! Where the tree is a git repository, its object store is an alternate of ours: its commits and blobs are read there,
//! new objects are written here, and nothing is written into the user's `.git`. Where it is not, the base is a commit
//! that holds just the files to be touched. The repository lives as long as its [`Store`].

use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};
use git2::{Oid, Repository, Signature, Time, build::TreeUpdateBuilder};
use std::collections::BTreeMap;

/// Author of a series: a name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// "Jane Doe"
    pub(crate) name: String,
    /// "jane@example.org"
    pub(crate) email: String,
}

/// File contents by path.
pub(crate) type Files = BTreeMap<Utf8PathBuf, Vec<u8>>;

/// The branch that a series is built on inside the store.
pub(crate) const BRANCH: &str = "series";

/// Noon of the first day of 2000 in UTC: the date of what has none.
pub(crate) const UNDATED: i64 = 946_728_000;

/// A bare repository that is deleted with this value.
pub(crate) struct Store {
    directory: tempfile::TempDir,
    path: Utf8PathBuf,
    repository: Repository,
}

impl Store {
    /// An empty repository under `work`. `origin` is the user's repository, whose objects become readable.
    ///
    /// # Errors
    /// When `work` cannot be written or `origin` is not a repository that libgit2 can read through.
    pub(crate) fn create(work: &Utf8Path, origin: Option<&Utf8Path>) -> Result<Store, Error> {
        std::fs::create_dir_all(work).map_err(Error::io(work))?;
        let directory = tempfile::Builder::new()
            .prefix("store-")
            .tempdir_in(work)
            .map_err(Error::io(work))?;
        let path = Utf8PathBuf::from_path_buf(directory.path().join("patches.git"))
            .map_err(|path| Error::bad_path(&path))?;
        let repository = Repository::init_bare(&path).map_err(Error::store(&path))?;
        if let Some(origin) = origin {
            share(&path, origin)?;
        }
        // Opened again, so that the alternate is seen.
        drop(repository);
        let repository = Repository::open_bare(&path).map_err(Error::store(&path))?;
        Ok(Store {
            directory,
            path,
            repository,
        })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// A directory beside it for short-lived files.
    pub(crate) fn scratch(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The commit that `id` names in the shared objects.
    ///
    /// # Errors
    /// When there is no such commit.
    pub(crate) fn shared_base(&self, id: &str) -> Result<Oid, Error> {
        let commit = self
            .repository
            .revparse_single(id)
            .and_then(|object| object.peel_to_commit());
        Ok(commit.map_err(Error::store(&self.path))?.id())
    }

    /// A base commit that holds `files` and nothing else.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn base_of_files(&self, files: &Files, version: &str) -> Result<Oid, Error> {
        let tool = Identity {
            name: "patches".into(),
            email: "patches@localhost".into(),
        };
        let message = format!("Linux {version}: the files that the series touches\n");
        self.write(None, files, &message, &tool, UNDATED)
    }

    /// A commit on top of `parent` in which `files` have new contents.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn commit(
        &self,
        parent: Oid,
        files: &Files,
        message: &str,
        author: &Identity,
        seconds: i64,
    ) -> Result<Oid, Error> {
        self.write(Some(parent), files, message, author, seconds)
    }

    fn write(
        &self,
        parent: Option<Oid>,
        files: &Files,
        message: &str,
        author: &Identity,
        seconds: i64,
    ) -> Result<Oid, Error> {
        let written = || -> Result<Oid, git2::Error> {
            let repository = &self.repository;
            let parent = parent
                .map(|parent| repository.find_commit(parent))
                .transpose()?;
            let below = match &parent {
                Some(parent) => parent.tree()?,
                None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
            };
            let mut update = TreeUpdateBuilder::new();
            for (path, bytes) in files {
                let mode = match below.get_path(path.as_std_path()) {
                    Ok(entry) if entry.filemode() == i32::from(git2::FileMode::BlobExecutable) => {
                        git2::FileMode::BlobExecutable
                    }
                    _ => git2::FileMode::Blob,
                };
                update.upsert(path.as_str(), repository.blob(bytes)?, mode);
            }
            let tree = repository.find_tree(update.create_updated(repository, &below)?)?;
            let signature = Signature::new(&author.name, &author.email, &Time::new(seconds, 0))?;
            let parents: Vec<_> = parent.iter().collect();
            repository.commit(None, &signature, &signature, message, &tree, &parents)
        };
        written().map_err(Error::store(&self.path))
    }

    /// A commit of a tree that is already in the store.
    ///
    /// # Errors
    /// When there is no such tree.
    pub(crate) fn commit_tree(
        &self,
        parent: Oid,
        tree: &str,
        message: &str,
        author: &Identity,
        seconds: i64,
    ) -> Result<Oid, Error> {
        let written = || -> Result<Oid, git2::Error> {
            let parent = self.repository.find_commit(parent)?;
            let tree = self.repository.find_tree(Oid::from_str(tree)?)?;
            let signature = Signature::new(&author.name, &author.email, &Time::new(seconds, 0))?;
            self.repository
                .commit(None, &signature, &signature, message, &tree, &[&parent])
        };
        written().map_err(Error::store(&self.path))
    }

    /// Points [`BRANCH`] at `tip` and gives it the cover letter as its description, where format-patch looks for it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn set_branch(&self, tip: Oid, cover: &str) -> Result<(), Error> {
        let written = || -> Result<(), git2::Error> {
            let name = format!("refs/heads/{BRANCH}");
            self.repository.reference(&name, tip, true, "series")?;
            let key = format!("branch.{BRANCH}.description");
            self.repository.config()?.set_str(&key, cover)
        };
        written().map_err(Error::store(&self.path))
    }

    /// The tree id of a commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub(crate) fn tree_id(&self, commit: Oid) -> Result<Oid, Error> {
        let found = self.repository.find_commit(commit);
        Ok(found.map_err(Error::store(&self.path))?.tree_id())
    }

    /// The commit date in seconds since 1970.
    ///
    /// # Errors
    /// When there is no such commit.
    pub(crate) fn seconds(&self, commit: Oid) -> Result<i64, Error> {
        let found = self.repository.find_commit(commit);
        Ok(found.map_err(Error::store(&self.path))?.time().seconds())
    }

    /// The contents of `path` in `commit`; None when it has no such file.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn read(&self, commit: Oid, path: &Utf8Path) -> Result<Option<Vec<u8>>, Error> {
        let found = || -> Result<Option<Vec<u8>>, git2::Error> {
            let tree = self.repository.find_commit(commit)?.tree()?;
            let entry = match tree.get_path(path.as_std_path()) {
                Ok(entry) => entry,
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            Ok(Some(
                self.repository.find_blob(entry.id())?.content().to_vec(),
            ))
        };
        found().map_err(Error::store(&self.path))
    }
}

/// Lets the repository at `path` read the objects of `origin`, with its shallow boundary.
pub(crate) fn share(path: &Utf8Path, origin: &Utf8Path) -> Result<(), Error> {
    let info = path.join("objects/info");
    std::fs::create_dir_all(&info).map_err(Error::io(&info))?;
    let objects = proc::git::store::git_path(origin.as_std_path(), "objects")?;
    let alternates = info.join("alternates");
    let mut line = objects.into_os_string().into_encoded_bytes();
    line.push(b'\n');
    std::fs::write(&alternates, line).map_err(Error::io(&alternates))?;
    let shallow = proc::git::store::git_path(origin.as_std_path(), "shallow")?;
    if shallow.is_file() {
        let copy = path.join("shallow");
        std::fs::copy(&shallow, &copy).map_err(Error::io(&copy))?;
    }
    Ok(())
}
