// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the diffs of a mail are about: the files that their headers name, and their hunks.
//!
//! A line `--- a/PATH` is a header only where git takes it for one ("apply.c", find_header(), 2.47): below a `diff --git`
//! line, or as the first of `---`, `+++` and `@@`. Elsewhere, in a message or in the body of a hunk, it is text. Every path of
//! a header is a [`TreePath`] or the mail is refused.

use callsites::tree::beneath::{Error, TreePath};
use std::collections::BTreeSet;

/// The diff of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileDiff<'a> {
    /// Its path before; None where it is added.
    pub(crate) old: Option<TreePath>,
    /// Its path afterwards; None where it is removed.
    pub(crate) new: Option<TreePath>,
    /// A side of it is a symbolic link.
    pub(crate) link: bool,
    /// In order.
    pub(crate) hunks: Vec<RawHunk<'a>>,
}

/// A hunk as it stands in the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawHunk<'a> {
    /// Its first line in the old file, 1-based.
    pub(crate) line: usize,
    /// Its `@@` line and those below.
    pub(crate) text: Vec<&'a str>,
}

impl FileDiff<'_> {
    /// The path that is looked at in the base.
    pub(crate) fn path(&self) -> Option<&TreePath> {
        self.old.as_ref().or(self.new.as_ref())
    }
}

/// Every file that the diffs of `mail` name, before and after.
///
/// # Errors
/// [`Error::Refused`] for the first path that may not stand in a patch.
pub fn named(mail: &[u8]) -> Result<BTreeSet<TreePath>, Error> {
    let text = String::from_utf8_lossy(mail);
    let diffs = files(&text)?;
    let paths = diffs
        .into_iter()
        .flat_map(|diff| [diff.old, diff.new].into_iter().flatten());
    Ok(paths.collect())
}

/// The diffs of a mail in order.
///
/// # Errors
/// As [`named`].
pub(crate) fn files(mail: &str) -> Result<Vec<FileDiff<'_>>, Error> {
    let lines: Vec<&str> = mail.split('\n').collect();
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = &lines[at..];
        if let Some(names) = line.strip_prefix("diff --git ") {
            let (mut diff, used) = git_header(names, &rest[1..])?;
            at += 1 + used;
            at += hunks(&lines[at..], &mut diff);
            all.push(diff);
        } else if let [old, new, hunk, ..] = rest {
            let plain = old.strip_prefix("--- ").zip(new.strip_prefix("+++ "));
            match plain.filter(|_| hunk.starts_with("@@ -")) {
                Some((old, new)) => {
                    let mut diff = FileDiff {
                        old: side(old)?,
                        new: side(new)?,
                        ..FileDiff::default()
                    };
                    at += 2;
                    at += hunks(&lines[at..], &mut diff);
                    all.push(diff);
                }
                None => at += 1,
            }
        } else {
            at += 1;
        }
    }
    Ok(all)
}

/// What stands below a `diff --git` line, and how many lines of it are the header.
fn git_header<'a>(names: &str, lines: &[&str]) -> Result<(FileDiff<'a>, usize), Error> {
    let mut diff = FileDiff::default();
    let (mut added, mut removed) = (false, false);
    let mut told = false;
    let mut used = 0;
    for line in lines {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let after = |mark: &str| line.strip_prefix(mark);
        if let Some(name) = after("--- ") {
            diff.old = side(name)?;
            told = true;
        } else if let Some(name) = after("+++ ") {
            diff.new = side(name)?;
            told = true;
        } else if let Some(name) = after("rename from ").or_else(|| after("copy from ")) {
            diff.old = Some(whole(name)?);
            told = true;
        } else if let Some(name) = after("rename to ").or_else(|| after("copy to ")) {
            diff.new = Some(whole(name)?);
            told = true;
        } else if let Some(mode) = after("new file mode ") {
            added = true;
            diff.link |= mode == "120000";
        } else if let Some(mode) = after("deleted file mode ") {
            removed = true;
            diff.link |= mode == "120000";
        } else if let Some(mode) = after("old mode ").or_else(|| after("new mode ")) {
            diff.link |= mode == "120000";
        } else if let Some(ids) = after("index ") {
            diff.link |= ids.ends_with(" 120000");
        } else if after("similarity index ").is_none() && after("dissimilarity index ").is_none() {
            break;
        }
        used += 1;
    }
    if !told {
        // A mode that changes, or an empty file: the first line is all that names it.
        let name = same_name(names.strip_suffix('\r').unwrap_or(names))?;
        diff.old = (!added).then(|| name.clone());
        diff.new = (!removed).then_some(name);
    }
    Ok((diff, used))
}

