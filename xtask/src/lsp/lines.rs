// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places in a text: as the audit counts them, as the protocol counts them, and in another state of the same text.
//!
//! The protocol ends a line at "\n", "\r\n" or "\r" and counts columns from 0 in UTF-16 units, or in bytes where both sides
//! like; the audit ends a line at "\n" and counts both from 1, columns in bytes.

use serde::{Deserialize, Serialize};

/// A place as the protocol has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    /// From 0.
    pub(crate) line: u32,
    /// From 0, in units of the encoding.
    pub(crate) character: u32,
}

/// From a place up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The first character.
    pub(crate) start: Position,
    /// Behind the last.
    pub(crate) end: Position,
}

/// What columns count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// What the protocol takes unless another is agreed upon.
    Utf16,
}

/// A text and where its lines begin.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'t> {
    text: &'t [u8],
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of a text.
    pub(crate) fn of(text: &'t [u8]) -> Self {
        let mut starts = vec![0];
        let ends = text.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => text.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        starts.extend(ends.map(|(at, _)| at + 1));
        Lines { text, starts }
    }

    /// How many there are, an empty one behind the last line end included.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    /// A line without its end; empty beyond the last.
    pub(crate) fn line(&self, number: usize) -> &'t [u8] {
        let Some(&start) = self.starts.get(number) else {
            return &[];
        };
        let end = self.starts.get(number + 1).copied();
        let line = &self.text[start..end.unwrap_or(self.text.len())];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The place of a byte.
    pub(crate) fn position(&self, offset: usize, encoding: Encoding) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|&start| start <= offset) - 1;
        let before = &self.text[self.starts[line]..offset];
        let character = match encoding {
            Encoding::Utf8 => before.len(),
            Encoding::Utf16 => String::from_utf8_lossy(before).encode_utf16().count(),
        };
        Position {
            line: number(line),
            character: number(character),
        }
    }

    /// The byte at a place; the end of the line where it has no such column, the end of the text where there is no such line.
    pub(crate) fn offset(&self, position: Position, encoding: Encoding) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.starts.get(line) else {
            return self.text.len();
        };
        let line = self.line(line);
        let wanted = position.character as usize;
        match encoding {
            Encoding::Utf8 => start + wanted.min(line.len()),
            Encoding::Utf16 => start + bytes_before(line, wanted),
        }
    }

    /// The byte that the audit means by a line and a column; the first of the line where the column is 0.
    pub(crate) fn audited(&self, line: u32, column: u32) -> usize {
        let mut starts = std::iter::once(0).chain(
            self.text
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| at + 1),
        );
        let start = starts.nth(line.saturating_sub(1) as usize);
        let start = start.unwrap_or(self.text.len());
        let column = column.saturating_sub(1) as usize;
        start.saturating_add(column).min(self.text.len())
    }

    /// The line and the column by which the audit means a byte.
    pub(crate) fn as_audited(&self, offset: usize) -> (u32, u32) {
        let before = &self.text[..offset.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n');
        let column = before.len() - start.map_or(0, |at| at + 1);
        (number(line + 1), number(column + 1))
    }

    /// The end of the word that begins at a byte, or of the line where no word does.
    pub(crate) fn word_end(&self, start: usize) -> usize {
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let rest = &self.text[start.min(self.text.len())..];
        match rest.iter().take_while(is_word).count() {
            0 => {
                start
                    + rest
                        .iter()
                        .take_while(|byte| !b"\r\n".contains(byte))
                        .count()
            }
            length => start + length,
        }
    }
}

/// Bytes of a line before a column of UTF-16; one inside of a character counts as one before it.
fn bytes_before(line: &[u8], units: usize) -> usize {
    let (mut at, mut seen) = (0, 0);
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            if seen + c.len_utf16() > units {
                return at;
            }
            at += c.len_utf8();
            seen += c.len_utf16();
        }
        // What is no UTF-8 is one character, as `position` counts it.
        if !chunk.invalid().is_empty() {
            if seen + 1 > units {
                return at;
            }
            at += chunk.invalid().len();
            seen += 1;
        }
    }
    at
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What became of the lines of a text: as many at the top and at the bottom are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    head: usize,
    tail: usize,
    old: usize,
    new: usize,
}

impl Shift {
    /// Compares two states of a text. What a client shows of bytes that are no UTF-8 is its own affair: such lines are alike
    /// where the rest of them is.
    pub(crate) fn between(old: &Lines<'_>, new: &Lines<'_>) -> Shift {
        let (a, b) = (old.count(), new.count());
        let most = a.min(b);
        let head = (0..most).take_while(|&n| alike(old.line(n), new.line(n)));
        let head = head.count();
        let tail = (0..most - head)
            .take_while(|&n| alike(old.line(a - 1 - n), new.line(b - 1 - n)))
            .count();
        Shift {
            head,
            tail,
            old: a,
            new: b,
        }
    }

