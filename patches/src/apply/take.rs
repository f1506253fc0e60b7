// SPDX-License-Identifier: MIT OR Apache-2.0
//! `git am` in a work tree, what came of it, and what stopped it.

use super::place;
use super::{Applied, AppliedPatch, Touched};
use crate::commit::UNDATED;
use crate::conflict::conflicts;
use crate::error::{Error, Hunk};
use crate::mbox::{Mail, concatenate, parse};
use crate::options::ApplyOptions;
use callsites::tree::beneath::TreePath;
use camino::Utf8Path;
use proc::git::mail::{Committer, am, am_abort};
use proc::git::store;

/// Runs `git am` in a work tree whose head is the base.
pub(super) fn take(
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
    let mut patches = Vec::new();
    for commit in store::commits_since(worktree, &base)? {
        let mut files = Touched::new();
        for found in store::changed(worktree, &commit)? {
            let path = TreePath::parse(&found.path)?;
            let entry = place::entry(worktree, &path, &found)?;
            files.insert(path, entry);
        }
        patches.push(AppliedPatch {
            subject: store::subject(worktree, &commit)?,
            commit,
            files,
        });
    }
    if let Some(branch) = &options.branch {
        store::checkout(worktree, "HEAD", Some(branch))?;
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

/// Who commits a base that is nobody's work.
pub(super) fn tool() -> Committer {
    Committer {
        name: "patches".into(),
        email: "patches@localhost".into(),
        seconds: UNDATED,
    }
}
