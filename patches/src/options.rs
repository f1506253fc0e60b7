// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a caller chooses: which groups, which API, who signs, where a series is applied.

use callsites::tree::VersionCode;
use camino::{Utf8Path, Utf8PathBuf};

/// Which groups of a report are converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Every convertible group.
    All,
    /// Groups with a member under one of these files or directories, relative to the tree.
    Paths(Vec<Utf8PathBuf>),
    /// These group ids; a group that cannot be converted is then an error and not a note.
    Groups(Vec<String>),
}

/// Which releasing functions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// What the tree has: pin/unpin since 5.6, put_user_page*() before.
    Auto,
    /// put_user_page*(); the text of acquires stays.
    PutUserPage,
    /// pin_user_pages*() and unpin_user_page*().
    Pin,
}

/// Whose name a series carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// `user.name` and `user.email` as git finds them from the tree's repository, or from the working directory. Missing
    /// ones are [`crate::Error::NoIdentity`].
    GitConfig,
    /// Nobody signs: no Signed-off-by, and cover letter and checks.json say so. For a rehearsal; not to be sent.
    Unsigned,
}

/// A branch to create in a repository of the user's, on request only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Name of the new branch; an existing one is refused.
    pub branch: String,
    /// The repository.
    pub into: Utf8PathBuf,
}

/// How a series is made.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Which groups.
    pub select: Select,
    /// Which releasing functions.
    pub api: Api,
    /// Who signs.
    pub signer: Signer,
    /// Text of the cover letter by hand: its first line is the title, the rest the body. Tables are still added.
    pub cover: Option<String>,
    /// Directory of the series that this one is a new version of.
    pub previous: Option<Utf8PathBuf>,
    /// Author and commit date in seconds since 1970, UTC. None: that of the base commit; a base without one gives
    /// 2000-01-01, because the same input must give the same bytes.
    pub date: Option<i64>,
    /// Where our own bare repository lives; created when missing, safe to delete.
    pub work: Utf8PathBuf,
    /// A branch to create in a repository of the user's.
    pub export: Option<Export>,
    /// The oldest kernel that a module must still build for: what is converted stands in arms then, where it has to.
    pub oldest: Option<VersionCode>,
    /// Only patches that mend what is wrong as it stands.
    pub fixes: bool,
    /// Run checkpatch.pl and get_maintainer.pl of the tree. False: the checks are recorded as skipped.
    pub scripts: bool,
}

impl ConvertOptions {
    /// Everything convertible, the tree's own API, signed from git config.
    pub fn new(work: impl AsRef<Utf8Path>) -> ConvertOptions {
        ConvertOptions {
            select: Select::All,
            api: Api::Auto,
            signer: Signer::GitConfig,
            cover: None,
            previous: None,
            date: None,
            work: work.as_ref().to_owned(),
            export: None,
            oldest: None,
            fixes: false,
            scripts: true,
        }
    }
}

/// What an applied series leaves in its target directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Only the files that the series touches, in a small git repository: the cheap one, for builds that overlay it.
    Touched,
    /// The whole tree with the series on top; a copy where the tree has no git.
    Full,
    /// `git worktree add` from the user's repository (writes its administrative files into that .git); the tree must be a
    /// git repository.
    Worktree,
}

/// How a series is applied.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// The directory to create. It must not exist, or be empty.
    pub target: Utf8PathBuf,
    /// What it holds afterwards.
    pub form: Form,
    /// Branch to leave the commits on; None leaves a detached head.
    pub branch: Option<String>,
    /// How many patches to take, from the first; None takes all. For building a series patch by patch.
    pub limit: Option<usize>,
}

impl ApplyOptions {
    /// Only the touched files.
    pub fn touched(target: impl AsRef<Utf8Path>) -> ApplyOptions {
        ApplyOptions {
            target: target.as_ref().to_owned(),
            form: Form::Touched,
            branch: None,
            limit: None,
        }
    }

    /// The whole tree.
    pub fn full(target: impl AsRef<Utf8Path>) -> ApplyOptions {
        ApplyOptions {
            form: Form::Full,
            ..ApplyOptions::touched(target)
        }
    }
}
