// SPDX-License-Identifier: MIT OR Apache-2.0
//! Git's commands on repositories, worktrees and refs.

use super::git;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// `git init` of a new repository with a work tree.
///
/// # Errors
/// When `dir` cannot be created.
pub fn init(dir: &Path) -> Result<(), Error> {
    let parent = dir.parent().unwrap_or(dir);
    git(parent)
        .args(["init", "--quiet", "--initial-branch=base"])
        .arg(dir)
        .run()
        .map(drop)
}

/// The absolute path of `name` inside the repository's shared directory ("objects", "shallow").
///
/// # Errors
/// When `repo` is no repository.
pub fn git_path(repo: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = git(repo)
        .args(["rev-parse", "--path-format=absolute", "--git-path", name])
        .run()?;
    Ok(PathBuf::from(path.stdout_text()))
}

/// The subjects of the last `count` commits up to `rev` that touch `paths`, newest first, merges left out.
///
/// # Errors
/// When `rev` is unknown.
pub fn log_subjects(
    repo: &Path,
    rev: &str,
    paths: &[&str],
    count: usize,
) -> Result<Vec<String>, Error> {
    let output = git(repo)
        .args(["log", "--no-merges", "--format=%s"])
        .arg(format!("--max-count={count}"))
        .args([rev, "--"])
        .args(paths)
        .run()?;
    Ok(output.stdout_text().lines().map(str::to_owned).collect())
}

/// Whether a remote branch or a tag contains `commit`: then others have it too.
///
/// # Errors
/// When `commit` is unknown.
pub fn is_public(repo: &Path, commit: &str) -> Result<bool, Error> {
    let output = git(repo)
        .args(["for-each-ref", "--count=1", "--contains", commit])
        .args(["refs/remotes", "refs/tags"])
        .run()?;
    Ok(!output.stdout.is_empty())
}

/// `git worktree add --detach`: a new linked work tree; writes into the repository's administrative files.
///
/// # Errors
/// When `dir` exists and is not empty, or the disk is full.
pub fn worktree_add(repo: &Path, dir: &Path, rev: &str) -> Result<(), Error> {
    git(repo)
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(dir)
        .arg(rev)
        .run()
        .map(drop)
}

/// `git worktree remove --force`.
///
/// # Errors
/// When `dir` is not one of its work trees.
pub fn worktree_remove(repo: &Path, dir: &Path) -> Result<(), Error> {
    git(repo)
        .args(["worktree", "remove", "--force"])
        .arg(dir)
        .run()
        .map(drop)
}

/// `git switch -c BRANCH`, or a detached checkout of `rev` when there is no branch to make.
///
/// # Errors
/// When the branch exists or files would be overwritten.
pub fn checkout(worktree: &Path, rev: &str, branch: Option<&str>) -> Result<(), Error> {
    let command = git(worktree).args(["checkout", "--quiet"]);
    match branch {
        Some(branch) => command.args(["-b", branch, rev]),
        None => command.args(["--detach", rev]),
    }
    .run()
    .map(drop)
}

/// Whether `refs/heads/BRANCH` exists.
///
/// # Errors
/// When `repo` is no repository.
pub fn branch_exists(repo: &Path, branch: &str) -> Result<bool, Error> {
    let output = git(repo)
        .args(["for-each-ref", "--count=1"])
        .arg(format!("refs/heads/{branch}"))
        .run()?;
    Ok(!output.stdout.is_empty())
}

/// Copies `commit` of the repository `from` to a new branch of `into`.
///
/// # Errors
/// When the branch exists on another line of history or its name is refused.
pub fn fetch_branch(into: &Path, from: &Path, source: &str, branch: &str) -> Result<(), Error> {
    git(into)
        .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
        .arg(from)
        .arg(format!("{source}:refs/heads/{branch}"))
        .run()
        .map(drop)
}
