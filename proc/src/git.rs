// SPDX-License-Identifier: MIT OR Apache-2.0
//! Git, one typed function a command, in an environment that no user setting can change.
//!
//! What touches an index, a worktree or mail goes through here; the object store is libgit2's.

pub mod mail;
mod pinned;
pub mod store;

use crate::command::{Command, Output};
use crate::error::Error;
use std::path::Path;

/// A git command in `repo` (a work tree, a bare repository or a `.git`), with configuration, locale and clock zone pinned.
///
/// Neither the user's settings nor those of the repository change a result, and no program that they name is started; no
/// object is fetched. A repository further up is not looked for.
pub fn git(repo: &Path) -> Command {
    pinned::overruled(repo)
}

/// `git config --get KEY` with the user's own configuration, which every other function here ignores.
///
/// # Errors
/// Only when git itself cannot be run; an unset key is `None`.
pub fn user_config(dir: &Path, key: &str) -> Result<Option<String>, Error> {
    let output = pinned::as_the_user(dir, key).run_unchecked()?;
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
    Ok(resolve(repo, rev).run()?.stdout_text())
}

/// The full id of HEAD; None in a repository without a commit.
///
/// # Errors
/// When `repo` is no repository that git reads: damaged, or of an owner that the user does not trust.
pub fn head(repo: &Path) -> Result<Option<String>, Error> {
    match resolve(repo, "HEAD").run() {
        Ok(output) => Ok(Some(output.stdout_text())),
        // With --quiet, 1 says that there is no such commit, and 128 everything else.
        Err(Error::Failed { code: Some(1), .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn resolve(repo: &Path, rev: &str) -> Command {
    git(repo)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .arg(format!("{rev}^{{commit}}"))
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
