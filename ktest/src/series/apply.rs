// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applies patches, one after another, to copies of the files that they name.
//!
//! git does it, in a directory of its own that is no repository: it knows renames, modes, links, deletions and binary patches, and
//! refuses to touch anything outside of that directory or behind a link. What differs there afterwards is what the patch does,
//! whatever its text says.

use super::input::{Patch, mbox, read};
use super::overlay::{Content, Overlay, RESERVED, from_outside, tree_path};
use crate::error::Error;
use crate::source::Source;
use callsites::tree::beneath::TreePath;
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use patches::conflict::conflicts;
use patches::diff::named;
use std::collections::BTreeSet;
use walkdir::WalkDir;

/// The tree after one patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Subject of the patch without `[PATCH …]`.
    pub(crate) subject: String,
    /// Every file that differs from the base, by this patch or an earlier one.
    pub(crate) overlay: Overlay,
    /// The files that this patch touches, sorted.
    pub(crate) touched: Vec<Utf8PathBuf>,
}

/// Applies the patches that `from` names: a directory, a file, or the range that `source` was exported from.
///
/// # Errors
/// [`Error::Series`] when they cannot be read or name what is no file of the tree, [`Error::Conflict`] when one does not apply.
pub(crate) fn stage(source: &Source, from: &Utf8Path) -> Result<Vec<Staged>, Error> {
    let scratch = tempfile::tempdir().map_err(Error::io("make directory", "scratch".into()))?;
    let scratch = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?;
    let (work, tree) = (scratch.join("work"), scratch.join("tree"));
    for dir in [&work, &tree] {
        std::fs::create_dir(dir).map_err(Error::io("make directory", dir))?;
    }
    let patches = match &source.commits {
        Some(text) => mbox(from, text, &work)?,
        None => read(from, &work)?,
    };
    let mut overlay = Overlay::new();
    let mut before = Overlay::new();
    // What is named and cannot be read may be nothing that git looks at; it is told where git misses it.
    let mut unread = None;
    let mut paths = BTreeSet::new();
    for patch in &patches {
        // A header that leads elsewhere is the series' fault, before anything is read.
        paths.extend(named(&patch.diff).map_err(from_outside)?);
    }
    for path in paths.into_iter().map(Utf8PathBuf::from) {
        match Content::at(&source.root, &path) {
            Ok(Content::Gone) => {}
            Ok(content) if !before.contains_key(&path) => {
                put(&tree.join(&path), &content)?;
                before.insert(path, content);
            }
            Ok(_) => {}
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    let mut stages = Vec::new();
    for patch in &patches {
        if let Err(error) = apply(&tree, patch, scratch) {
            return Err(unread.unwrap_or(error));
        }
        let after = contents(&tree)?;
        let touched = differing(&before, &after);
        for path in &touched {
            let content = after.get(path).cloned().unwrap_or(Content::Gone);
            allowed(&source.root, patch, path, &content)?;
            // What a later patch takes back is the base's again, and said so.
            overlay.insert(path.clone(), content);
        }
        stages.push(Staged {
            subject: patch.subject.clone(),
            overlay: overlay.clone(),
            touched: touched.into_iter().collect(),
        });
        before = after;
    }
    Ok(stages)
}

fn apply(tree: &Utf8Path, patch: &Patch, scratch: &Utf8Path) -> Result<(), Error> {
    let file = scratch.join("patch");
    std::fs::write(&file, &patch.diff).map_err(Error::io("write", &file))?;
    proc::git::git(tree.as_std_path())
        .env("GIT_CEILING_DIRECTORIES", scratch)
        .args(["apply", "--whitespace=nowarn"])
        .arg(&file)
        .run()
        .map(drop)
        .map_err(|error| refused(patch, tree, error))
}

/// Why git did not apply it to the files below `root`: the hunks that are not there, where that is why.
fn refused(patch: &Patch, root: &Utf8Path, error: proc::Error) -> Error {
    let text = String::from_utf8_lossy(&patch.diff);
    let file = |path: &str| match Content::at(root, path.into()) {
        Ok(Content::File { bytes, .. }) => Some(bytes),
        _ => None,
    };
    let hunks = conflicts(&patch.subject, &text, file);
    if hunks.is_empty() || !matches!(error, proc::Error::Failed { .. }) {
        let outside = matches!(&error, proc::Error::Failed { stderr, .. }
            if stderr.contains("invalid path") || stderr.contains("beyond a symbolic link"));
        let exit = if outside { Exit::Usage } else { Exit::Conflict };
        return Error::Series(Box::new(error), exit);
    }
    Error::Conflict {
        subject: patch.subject.clone(),
        hunks,
    }
}

/// What a patch makes must have a place in the tree that no link leads away from. A link must stay in the tree: what is compiled or
/// shown through it would be a file of the machine's.
fn allowed(
    tree: &Utf8Path,
    patch: &Patch,
    path: &Utf8Path,
    content: &Content,
) -> Result<(), Error> {
    Content::at(tree, path)?;
    match content {
        Content::Link(to) if !stays_inside(&tree_path(path)?, to) => {
            let subject = &patch.subject;
            let why =
                format!("\"{subject}\" makes {path} a link to {to}, which is not in the tree");
            Err(Error::Series(
                std::io::Error::other(why).into(),
                Exit::Usage,
            ))
        }
        _ => Ok(()),
    }
}

/// Whether a link stays in the tree, and is none to what the shadow of the tree keeps for itself.
fn stays_inside(path: &TreePath, to: &Utf8Path) -> bool {
    let reserved = to.components().any(|part| part.as_str() == RESERVED);
    path.leads_inside(to.as_str().as_bytes()) && !reserved
}

fn put(file: &Utf8Path, content: &Content) -> Result<(), Error> {
    use std::os::unix::fs::{OpenOptionsExt, symlink};
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io("make directory", parent))?;
    }
    match content {
        Content::Gone => Ok(()),
        Content::Link(to) => symlink(to, file),
        Content::File { bytes, executable } => {
            let mode = if *executable { 0o755 } else { 0o644 };
            let mut options = std::fs::OpenOptions::new();
            let opened = options.write(true).create_new(true).mode(mode).open(file);
            opened.and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
        }
    }
    .map_err(Error::io("write", file))
}

/// Everything below `root`.
fn contents(root: &Utf8Path) -> Result<Overlay, Error> {
    let mut found = Overlay::new();
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry.map_err(|error| {
            let other = || std::io::ErrorKind::Other.into();
            Error::io("walk", root)(error.into_io_error().unwrap_or_else(other))
        })?;
        let path = Utf8Path::from_path(entry.path()).and_then(|path| path.strip_prefix(root).ok());
        let Some(path) = path else {
            let name = entry.path().to_string_lossy().into_owned();
            let odd =
                std::io::Error::other(format!("the patch makes a file that is not UTF-8: {name}"));
            return Err(Error::Series(Box::new(odd), Exit::Usage));
        };
        if !entry.file_type().is_dir() {
            found.insert(path.to_owned(), Content::at(root, path)?);
        }
    }
    Ok(found)
}

fn differing(before: &Overlay, after: &Overlay) -> BTreeSet<Utf8PathBuf> {
    let all: BTreeSet<&Utf8PathBuf> = before.keys().chain(after.keys()).collect();
    let differ = |path: &&Utf8PathBuf| before.get(*path) != after.get(*path);
    all.into_iter().filter(differ).cloned().collect()
}

#[cfg(test)]
mod tests;
