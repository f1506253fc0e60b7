// SPDX-License-Identifier: MIT OR Apache-2.0
//! Characters that move a cursor, colour a terminal or turn the direction of a line, written so that they are seen instead.
//!
//! Names of files, functions and lines of source come from the tree, and a tree may be a stranger's.

use std::borrow::Cow;

/// `text` with every character that is not shown as itself replaced by its number; line ends and tabs stay, and so does what
/// is one of `allowed`.
pub fn visible<'t>(text: &'t str, allowed: &[&str]) -> Cow<'t, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
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
    Cow::Owned(shown)
}

/// The same on one line: a line end is replaced too.
pub fn line(text: &str) -> Cow<'_, str> {
    let shown = visible(text, &[]);
    match shown.contains('\n') {
        true => Cow::Owned(shown.replace('\n', "\\u{a}")),
        false => shown,
    }
}

/// Control characters, and those that turn the direction of a line or end it (Unicode's Bidi_Control and separators); not
/// line ends and tabs.
pub fn hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{2028}' | '\u{2029}' | '\u{061c}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_is_seen_as_its_number() {
        let hostile = "a\x1b[31m\x07\r\u{9b}\u{202e}\u{2028}\x7fé\tb\n";
        let seen = "a\\u{1b}[31m\\u{7}\\u{d}\\u{9b}\\u{202e}\\u{2028}\\u{7f}é\tb\n";
        assert_eq!(visible(hostile, &[]), seen);
        assert_eq!(line("a\nb\tc"), "a\\u{a}b\tc");
    }
}
