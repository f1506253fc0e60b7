// SPDX-License-Identifier: MIT OR Apache-2.0
//! Git's commands on repositories, worktrees and refs.

use super::git;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// Files go in and come out byte for byte, whatever a `.gitattributes` among them says.
const BYTES: &str = "* -text !eol !ident !filter !working-tree-encoding !merge\n";

/// `git init` of a new repository with a work tree, without hooks; file contents are not converted in it.
///
/// # Errors
/// When `dir` cannot be created.
pub fn init(dir: &Path) -> Result<(), Error> {
    let parent = dir.parent().unwrap_or(dir);
    let command = git(parent)
        .args([
            "init",
            "--quiet",
            "--template=",
            "--initial-branch=base",
            "--object-format=sha1",
        ])
        .arg(dir);
    command.run()?;
    let info = dir.join(".git/info");
    std::fs::create_dir_all(&info)
        .and_then(|()| std::fs::write(info.join("attributes"), BYTES))
        .map_err(command.io("write its attributes"))
}

/// A shallow clone of one branch or tag of `repository` into the new directory `dir`, which may take as long as `deadline`.
///
/// As everywhere here no setting counts and no program is started that one names; a proxy is that of the environment.
/// Only what git itself speaks is asked: no remote helper of another scheme (`ext::`) runs.
///
/// # Errors
/// When there is no such branch, or the repository cannot be reached.
pub fn clone(
    repository: &str,
    branch: &str,
    dir: &Path,
    deadline: std::time::Duration,
) -> Result<(), Error> {
    git(dir.parent().unwrap_or(dir))
        .env("GIT_ALLOW_PROTOCOL", "https:http:git:ssh:file")
        // The pin that keeps a repository from naming one; here it is the user who may name an ssh address.
        .env("GIT_SSH_COMMAND", "ssh")
        .args([
            "clone",
            "--quiet",
            "--template=",
            "--depth=1",
            "--branch",
            branch,
        ])
        .arg("--")
        .arg(repository)
        .arg(dir)
        .deadline(deadline)
        .run()
        .map(drop)
}

/// The absolute path of `name` inside the repository's shared directory ("objects", "shallow").
///
/// # Errors
/// When `repo` is no repository.
pub fn git_path(repo: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = git(repo)
        .args(["rev-parse", "--path-format=absolute", "--git-path", name])
        .run()?;
    Ok(PathBuf::from(path.stdout_text()))
}

/// The subjects of the last `count` commits up to `rev` that touch `paths`, newest first, merges left out.
///
/// # Errors
/// When `rev` is unknown.
pub fn log_subjects(
    repo: &Path,
    rev: &str,
    paths: &[&str],
    count: usize,
) -> Result<Vec<String>, Error> {
    let output = git(repo)
        .args(["log", "--no-merges", "--no-show-signature", "--format=%s"])
        .arg(format!("--max-count={count}"))
        .args([rev, "--"])
        .args(paths)
        .run()?;
    Ok(output.stdout_text().lines().map(str::to_owned).collect())
}

/// A commit that brought something, and whether it has a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Its full id.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// False of the first commit of a history, which brings everything.
    pub has_parent: bool,
}

