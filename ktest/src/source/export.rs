// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files and commits of a repository, read without its settings.
//!
//! A repository's .git/config may name programs (filters that change files on their way out, transports, textconv). So nothing is
//! asked of the repository itself but what a name means; objects are read through a bare repository of our own that borrows them
//! (gitrepository-layout(5): objects/info/alternates), and whose settings are ours.

use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// git on the objects of a stranger's repository.
pub(super) struct Borrowed {
    dir: tempfile::TempDir,
    repository: Utf8PathBuf,
}

impl Borrowed {
    /// Of `repository`; what is made for it is gone with the value.
    pub(super) fn of(repository: &Utf8Path) -> Result<Borrowed, Error> {
        let io = |what| Error::io(what, "the borrowed repository".into());
        let dir = tempfile::tempdir().map_err(io("make"))?;
        let borrowed = Borrowed {
            dir,
            repository: repository.to_owned(),
        };
        let format = borrowed.ask(&["rev-parse", "--show-object-format"])?;
        proc::git::git(borrowed.dir.path())
            .args(["init", "--quiet", "--bare", "--template="])
            .arg(format!("--object-format={format}"))
            .arg(".")
            .run()
            .map_err(Error::child("read the repository"))?;
        let own = Utf8Path::from_path(borrowed.dir.path())
            .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?;
        let objects = borrowed.ask(&[
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "objects",
        ])?;
        let info = own.join("objects/info");
        std::fs::create_dir_all(&info).map_err(io("make"))?;
        std::fs::write(info.join("alternates"), format!("{objects}\n")).map_err(io("write"))?;
        // Where a shallow clone ends, its commits have no parents to look for.
        let shallow = borrowed.ask(&[
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "shallow",
        ])?;
        if let Ok(bytes) = std::fs::read(shallow) {
            std::fs::write(own.join("shallow"), bytes).map_err(io("write"))?;
        }
        Ok(borrowed)
    }

    /// What a name means in the repository.
    pub(super) fn commit(&self, revision: &str) -> Result<String, Error> {
        let asked = format!("{revision}^{{commit}}");
        let what = format!("find revision {revision}");
        let found = self.in_theirs(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &asked,
        ]);
        found.map_err(Error::child(what))
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, Error> {
        self.in_theirs(arguments)
            .map_err(Error::child("read the repository"))
    }

    /// rev-parse alone is called there; it starts nothing but a transport for an object that a partial clone lacks, which is refused.
    fn in_theirs(&self, arguments: &[&str]) -> Result<String, proc::Error> {
        let ran = proc::git::git(self.repository.as_std_path())
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .args(arguments)
            .run()?;
        Ok(ran.stdout_text())
    }

    /// A git command on the objects.
    pub(super) fn git(&self) -> proc::Command {
        proc::git::git(self.dir.path())
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
    }
}

/// Writes the files of a revision below `cache`, once for each commit, and returns where.
pub(super) fn export(
    repository: &Utf8Path,
    revision: &str,
    cache: &Utf8Path,
) -> Result<Utf8PathBuf, Error> {
    let borrowed = Borrowed::of(repository)?;
    let commit = borrowed.commit(revision)?;
    let trees = cache.join("trees");
    let root = trees.join(format!("linux-{}", commit.get(..12).unwrap_or(&commit)));
    if root.is_dir() {
        return Ok(root);
    }
    std::fs::create_dir_all(&trees).map_err(Error::io("make directory", &trees))?;
    let scratch = tempfile::Builder::new()
        .prefix(".exporting-")
        .tempdir_in(&trees)
        .map_err(Error::io("make directory", &trees))?;
    let files = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::Internal("the cache is not UTF-8".into()))?
        .join("tree");
    std::fs::create_dir(&files).map_err(Error::io("make directory", &trees))?;
    let what = || Error::child(format!("export revision {revision}"));
    let read = borrowed.git().args(["read-tree", &commit]).run();
    read.map_err(what())?;
    borrowed
        .git()
        .arg(format!("--work-tree={files}"))
        .args(["checkout-index", "--all", "--quiet"])
        .deadline(Duration::from_secs(600))
        .run()
        .map_err(what())?;
    std::fs::rename(&files, &root).map_err(Error::io("rename", &root))?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository whose settings name a program for every file that leaves it, and for every object that is missing.
    fn hostile() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let repository = root.join("repository");
        proc::git::store::init(repository.as_std_path()).unwrap();
        std::fs::write(
            repository.join(".gitattributes"),
            "* filter=theirs diff=theirs\n",
        )
        .unwrap();
        std::fs::write(repository.join("a.c"), "one\n").unwrap();
        let git = |arguments: &[&str]| {
            proc::git::git(repository.as_std_path())
                .args(["-c", "user.name=A", "-c", "user.email=a@b.c"])
                .args(arguments)
                .run()
                .unwrap();
        };
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "base"]);
        std::fs::write(repository.join("a.c"), "two\n").unwrap();
        git(&["commit", "--quiet", "-a", "-m", "a: count\n\ntext"]);
        let touch = format!("touch {root}/ran; cat");
        for (key, value) in [
            ("filter.theirs.smudge", touch.as_str()),
            ("filter.theirs.clean", &touch),
            ("diff.theirs.textconv", &touch),
            ("diff.theirs.command", &touch),
            ("diff.external", &touch),
            ("core.fsmonitor", &touch),
            ("core.sshCommand", &touch),
        ] {
            git(&["config", key, value]);
        }
        (dir, root)
    }

    #[test]
    fn no_program_that_a_repository_names_is_started() {
        let (_dir, root) = hostile();
        let repository = root.join("repository");
        let tree = export(&repository, "HEAD~1", &root.join("cache")).unwrap();
        assert_eq!(std::fs::read_to_string(tree.join("a.c")).unwrap(), "one\n");
        let again = export(&repository, "HEAD~1", &root.join("cache")).unwrap();
        assert_eq!(again, tree);
        let range = crate::source::Range::of("HEAD~1..HEAD".into()).unwrap();
        let mails = range.mails(&Borrowed::of(&repository).unwrap()).unwrap();
        assert!(String::from_utf8_lossy(&mails).contains("Subject: [PATCH] a: count"));
        assert!(!root.join("ran").exists());
        assert!(export(&repository, "nothing", &root.join("cache")).is_err());
    }
}
