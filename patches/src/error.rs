// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong, which exit code it means, and the command that mends it.

use callsites::tree::beneath;
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Act, Exit, Failure, Hint};

/// A hunk that did not apply, beside what the tree has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Subject of the patch.
    pub subject: String,
    /// Relative to the tree.
    pub path: String,
    /// First line of the hunk in the base that the series was made for, 1-based.
    pub line: usize,
    /// The hunk as the patch has it.
    pub patch: String,
    /// The tree's lines at that place, each with its number.
    pub tree: String,
}

/// A failed conversion or application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No selected group could be converted, one line a group; or fixes alone were wanted, and there are none.
    #[error("{}", nothing(*groups, *fixes, reasons))]
    Nothing {
        groups: usize,
        fixes: bool,
        reasons: Vec<String>,
    },
    /// A group was asked for by id and is not in the report.
    #[error("find group `{0}` in the audit")]
    NoSuchGroup(String),
    /// There is no series of that name.
    #[error("find a series called `{name}`")]
    NoSuchSeries {
        name: String,
        known: Vec<&'static str>,
    },
    /// A step of a series does not fit the tree.
    #[error("make the step `{step}`: {why}")]
    StepRefused { step: String, why: String },
    /// The API asked for does not exist in the tree.
    #[error("convert to {api} in Linux {version}: {why}")]
    ApiMissing {
        api: &'static str,
        version: String,
        why: String,
    },
    /// A module cannot be converted so that it still builds for an old kernel.
    #[error("convert so that the module still builds for Linux {oldest}: {why}")]
    Oldest {
        /// As it was asked for.
        oldest: String,
        /// What stands in the way.
        why: String,
    },
    /// `user.name` or `user.email` is not set.
    #[error("sign the series: git knows no {0}")]
    NoIdentity(&'static str),
    /// Files to be converted differ between the checkout and its commit.
    #[error("convert {}: changed in the checkout and not committed", paths.join(", "))]
    Dirty {
        /// The changed files.
        paths: Vec<String>,
        /// The checkout.
        tree: Utf8PathBuf,
    },
    /// The target of an application is in use.
    #[error("apply into {0}: it exists and is not empty")]
    TargetInUse(Utf8PathBuf),
    /// The target of an application lies in the tree, which is only read.
    #[error("apply into {0}: it lies in the tree itself")]
    TargetInTree(Utf8PathBuf),
    /// A mail names a path that leads elsewhere than into the tree.
    #[error("take the patch {mail}")]
    BadPath {
        /// Name of the mail in its series.
        mail: String,
        source: beneath::Error,
    },
    /// Something else than an ordinary file stands where a patch has one.
    #[error("read or write a file of the tree")]
    Path(#[from] beneath::Error),
    /// The directory for the series cannot be made or filled.
    #[error("write the series to {path}")]
    Output {
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    /// What a branch is to be exported into is no repository.
    #[error("export the branch into {0}: it is not a git repository")]
    NoRepository(Utf8PathBuf),
    /// A worktree was asked of a tree that is not a git repository.
    #[error("make a worktree of {0}: it is not a git repository")]
    NotARepository(String),
    /// The branch to create exists.
    #[error("create branch `{branch}` in {into}: it exists")]
    BranchExists { branch: String, into: Utf8PathBuf },
    /// The directory holds no series, or a damaged one.
    #[error("read the series {path}: {why}")]
    BadSeries { path: Utf8PathBuf, why: String },
    /// A patch does not apply; nothing was left behind.
    #[error("apply \"{subject}\": the tree does not match {}{}", failure::counted(hunks.len(), "hunk"), show_hunks(hunks))]
    Conflict { subject: String, hunks: Vec<Hunk> },
    /// A file could not be read or written.
    #[error("access {path}")]
    Io {
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    /// The tree could not be read.
    #[error("read the tree")]
    Tree(#[from] callsites::tree::Error),
    /// The diff of an older version was changed by hand and is not for this base.
    #[error("take over what was changed by hand in {0}: its diff does not apply to this base")]
    HandEdit(String),
    /// A labelled set could not be read.
    #[error(transparent)]
    Truth(callsites::truth::Error),
    /// A program failed.
    #[error("run a program for the series")]
    Proc(#[from] proc::Error),
    /// The object store failed.
    #[error("write to the object store {path}")]
    Store {
        path: Utf8PathBuf,
        source: git2::Error,
    },
    /// A check of our own result failed; nothing was written.
    #[error("prove the series right: {0}")]
    Unproven(String),
}

fn lines(reasons: &[String]) -> String {
    reasons
        .iter()
        .map(|reason| format!("\n  {reason}"))
        .collect()
}

fn show_hunks(hunks: &[Hunk]) -> String {
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

/// What [`Error::Nothing`] says.
fn nothing(groups: usize, fixes: bool, reasons: &[String]) -> String {
    match (groups, fixes) {
        (_, true) => "find a release to fix: the audit found none there that does not fit how its pages are taken".into(),
        (0, false) => "convert anything: the audit found no call there that has to change".into(),
        (groups, false) => format!(
            "convert: none of the {groups} selected groups can be converted{}",
            lines(reasons)
        ),
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Nothing { .. } => Exit::Findings,
            Error::NoSuchGroup(_)
            | Error::NoSuchSeries { .. }
            | Error::StepRefused { .. }
            | Error::ApiMissing { .. }
            | Error::Oldest { .. }
            | Error::NoIdentity(_)
            | Error::Dirty { .. }
            | Error::TargetInUse(_)
            | Error::NotARepository(_)
            | Error::NoRepository(_)
            | Error::Output { .. }
            | Error::BranchExists { .. }
            | Error::Truth(_)
            | Error::TargetInTree(_)
            | Error::BadPath { .. }
            | Error::BadSeries { .. } => Exit::Usage,
            Error::Path(error) => match error.is_refused() {
                true => Exit::Usage,
                false => Exit::Infrastructure,
            },
            Error::Conflict { .. } | Error::HandEdit(_) => Exit::Conflict,
            Error::Tree(error) => error.exit(),
            Error::Io { .. } | Error::Store { .. } => Exit::Infrastructure,
            Error::Proc(proc::Error::Interrupted { .. }) => Exit::Interrupted,
            Error::Proc(_) => Exit::Infrastructure,
            Error::Unproven(_) => Exit::Internal,
        }
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::Nothing {
                fixes: false,
                groups: 1..,
                ..
            } => Some(Act::ExplainCallsite.into()),
            Error::Nothing { .. } => Some(Act::ListCallsites.into()),
            Error::NoSuchGroup(_) => Some(Act::ListCallsites.into()),
            Error::ApiMissing { .. } => Some(Act::ConvertToWhatTheTreeHas.into()),
            Error::NoSuchSeries { known, .. } => {
                Some(format!("the names are {}", known.join(", ")).into())
            }
            Error::StepRefused { .. } => Some(Act::ConvertWithoutSteps.into()),
            Error::NoIdentity("user.email") => {
                Some("git config --global user.email YOU@EXAMPLE.ORG".into())
            }
            Error::NoIdentity(_) => Some("git config --global user.name 'YOUR NAME'".into()),
            Error::Dirty { tree, .. } => {
                let repository = tree.to_string();
                Some(Act::ReadCommit { repository }.into())
            }
            Error::Tree(error) => error.hint(),
            Error::Truth(error) => error.hint(),
            Error::HandEdit(mail) => Some(
                format!("make its change in a copy of {mail} that applies, or take the mail out of the old series")
                    .into(),
            ),
            Error::TargetInUse(_) => Some("name a directory that does not exist yet".into()),
            Error::TargetInTree(_) => Some("name a directory outside of the tree".into()),
            Error::BadPath { mail, .. } => Some(
                format!("grep -En '^(diff|---|[+]{{3}}|rename|copy) ' {mail} shows the paths that it names; do not take it from whoever sent it")
                    .into(),
            ),
            Error::Path(error) if error.is_refused() => Some(
                "put an ordinary file there, or take the tree that the link leads to; nothing was written".into(),
            ),
            Error::Output { .. } => {
                Some("name a directory where you may write; it is made if need be".into())
            }
            Error::NoRepository(into) => Some(format!("git -C {into} init makes one").into()),
            Error::NotARepository(_) => Some(Act::ApplyToCopy.into()),
            Error::BranchExists { branch, into } => {
                Some(format!("git -C {into} branch -m {branch} {branch}-old").into())
            }
            Error::BadSeries { .. } | Error::Conflict { .. } => Some(Act::MakeSeries.into()),
            Error::Proc(error) => error.hint(),
            _ => None,
        }
    }
}

impl Error {
    /// A path that is not UTF-8.
    pub(crate) fn bad_path(path: &std::path::Path) -> Error {
        let path = Utf8PathBuf::from(path.to_string_lossy().into_owned());
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not UTF-8");
        Error::Io { path, source }
    }

    /// For `map_err` on the object store.
    pub(crate) fn store(path: &Utf8Path) -> impl Fn(git2::Error) -> Error + '_ {
        move |source| Error::Store {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` where the directory of a series is made.
    pub(crate) fn output(path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Output {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io {
            path: path.to_owned(),
            source,
        }
    }
}
