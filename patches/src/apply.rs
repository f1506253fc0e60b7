// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series becomes a directory of its own: all of it, or nothing at all.
//!
//! `git am` does the work, with its three-way fallback where the base's blobs are at hand. It never runs in the user's
//! checkout: in a linked worktree where that is asked for by name, otherwise in a new repository beside the target that
//! takes the target's name only when everything has applied.
//!
//! Series come from strangers. Every path of a mail goes through [`callsites::tree::beneath`] before anything is copied,
//! and what git made of the mails goes through it once more before it is written into a copy of a tree without git.

mod place;
mod take;

use crate::commit::share;
use crate::error::Error;
use crate::mbox::Mail;
use crate::options::{ApplyOptions, Form};
use crate::origin::{Origin, origin};
use crate::series::Series;
use callsites::tree::Tree;
use callsites::tree::beneath::{Entry, TreePath};
use camino::{Utf8Path, Utf8PathBuf};
use proc::git::store;
use std::collections::BTreeMap;

/// Files as they are after a patch; None where one is gone.
pub type Touched = BTreeMap<TreePath, Option<Entry>>;

/// An applied series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The directory that was created.
    pub target: Utf8PathBuf,
    /// Commit id of the base in its repository. A full copy of a tree without git has no repository.
    pub base: String,
    /// In order.
    pub patches: Vec<AppliedPatch>,
}

/// One applied patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPatch {
    /// Its subject without `[PATCH …]`.
    pub subject: String,
    /// Its commit.
    pub commit: String,
    /// The touched files as they are after this patch.
    pub files: Touched,
}

/// Applies the series in `series_dir` to the tree.
///
/// # Errors
/// [`Error::Conflict`] with the hunks when a patch does not apply, [`Error::BadPath`] when one names a path outside of
/// the tree, [`Error::Path`] when the tree has something else than a file there, [`Error::TargetInUse`] and
/// [`Error::TargetInTree`]; nothing is left behind.
pub fn apply(tree: &Tree, series_dir: &Utf8Path, options: &ApplyOptions) -> Result<Applied, Error> {
    let series = Series::read(series_dir)?;
    let mails: Vec<Mail> = series
        .mails
        .into_iter()
        .filter(|mail| !mail.file.starts_with("0000-"))
        .take(options.limit.unwrap_or(usize::MAX))
        .collect();
    let named = place::named(&mails)?;
    let target = absolute(&options.target)?;
    refuse_in_use(&target)?;
    if let Some(root) = tree.root() {
        refuse_inside(&target, root)?;
    }
    let origin = origin(tree)?;
    let source = place::Source {
        tree,
        named: &named,
    };
    match (options.form, &origin, tree.root()) {
        (Form::Worktree, None, _) => Err(Error::NotARepository(tree.version().to_owned())),
        (Form::Worktree, Some(origin), _) => in_worktree(origin, &mails, &target, options),
        (Form::Full, Some(origin), _) => beside(&target, |dir| {
            store::init(dir.as_std_path())?;
            share(&dir.join(".git"), &origin.repository)?;
            store::checkout(dir.as_std_path(), &origin.commit, None)?;
            take::take(dir, &mails, true, options)
        }),
        (Form::Full, None, _) => beside(&target, |dir| full_copy(&source, dir, &mails, options)),
        (Form::Touched, origin, _) => beside(&target, |dir| {
            touched(&source, origin.as_ref(), dir, &mails, options)
        }),
    }
}

/// Copies the tree to a new directory: the commit of one with git, else every file.
///
/// # Errors
/// As [`apply`].
pub fn copy(tree: &Tree, target: &Utf8Path) -> Result<(), Error> {
    let target = absolute(target)?;
    refuse_in_use(&target)?;
    if let Some(root) = tree.root() {
        refuse_inside(&target, root)?;
    }
    let origin = origin(tree)?;
    beside(&target, |dir| {
        match &origin {
            Some(origin) => {
                store::init(dir.as_std_path())?;
                share(&dir.join(".git"), &origin.repository)?;
                store::checkout(dir.as_std_path(), &origin.commit, None)?;
            }
            None => place::copy_tree(tree, dir)?,
        }
        Ok(Applied {
            target: dir.to_owned(),
            base: String::new(),
            patches: Vec::new(),
        })
    })?;
    Ok(())
}

