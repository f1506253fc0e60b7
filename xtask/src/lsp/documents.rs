// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an editor has open: the text as it stands there, and as it was saved.

use super::lines::{Encoding, Lines, Range, Shift};
use camino::Utf8PathBuf;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One open file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Where it is in the tree; None where it is none of its sources.
    pub(crate) path: Option<Utf8PathBuf>,
    /// The editor's number of this state.
    pub(crate) version: i64,
    /// As it stands in the editor.
    pub(crate) text: String,
    /// As it was read from the tree last.
    pub(crate) saved: Vec<u8>,
}

/// Open files by the URI that the editor gave them, which is how it is answered.
pub(crate) type Documents = BTreeMap<String, Document>;

/// A part of a text that was changed, or all of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Edit {
    /// Nothing where all of it was.
    range: Option<Range>,
    text: String,
}

impl Document {
    /// Carries out what was typed, in its order.
    pub(crate) fn edit(&mut self, edits: &[Edit], encoding: Encoding) {
        for edit in edits {
            let Some(range) = edit.range else {
                self.text.clone_from(&edit.text);
                continue;
            };
            let lines = Lines::of(self.text.as_bytes());
            let start = floor(&self.text, lines.offset(range.start, encoding));
            let end = floor(&self.text, lines.offset(range.end, encoding));
            self.text.replace_range(start..end.max(start), &edit.text);
        }
    }

    /// What was changed and not saved.
    pub(crate) fn shift(&self) -> Shift {
        Shift::between(&Lines::of(&self.saved), &Lines::of(self.text.as_bytes()))
    }
}

/// The place itself, or the beginning of the character that it lies in: a client may count wrongly.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, edits: serde_json::Value, encoding: Encoding) -> String {
        let mut document = Document {
            text: text.to_owned(),
            ..Document::default()
        };
        let edits: Vec<Edit> = serde_json::from_value(edits).unwrap();
        document.edit(&edits, encoding);
        document.text
    }

    fn range(from: (u32, u32), to: (u32, u32)) -> serde_json::Value {
        serde_json::json!({"start": {"line": from.0, "character": from.1}, "end": {"line": to.0, "character": to.1}})
    }

    #[test]
    fn edits_are_carried_out_one_after_another() {
        let edits = serde_json::json!([
            {"range": range((0, 1), (1, 1)), "text": "X\nY"},
            {"range": range((1, 0), (1, 0)), "text": "\u{1f600}"},
            {"range": range((1, 2), (1, 3)), "text": ""},
        ]);
        assert_eq!(
            edited("ab\ncd\n", edits, Encoding::Utf16),
            "aX\n\u{1f600}d\n"
        );
        let all = serde_json::json!([{"text": "new"}]);
        assert_eq!(edited("old", all, Encoding::Utf16), "new");
    }

    #[test]
    fn places_that_are_not_there_do_no_harm() {
        for (from, to) in [((9, 9), (9, 9)), ((0, 3), (0, 1)), ((0, 99), (99, 0))] {
            let edits = serde_json::json!([{"range": range(from, to), "text": "x"}]);
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let text = edited("\u{e9}\u{e9}\n\u{e9}", edits.clone(), encoding);
                assert!(text.contains('x'), "{text}");
            }
        }
    }
}
