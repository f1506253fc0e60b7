// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replaced byte ranges of one file: put in order, checked, carried out, taken back.

use callsites::index::ir::Span;

/// New bytes for a range of old ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edit {
    /// The range in the file as it was.
    pub span: Span,
    /// What stands there afterwards.
    pub text: Vec<u8>,
}

impl Edit {
    /// An edit of the bytes from `start` to `end`.
    pub(crate) fn new(start: usize, end: usize, text: impl Into<Vec<u8>>) -> Edit {
        Edit {
            span: Span {
                start: start as u32,
                end: end as u32,
            },
            text: text.into(),
        }
    }
}

/// Two edits that cannot both be carried out, or one that lies outside of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overlap(pub Span, pub Span);

/// Sorts edits, drops exact repetitions, and refuses overlaps.
///
/// # Errors
/// [`Overlap`] with the two ranges; a range outside of the `length` bytes overlaps with the end.
pub(crate) fn ordered(mut edits: Vec<Edit>, length: usize) -> Result<Vec<Edit>, Overlap> {
    edits.sort();
    edits.dedup();
    let end = Span {
        start: length as u32,
        end: u32::MAX,
    };
    for edit in &edits {
        if edit.span.start > edit.span.end || edit.span.end > end.start {
            return Err(Overlap(edit.span, end));
        }
    }
    match edits
        .windows(2)
        .find(|pair| pair[0].span.end > pair[1].span.start || pair[0].span == pair[1].span)
    {
        Some(pair) => Err(Overlap(pair[0].span, pair[1].span)),
        None => Ok(edits),
    }
}

/// Adds the edits of a later patch to those so far: a place that an earlier one has changed may be changed once more.
pub(crate) fn upon(before: &mut Vec<Edit>, later: Vec<Edit>) {
    let touches = |old: &Edit, new: &Edit| {
        old.span == new.span || old.span.start < new.span.end && new.span.start < old.span.end
    };
    before.retain(|old| !later.iter().any(|new| touches(old, new)));
    before.extend(later);
}

/// The edits, and those that leave the backslashes of a macro in their column.
///
/// The blanks before a backslash take up what a line grows or shrinks by, as long as one of them is left.
pub(super) fn columns_kept(base: &[u8], mut edits: Vec<Edit>) -> Vec<Edit> {
    let mut more = Vec::new();
    for edit in &edits {
        more.extend(column_kept(base, &edits, edit));
    }
    edits.extend(more);
    edits
}

fn column_kept(base: &[u8], edits: &[Edit], edit: &Edit) -> Option<Edit> {
    let (start, end) = (edit.span.start as usize, edit.span.end as usize);
    let is_end = |byte: &u8| *byte == b'\n';
    if edit.text.contains(&b'\n') || base.get(start..end)?.contains(&b'\n') {
        return None;
    }
    let head = base[..start]
        .iter()
        .rposition(&is_end)
        .map_or(0, |at| at + 1);
    let tail = end + base[end..].iter().position(is_end)?;
    let line = base[head..tail]
        .strip_suffix(b"\r")
        .unwrap_or(&base[head..tail]);
    let text = line.strip_suffix(b"\\")?;
    let kept = text.trim_ascii_end().len();
    if kept == text.len() || end > head + kept {
        return None;
    }
    let mut here: Vec<Edit> = edits
        .iter()
        .filter(|edit| head <= edit.span.start as usize && (edit.span.end as usize) < tail)
        .map(|edit| {
            Edit::new(
                edit.span.start as usize - head,
                edit.span.end as usize - head,
                &*edit.text,
            )
        })
        .collect();
    here.sort();
    here.dedup();
    let here = ordered(here, kept).ok()?;
    let at = column(0, &carry_out(&line[..kept], &here));
    let wanted = column(0, text);
    let blanks = fill(at, wanted.max(at + 1), text[kept..].contains(&b'\t'));
    (blanks != text[kept..]).then(|| Edit::new(head + kept, head + text.len(), blanks))
}

/// The edits, each ending its lines as the line does that it begins in: a file may have CRLF. None begins or ends between the
/// two bytes.
pub(super) fn line_ends_kept(base: &[u8], edits: Vec<Edit>) -> Vec<Edit> {
    let is_end = |byte: &u8| *byte == b'\n';
    let kept = |edit: Edit| {
        let start = edit.span.start as usize;
        let next = base[start..].iter().position(is_end).map(|at| start + at);
        let end = next.or_else(|| base[..start].iter().rposition(is_end));
        match end.is_some_and(|end| base[..end].ends_with(b"\r")) {
            true => Edit {
                span: Span {
                    start: before_return(base, edit.span.start),
                    end: before_return(base, edit.span.end),
                },
                text: with_returns(&edit.text),
            },
            false => edit,
        }
    };
    edits.into_iter().map(kept).collect()
}