fn absolute(path: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    camino::absolute_utf8(path).map_err(Error::io(path))
}

fn refuse_in_use(target: &Utf8Path) -> Result<(), Error> {
    let free = match target.read_dir_utf8() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if free {
        Ok(())
    } else {
        Err(Error::TargetInUse(target.to_owned()))
    }
}

/// A copy inside of what is copied would hold itself.
fn refuse_inside(target: &Utf8Path, root: &Utf8Path) -> Result<(), Error> {
    let root = root.canonicalize_utf8().map_err(Error::io(root))?;
    // What is there of the target already says where it will be.
    let place = target
        .ancestors()
        .find_map(|path| path.canonicalize_utf8().ok());
    match place.is_some_and(|place| place.starts_with(&root)) {
        true => Err(Error::TargetInTree(target.to_owned())),
        false => Ok(()),
    }
}

/// Lets `work` fill a directory beside `target`, which then takes its name; on failure it is gone.
fn beside(
    target: &Utf8Path,
    work: impl FnOnce(&Utf8Path) -> Result<Applied, Error>,
) -> Result<Applied, Error> {
    let parent = target.parent().unwrap_or(target);
    std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let scratch = tempfile::Builder::new()
        .prefix(".applying-")
        .tempdir_in(parent)
        .map_err(Error::io(parent))?;
    let dir = Utf8PathBuf::from_path_buf(scratch.path().join("tree"))
        .map_err(|path| Error::bad_path(&path))?;
    std::fs::create_dir(&dir).map_err(Error::io(&dir))?;
    let mut applied = work(&dir)?;
    if target.is_dir() {
        std::fs::remove_dir(target).map_err(Error::io(target))?;
    }
    std::fs::rename(&dir, target).map_err(Error::io(target))?;
    applied.target = target.to_owned();
    Ok(applied)
}

/// A small repository that holds the touched files.
fn touched(
    source: &place::Source<'_>,
    origin: Option<&Origin>,
    dir: &Utf8Path,
    mails: &[Mail],
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    store::init(dir.as_std_path())?;
    if let Some(origin) = origin {
        share(&dir.join(".git"), &origin.repository)?;
    }
    source.copy_in(dir)?;
    let version = source.tree.version();
    let message = format!("Linux {version}: the files that the series touches");
    store::commit_all(dir.as_std_path(), &message, &take::tool())?;
    take::take(dir, mails, origin.is_some(), options)
}

/// A copy of a tree without git, the patched files on top.
fn full_copy(
    source: &place::Source<'_>,
    dir: &Utf8Path,
    mails: &[Mail],
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    let small = dir.with_file_name("small");
    std::fs::create_dir(&small).map_err(Error::io(&small))?;
    let applied = touched(source, None, &small, mails, options)?;
    place::copy_tree(source.tree, dir)?;
    let mut last = Touched::new();
    for patch in &applied.patches {
        last.extend(patch.files.clone());
    }
    source.place(&last, dir)?;
    Ok(applied)
}

fn in_worktree(
    origin: &Origin,
    mails: &[Mail],
    target: &Utf8Path,
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    let repo = origin.repository.as_std_path();
    if let Some(branch) = &options.branch {
        if store::branch_exists(repo, branch)? {
            return Err(Error::BranchExists {
                branch: branch.clone(),
                into: origin.repository.clone(),
            });
        }
    }
    let made = store::worktree_add(repo, target.as_std_path(), &origin.commit)
        .map_err(Error::from)
        .and_then(|()| take::take(target, mails, true, options));
    if made.is_err() && target.exists() {
        // The first failure is the one to report.
        let _removed = store::worktree_remove(repo, target.as_std_path());
    }
    made
}
