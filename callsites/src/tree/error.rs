// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a tree could not be opened or read.

use camino::{Utf8Path, Utf8PathBuf};
use failure::{Act, Exit, Failure, Hint};

/// Why a tree could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a directory nor "REPO@REV".
    #[error("open {spec}: no such directory")]
    Missing {
        /// As given.
        spec: String,
    },
    /// There is no top Makefile with a kernel version.
    #[error("open {spec}: not a kernel tree (no Makefile with VERSION and PATCHLEVEL)")]
    NotKernel {
        /// As given.
        spec: String,
    },
    /// A module has no source.
    #[error("open {spec}: no module (no .c file)")]
    NoModule {
        /// As given.
        spec: String,
    },
    /// The directory is no git repository that can be read.
    #[error("open the git repository {path}: {source}")]
    Repository {
        /// The directory.
        path: Utf8PathBuf,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The revision is unknown, or names no tree.
    #[error("find revision {revision} in {path}: {source}")]
    Revision {
        /// The repository.
        path: Utf8PathBuf,
        /// As given.
        revision: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// A file could not be read.
    #[error("read {path}: {source}")]
    Read {
        /// Relative to the tree.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A blob could not be read.
    #[error("read {path} from the object store: {source}")]
    Blob {
        /// Relative to the tree.
        path: Utf8PathBuf,
        /// What libgit2 said.
        source: git2::Error,
    },
}

impl Error {
    /// Whether what was looked for is not in the tree, which is no fault of the machine.
    fn is_absent(&self) -> bool {
        matches!(self, Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// A file that the tree does not have.
    pub fn absent(path: &Utf8Path) -> Self {
        Error::Read {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        }
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Read { .. } | Error::Blob { .. } if !self.is_absent() => Exit::Infrastructure,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::Missing { spec } if spec.contains('@') => {
                Some("write REPO@REV with the path of a git repository before the @".into())
            }
            Error::Missing { .. } => Some(Act::ListTrees.into()),
            Error::NotKernel { .. } => Some(Act::GetTree.into()),
            Error::NoModule { .. } => Some("name the directory that the sources of the module lie in".into()),
            Error::Repository { path, .. } => Some(format!("git -C {path} status").into()),
            Error::Revision { path, revision, .. } => Some(format!(
                "git -C {path} fetch origin {revision}, or git -C {path} log --oneline for what is there"
            ).into()),
            Error::Read { path, .. } if self.is_absent() => Some(
                format!("this tree is not whole: kernels have {path}, and it is named by what was asked for").into(),
            ),
            Error::Read { .. } | Error::Blob { .. } => None,
        }
    }
}
