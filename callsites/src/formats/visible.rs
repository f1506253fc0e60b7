// SPDX-License-Identifier: MIT OR Apache-2.0
//! Characters that move a cursor, colour a terminal or turn the direction of a line, written so that they are seen instead.
//!
//! Names of files, functions and lines of source come from the tree, and a tree may be a stranger's.

use std::io;

/// `text` with every character that is not shown as itself replaced by its number; line ends and tabs stay, and so does what
/// is one of `allowed`.
pub(super) fn visible(text: &str, allowed: &[&str]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let whole = allowed
            .iter()
            .find(|known| !known.is_empty() && rest.starts_with(**known));
        let length = match whole {
            Some(known) => {
                shown.push_str(known);
                known.len()
            }
            None => {
                match hidden(first) {
                    true => shown.extend(first.escape_unicode()),
                    false => shown.push(first),
                }
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    shown
}

/// Control characters, and those that turn the direction of a line or end it (Unicode's Bidi_Control and separators).
fn hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{2028}' | '\u{2029}' | '\u{061c}' => true,
        _ => c.is_control(),
    }
}

/// Lets through what can be seen, and the escape sequences of the report's own style.
pub(super) struct Visible<'a> {
    pub(super) out: &'a mut dyn io::Write,
    pub(super) styles: &'a [&'static str],
}

impl io::Write for Visible<'_> {
    // What is formatted comes in whole strings, so that no character is cut.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = visible(&String::from_utf8_lossy(bytes), self.styles);
        self.out.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_is_seen_as_its_number() {
        let hostile = "a\x1b[31m\x07\r\u{9b}\u{202e}\u{2028}\x7fé\tb\n";
        let seen = "a\\u{1b}[31m\\u{7}\\u{d}\\u{9b}\\u{202e}\\u{2028}\\u{7f}é\tb\n";
        assert_eq!(visible(hostile, &[]), seen);
    }

    #[test]
    fn the_styles_of_the_report_itself_stay() {
        let mut out = Vec::new();
        let styles = ["\x1b[1m", "\x1b[0m", ""];
        let mut through = Visible {
            out: &mut out,
            styles: &styles,
        };
        write!(through, "{}group{} x\x1b[2Jy", styles[0], styles[1]).unwrap();
        assert_eq!(out, b"\x1b[1mgroup\x1b[0m x\\u{1b}[2Jy");
    }
}
