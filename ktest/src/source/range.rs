// SPDX-License-Identifier: MIT OR Apache-2.0
//! `BASE..HEAD`: commits of the user's own repository as a series.

use super::Source;
use super::export::{Borrowed, export};
use crate::error::Error;
use callsites::tree::Tree;
use camino::Utf8Path;

/// Two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// Where the tree is without the commits.
    base: String,
    /// The last of them.
    head: String,
}

impl Range {
    /// What `name` names, where it is no file.
    pub(crate) fn of(name: &Utf8Path) -> Option<Range> {
        let (base, head) = name.as_str().split_once("..")?;
        let word = |word: &str| !word.is_empty() && !word.starts_with(['-', '.']);
        let range = word(base) && word(head) && std::fs::symlink_metadata(name).is_err();
        range.then(|| Range {
            base: base.to_owned(),
            head: head.to_owned(),
        })
    }

    /// That the repository of the tree has both ends.
    pub(crate) fn found(&self, tree: &Tree) -> Result<(), Error> {
        let repository = tree.repository().map(|(repository, _)| repository);
        let repository = repository
            .or(tree.root())
            .ok_or_else(|| Error::NotKbuild(tree.version().to_owned()))?;
        let objects = Borrowed::of(repository).map_err(|error| self.unknown(repository, error))?;
        for name in [&self.base, &self.head] {
            let commit = objects.commit(name);
            commit.map_err(|error| self.unknown(repository, error))?;
        }
        Ok(())
    }

    /// The tree of its base, and the commits on top.
    pub(super) fn source(&self, repository: &Utf8Path, cache: &Utf8Path) -> Result<Source, Error> {
        let objects = Borrowed::of(repository).map_err(|error| self.unknown(repository, error))?;
        for name in [&self.base, &self.head] {
            objects
                .commit(name)
                .map_err(|error| self.unknown(repository, error))?;
        }
        let root = export(repository, &self.base, cache)?;
        let mut source = Source::directory(&root, &version(&root)?)?;
        source.commits = Some(self.mails(&objects)?);
        Ok(source)
    }

    /// What is neither a file nor a range of the repository is a mistake of whoever typed it.
    fn unknown(&self, repository: &Utf8Path, error: Error) -> Error {
        let failed = |source: &proc::Error| matches!(source, proc::Error::Failed { .. });
        match error {
            Error::Child { what, source } if failed(&source) => Error::Usage(format!(
                "find {}..{}, which is no file, among the commits of {repository}: failed to {what}",
                self.base, self.head
            )),
            other => other,
        }
    }

    /// The commits as an mbox, the first of them first; merges are left out, as git does.
    pub(super) fn mails(&self, objects: &Borrowed) -> Result<Vec<u8>, Error> {
        let (base, head) = (objects.commit(&self.base)?, objects.commit(&self.head)?);
        let mails = objects
            .git()
            .args([
                "format-patch",
                "--stdout",
                "--no-ext-diff",
                "--no-textconv",
                "--full-index",
            ])
            .args(["--binary", "--src-prefix=a/", "--dst-prefix=b/"])
            .arg(format!("{base}..{head}"))
            .run()
            .map_err(Error::child("write the commits as mails"))?;
        if mails.stdout.is_empty() {
            let (base, head) = (&self.base, &self.head);
            return Err(Error::Usage(format!(
                "find commits in {base}..{head}: there is none"
            )));
        }
        Ok(mails.stdout)
    }
}

/// The version that a tree's Makefile says: its first lines set VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION.
fn version(root: &Utf8Path) -> Result<String, Error> {
    let file = root.join("Makefile");
    let text = std::fs::read(&file).map_err(Error::io("read", &file))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
        line.map(str::trim).filter(|value| !value.is_empty())
    };
    match (value("VERSION"), value("PATCHLEVEL")) {
        (Some(major), Some(minor)) => {
            let patch = value("SUBLEVEL").map_or(String::new(), |sub| format!(".{sub}"));
            let extra = value("EXTRAVERSION").unwrap_or_default();
            Ok(format!("{major}.{minor}{patch}{extra}"))
        }
        _ => Err(Error::NotKbuild(root.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dots_between_two_names_are_a_range_unless_there_is_such_a_file() {
        let range = Range::of("v6.12..my-branch".into()).unwrap();
        assert_eq!(
            (range.base.as_str(), range.head.as_str()),
            ("v6.12", "my-branch")
        );
        for name in ["..", "../series", "a...b", "-x..y", "series"] {
            assert_eq!(Range::of(name.into()), None, "{name}");
        }
    }

    #[test]
    fn a_range_that_no_repository_has_is_a_mistake_of_the_user() {
        use failure::Failure as _;
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let range = Range::of("a..b".into()).unwrap();
        let error = range.source(root, &root.join("cache")).unwrap_err();
        assert_eq!(error.exit(), failure::Exit::Usage, "{error}");
        let repository = root.join("repository");
        proc::git::store::init(repository.as_std_path()).unwrap();
        let error = range.source(&repository, &root.join("cache")).unwrap_err();
        assert_eq!(error.exit(), failure::Exit::Usage, "{error}");
        assert!(error.to_string().contains("find revision a"), "{error}");
    }

    #[test]
    fn a_version_stands_in_the_first_lines_of_a_makefile() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let head = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION = -rc1\nNAME = x\n";
        std::fs::write(root.join("Makefile"), head).unwrap();
        assert_eq!(version(root).unwrap(), "6.12.3-rc1");
        std::fs::write(root.join("Makefile"), "all:\n").unwrap();
        assert!(version(root).is_err());
    }
}