/// The oldest commit up to `rev` that changes how often `text` stands in `path`; None when there is none.
///
/// # Errors
/// When `rev` is unknown, or looking takes longer than `deadline`.
pub fn brought(
    repo: &Path,
    rev: &str,
    text: &str,
    path: &str,
    deadline: std::time::Duration,
) -> Result<Option<Brought>, Error> {
    let output = git(repo)
        .args(["log", "--no-merges", "--no-show-signature", "--reverse"])
        .args(["--format=%H%x09%P%x09%s"])
        .arg(format!("-S{text}"))
        .args([rev, "--", path])
        .deadline(deadline)
        .run()?;
    let text = output.stdout_text();
    let mut parts = text.lines().next().unwrap_or_default().splitn(3, '\t');
    let (Some(id), Some(parents), Some(subject)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    Ok(Some(Brought {
        id: id.to_owned(),
        subject: subject.to_owned(),
        has_parent: !parents.is_empty(),
    }))
}

/// Whether a remote branch or a tag contains `commit`: then others have it too.
///
/// # Errors
/// When `commit` is unknown.
pub fn is_public(repo: &Path, commit: &str) -> Result<bool, Error> {
    let output = git(repo)
        .args(["for-each-ref", "--count=1", "--contains", commit])
        .args(["refs/remotes", "refs/tags"])
        .run()?;
    Ok(!output.stdout.is_empty())
}

/// `git worktree add --detach`: a new linked work tree; writes into the repository's administrative files.
///
/// # Errors
/// When `dir` exists and is not empty, or the disk is full.
pub fn worktree_add(repo: &Path, dir: &Path, rev: &str) -> Result<(), Error> {
    git(repo)
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(dir)
        .arg(rev)
        .run()
        .map(drop)
}

/// `git worktree remove --force`.
///
/// # Errors
/// When `dir` is not one of its work trees.
pub fn worktree_remove(repo: &Path, dir: &Path) -> Result<(), Error> {
    git(repo)
        .args(["worktree", "remove", "--force"])
        .arg(dir)
        .run()
        .map(drop)
}

/// `git switch -c BRANCH`, or a detached checkout of `rev` when there is no branch to make.
///
/// # Errors
/// When the branch exists or files would be overwritten.
pub fn checkout(worktree: &Path, rev: &str, branch: Option<&str>) -> Result<(), Error> {
    let command = git(worktree).args(["checkout", "--quiet"]);
    match branch {
        Some(branch) => command.args(["-b", branch, rev]),
        None => command.args(["--detach", rev]),
    }
    .run()
    .map(drop)
}

/// Whether `refs/heads/BRANCH` exists.
///
/// # Errors
/// When `repo` is no repository.
pub fn branch_exists(repo: &Path, branch: &str) -> Result<bool, Error> {
    let output = git(repo)
        .args(["for-each-ref", "--count=1"])
        .arg(format!("refs/heads/{branch}"))
        .run()?;
    Ok(!output.stdout.is_empty())
}

/// Whether `repo` has the commit `id`.
///
/// # Errors
/// Only when git cannot be run.
pub fn has_commit(repo: &Path, id: &str) -> Result<bool, Error> {
    let output = git(repo)
        .args(["cat-file", "-e"])
        .arg(format!("{id}^{{commit}}"))
        .run_unchecked()?;
    Ok(output.success())
}

/// `git bundle create`: the branch `branch` without what `base` has, or all of it, as one file.
///
/// # Errors
/// When there is no such branch or the file cannot be written.
pub fn bundle(repo: &Path, branch: &str, base: Option<&str>, file: &Path) -> Result<(), Error> {
    let command = git(repo)
        .args(["bundle", "create", "--quiet"])
        .arg(file)
        .arg(format!("refs/heads/{branch}"));
    match base {
        Some(base) => command.arg(format!("^{base}")),
        None => command,
    }
    .run()
    .map(drop)
}

/// `git bundle unbundle`: the objects of a bundle. Unlike a fetch, it looks up no remote in the configuration.
///
/// # Errors
/// When `repo` has not what the bundle builds on.
pub fn unbundle(repo: &Path, file: &Path) -> Result<(), Error> {
    git(repo)
        .args(["bundle", "unbundle"])
        .arg(file)
        .run()
        .map(drop)
}

/// `git update-ref`: a new branch at `commit`.
///
/// # Errors
/// When there is a branch of that name or git refuses the name.
pub fn create_branch(repo: &Path, branch: &str, commit: &str) -> Result<(), Error> {
    git(repo)
        .args(["check-ref-format", "--branch", branch])
        .run()?;
    git(repo)
        .arg("update-ref")
        .arg(format!("refs/heads/{branch}"))
        .arg(commit)
        // All zeros: there must be none yet.
        .arg("0".repeat(commit.len()))
        .run()
        .map(drop)
}

/// `git read-tree TREE` into an index file of its own.
///
/// # Errors
/// When `tree` is unknown.
pub fn read_tree(repo: &Path, index: &Path, tree: &str) -> Result<(), Error> {
    git(repo)
        .env("GIT_INDEX_FILE", index)
        .args(["read-tree", tree])
        .run()
        .map(drop)
}

/// `git apply --cached` of a patch on that index, or of its reverse. The exit code tells whether it applied.
///
/// # Errors
/// Only when git cannot be run.
pub fn apply_cached(
    repo: &Path,
    index: &Path,
    patch: &[u8],
    reverse: bool,
) -> Result<crate::command::Output, Error> {
    let command = git(repo)
        .env("GIT_INDEX_FILE", index)
        .args(["apply", "--cached", "--whitespace=nowarn"])
        .stdin(patch);
    match reverse {
        true => command.arg("--reverse"),
        false => command,
    }
    .run_unchecked()
}

/// `git write-tree` of that index: the id of the tree.
///
/// # Errors
/// When the object store cannot be written.
pub fn write_tree(repo: &Path, index: &Path) -> Result<String, Error> {
    let output = git(repo)
        .env("GIT_INDEX_FILE", index)
        .arg("write-tree")
        .run()?;
    Ok(output.stdout_text())
}

/// `git add --all --force`, then `git commit`, in a work tree: the id of the commit.
///
/// # Errors
/// When the object store cannot be written.
pub fn commit_all(
    worktree: &Path,
    message: &str,
    committer: &super::mail::Committer,
) -> Result<String, Error> {
    git(worktree).args(["add", "--all", "--force"]).run()?;
    committer
        .on(git(worktree).args([
            "commit",
            "--quiet",
            "--no-verify",
            "--allow-empty",
            "-m",
            message,
        ]))
        .env("GIT_AUTHOR_NAME", &committer.name)
        .env("GIT_AUTHOR_EMAIL", &committer.email)
        .env("GIT_AUTHOR_DATE", format!("@{} +0000", committer.seconds))
        .run()?;
    super::commit_id(worktree, "HEAD")
}

/// `git rev-list --reverse BASE..HEAD`: commits from the oldest.
///
/// # Errors
/// When `base` is unknown.
pub fn commits_since(repo: &Path, base: &str) -> Result<Vec<String>, Error> {
    let output = git(repo)
        .args(["rev-list", "--reverse"])
        .arg(format!("{base}..HEAD"))
        .run()?;
    Ok(output.stdout_text().lines().map(str::to_owned).collect())
}

/// A path that a commit changes against its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Relative to the work tree.
    pub path: String,
    /// What stands there now, as git writes modes: 0o100644 or 0o100755 for a file, 0o120000 for a link, 0o160000 for a
    /// commit of another repository, 0 where nothing is left.
    pub mode: u32,
    /// Id of its contents.
    pub id: String,
}

