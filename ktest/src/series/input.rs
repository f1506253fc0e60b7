// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where patches come from: a directory of mails as `git format-patch` and others write it, one patch, an mbox (b4's `.mbx`), or a
//! range of commits.

use super::overlay::from_outside;
use crate::error::{Error, SERIES};
use callsites::tree::beneath::{Root, TreePath, read_named};
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use proc::git::mail::mailinfo;

/// Bytes of a file of mails: a hundred times the largest series that was ever sent to a list of the kernel's.
const LARGEST: u64 = 256 << 20;

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// Its subject without `[PATCH …]`.
    pub(super) subject: String,
    /// From the `---` line or the first `diff` on, decoded.
    pub(super) diff: Vec<u8>,
}

/// The patches of `from`, a directory or a file, in order; `scratch` is a directory that git may write to.
pub(super) fn read(from: &Utf8Path, scratch: &Utf8Path) -> Result<Vec<Patch>, Error> {
    let is = std::fs::metadata(from).map_err(Error::named(SERIES, from))?;
    let mut patches = Vec::new();
    if is.is_dir() {
        // Whoever made the directory is a stranger: a link, a FIFO or a device in it is not read.
        let root = Root::open(from).map_err(from_outside)?;
        for file in mails(from)? {
            let name = TreePath::parse(file.file_name().unwrap_or_default());
            let found = name
                .and_then(|name| root.read(&name))
                .map_err(from_outside)?;
            patches.extend(patch(&file, &found.unwrap_or_default(), scratch)?);
        }
    } else {
        // The user has named it, and may have named a link.
        let bytes = read_named(from, LARGEST).map_err(|source| refused(from, source))?;
        patches = mbox(from, &bytes, scratch)?;
    }
    if patches.is_empty() {
        let none = std::io::Error::other(format!("{from} holds no patch"));
        return Err(Error::Series(Box::new(none), Exit::Usage));
    }
    Ok(patches)
}

/// The subjects of the patches of `from`, in order.
pub(crate) fn subjects(from: &Utf8Path) -> Result<Vec<String>, Error> {
    let scratch = tempfile::tempdir().map_err(Error::io("make directory", "scratch".into()))?;
    let scratch = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?;
    let patches = read(from, scratch)?;
    Ok(patches.into_iter().map(|patch| patch.subject).collect())
}

fn refused(file: &Utf8Path, source: std::io::Error) -> Error {
    match source.raw_os_error() {
        Some(_) => Error::named(SERIES, file)(source),
        // Not the machine: what was named is no file of mails.
        None => Error::Usage(format!("read {file}: {source}")),
    }
}