/// Takes the hunks that `lines` begin with; how many lines they are.
fn hunks<'a>(lines: &[&'a str], diff: &mut FileDiff<'a>) -> usize {
    let mut used = 0;
    while let Some((line, (mut old, mut new))) = lines.get(used).and_then(|line| range(line)) {
        let first = used;
        used += 1;
        while let Some(text) = lines.get(used) {
            let (of_old, of_new) = match text.as_bytes().first() {
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                // "\ No newline at end of file" can stand below the last line.
                Some(b'\\') => (0, 0),
                _ => (1, 1),
            };
            let over = old < of_old || new < of_new || (old, new) == (0, 0);
            if over && (of_old, of_new) != (0, 0) {
                break;
            }
            old -= of_old;
            new -= of_new;
            used += 1;
        }
        diff.hunks.push(RawHunk {
            line,
            text: lines[first..used].to_vec(),
        });
    }
    used
}

/// `@@ -10,7 +10,8 @@` as (10, (7, 8)).
fn range(line: &str) -> Option<(usize, (usize, usize))> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let ((start, old), (_, new)) = (range(old)?, range(new)?);
    Some((start, (old, new)))
}

/// The name of a `---` or `+++` line, without its first component; None for /dev/null.
fn side(name: &str) -> Result<Option<TreePath>, Error> {
    let name = unquoted(name.strip_suffix('\r').unwrap_or(name));
    match name == "/dev/null" {
        true => Ok(None),
        false => TreePath::parse(stripped(&name)).map(Some),
    }
}

/// The name of a `rename` or `copy` line, which has no first component to go.
fn whole(name: &str) -> Result<TreePath, Error> {
    TreePath::parse(&unquoted(name))
}

/// "a/mm/gup.c" as "mm/gup.c", whatever the prefix is; what has none stays, and an absolute path stays absolute.
fn stripped(name: &str) -> &str {
    match name.split_once('/') {
        Some(("", _)) | None => name,
        Some((_, rest)) => rest,
    }
}

/// The name that both halves of "a/NAME b/NAME" have.
fn same_name(names: &str) -> Result<TreePath, Error> {
    if names.starts_with('"') {
        // What is quoted first ends at its own quote.
        return TreePath::parse(stripped(&unquoted(names)));
    }
    let mut blanks = names.match_indices(' ').map(|(at, _)| at);
    let halves = blanks.find(|&at| stripped(&names[..at]) == stripped(&names[at + 1..]));
    TreePath::parse(halves.map_or(names, |at| stripped(&names[..at])))
}

/// A name as git quotes it in C's manner where it has unusual bytes, or as it stands, up to the tab that ends it.
fn unquoted(name: &str) -> String {
    let Some(quoted) = name.strip_prefix('"') else {
        return name.split('\t').next().unwrap_or(name).to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => break,
            b'\\' => match rest.next() {
                Some(b'a') => bytes.push(7),
                Some(b'b') => bytes.push(8),
                Some(b't') => bytes.push(b'\t'),
                Some(b'n') => bytes.push(b'\n'),
                Some(b'v') => bytes.push(11),
                Some(b'f') => bytes.push(12),
                Some(b'r') => bytes.push(b'\r'),
                Some(first @ b'0'..=b'3') => {
                    let digits = [Some(first), rest.next(), rest.next()];
                    let value = digits.iter().fold(0_u32, |value, digit| {
                        value * 8 + u32::from(digit.unwrap_or(b'0').wrapping_sub(b'0') & 7)
                    });
                    bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
                }
                Some(other) => bytes.push(other),
                None => break,
            },
            byte => bytes.push(byte),
        }
    }
    // What is no UTF-8 gets a character that no file of a tree has in its name.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mail: &str) -> Vec<String> {
        let named = named(mail.as_bytes()).unwrap();
        named.into_iter().map(String::from).collect()
    }

    const DIFF: &str = "\
diff --git a/mm/gup.c b/mm/gup.c
index 1..2 100644
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,3 +1,3 @@
 one
