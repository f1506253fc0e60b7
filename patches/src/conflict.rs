// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a patch does not apply: its hunks beside what the tree has there.

use crate::error::Hunk;

/// Lines of the tree that are shown around the place.
const AROUND: usize = 3;

/// A hunk of a unified diff.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parsed<'a> {
    path: &'a str,
    line: usize,
    /// Context and removed lines, without their first column.
    old: Vec<&'a str>,
    text: Vec<&'a str>,
}

fn hunks(patch: &str) -> Vec<Parsed<'_>> {
    let mut result: Vec<Parsed<'_>> = Vec::new();
    let mut path = "";
    let mut left = (0_usize, 0_usize);
    for line in patch.lines() {
        if left != (0, 0)
            && let Some(hunk) = result.last_mut()
        {
            let (old, new) = match line.as_bytes().first() {
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                Some(b'\\') => (0, 0),
                _ => (1, 1),
            };
            left = (left.0.saturating_sub(old), left.1.saturating_sub(new));
            hunk.text.push(line);
            if old == 1 {
                hunk.old.push(line.get(1..).unwrap_or(""));
            }
        } else if let Some(name) = line.strip_prefix("--- a/") {
            path = name;
        } else if let Some((start, counts)) = header(line) {
            left = counts;
            result.push(Parsed {
                path,
                line: start,
                old: Vec::new(),
                text: vec![line],
            });
        }
    }
    result
}

/// `@@ -10,7 +10,8 @@` as (10, (7, 8)).
fn header(line: &str) -> Option<(usize, (usize, usize))> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let ((start, old), (_, new)) = (range(old)?, range(new)?);
    Some((start, (old, new)))
}

/// The hunks of `patch` whose old lines the tree does not have in one piece; `read` gives a file of the tree.
pub fn conflicts(
    subject: &str,
    patch: &str,
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Vec<Hunk> {
    let mut result = Vec::new();
    for hunk in hunks(patch) {
        let bytes = read(hunk.path);
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines: Vec<&str> = text.as_deref().unwrap_or("").lines().collect();
        let there = !hunk.old.is_empty() && lines.windows(hunk.old.len()).any(|w| w == hunk.old);
        if there {
            continue;
        }
        let from = hunk.line.saturating_sub(1 + AROUND).min(lines.len());
        let to = (hunk.line + hunk.old.len() + AROUND).min(lines.len());
        let tree = match &text {
            None => "  no such file\n".to_owned(),
            Some(_) if from == to => format!("  {} lines, none at that place\n", lines.len()),
            Some(_) => (from..to)
                .map(|i| format!("{:>6} {}\n", i + 1, lines[i]))
                .collect(),
        };
        result.push(Hunk {
            subject: subject.to_owned(),
            path: hunk.path.to_owned(),
            line: hunk.line,
            patch: hunk.text.iter().map(|line| format!("  {line}\n")).collect(),
            tree,
        });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
--- a/drivers/foo.c
+++ b/drivers/foo.c
@@ -1,3 +1,3 @@ head
 one
-two
+TWO
 three
@@ -9 +9 @@
-nine
+NINE
";

    #[test]
    fn only_hunks_that_the_tree_does_not_have_are_shown() {
        let tree = b"zero\none\ntwo\nthree\n4\n5\n6\n7\nNeun\n".to_vec();
        let found = conflicts("foo: bar", PATCH, |_| Some(tree.clone()));
        let [hunk] = found.as_slice() else {
            panic!("one hunk is missing from the tree: {found:?}");
        };
        assert_eq!((hunk.path.as_str(), hunk.line), ("drivers/foo.c", 9));
        insta::assert_snapshot!(hunk.tree, @r"
             6 5
             7 6
             8 7
             9 Neun
        ");
    }

    #[test]
    fn a_missing_file_is_said_to_be_missing() {
        let found = conflicts("foo: bar", PATCH, |_| None);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].tree, "  no such file\n");
    }
}
