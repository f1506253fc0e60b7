// SPDX-License-Identifier: MIT OR Apache-2.0
//! The series as commits in the shadow, where ktest.pl checks them out.
//!
//! Only the touched files are tracked: importing a whole tree takes a minute and half a gigabyte, and neither checkout
//! nor patchcheck looks at more.

use crate::build::{Shadow, forget};
use crate::error::Error;
use crate::series::{Content, Overlay, Staged};
use camino::{Utf8Path, Utf8PathBuf};

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
        let content = |path: &Utf8PathBuf| Ok((path.clone(), Content::at(tree, path)?));
        let base: Overlay = files.map(content).collect::<Result<_, Error>>()?;
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

fn commit(root: &Utf8Path, files: &Overlay, subject: &str) -> Result<String, Error> {
    for path in files.keys() {
        if std::fs::symlink_metadata(root.join(path)).is_ok() {
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
