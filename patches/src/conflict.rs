// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a patch does not apply: its hunks beside what the tree has there.

use crate::diff;
use crate::error::Hunk;
use callsites::tree::beneath::TreePath;

/// Lines of the tree that are shown around the place: as many as a hunk has context.
const AROUND: usize = 3;

/// The hunks of `patch` whose old lines the tree does not have in one piece; `read` gives a file of the tree.
pub fn conflicts(
    subject: &str,
    patch: &str,
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Vec<Hunk> {
    let mut result = Vec::new();
    // A mail with a path that is none is refused elsewhere, before anything is applied.
    let files = diff::files(patch).unwrap_or_default();
    let hunks = files.iter().flat_map(|file| {
        let path = file.path().map_or("", TreePath::as_str);
        file.hunks.iter().map(move |hunk| (path, hunk))
    });
    for (path, hunk) in hunks {
        // Context and removed lines, without their first column.
        let old = hunk.text.iter().skip(1);
        let old = old.filter(|line| !line.starts_with(['+', '\\']));
        let old: Vec<&str> = old
            .map(|line| line.get(1..).unwrap_or("").trim_end_matches('\r'))
            .collect();
        let bytes = read(path);
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines: Vec<&str> = text.as_deref().unwrap_or("").lines().collect();
        let there = !old.is_empty() && lines.windows(old.len()).any(|w| w == old);
        if there {
            continue;
        }
        let from = hunk.line.saturating_sub(1 + AROUND).min(lines.len());
        let to = (hunk.line + old.len() + AROUND).min(lines.len());
        let tree = match &text {
            None => "  no such file\n".to_owned(),
            Some(_) if from == to => format!("  {} lines, none at that place\n", lines.len()),
            Some(_) => (from..to)
                .map(|i| format!("{:>6} {}\n", i + 1, lines[i]))
                .collect(),
        };
        result.push(Hunk {
            subject: subject.to_owned(),
            path: path.to_owned(),
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
diff --git a/drivers/foo.c b/drivers/foo.c
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
