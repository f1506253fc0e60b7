// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why no verdict could be reached, and the command that mends it.

use camino::{Utf8Path, Utf8PathBuf};
use failure::{Act, Exit, Failure, Hint};
use patches::error::Hunk;

/// A build or a run that could not be brought to a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that is needed is not installed.
    #[error("find `{program}` on this machine; it is for: {purpose}")]
    Missing {
        program: String,
        purpose: &'static str,
    },
    /// A child could not be run, or failed where it must not.
    #[error("{what}")]
    Child {
        what: String,
        #[source]
        source: Box<proc::Error>,
    },
    /// A file could not be read or written.
    #[error("{what} `{path}`")]
    Io {
        what: &'static str,
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    /// Something that the user named is not there.
    #[error("find {what} `{path}`: there is no such file or directory")]
    NotThere {
        what: &'static str,
        path: Utf8PathBuf,
    },
    /// A data file (target, fragment, pattern) does not parse.
    #[error("read `{path}`: {why}")]
    Data { path: String, why: String },
    /// A target was asked for that does not exist.
    #[error("find target `{0}`")]
    NoSuchTarget(String),
    /// The tree is not one that kbuild can build.
    #[error("build `{0}`: it has no Kbuild system (no scripts/Kbuild.include)")]
    NotKbuild(String),
    /// The request cannot be met as it was made.
    #[error("{0}")]
    Usage(String),
    /// Options that did not take, one line each.
    #[error("configure the kernel: {} did not take{}", failure::counted(.0.len(), "option"), lines(.0))]
    Config(Vec<String>),
    /// The machine failed while something was compiled; says nothing about what was compiled.
    #[error("{what}: the machine failed: {line}")]
    Machine { what: String, line: String },
    /// The tree does not let the source be checked, with its own words.
    #[error("check the source with C=: {0}")]
    Unchecked(String),
    /// The base kernel does not compile.
    #[error("build the base: make ended with {status}; the log is `{log}`{tail}")]
    BaseBuild {
        status: String,
        log: Utf8PathBuf,
        tail: String,
    },
    /// A patch does not apply: its hunks beside what the tree has there.
    #[error("apply \"{subject}\": the tree does not match {}{}", failure::counted(.hunks.len(), "hunk"), show(.hunks))]
    Conflict { subject: String, hunks: Vec<Hunk> },
    /// The series does not apply, or could not be read.
    #[error("apply the series")]
    Series(#[source] Box<dyn std::error::Error + Send + Sync>, Exit),
    /// The tree could not be read.
    #[error("read the tree")]
    Tree(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another run holds the directory.
    #[error("lock `{0}`: another run is using it")]
    Locked(Utf8PathBuf),
    /// There is no batch engine to submit to.
    #[error("submit the shards: Slurm's `sbatch` is not on this machine")]
    NoEngine,
    /// A run to resume that does not exist, or was made from other inputs.
    #[error("resume run `{run}`: {why}")]
    Resume { run: String, why: String },
    /// A check of our own data failed.
    #[error("keep an invariant: {0}")]
    Internal(String),
}

/// What an error calls a series.
pub(crate) const SERIES: &str = "the series";

fn lines(items: &[String]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

fn show(hunks: &[Hunk]) -> String {
    hunks
        .iter()
        .map(|hunk| {
            format!(
                "\n{}:{}\nthe patch has\n{}the tree has\n{}",
                hunk.path, hunk.line, hunk.patch, hunk.tree
            )
        })
        .collect()
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Child { source, .. } if matches!(**source, proc::Error::Interrupted { .. }) => {
                Exit::Interrupted
            }
            Error::Missing { .. }
            | Error::Child { .. }
            | Error::Io { .. }
            | Error::Machine { .. }
            | Error::Unchecked(_)
            | Error::BaseBuild { .. }
            | Error::Tree(_)
            | Error::NoEngine
            | Error::Locked(_) => Exit::Infrastructure,
            Error::NotThere { .. }
            | Error::NoSuchTarget(_)
            | Error::NotKbuild(_)
            | Error::Config(_)
            | Error::Usage(_)
            | Error::Resume { .. } => Exit::Usage,
            Error::Conflict { .. } => Exit::Conflict,
            Error::Series(_, exit) => *exit,
            Error::Data { .. } | Error::Internal(_) => Exit::Internal,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::Missing { .. } => Some(Act::InstallWhatIsMissing.into()),
            Error::Child { source, .. } => source.hint(),
            Error::NoSuchTarget(_) => Some(Act::ListTargets.into()),
            Error::NotThere { what, .. } if *what == SERIES => Some(Act::MakeSeries.into()),
            Error::NotKbuild(_) => Some(Act::RunInUserSpace.into()),
            Error::Machine { line, .. } if line.contains("No space left") => Some(
                "make room where the cache and target/ are, then do the same again: df -h".into(),
            ),
            Error::Unchecked(_) => {
                Some("name another checker (CHECK=PROGRAM), or leave C= out".into())
            }
            Error::Machine { .. } => Some(Act::UseFewerJobs.into()),
            Error::Conflict { .. } => {
                Some("the series belongs to another base: series.toml names it".into())
            }
            Error::BaseBuild { log, .. } => Some(format!("less {log}").into()),
            Error::Resume { .. } => Some(Act::StartNewRun.into()),
            Error::NoEngine => Some(Act::SubmitElsewhere.into()),
            _ => None,
        }
    }
}

impl Error {
    /// Whether the same may well succeed when it is done again: a child that a signal ended. A program that is missing or
    /// refuses, a full disk and ctrl-C are not of that kind.
    pub(crate) fn may_pass(&self) -> bool {
        let Error::Child { source, .. } = self else {
            return false;
        };
        matches!(&**source, proc::Error::Failed { code: None, .. })
    }

    /// For `map_err` on file operations.
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Utf8Path,
    ) -> impl FnOnce(std::io::Error) -> Error + 'a {
        move |source| Error::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on reading what the user named.
    pub(crate) fn named<'a>(
        what: &'static str,
        path: &'a Utf8Path,
    ) -> impl FnOnce(std::io::Error) -> Error + 'a {
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotThere {
                what,
                path: path.to_owned(),
            },
            _ => Error::io("read", path)(source),
        }
    }

    /// For `map_err` on children.
    pub(crate) fn child(what: impl Into<String>) -> impl FnOnce(proc::Error) -> Error {
        let what = what.into();
        move |source| Error::Child {
            what,
            source: Box::new(source),
        }
    }
}