/// `0001-a.patch`, `v2-0001-a.patch`, whatever else ends so; not the cover letter.
fn mails(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Error> {
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    for entry in dir.read_dir_utf8().map_err(Error::named(SERIES, dir))? {
        let path = entry.map_err(Error::io("read series", dir))?.into_path();
        if path.extension() == Some("patch") && !is_cover(path.file_name().unwrap_or_default()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_cover(name: &str) -> bool {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let versioned = first
        .strip_prefix('v')
        .is_some_and(|n| n.parse::<u32>().is_ok());
    let number = if versioned { parts.next() } else { Some(first) };
    number == Some("0000")
}

/// The mails of an mbox, or the one patch that a file is.
pub(super) fn mbox(name: &Utf8Path, text: &[u8], scratch: &Utf8Path) -> Result<Vec<Patch>, Error> {
    if !text.starts_with(b"From ") {
        return Ok(patch(name, text, scratch)?.into_iter().collect());
    }
    let split = scratch.join("mails");
    std::fs::create_dir_all(&split).map_err(Error::io("make directory", &split))?;
    proc::git::git(scratch.as_std_path())
        .arg("mailsplit")
        .arg(format!("-o{split}"))
        .stdin(text)
        .run()
        .map_err(|error| Error::Series(Box::new(error), Exit::Usage))?;
    let mut patches = Vec::new();
    let entries = split.read_dir_utf8().map_err(Error::io("read", &split))?;
    let mut mails: Vec<Utf8PathBuf> = entries.flatten().map(|entry| entry.into_path()).collect();
    mails.sort();
    for mail in mails {
        let bytes = std::fs::read(&mail).map_err(Error::io("read", &mail))?;
        patches.extend(patch(name, &bytes, scratch)?);
        std::fs::remove_file(&mail).map_err(Error::io("remove", &mail))?;
    }
    Ok(patches)
}

/// The patch of one mail; `None` of a mail that has none, as a cover letter.
fn patch(name: &Utf8Path, mail: &[u8], scratch: &Utf8Path) -> Result<Option<Patch>, Error> {
    let text = String::from_utf8_lossy(mail);
    let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    let is_mail = head.iter().any(|line| line.starts_with("Subject:"));
    let (subject, diff) = match is_mail {
        true => {
            let info = mailinfo(scratch.as_std_path(), mail)
                .map_err(|error| Error::Series(Box::new(error), Exit::Usage))?;
            (info.subject, info.patch)
        }
        // What `git diff` prints has no mail around it.
        false => (
            name.file_stem().unwrap_or_default().to_owned(),
            mail.to_vec(),
        ),
    };
    let text = String::from_utf8_lossy(&diff);
    let begins = |line: &str| line.starts_with("diff --git ") || line.starts_with("--- ");
    if !text.lines().any(begins) {
        return Ok(None);
    }
    let subject = match subject.is_empty() {
        true => "a patch without a subject".to_owned(),
        false => subject,
    };
    Ok(Some(Patch { subject, diff }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use failure::Failure as _;

    const DIFF: &str = "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-one\n+two\n";

    fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        std::fs::create_dir_all(root.join("scratch")).unwrap();
        std::fs::create_dir_all(root.join("in")).unwrap();
        for (name, text) in files {
            std::fs::write(root.join("in").join(name), text).unwrap();
        }
        (dir, root)
    }

    fn subjects(root: &Utf8Path, name: &str) -> Vec<String> {
        let patches = read(&root.join("in").join(name), &root.join("scratch")).unwrap();
        patches.into_iter().map(|patch| patch.subject).collect()
    }

    fn mail(subject: &str, rest: &str) -> String {
        format!("From: A <a@b.c>\nSubject: {subject}\n\ntext\n---\n{rest}")
    }

    #[test]
    fn a_second_version_of_a_series_is_read_without_its_cover_letter() {
        let files = [
            ("v2-0000-cover-letter.patch", mail("[PATCH v2 0/2] all", "")),
            (
                "v2-0001-a.patch",
                mail("[RFC PATCH v2 1/2] a: count\n pages", DIFF),
            ),
            ("v2-0002-b.patch", mail("[RFC PATCH v2 2/2] b: count", DIFF)),
            ("notes.txt", mail("[PATCH] c: count", DIFF)),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let (_dir, root) = with(&files);
        assert_eq!(subjects(&root, ""), ["a: count pages", "b: count"]);
    }

    #[test]
    fn one_patch_a_plain_diff_and_an_mbox_are_series() {
        let from = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n";
        let mbox = format!(
            "{from}{}\n{from}{}\n{from}{}\n{from}{}",
            mail("[PATCH 0/2] all", ""),
            mail("[PATCH 1/2] =?UTF-8?q?a:_count?=", DIFF),
            mail("Re: [PATCH 1/2] a: count", "> looks good\n"),
            mail("[PATCH 2/2] b: count", DIFF),
        );
        let one = mail("[PATCH] c: count", DIFF);
        let (_dir, root) = with(&[("t.mbx", &mbox), ("one.patch", &one), ("wip.diff", DIFF)]);
        assert_eq!(subjects(&root, "t.mbx"), ["a: count", "b: count"]);
        assert_eq!(subjects(&root, "one.patch"), ["c: count"]);
        assert_eq!(subjects(&root, "wip.diff"), ["wip"]);
    }

    #[test]
    fn what_is_not_there_or_holds_nothing_is_a_mistake_of_the_user() {
        let (_dir, root) = with(&[("empty.patch", "")]);
        let error = |name: &str| read(&root.join(name), &root.join("scratch")).unwrap_err();
        for name in ["nowhere", "in", "in/empty.patch"] {
            assert_eq!(error(name).exit(), Exit::Usage, "{name}");
        }
        assert_eq!(
            error("nowhere").hint(),
            Some(failure::Act::MakeSeries.into())
        );
    }
}