--- a/../../x
+++ b/../../x
 three
";

    #[test]
    fn only_a_header_names_a_path() {
        let mail = format!(
            "Subject: x\n\n--- a/../../etc/passwd\n\n+++ b/../../etc/passwd\n---\n{DIFF}-- \n2.47\n"
        );
        assert_eq!(names(&mail), ["mm/gup.c"]);
        assert_eq!(names("--- a/../x\n+++ b/../x\nno hunk\n"), [""; 0]);
    }

    #[test]
    fn every_kind_of_header_is_read() {
        for (header, expected) in [
            (
                "diff --git a/a b.c b/a b.c\nold mode 100644\nnew mode 100755\n",
                vec!["a b.c"],
            ),
            (
                "diff --git a/old.c b/new.c\nsimilarity index 100%\nrename from old.c\nrename to new.c\n",
                vec!["new.c", "old.c"],
            ),
            (
                "diff --git a/x.c b/x.c\nnew file mode 100644\nindex 0..e\n",
                vec!["x.c"],
            ),
            (
                "diff --git \"a/\\303\\274.c\" \"b/\\303\\274.c\"\ndeleted file mode 100644\nindex e..0\n",
                vec!["ü.c"],
            ),
            (
                "--- i/x.c\t2026-01-01\n+++ w/x.c\t2026-01-01\n@@ -1 +1 @@\n-a\n+b\n",
                vec!["x.c"],
            ),
            (
                "diff --git a/x.c b/x.c\r\n--- a/x.c\r\n+++ b/x.c\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n",
                vec!["x.c"],
            ),
            (
                "diff --git a/x.c b/x.c\n--- /dev/null\n+++ b/x.c\n@@ -0,0 +1 @@\n+b\n",
                vec!["x.c"],
            ),
        ] {
            assert_eq!(names(header), expected, "{header}");
        }
    }

    #[test]
    fn a_header_that_leads_elsewhere_is_refused() {
        for header in [
            "diff --git a/../x b/../x\nold mode 100644\nnew mode 100755\n",
            "diff --git a/x b/x\n--- a/../x\n+++ b/x\n",
            "diff --git a/x b/x\n--- a/x\n+++ b//etc/passwd\n",
            "--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-a\n+b\n",
            "--- a/.git/hooks/x\n+++ b/.git/hooks/x\n@@ -1 +1 @@\n-a\n+b\n",
            "diff --git a/x b/x\nrename from x\nrename to ../x\n",
            "diff --git \"a/\\056./x\" \"b/\\056./x\"\nold mode 100644\nnew mode 100755\n",
            "--- x\n+++ b/\n@@ -1 +1 @@\n-a\n+b\n",
        ] {
            let refused = named(header.as_bytes()).unwrap_err();
            assert!(refused.is_refused(), "{header}");
        }
    }

    #[test]
    fn a_hunk_ends_where_its_counts_do() {
        let two = format!("{DIFF}@@ -9 +9 @@\n-a\n\\ No newline at end of file\n+b\n-- \n");
        let all = files(&two).unwrap();
        let lengths: Vec<_> = all[0]
            .hunks
            .iter()
            .map(|h| (h.line, h.text.len()))
            .collect();
        assert_eq!(lengths, [(1, 5), (9, 4)]);
    }
}