/// `git diff-tree --raw` of a commit.
///
/// # Errors
/// When `commit` is unknown.
pub fn changed(repo: &Path, commit: &str) -> Result<Vec<Changed>, Error> {
    let output = git(repo)
        .args(["diff-tree", "--no-commit-id", "--raw", "--full-index"])
        .args(["--abbrev=40", "--no-renames", "-r", "-z"])
        .arg(commit)
        .run()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut parts = text.split('\0');
    let mut all = Vec::new();
    // ":100644 100755 ID ID M", then the path.
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        let mut words = head.split(' ').skip(1);
        let (mode, id) = (words.next(), words.nth(1));
        all.push(Changed {
            path: path.to_owned(),
            mode: mode
                .and_then(|mode| u32::from_str_radix(mode, 8).ok())
                .unwrap_or(0),
            id: id.unwrap_or_default().to_owned(),
        });
    }
    Ok(all)
}

/// The bytes of a blob.
///
/// # Errors
/// When there is no such blob.
pub fn blob(repo: &Path, id: &str) -> Result<Vec<u8>, Error> {
    Ok(git(repo).args(["cat-file", "blob", id]).run()?.stdout)
}

/// `git ls-tree` of one path in a commit; None when it has none.
///
/// # Errors
/// When `commit` is unknown.
pub fn at(repo: &Path, commit: &str, path: &str) -> Result<Option<Changed>, Error> {
    let output = git(repo)
        .args([
            "--literal-pathspecs",
            "ls-tree",
            "-z",
            "--full-tree",
            commit,
            "--",
        ])
        .arg(path)
        .run()?;
    // "100644 blob ID\tPATH"
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.split_once('\t').map(|(head, _)| {
        let mut words = head.split(' ');
        let (mode, id) = (words.next().unwrap_or_default(), words.nth(1));
        Changed {
            path: path.to_owned(),
            mode: u32::from_str_radix(mode, 8).unwrap_or(0),
            id: id.unwrap_or_default().to_owned(),
        }
    });
    Ok(found)
}

/// The bytes of `path` at `rev`; None when it has no such file.
///
/// # Errors
/// Only when git cannot be run.
pub fn show(repo: &Path, rev: &str, path: &str) -> Result<Option<Vec<u8>>, Error> {
    let output = git(repo)
        .args(["cat-file", "blob"])
        .arg(format!("{rev}:{path}"))
        .run_unchecked()?;
    Ok(output.success().then_some(output.stdout))
}

/// The subject of a commit.
///
/// # Errors
/// When `commit` is unknown.
pub fn subject(repo: &Path, commit: &str) -> Result<String, Error> {
    let output = git(repo)
        .args(["log", "--max-count=1", "--no-show-signature", "--format=%s"])
        .arg(commit)
        .run()?;
    Ok(output.stdout_text())
}

/// `git diff FROM TO` of two commits, with full blob ids.
///
/// # Errors
/// When one of them is unknown.
pub fn diff(repo: &Path, from: &str, to: &str) -> Result<Vec<u8>, Error> {
    let output = git(repo)
        .args([
            "diff",
            "--full-index",
            "--no-renames",
            "--no-ext-diff",
            from,
            to,
        ])
        .run()?;
    Ok(output.stdout)
}
