// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tree in a git repository's object store, read without a checkout.

use super::{Error, is_source};
use crate::report::UnreadItem;
use camino::{Utf8Path, Utf8PathBuf};
use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A commit's tree.
pub(super) struct Revision {
    path: Utf8PathBuf,
    commit: String,
    blobs: HashMap<Utf8PathBuf, Oid>,
    unread: Vec<UnreadItem>,
    tree: Oid,
    /// A repository serves one thread at a time: each takes one out, and puts it back.
    idle: Mutex<Vec<Repository>>,
}

impl std::fmt::Debug for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.path, self.commit)
    }
}

impl Revision {
    /// Opens the repository and finds the revision.
    pub(super) fn open(path: &Utf8Path, revision: &str) -> Result<Self, Error> {
        let repository = open(path)?;
        let unknown = |source| Error::Revision {
            path: path.to_owned(),
            revision: revision.to_owned(),
            source,
        };
        let object = repository.revparse_single(revision).map_err(unknown)?;
        let commit = object
            .peel_to_commit()
            .map_or_else(|_| object.id(), |commit| commit.id());
        let (blobs, unread, tree) = {
            let tree = object.peel_to_tree().map_err(unknown)?;
            let mut blobs = HashMap::new();
            let mut unread = Vec::new();
            tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
                // Mode 0120000 is a link.
                if entry.kind() == Some(ObjectType::Blob) && entry.filemode() != 0o120_000 {
                    match (
                        std::str::from_utf8(entry.name_bytes()),
                        std::str::from_utf8(directory.as_bytes()),
                    ) {
                        (Ok(name), Ok(directory)) => {
                            let path = Utf8PathBuf::from(format!("{directory}{name}"));
                            if is_source(&path) {
                                blobs.insert(path, entry.id());
                            }
                        }
                        _ => {
                            let name = String::from_utf8_lossy(entry.name_bytes());
                            if is_source(Utf8Path::new(name.as_ref())) {
                                let path = format!("{directory}{name}");
                                let why = "not UTF-8 path".to_owned();
                                unread.push(UnreadItem {
                                    path,
                                    function: None,
                                    line: 0,
                                    why,
                                });
                            }
                        }
                    }
                }
                TreeWalkResult::Ok
            })
            .map_err(unknown)?;
            (blobs, unread, tree.id())
        };
        drop(object);
        let idle = Mutex::new(vec![repository]);
        Ok(Revision {
            path: path.to_owned(),
            commit: commit.to_string(),
            blobs,
            unread,
            tree,
            idle,
        })
    }

    /// Its `.c` and `.h` files, and what could not be listed.
    pub(super) fn files(&self) -> Result<(Vec<Utf8PathBuf>, Vec<UnreadItem>), Error> {
        Ok((self.blobs.keys().cloned().collect(), self.unread.clone()))
    }

    /// The repository's directory, as given.
    pub(super) fn repository(&self) -> &Utf8Path {
        &self.path
    }

    /// The full id of the commit.
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    /// The object id of a source file.
    pub(super) fn blob(&self, path: &Utf8Path) -> Option<[u8; 20]> {
        self.blobs
            .get(path)
            .and_then(|id| id.as_bytes().try_into().ok())
    }

    /// Reads any file into `bytes`.
    pub(super) fn read(&self, path: &Utf8Path, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let repository = match self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
        {
            Some(repository) => repository,
            None => open(&self.path)?,
        };
        let result = self.read_from(&repository, path, bytes);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(repository);
        result
    }

    fn read_from(
        &self,
        repository: &Repository,
        path: &Utf8Path,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let failed = |source| Error::Blob {
            path: path.to_owned(),
            source,
        };
        let id = match self.blobs.get(path) {
            Some(id) => *id,
            None => {
                let tree = repository.find_tree(self.tree).map_err(failed)?;
                tree.get_path(path.as_std_path())
                    .map_err(|_| Error::absent(path))?
                    .id()
            }
        };
        let odb = repository.odb().map_err(failed)?;
        let (size, _) = odb.read_header(id).map_err(failed)?;
        let limit = super::size_limit(path);
        if size > limit {
            return Err(Error::Read {
                path: path.to_owned(),
                source: super::directory::too_large(limit as u64),
            });
        }
        bytes.extend_from_slice(repository.find_blob(id).map_err(failed)?.content());
        Ok(())
    }
}

fn open(path: &Utf8Path) -> Result<Repository, Error> {
    Repository::open(path).map_err(|source| Error::Repository {
        path: path.to_owned(),
        source,
    })
}
