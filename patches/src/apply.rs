// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series becomes a directory of its own: all of it, or nothing at all.
//!
//! `git am` does the work, with its three-way fallback where the base's blobs are at hand. It never runs in the user's
//! checkout: in a linked worktree where that is asked for by name, otherwise in a new repository beside the target that
//! takes the target's name only when everything has applied.

use crate::commit::{Files, UNDATED, share};
use crate::conflict::conflicts;
use crate::error::{Error, Hunk};
use crate::mbox::{Mail, concatenate, parse};
use crate::options::{ApplyOptions, Form};
use crate::origin::{Origin, origin};
use crate::series::Series;
use callsites::embedded;
use callsites::report::Era;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use proc::git::mail::{Committer, am, am_abort};
use proc::git::store;
use std::collections::BTreeSet;

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
    pub files: Files,
}

/// Applies the series in `series_dir` to the tree.
///
/// # Errors
/// [`Error::Conflict`] with the hunks when a patch does not apply, and [`Error::TargetInUse`]; nothing is left behind.
pub fn apply(tree: &Tree, series_dir: &Utf8Path, options: &ApplyOptions) -> Result<Applied, Error> {
    let series = Series::read(series_dir)?;
    let mails: Vec<Mail> = series
        .mails
        .into_iter()
        .filter(|mail| !mail.file.starts_with("0000-"))
        .take(options.limit.unwrap_or(usize::MAX))
        .collect();
    let target = absolute(&options.target)?;
    refuse_in_use(&target)?;
    let origin = origin(tree)?;
    match (options.form, &origin, tree.root()) {
        (Form::Worktree, None, _) => Err(Error::NotARepository(tree.version().to_owned())),
        (Form::Worktree, Some(origin), _) => in_worktree(origin, &mails, &target, options),
        (Form::Full, Some(origin), _) => beside(&target, |dir| {
            store::init(dir.as_std_path())?;
            share(&dir.join(".git"), &origin.repository)?;
            store::checkout(dir.as_std_path(), &origin.commit, None)?;
            take(dir, &mails, true, options)
        }),
        (Form::Full, None, _) => beside(&target, |dir| full_copy(tree, dir, &mails, options)),
        (Form::Touched, origin, _) => beside(&target, |dir| {
            touched(tree, origin.as_ref(), dir, &mails, options)
        }),
    }
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
    tree: &Tree,
    origin: Option<&Origin>,
    dir: &Utf8Path,
    mails: &[Mail],
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    store::init(dir.as_std_path())?;
    let three_way = match origin {
        Some(origin) => {
            share(&dir.join(".git"), &origin.repository)?;
            true
        }
        None => false,
    };
    for path in named(mails) {
        // A file that the patch creates is not there yet; one that should be there is found missing by git am.
        if let Ok(bytes) = tree.read(&path) {
            write(&dir.join(&path), &bytes)?;
        }
    }
    let message = format!(
        "Linux {}: the files that the series touches",
        tree.version()
    );
    store::commit_all(dir.as_std_path(), &message, &tool())?;
    take(dir, mails, three_way, options)
}

/// A copy of a tree without git, the patched files on top.
fn full_copy(
    tree: &Tree,
    dir: &Utf8Path,
    mails: &[Mail],
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    let small = dir.with_file_name("small");
    std::fs::create_dir(&small).map_err(Error::io(&small))?;
    let applied = touched(tree, None, &small, mails, options)?;
    match tree.root() {
        Some(root) => {
            proc::Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .arg(root.join("."))
                .arg(dir)
                .deadline(std::time::Duration::from_secs(1800))
                .run()?;
        }
        // Only the tree that comes with the program is neither a directory nor a revision.
        None => write_out(tree, dir)?,
    }
    for patch in &applied.patches {
        for (path, bytes) in &patch.files {
            write(&dir.join(path), bytes)?;
        }
    }
    Ok(applied)
}

/// Writes the embedded tree with all its files, those that no audit reads among them.
fn write_out(tree: &Tree, dir: &Utf8Path) -> Result<(), Error> {
    let era = match tree.era() {
        Era::Pin => embedded::Era::V6_12,
        Era::PutPage | Era::PutUserPage => embedded::Era::V4_19,
    };
    embedded::materialise(era, dir).map_err(|error| Error::Io {
        path: error.path,
        source: error.source,
    })
}

fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    std::fs::write(path, bytes).map_err(Error::io(path))
}

fn in_worktree(
    origin: &Origin,
    mails: &[Mail],
    target: &Utf8Path,
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    let repo = origin.repository.as_std_path();
    if let Some(branch) = &options.branch
        && store::branch_exists(repo, branch)?
    {
        return Err(Error::BranchExists {
            branch: branch.clone(),
            into: origin.repository.clone(),
        });
    }
    let made = store::worktree_add(repo, target.as_std_path(), &origin.commit)
        .map_err(Error::from)
        .and_then(|()| take(target, mails, true, options));
    if made.is_err() && target.exists() {
        // The first failure is the one to report.
        let _removed = store::worktree_remove(repo, target.as_std_path());
    }
    made
}

/// Runs `git am` in a work tree whose head is the base.
fn take(
    dir: &Utf8Path,
    mails: &[Mail],
    three_way: bool,
    options: &ApplyOptions,
) -> Result<Applied, Error> {
    let worktree = dir.as_std_path();
    let base = proc::git::commit_id(worktree, "HEAD")?;
    let committer = match mails.first().map(parse) {
        Some(Ok(read)) => Committer {
            name: read.author.name,
            email: read.author.email,
            seconds: UNDATED,
        },
        _ => tool(),
    };
    let output = am(worktree, &concatenate(mails), three_way, &committer)?;
    if !output.success() {
        let error = conflict(worktree, mails, &base, &output.stderr_text())?;
        // In a linked worktree this also clears the state that git keeps for it.
        let _aborted = am_abort(worktree);
        return Err(error);
    }
    if let Some(branch) = &options.branch {
        store::checkout(worktree, "HEAD", Some(branch))?;
    }
    let mut patches = Vec::new();
    for commit in store::commits_since(worktree, &base)? {
        let mut files = Files::new();
        for path in store::changed_paths(worktree, &commit)? {
            if let Some(bytes) = store::show(worktree, &commit, &path)? {
                files.insert(path.into(), bytes);
            }
        }
        patches.push(AppliedPatch {
            subject: store::subject(worktree, &commit)?,
            commit,
            files,
        });
    }
    Ok(Applied {
        target: dir.to_owned(),
        base,
        patches,
    })
}

/// What stopped `git am`: the first mail without a commit, with its hunks that the tree does not have.
fn conflict(
    worktree: &std::path::Path,
    mails: &[Mail],
    base: &str,
    said: &str,
) -> Result<Error, Error> {
    let done = store::commits_since(worktree, base)?.len();
    let Some(mail) = mails.get(done) else {
        return Ok(Error::Unproven(format!(
            "git am failed after its last patch: {said}"
        )));
    };
    let read = parse(mail)?;
    let text = String::from_utf8_lossy(&mail.bytes).into_owned();
    let mut hunks = conflicts(&read.subject, &text, |path| {
        store::show(worktree, "HEAD", path).ok().flatten()
    });
    if hunks.is_empty() {
        // Every hunk is somewhere, but not where git can take it: its own words are all there is.
        hunks.push(Hunk {
            subject: read.subject.clone(),
            path: mail.file.clone(),
            line: 0,
            patch: String::new(),
            tree: format!("  {said}\n"),
        });
    }
    Ok(Error::Conflict {
        subject: read.subject,
        hunks,
    })
}

/// The files that the mails change.
fn named(mails: &[Mail]) -> BTreeSet<Utf8PathBuf> {
    let mut paths = BTreeSet::new();
    for mail in mails {
        let text = String::from_utf8_lossy(&mail.bytes);
        for line in text.lines() {
            let name = line
                .strip_prefix("--- a/")
                .or_else(|| line.strip_prefix("+++ b/"));
            // A path that leads out of the tree is git am's to refuse, not ours to read.
            if let Some(name) = name.filter(|name| !name.split('/').any(|part| part == "..")) {
                paths.insert(Utf8PathBuf::from(name));
            }
        }
    }
    paths
}

/// Who commits a base that is nobody's work.
fn tool() -> Committer {
    Committer {
        name: "patches".into(),
        email: "patches@localhost".into(),
        seconds: UNDATED,
    }
}