/// `at`, or one less where that would part a CRLF.
fn before_return(base: &[u8], at: u32) -> u32 {
    let place = at as usize;
    let parts = base[..place].ends_with(b"\r") && base[place..].starts_with(b"\n");
    at - u32::from(parts)
}

fn with_returns(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// The column behind `text` that begins in column `at`; tabs stop at every eighth.
fn column(at: usize, text: &[u8]) -> usize {
    text.iter().fold(at, |at, byte| match byte {
        b'\t' => at / 8 * 8 + 8,
        _ => at + 1,
    })
}

fn fill(mut at: usize, wanted: usize, tabs: bool) -> Vec<u8> {
    let mut out = Vec::new();
    while at < wanted {
        let byte = if tabs && column(at, b"\t") <= wanted {
            b'\t'
        } else {
            b' '
        };
        at = column(at, &[byte]);
        out.push(byte);
    }
    out
}

/// The file with its [`ordered`] edits carried out.
pub(crate) fn carry_out(base: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut result = Vec::with_capacity(base.len());
    let mut at = 0;
    for edit in edits {
        result.extend_from_slice(&base[at..edit.span.start as usize]);
        result.extend_from_slice(&edit.text);
        at = edit.span.end as usize;
    }
    result.extend_from_slice(&base[at..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The edits that turn the edited file back into `base`.
    fn reversed(base: &[u8], edits: &[Edit]) -> Vec<Edit> {
        let mut shift = 0_i64;
        edits
            .iter()
            .map(|edit| {
                let start = (i64::from(edit.span.start) + shift) as usize;
                shift += edit.text.len() as i64 - i64::from(edit.span.end - edit.span.start);
                let old = &base[edit.span.start as usize..edit.span.end as usize];
                Edit::new(start, start + edit.text.len(), old)
            })
            .collect()
    }

    /// A file and edits of it that do not overlap.
    fn file_and_edits() -> impl Strategy<Value = (Vec<u8>, Vec<Edit>)> {
        let pieces = prop::collection::vec(
            (
                prop::collection::vec(any::<u8>(), 1..12),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..12)),
            ),
            0..12,
        );
        pieces.prop_map(|pieces| {
            let mut base = Vec::new();
            let mut edits = Vec::new();
            for (old, new) in pieces {
                let start = base.len();
                base.extend_from_slice(&old);
                if let Some(new) = new {
                    edits.push(Edit::new(start, base.len(), new));
                }
            }
            (base, edits)
        })
    }

    proptest! {
        #[test]
        fn an_edit_and_its_reverse_give_the_base_bytes((base, edits) in file_and_edits()) {
            let edits = ordered(edits, base.len()).expect("built without overlap");
            let edited = carry_out(&base, &edits);
            prop_assert_eq!(carry_out(&edited, &reversed(&base, &edits)), base);
        }
    }

    #[test]
    fn edits_that_overlap_are_refused() {
        let edits = vec![Edit::new(0, 4, "a"), Edit::new(3, 6, "b")];
        assert!(ordered(edits, 10).is_err());
        assert!(ordered(vec![Edit::new(8, 12, "a")], 10).is_err());
    }

    #[test]
    fn an_edit_that_two_callsites_ask_for_is_made_once() {
        let edits = vec![Edit::new(0, 4, "a"), Edit::new(0, 4, "a")];
        assert_eq!(ordered(edits, 10).map(|edits| edits.len()), Ok(1));
    }

    #[test]
    fn a_backslash_stays_in_its_column() {
        let kept = |base: &[u8], old: &[u8], new: &str| {
            let at = base
                .windows(old.len())
                .position(|part| part == old)
                .unwrap();
            let edits = vec![Edit::new(at, at + old.len(), new)];
            let edits = ordered(columns_kept(base, edits), base.len()).unwrap();
            String::from_utf8(carry_out(base, &edits)).unwrap()
        };
        let blanks: &[u8] = b"\tput(p);     \\\n";
        assert_eq!(kept(blanks, b"put", "drop"), "\tdrop(p);    \\\n");
        assert_eq!(kept(blanks, b"put", "release_it"), "\trelease_it(p); \\\n");
        let tabs: &[u8] = b"\tput(p);\t\t\\\r\n";
        assert_eq!(kept(tabs, b"put", "let_go"), "\tlet_go(p);\t\\\r\n");
        assert_eq!(kept(b"put(p);\n", b"put", "let_go"), "let_go(p);\n");
        assert_eq!(kept(b"put(p);\\\n", b"put", "let_go"), "let_go(p);\\\n");
    }
}
