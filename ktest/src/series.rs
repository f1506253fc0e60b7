// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series as what the tree looks like after each of its patches.

use crate::build::Overlay;
use crate::error::{Error, SERIES};
use crate::source::Source;
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use patches::conflict::conflicts;
use std::collections::BTreeSet;

/// The tree after one patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Subject of the patch without `[PATCH …]`.
    pub subject: String,
    /// Every file that differs from the base, by this patch or an earlier one.
    pub overlay: Overlay,
    /// The files that this patch touches, sorted.
    pub touched: Vec<Utf8PathBuf>,
}

/// Applies the mails `0001-….patch` and onwards of `dir`, one after another, to copies of the touched files.
///
/// # Errors
/// [`Error::Series`] when a mail cannot be read, or does not apply ([`Exit::Conflict`]).
pub fn stage(source: &Source, dir: &Utf8Path) -> Result<Vec<Staged>, Error> {
    let mails = mails(dir)?;
    let scratch = tempfile::tempdir().map_err(Error::io("make directory", "scratch".into()))?;
    let root = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?;
    let touched: Vec<BTreeSet<Utf8PathBuf>> = mails.iter().map(|(_, text)| touched(text)).collect();
    let all: BTreeSet<&Utf8PathBuf> = touched.iter().flatten().collect();
    for path in &all {
        let (from, to) = (source.root.join(path), root.join(path));
        if let (Ok(bytes), Some(parent)) = (std::fs::read(&from), to.parent()) {
            std::fs::create_dir_all(parent).map_err(Error::io("make directory", parent))?;
            std::fs::write(&to, bytes).map_err(Error::io("write", &to))?;
        }
    }
    let mut overlay = Overlay::new();
    let mut stages = Vec::new();
    for ((file, text), touched) in mails.iter().zip(touched) {
        proc::git::git(root.as_std_path())
            .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap_or(root))
            .args(["apply", "--whitespace=nowarn"])
            .arg(file)
            .run()
            .map_err(|error| refused(&subject(text), text, root, error))?;
        for path in &touched {
            overlay.insert(path.clone(), std::fs::read(root.join(path)).ok());
        }
        stages.push(Staged {
            subject: subject(text),
            overlay: overlay.clone(),
            touched: touched.into_iter().collect(),
        });
    }
    Ok(stages)
}

/// Why git did not apply `mail` to the files below `root`: the hunks that are not there, where that is why.
fn refused(subject: &str, mail: &str, root: &Utf8Path, error: proc::Error) -> Error {
    let hunks = conflicts(subject, mail, |path| std::fs::read(root.join(path)).ok());
    if hunks.is_empty() || !matches!(error, proc::Error::Failed { .. }) {
        return Error::Series(Box::new(error), Exit::Conflict);
    }
    Error::Conflict {
        subject: subject.to_owned(),
        hunks,
    }
}

fn mails(dir: &Utf8Path) -> Result<Vec<(Utf8PathBuf, String)>, Error> {
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    for entry in dir.read_dir_utf8().map_err(Error::named(SERIES, dir))? {
        let path = entry
            .map_err(|e| Error::io("read series", dir)(e))?
            .into_path();
        let name = path.file_name().unwrap_or_default();
        if name.ends_with(".patch") && !name.starts_with("0000-") {
            files.push(camino::absolute_utf8(&path).map_err(|e| Error::io("read", &path)(e))?);
        }
    }
    files.sort();
    if files.is_empty() {
        let none = std::io::Error::other("it holds no mail 0001-….patch");
        return Err(Error::Series(Box::new(none), Exit::Usage));
    }
    files
        .into_iter()
        .map(|file| {
            let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
            Ok((file, String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
}

/// Paths of the `diff --git` lines: what is there before and what is there after.
fn touched(mail: &str) -> BTreeSet<Utf8PathBuf> {
    let mut paths = BTreeSet::new();
    for line in mail.lines() {
        for (mark, prefix) in [
            ("--- ", "a/"),
            ("+++ ", "b/"),
            ("rename from ", ""),
            ("rename to ", ""),
        ] {
            if let Some(path) = line
                .strip_prefix(mark)
                .and_then(|rest| rest.strip_prefix(prefix))
                && (!prefix.is_empty() || mail.contains("\nsimilarity index "))
            {
                paths.insert(Utf8PathBuf::from(path.trim_end()));
            }
        }
    }
    paths
}

/// The subject, unfolded, without its bracketed prefix.
fn subject(mail: &str) -> String {
    let mut lines = mail
        .lines()
        .skip_while(|line| !line.starts_with("Subject:"));
    let Some(first) = lines.next() else {
        return "a patch without a subject".into();
    };
    let mut subject = first["Subject:".len()..].trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        subject.push(' ');
        subject.push_str(line.trim());
    }
    match subject
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((prefix, rest)) if prefix.contains("PATCH") => rest.trim().to_owned(),
        _ => subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failure::Failure as _;

    #[test]
    fn a_hunk_that_the_tree_does_not_have_is_shown_beside_the_trees_lines() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("a.c"), "one\nzwei\nthree\n").unwrap();
        let series = root.join("series");
        std::fs::create_dir(&series).unwrap();
        std::fs::write(
            series.join("0001-a.patch"),
            "Subject: [PATCH] a: count\n\n--- a/a.c\n+++ b/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
        )
        .unwrap();
        let source = Source {
            root: root.to_owned(),
            version: "6.12".into(),
        };
        let error = stage(&source, &series).unwrap_err();
        assert_eq!(error.exit(), Exit::Conflict);
        let said = error.to_string();
        assert!(said.contains("-two") && said.contains("2 zwei"), "{said}");
        std::fs::write(root.join("a.c"), "one\ntwo\nthree\n").unwrap();
        assert_eq!(stage(&source, &series).unwrap()[0].subject, "a: count");
    }

    #[test]
    fn a_series_that_is_not_there_is_a_mistake_of_the_user() {
        let error = mails("/nowhere/at/all".into()).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(error.hint(), Some(failure::Act::MakeSeries.into()));
    }
}
