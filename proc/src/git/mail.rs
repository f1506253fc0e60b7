// SPDX-License-Identifier: MIT OR Apache-2.0
//! Git's mail commands: write a series, read a mail, apply a series, compare two series.

use super::git;
use crate::command::{Command, Output};
use crate::error::Error;
use std::path::Path;

/// Whose name stands in the cover letter and in applied commits, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committer {
    /// "Jane Doe"
    pub name: String,
    /// "jane@example.org"
    pub email: String,
    /// Seconds since 1970, UTC.
    pub seconds: i64,
}

impl Committer {
    pub(super) fn on(&self, command: Command) -> Command {
        command
            .env("GIT_COMMITTER_NAME", &self.name)
            .env("GIT_COMMITTER_EMAIL", &self.email)
            .env("GIT_COMMITTER_DATE", format!("@{} +0000", self.seconds))
    }
}

/// How `git format-patch` writes a series.
#[derive(Debug, Clone)]
pub struct FormatPatch<'a> {
    /// `BASE..BRANCH`; the branch's description becomes the cover letter.
    pub range: &'a str,
    /// The public commit that a `base-commit:` trailer names.
    pub base: Option<&'a str>,
    /// Version of the series; 2 gives `[PATCH v2 …]`.
    pub version: u32,
    /// Directory to write to.
    pub out: &'a Path,
    /// Who writes the cover letter.
    pub committer: &'a Committer,
}

/// `git format-patch`: a cover letter and one mail a commit, with full blob ids and no signature line.
///
/// # Errors
/// When the range is empty or `out` cannot be written.
pub fn format_patch(repo: &Path, options: &FormatPatch<'_>) -> Result<(), Error> {
    let mut command = git(repo)
        .args([
            "format-patch",
            "--quiet",
            "--full-index",
            "--no-signature",
            "--numbered",
        ])
        .args(["--cover-letter", "--cover-from-description=subject"])
        .args([
            "--no-renames",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--no-ext-diff",
        ])
        .arg("--encode-email-headers");
    if options.version > 1 {
        // The names of the mails stay those of a first version: one directory, one scheme.
        command = command.arg(format!("--subject-prefix=PATCH v{}", options.version));
    }
    if let Some(base) = options.base {
        command = command.arg(format!("--base={base}"));
    }
    let command = command.arg("-o").arg(options.out).arg(options.range);
    options.committer.on(command).run().map(drop)
}

/// What `git mailinfo` reads in a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailInfo {
    /// Name of the author.
    pub author: String,
    /// Address of the author.
    pub email: String,
    /// Subject without its `[PATCH …]`.
    pub subject: String,
    /// Everything above the patch, without the subject.
    pub message: Vec<u8>,
    /// From the `---` line or the first `diff` on.
    pub patch: Vec<u8>,
}

/// `git mailinfo` of one mail, its files kept in `scratch`.
///
/// # Errors
/// When git finds no mail in `mail`.
pub fn mailinfo(scratch: &Path, mail: &[u8]) -> Result<MailInfo, Error> {
    let command = git(scratch)
        .args(["mailinfo", "--encoding=UTF-8", "message", "patch"])
        .stdin(mail);
    let said = command.run()?.stdout_text();
    let field = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_default()
            .to_owned()
    };
    let read = |name: &str| {
        std::fs::read(scratch.join(name)).map_err(command.io(format!("read its {name}")))
    };
    Ok(MailInfo {
        author: field("Author"),
        email: field("Email"),
        subject: field("Subject"),
        message: read("message")?,
        patch: read("patch")?,
    })
}

/// `git am` of an mbox in a work tree. The exit code tells whether everything applied.
///
/// Carriage returns at line ends are those of the files, unless every line of the mbox has one.
///
/// # Errors
/// Only when git cannot be run; a patch that does not apply is a non-zero exit code.
pub fn am(
    worktree: &Path,
    mbox: &[u8],
    three_way: bool,
    committer: &Committer,
) -> Result<Output, Error> {
    let sent_so = mbox.split_inclusive(|&byte| byte == b'\n');
    let sent_so = sent_so.clone().all(|line| line.ends_with(b"\r\n"));
    let command = git(worktree)
        .args([
            "am",
            "--quiet",
            "--no-scissors",
            "--keep-non-patch",
            "--committer-date-is-author-date",
        ])
        .arg(if sent_so { "--no-keep-cr" } else { "--keep-cr" })
        .arg(if three_way { "--3way" } else { "--no-3way" })
        .stdin(mbox);
    committer.on(command).run_unchecked()
}

/// `git am --abort`: the work tree as it was.
///
/// # Errors
/// When no `git am` is under way.
pub fn am_abort(worktree: &Path) -> Result<(), Error> {
    git(worktree).args(["am", "--abort"]).run().map(drop)
}

/// `git range-diff OLD NEW`: how two versions of a series differ, as text.
///
/// # Errors
/// When a range names unknown commits.
pub fn range_diff(repo: &Path, old: &str, new: &str) -> Result<String, Error> {
    Ok(git(repo)
        .args(["range-diff", "--no-color", "--creation-factor=80", old, new])
        .run()?
        .stdout_text())
}
