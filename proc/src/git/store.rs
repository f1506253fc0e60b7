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

/// `git read-tree TREE` into an index file of its own.
///
/// # Errors
/// When `tree` is unknown.
pub fn read_tree(repo: &Path, index: &Path, tree: &str) -> Result<(), Error> {
    git(repo)
        .env("GIT_INDEX_FILE", index)
        .args(["read-tree", tree])
        .run()
        .map(drop)
}

/// `git apply --cached` of a patch on that index, or of its reverse. The exit code tells whether it applied.
///
/// # Errors
/// Only when git cannot be run.
pub fn apply_cached(
    repo: &Path,
    index: &Path,
    patch: &[u8],
    reverse: bool,
) -> Result<crate::command::Output, Error> {
    let command = git(repo)
        .env("GIT_INDEX_FILE", index)
        .args(["apply", "--cached", "--whitespace=nowarn"])
        .stdin(patch);
    match reverse {
        true => command.arg("--reverse"),
        false => command,
    }
    .run_unchecked()
}

/// `git write-tree` of that index: the id of the tree.
///
/// # Errors
/// When the object store cannot be written.
pub fn write_tree(repo: &Path, index: &Path) -> Result<String, Error> {
    let output = git(repo)
        .env("GIT_INDEX_FILE", index)
        .arg("write-tree")
        .run()?;
    Ok(output.stdout_text())
}

/// `git add --all --force`, then `git commit`, in a work tree: the id of the commit.
///
/// # Errors
/// When there is nothing to commit.
pub fn commit_all(
    worktree: &Path,
    message: &str,
    committer: &super::mail::Committer,
) -> Result<String, Error> {
    git(worktree).args(["add", "--all", "--force"]).run()?;
    committer
        .on(git(worktree).args(["commit", "--quiet", "--no-verify", "-m", message]))
        .env("GIT_AUTHOR_NAME", &committer.name)
        .env("GIT_AUTHOR_EMAIL", &committer.email)
        .env("GIT_AUTHOR_DATE", format!("@{} +0000", committer.seconds))
        .run()?;
    super::commit_id(worktree, "HEAD")
}

/// `git rev-list --reverse BASE..HEAD`: commits from the oldest.
///
/// # Errors
/// When `base` is unknown.
pub fn commits_since(repo: &Path, base: &str) -> Result<Vec<String>, Error> {
    let output = git(repo)
        .args(["rev-list", "--reverse"])
        .arg(format!("{base}..HEAD"))
        .run()?;
    Ok(output.stdout_text().lines().map(str::to_owned).collect())
}

/// The paths that `commit` changes against its parent.
///
/// # Errors
/// When `commit` is unknown.
pub fn changed_paths(repo: &Path, commit: &str) -> Result<Vec<String>, Error> {
    let output = git(repo)
        .args([
            "diff-tree",
            "--no-commit-id",
            "--name-only",
            "--no-renames",
            "-r",
            "-z",
        ])
        .arg(commit)
        .run()?;
    let names = output.stdout.split(|&byte| byte == 0);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// The bytes of `path` at `rev`; None when it has no such file.
///
/// # Errors
/// Only when git cannot be run.
pub fn show(repo: &Path, rev: &str, path: &str) -> Result<Option<Vec<u8>>, Error> {
    let output = git(repo)
        .args(["cat-file", "blob"])
        .arg(format!("{rev}:{path}"))
        .run_unchecked()?;
    Ok(output.success().then_some(output.stdout))
}

/// The subject of a commit.
///
/// # Errors
/// When `commit` is unknown.
pub fn subject(repo: &Path, commit: &str) -> Result<String, Error> {
    let output = git(repo)
        .args(["show", "--no-patch", "--format=%s", commit])
        .run()?;
    Ok(output.stdout_text())
}

/// `git diff FROM TO` of two commits, with full blob ids.
///
/// # Errors
/// When one of them is unknown.
pub fn diff(repo: &Path, from: &str, to: &str) -> Result<Vec<u8>, Error> {
    let output = git(repo)
        .args([
            "diff",
            "--full-index",
            "--no-renames",
            "--no-ext-diff",
            from,
            to,
        ])
        .run()?;
    Ok(output.stdout)
}
