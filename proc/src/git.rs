// SPDX-License-Identifier: MIT OR Apache-2.0
//! Git, one typed function a command, in an environment that no user setting can change.
//!
//! What touches an index, a worktree or mail goes through here; the object store is libgit2's.

pub mod mail;
pub mod store;

use crate::command::{Command, Output};
use crate::error::Error;
use std::path::Path;

/// A git command in `repo` (a work tree, a bare repository or a `.git`), with configuration, locale and clock zone pinned.
///
/// The user's own configuration is not read, so neither a hook path nor a diff setting of theirs changes a result.
pub fn git(repo: &Path) -> Command {
    Command::new("git")
        .args([
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "diff.noprefix=false",
            "-c",
            "diff.algorithm=histogram",
        ])
        .args([
            "-c",
            "commit.gpgSign=false",
            "-c",
            "gc.auto=0",
            "-c",
            "advice.detachedHead=false",
            "-c",
            "am.threeWay=false",
        ])
        .current_dir(repo)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_PAGER", "cat")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
}

/// `git config --get KEY` with the user's own configuration, which every other function here ignores.
///
/// # Errors
/// Only when git itself cannot be run; an unset key is `None`.
pub fn user_config(dir: &Path, key: &str) -> Result<Option<String>, Error> {
    let output = Command::new("git")
        .args(["config", "--get", key])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .run_unchecked()?;
    Ok(output
        .success()
        .then(|| output.stdout_text())
        .filter(|value| !value.is_empty()))
}

/// `git --version`, the number alone.
///
/// # Errors
/// When git cannot be run.
pub fn version() -> Result<String, Error> {
    let output = Command::new("git").arg("--version").run()?;
    Ok(output
        .stdout_text()
        .trim_start_matches("git version ")
        .to_owned())
}

/// `git rev-parse --verify REV^{commit}`: the full id of a commit.
///
/// # Errors
/// When `rev` names no commit of `repo`.
pub fn commit_id(repo: &Path, rev: &str) -> Result<String, Error> {
    Ok(git(repo)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .arg(format!("{rev}^{{commit}}"))
        .run()?
        .stdout_text())
}

/// `git status --porcelain`: empty when nothing is changed.
///
/// # Errors
/// When `repo` has no work tree.
pub fn status(repo: &Path) -> Result<Output, Error> {
    git(repo)
        .args(["status", "--porcelain", "--untracked-files=no"])
        .run()
}
