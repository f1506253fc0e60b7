// SPDX-License-Identifier: MIT OR Apache-2.0
//! The series as commits in the shadow, where ktest.pl checks them out.
//!
//! Only the touched files are tracked: importing a whole tree takes a minute and half a gigabyte, and neither checkout
//! nor patchcheck looks at more.

use crate::build::{Overlay, Shadow};
use crate::error::Error;
use crate::series::Staged;
use camino::Utf8Path;

/// Commits by place in the series; the base is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) commits: Vec<String>,
}

impl Repository {
    /// Makes it; the shadow is left at the base.
    pub(crate) fn make(
        shadow: &Shadow,
        tree: &Utf8Path,
        staged: &[Staged],
    ) -> Result<Repository, Error> {
        let root = shadow.source();
        forget(root)?;
        let files = staged.iter().flat_map(|stage| &stage.touched);
        let base: Overlay = files
            .map(|path| (path.clone(), std::fs::read(tree.join(path)).ok()))
            .collect();
        // Files, not links: a checkout would replace a link's target by nothing it may touch.
        shadow.set(&base)?;
        git(root, &["init", "--quiet"])?;
        let exclude = root.join(".git/info/exclude");
        std::fs::write(&exclude, "*\n").map_err(Error::io("write", &exclude))?;
        let mut commits = vec![commit(root, &base, "base")?];
        for stage in staged {
            shadow.set(&stage.overlay)?;
            commits.push(commit(root, &base, &stage.subject)?);
        }
        git(root, &["checkout", "--quiet", &commits[0]])?;
        Ok(Repository { commits })
    }
}

/// Removes what a repository left in the shadow, also that of a run that was killed.
pub(crate) fn forget(root: &Utf8Path) -> Result<(), Error> {
    let dir = root.join(".git");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &dir)(error))
        }
        _ => Ok(()),
    }
}

fn commit(root: &Utf8Path, files: &Overlay, subject: &str) -> Result<String, Error> {
    for path in files.keys() {
        if root.join(path).exists() {
            git(root, &["add", "--force", "--", path.as_str()])?;
        } else {
            git(
                root,
                &[
                    "rm",
                    "--quiet",
                    "--cached",
                    "--ignore-unmatch",
                    "--",
                    path.as_str(),
                ],
            )?;
        }
    }
    git(
        root,
        &["commit", "--quiet", "--allow-empty", "--message", subject],
    )?;
    Ok(git(root, &["rev-parse", "HEAD"])?.trim().to_owned())
}

fn git(root: &Utf8Path, arguments: &[&str]) -> Result<String, Error> {
    let output = proc::git::git(root.as_std_path())
        .args(arguments)
        .env("GIT_AUTHOR_NAME", "ktest")
        .env("GIT_AUTHOR_EMAIL", "ktest@localhost")
        .env("GIT_AUTHOR_DATE", "1970-01-01T00:00:00Z")
        .env("GIT_COMMITTER_NAME", "ktest")
        .env("GIT_COMMITTER_EMAIL", "ktest@localhost")
        .env("GIT_COMMITTER_DATE", "1970-01-01T00:00:00Z")
        .run()
        .map_err(Error::child("make the series' repository"))?;
    Ok(output.stdout_text())
}
