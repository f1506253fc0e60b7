// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why no driver could be run.

use camino::Utf8PathBuf;
use failure::{Act, Exit, Failure, Hint};

/// Drivers could not be compiled or started. Messages fit after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is not a tree of this kind.
    #[error("run the drivers of {path}: it is not an embedded tree ({why})")]
    NotEmbedded {
        /// What was given.
        path: Utf8PathBuf,
        /// What is missing in it.
        why: String,
    },
    /// There is no driver to run.
    #[error("run {}: no file has a module_init()", files.join(" "))]
    NoModule {
        /// What was given.
        files: Vec<String>,
    },
    /// A file that was named and cannot be read, or is none.
    #[error("read {file}: {why}")]
    NotThere {
        /// As it was given.
        file: Utf8PathBuf,
        /// What the system said, or what stands there.
        why: String,
    },
    /// A version that drivers cannot be run under.
    #[error("run drivers under the rules of {0:?}: it is no kernel version")]
    Version(String),
    /// A file does not compile.
    #[error("compile {file}\n{said}")]
    Compile {
        /// Relative to the tree.
        file: Utf8PathBuf,
        /// What the compiler said.
        said: String,
    },
    /// The objects do not link.
    #[error("link the drivers\n{0}")]
    Link(String),
    /// The static library could not be built.
    #[error("build the reference implementation as a static library: {0}")]
    Library(String),
    /// A report could not be understood.
    #[error("read the report of {module}: {why}")]
    Report {
        /// The driver.
        module: String,
        /// What is wrong with it.
        why: String,
    },
    /// The tree or the series could not be prepared.
    #[error(transparent)]
    Prepare(#[from] Box<crate::error::Error>),
    /// A program could not be run.
    #[error(transparent)]
    Proc(#[from] proc::Error),
    /// A file could not be read or written.
    #[error("{what} {path}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A temporary directory whose name is not UTF-8.
    #[error("use {0:?}: its name is not UTF-8")]
    NotUtf8(std::path::PathBuf),
}

impl Error {
    pub(super) fn io(what: &'static str, path: Utf8PathBuf, source: std::io::Error) -> Self {
        Error::Io { what, path, source }
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NotEmbedded { .. }
            | Error::NoModule { .. }
            | Error::NotThere { .. }
            | Error::Version(_) => Exit::Usage,
            Error::Prepare(error) => error.exit(),
            Error::Proc(proc::Error::Interrupted { .. }) => Exit::Interrupted,
            Error::Report { .. } => Exit::Internal,
            _ => Exit::Infrastructure,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::NotEmbedded { .. } => Some(Act::UseEmbeddedTree.into()),
            Error::Proc(error) => error.hint(),
            Error::Prepare(error) => error.hint(),
            Error::NoModule { .. } | Error::NotThere { .. } | Error::Version(_) => {
                Some("docs/refimpl.md has a driver to begin with".into())
            }
            Error::Library(_) => Some("see what `cargo build -p refimpl` says".into()),
            _ => None,
        }
    }
}