    /// Whether nothing is other.
    pub(crate) fn is_none(&self) -> bool {
        self.old == self.new && self.head == self.old
    }

    /// Where an old line is now; None when it was changed.
    pub(crate) fn to_new(self, line: u32) -> Option<u32> {
        shifted(line, self.head, self.tail, self.old, self.new)
    }

    /// Where a line was; None when it is new or changed.
    pub(crate) fn to_old(self, line: u32) -> Option<u32> {
        shifted(line, self.head, self.tail, self.new, self.old)
    }
}

fn shifted(line: u32, head: usize, tail: usize, from: usize, to: usize) -> Option<u32> {
    let at = line as usize;
    if at < head {
        return Some(line);
    }
    let behind = from.checked_sub(at).filter(|behind| *behind <= tail)?;
    u32::try_from(to.checked_sub(behind)?).ok()
}

fn alike(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let is_text = |line| std::str::from_utf8(line).is_ok();
    let plain = |line: &[u8]| -> Vec<u8> {
        let mut plain = line.to_vec();
        plain.retain(u8::is_ascii);
        plain
    };
    (!is_text(a) || !is_text(b)) && plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn lines_end_as_the_protocol_says_and_as_the_audit_says() {
        let text = b"a\r\nb\rc\n\nd";
        let lines = Lines::of(text);
        let all: Vec<&[u8]> = (0..lines.count()).map(|n| lines.line(n)).collect();
        assert_eq!(all, [&b"a"[..], b"b", b"c", b"", b"d"]);
        // The audit knows three lines before "d" and a column behind the lone return.
        assert_eq!(lines.audited(2, 3), 5);
        assert_eq!(lines.as_audited(5), (2, 3));
        assert_eq!(lines.position(5, Encoding::Utf16), at(2, 0));
        assert_eq!(lines.position(99, Encoding::Utf16), at(4, 1));
        assert_eq!(lines.offset(at(99, 0), Encoding::Utf16), text.len());
        assert_eq!(lines.audited(99, 1), text.len());
    }

    #[test]
    fn columns_count_units_of_utf_16_or_bytes() {
        // One, two, two and four bytes; one, one, one and two units.
        let text = "a\u{e9}\u{434}\u{1f600}z".as_bytes();
        let lines = Lines::of(text);
        for (offset, units) in [(0, 0), (1, 1), (3, 2), (5, 3), (9, 5), (10, 6)] {
            assert_eq!(lines.position(offset, Encoding::Utf16), at(0, units));
            assert_eq!(lines.offset(at(0, units), Encoding::Utf16), offset);
            let bytes = u32::try_from(offset).unwrap();
            assert_eq!(lines.position(offset, Encoding::Utf8), at(0, bytes));
            assert_eq!(lines.offset(at(0, bytes), Encoding::Utf8), offset);
        }
        assert_eq!(lines.offset(at(0, 4), Encoding::Utf16), 5);
        assert_eq!(lines.offset(at(0, 99), Encoding::Utf16), 10);
        let latin = Lines::of(b"a\xe9b");
        assert_eq!(latin.position(2, Encoding::Utf16), at(0, 2));
        assert_eq!(latin.offset(at(0, 2), Encoding::Utf16), 2);
    }

    #[test]
    fn a_line_is_found_again_unless_it_was_changed() {
        let (old, new) = (b"a\nb\nc\nd\n", b"a\nX\nY\nc\nd\n");
        let (old, new) = (Lines::of(old), Lines::of(new));
        let shift = Shift::between(&old, &new);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|line| shift.to_new(line)),
            [Some(0), None, Some(3), Some(4), Some(5)]
        );
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|line| shift.to_old(line)),
            [Some(0), None, None, Some(2), Some(3), Some(4)]
        );
        assert!(!shift.is_none());
        assert!(Shift::between(&old, &old).is_none());
        let again = Shift::between(&Lines::of(b"x\nx\n"), &Lines::of(b"x\nx\nx\n"));
        assert_eq!(again.to_new(1), Some(1));
        assert!(!again.is_none());
    }

    #[test]
    fn bytes_that_are_no_utf_8_may_be_shown_in_any_way() {
        let (disk, buffer) = (b"\xe9 x\ny\n", "\u{fffd} x\ny\n".as_bytes());
        assert!(Shift::between(&Lines::of(disk), &Lines::of(buffer)).is_none());
        let (one, other) = ("\u{e9}\n".as_bytes(), "\u{e8}\n".as_bytes());
        assert!(!Shift::between(&Lines::of(one), &Lines::of(other)).is_none());
    }

    #[test]
    fn a_word_ends_where_a_name_does() {
        let lines = Lines::of(b"  put_page(p);\n");
        assert_eq!(lines.word_end(2), 10);
        assert_eq!(lines.word_end(0), 14);
        assert_eq!(lines.word_end(99), 99);
    }
}
