// SPDX-License-Identifier: MIT OR Apache-2.0
//! The git history behind a tree: of a revision its repository, of a directory the checkout that it is.

use crate::error::Error;
use callsites::tree::Tree;
use camino::Utf8PathBuf;

/// A commit in a repository of the user's, which is only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The repository.
    pub repository: Utf8PathBuf,
    /// The full id of the commit: the revision that was opened, or HEAD of a checkout.
    pub commit: String,
}

/// Where the tree comes from; None where it has no git history.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn origin(tree: &Tree) -> Result<Option<Origin>, Error> {
    if let Some((repository, commit)) = tree.repository() {
        return Ok(Some(Origin {
            repository: repository.to_owned(),
            commit: commit.to_owned(),
        }));
    }
    let Some(root) = tree
        .root()
        .filter(|root| root.join(".git").symlink_metadata().is_ok())
    else {
        return Ok(None);
    };
    // A repository without a commit has no history either. One that git does not read is an error: what it says of the tree
    // would be dropped in silence otherwise.
    let head = proc::git::head(root.as_std_path())?;
    Ok(head.map(|commit| Origin {
        repository: root.to_owned(),
        commit,
    }))
}
