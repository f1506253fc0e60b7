// SPDX-License-Identifier: MIT OR Apache-2.0
//! Characters that move a cursor, colour a terminal or turn the direction of a line, written so that they are seen instead.
//!
//! Names of files, functions and lines of source come from the tree, and a tree may be a stranger's; so may a series, and what
//! a guest prints. Whatever is written for a person or an editor goes through here: [`Visible`] in a stream of text, [`line`](fn@line)
//! where a text must stay on its line, [`Json`] where it is a string of JSON.

pub use page::{hidden, line, visible};

use serde_json::ser::{Formatter, PrettyFormatter};
use std::io;

/// Lets through what can be seen, and the escape sequences of our own style.
pub struct Visible<'a> {
    /// Where it goes.
    pub out: &'a mut dyn io::Write,
    /// What may pass as it is.
    pub styles: &'a [&'static str],
}

impl io::Write for Visible<'_> {
    // What is formatted comes in whole strings, so that no character is cut.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.out.write_all(visible(&text, self.styles).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Indented JSON in which a string's hidden characters are escapes, `\u202e`: JSON asks for that below U+0020 only.
#[derive(Default)]
pub struct Json<'a>(PrettyFormatter<'a>);

/// Writes a value as [`Json`], without a line end behind it.
///
/// # Errors
/// Those of `out`, and of a value that JSON has no form for.
pub fn json(value: &impl serde::Serialize, out: &mut dyn io::Write) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(
        out,
        Json::default(),
    ))
}

impl Formatter for Json<'_> {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| hidden(*c)) {
            // None of them lies beyond U+FFFF, where JSON would want two escapes.
            write!(writer, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_stays_a_line_and_a_string_of_json_is_read_as_it_was() {
        let hostile = "a\nfindings\u{202e}\u{9b}\u{2028}\u{7f}\u{0}\\u0041\"";
        assert_eq!(line("a\nb\tc"), "a\\u{a}b\tc");
        let mut out = Vec::new();
        json(&vec![hostile, "plain"], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "[\n  \"a\\nfindings\\u202e\\u009b\\u2028\\u007f\\u0000\\\\u0041\\\"\",\n  \"plain\"\n]";
        assert_eq!(text, expected);
        let again: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(again, [hostile, "plain"]);
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
