// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files a series touches, how they come out of the tree, and how they go into a copy of it.

use super::Touched;
use crate::diff;
use crate::error::Error;
use crate::mbox::Mail;
use callsites::embedded;
use callsites::report::Era;
use callsites::tree::Tree;
use callsites::tree::beneath::{Entry, Refusal, Root, TreePath};
use camino::Utf8Path;
use proc::git::store;
use std::collections::BTreeMap;
use std::time::Duration;

/// The touched files, and whether the series says of one that it is a symbolic link.
pub(super) type Named = BTreeMap<TreePath, bool>;

/// The files that the mails name.
///
/// # Errors
/// [`Error::BadPath`] for the first mail with a path that leads elsewhere.
pub(super) fn named(mails: &[Mail]) -> Result<Named, Error> {
    let mut all = Named::new();
    for mail in mails {
        let text = String::from_utf8_lossy(&mail.bytes);
        let files = diff::files(&text).map_err(|source| Error::BadPath {
            mail: mail.file.clone(),
            source,
        })?;
        for file in files {
            for path in [file.old, file.new].into_iter().flatten() {
                *all.entry(path).or_default() |= file.link;
            }
        }
    }
    Ok(all)
}

/// The tree with the files that a series touches.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) tree: &'a Tree,
    pub(super) named: &'a Named,
}

impl Source<'_> {
    /// Copies the touched files, as far as the tree has them, into the work tree `dir`.
    ///
    /// # Errors
    /// [`Error::Path`] where something else than an ordinary file stands there.
    pub(super) fn copy_in(&self, dir: &Utf8Path) -> Result<(), Error> {
        let from = self.tree.root().map(Root::open).transpose()?;
        let to = Root::open(dir)?;
        for (path, &link) in self.named {
            let entry = match &from {
                Some(from) => from.entry(path)?,
                None => self.stored(dir, path)?,
            };
            match entry {
                Some(Entry::File { bytes, permissions }) => {
                    to.write(path, &bytes, permissions | 0o600)?;
                }
                // What a link leads to is not what the patch is for.
                Some(Entry::Link { .. }) if !link => {
                    return Err(path.refused(Refusal::Link).into());
                }
                Some(Entry::Link { target }) => to.link(path, &target)?,
                // A file that the patch creates; one that should be there is found missing by git am.
                None => {}
            }
        }
        Ok(())
    }

    /// A file of a tree that is no directory; `dir` can read the objects of its repository, if it has one.
    fn stored(&self, dir: &Utf8Path, path: &TreePath) -> Result<Option<Entry>, Error> {
        let Some((_, commit)) = self.tree.repository() else {
            let found = self.tree.read(path.as_path()).ok();
            return Ok(found.map(|bytes| Entry::File {
                bytes,
                permissions: 0o644,
            }));
        };
        let repo = dir.as_std_path();
        match store::at(repo, commit, path.as_str())? {
            Some(found) => entry(repo, path, &found),
            None => Ok(None),
        }
    }

    /// Puts the touched files into a copy of the tree; a file that stays one keeps its permissions but for the right to run.
    ///
    /// # Errors
    /// [`Error::Path`]; [`Error::BadPath`] for a file that no header of the mails names.
    pub(super) fn place(&self, files: &Touched, dir: &Utf8Path) -> Result<(), Error> {
        let root = Root::open(dir)?;
        for (path, entry) in files {
            if !self.named.contains_key(path) {
                let why = format!("git changes {path}, which no header of its mails names");
                return Err(Error::Unproven(why));
            }
            match entry {
                None => root.remove(path)?,
                Some(Entry::Link { target }) => root.link(path, target)?,
                Some(Entry::File { bytes, permissions }) => {
                    let kept = match root.entry(path)? {
                        Some(Entry::File {
                            permissions: before,
                            ..
                        }) => before & 0o666 | permissions & (before >> 2 & 0o111),
                        _ => *permissions,
                    };
                    root.write(path, bytes, kept)?;
                }
            }
        }
        Ok(())
    }
}

/// What git has at a path.
///
/// # Errors
/// [`Error::Path`] for another repository's commit, and for a link that leads out of the tree.
pub(super) fn entry(
    repo: &std::path::Path,
    path: &TreePath,
    found: &store::Changed,
) -> Result<Option<Entry>, Error> {
    match found.mode {
        0 => Ok(None),
        0o100_644 | 0o100_755 => Ok(Some(Entry::File {
            bytes: store::blob(repo, &found.id)?,
            permissions: found.mode & 0o777,
        })),
        0o120_000 => {
            let target = store::blob(repo, &found.id)?;
            match path.leads_inside(&target) {
                true => Ok(Some(Entry::Link { target })),
                false => Err(path.refused(Refusal::Outside).into()),
            }
        }
        _ => Err(path.refused(Refusal::NotOrdinary).into()),
    }
}

/// Copies all of a tree without git into the empty directory `dir`; links stay links.
pub(super) fn copy_tree(tree: &Tree, dir: &Utf8Path) -> Result<(), Error> {
    let Some(root) = tree.root() else {
        // Only the tree that comes with the program is neither a directory nor a revision.
        let era = match tree.era() {
            Era::Pin => embedded::Era::V6_12,
            Era::PutPage | Era::PutUserPage => embedded::Era::V4_19,
        };
        return embedded::materialise(era, dir).map_err(|error| Error::Io {
            path: error.path,
            source: error.source,
        });
    };
    proc::Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(root.join("."))
        .arg(dir)
        .deadline(Duration::from_secs(1800))
        .run()?;
    Ok(())
}
