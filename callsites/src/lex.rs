// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cheap lexer: bytes of a C file to tokens.
//!
//! Comments and white space fall away; a preprocessor line, with its continuation lines, is one token. Nothing is
//! copied: a token is a kind and two offsets.

use memchr::memmem;

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Ident,
    /// A number.
    Number,
    /// A string literal with its quotes.
    Str,
    /// A character constant.
    Char,
    /// An operator or bracket.
    Punct,
    /// A whole preprocessor line.
    Directive,
}

/// A token of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Token {
    /// The token's bytes.
    #[inline]
    pub fn text<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// True for the operator or bracket `text`.
    #[inline]
    pub fn is(&self, bytes: &[u8], text: &[u8]) -> bool {
        self.kind == Kind::Punct && self.text(bytes) == text
    }
}

/// Whether `#` at the beginning of a line opens a preprocessor line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The text of a file.
    File,
    /// The body of a `#define`: `#` and `##` are operators, a backslash before a line end is white space.
    MacroBody,
}

/// How many bytes the operator has that `bytes` begin with; one where it is none of several.
fn operator_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'.', b'.', b'.', ..] | [b'<', b'<', b'=', ..] | [b'>', b'>', b'=', ..] => 3,
        [b'-', b'>', ..] => 2,
        [a @ (b'+' | b'-' | b'<' | b'>' | b'=' | b'&' | b'|'), b, ..] if a == b => 2,
        [
            b'<' | b'>' | b'!' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^',
            b'=',
            ..,
        ] => 2,
        _ => 1,
    }
}

/// The tokens of `bytes[from..to]`, offsets into `bytes`.
pub fn tokens(bytes: &[u8], from: usize, to: usize, mode: Mode) -> Vec<Token> {
    tokens_and_end(bytes, from, to, mode).0
}

/// The same, and where a comment begins that never ends.
pub(crate) fn tokens_and_end(
    bytes: &[u8],
    from: usize,
    to: usize,
    mode: Mode,
) -> (Vec<Token>, Option<u32>) {
    let mut open_comment = None;
    let mut out = Vec::with_capacity((to - from) / 5);
    let mut at = from;
    let mut line_begins = true;
    while at < to {
        let byte = bytes[at];
        if byte == b'\n' {
            line_begins = true;
            at += 1;
            continue;
        }
        if byte.is_ascii_whitespace() || byte == b'\\' || byte == 0x0b {
            at += 1;
            continue;
        }
        if byte == b'/' && at + 1 < to && (bytes[at + 1] == b'*' || bytes[at + 1] == b'/') {
            at = comment_end(bytes, at, to, &mut open_comment);
            continue;
        }
        let (kind, end) = if byte == b'#' && line_begins && mode == Mode::File {
            (
                Kind::Directive,
                directive_end(bytes, at, to, &mut open_comment),
            )
        } else {
            one(bytes, at, to)
        };
        out.push(Token {
            kind,
            start: at as u32,
            end: end as u32,
        });
        line_begins = false;
        at = end;
    }
    (out, open_comment)
}

fn one(bytes: &[u8], at: usize, to: usize) -> (Kind, usize) {
    let byte = bytes[at];
    if is_ident(byte) && !byte.is_ascii_digit() {
        return (Kind::Ident, run(bytes, at, to, is_ident));
    }
    if byte.is_ascii_digit() || (byte == b'.' && at + 1 < to && bytes[at + 1].is_ascii_digit()) {
        return (
            Kind::Number,
            run(bytes, at, to, |b| is_ident(b) || b == b'.'),
        );
    }
    match byte {
        b'"' => (Kind::Str, quoted_end(bytes, at, to, b'"')),
        b'\'' => (Kind::Char, quoted_end(bytes, at, to, b'\'')),
        b'#' if at + 1 < to && bytes[at + 1] == b'#' => (Kind::Punct, at + 2),
        _ => (Kind::Punct, at + operator_length(&bytes[at..to])),
    }
}

/// True for the bytes an identifier is made of; bytes above ASCII count, so that no stray one splits a name.
pub fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Whether no byte of a name stands beside what lies between two places.
pub(crate) fn is_whole(bytes: &[u8], at: usize, end: usize) -> bool {
    !bytes[..at].last().is_some_and(|byte| is_ident(*byte))
        && !bytes.get(end).is_some_and(|byte| is_ident(*byte))
}

/// What is code in `bytes`, each byte at its place: comments, and what is quoted, are blanks.
pub(crate) fn code(bytes: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| if *byte == b'\n' { b'\n' } else { b' ' };
    let mut code: Vec<u8> = bytes.iter().map(blank).collect();
    let mut keep = |all: &[Token]| {
        for token in all {
            let (start, end) = (token.start as usize, token.end as usize);
            let quoted = matches!(token.kind, Kind::Str | Kind::Char);
            let end = if quoted { start + 1 } else { end };
            code[start..end].copy_from_slice(&bytes[start..end]);
        }
    };
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    for token in all {
        if token.kind == Kind::Directive {
            let (start, end) = (token.start as usize, token.end as usize);
            keep(&tokens(bytes, start, end, Mode::MacroBody));
        } else {
            keep(&[token]);
        }
    }
    code
}

/// The words of what [`code`] tells.
pub(crate) fn words(code: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = code.split(|byte| !is_ident(*byte));
    words.filter(|word| !word.is_empty())
}

/// Whether a word stands in `text`, in comments and strings as well.
pub(crate) fn has_word(text: &[u8], word: &[u8]) -> bool {
    memmem::find_iter(text, word).any(|at| is_whole(text, at, at + word.len()))
}

fn run(bytes: &[u8], at: usize, to: usize, test: impl Fn(u8) -> bool) -> usize {
    bytes[at..to]
        .iter()
        .position(|b| !test(*b))
        .map_or(to, |n| at + n)
}

/// One past the closing quote, or the line end when there is none: a stray quote spoils one line, not the file.
fn quoted_end(bytes: &[u8], at: usize, to: usize, quote: u8) -> usize {
    let mut i = at + 1;
    while i < to {
        match bytes[i] {
            b'\\' => i += 2,
            b'\n' => return i,
            b if b == quote => return i + 1,
            _ => i += 1,
        }
    }
    to
}

fn comment_end(bytes: &[u8], at: usize, to: usize, open: &mut Option<u32>) -> usize {
    if bytes[at + 1] == b'*' {
        // Most comments are short: to prepare a search for both bytes would take longer than to look for one.
        let mut i = at + 3;
        while let Some(n) = bytes.get(i..to).and_then(|rest| memchr::memchr(b'/', rest)) {
            i += n + 1;
            if bytes[i - 2] == b'*' {
                return i;
            }
        }
        *open = Some(at as u32);
        return to;
    }
    let mut i = at;
    while let Some(n) = memchr::memchr(b'\n', &bytes[i..to]) {
        let end = i + n;
        if bytes[end - 1] != b'\\' {
            return end;
        }
        i = end + 1;
    }
    to
}

fn directive_end(bytes: &[u8], at: usize, to: usize, open: &mut Option<u32>) -> usize {
    let mut i = at;
    while i < to {
        match bytes[i] {
            b'\n' => {
                let before = bytes[at..i].strip_suffix(b"\r").unwrap_or(&bytes[at..i]);
                if before.last() != Some(&b'\\') {
                    return i;
                }
                i += 1;
            }
            b'/' if i + 1 < to && (bytes[i + 1] == b'*' || bytes[i + 1] == b'/') => {
                i = comment_end(bytes, i, to, open)
            }
            b'"' => i = quoted_end(bytes, i, to, b'"'),
            _ => i += 1,
        }
    }
    to
}

/// Offset of the first byte of each line.
pub fn line_starts(bytes: &[u8]) -> Vec<u32> {
    let mut out = vec![0];
    out.extend(memchr::memchr_iter(b'\n', bytes).map(|n| n as u32 + 1));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        let bytes = source.as_bytes();
        tokens(bytes, 0, bytes.len(), Mode::File)
            .iter()
            .map(|t| String::from_utf8_lossy(t.text(bytes)).into_owned())
            .collect()
    }

    #[test]
    fn comments_fall_away_and_a_directive_with_continuations_is_one_token() {
        assert_eq!(
            texts("a /* put_page(x) */ b // c\n# define X \\\n 1 /* more\n lines */ 2\nd->e"),
            [
                "a",
                "b",
                "# define X \\\n 1 /* more\n lines */ 2",
                "d",
                "->",
                "e"
            ]
        );
    }

    #[test]
    fn what_is_code_keeps_its_place() {
        let text = "#define A b /* c */ \\\n d // e\nf(\"g\", 'h'); // i\n/* j\nk */ l /";
        let kept = code(text.as_bytes());
        assert_eq!(kept.len(), text.len());
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines(&kept), lines(text.as_bytes()));
        let named: Vec<_> = words(&kept).map(String::from_utf8_lossy).collect();
        assert_eq!(named, ["define", "A", "b", "d", "f", "l"]);
        for (at, byte) in kept.iter().enumerate() {
            assert!(byte.is_ascii_whitespace() || *byte == text.as_bytes()[at]);
        }
    }

    #[test]
    fn a_stray_quote_spoils_one_line_only() {
        assert_eq!(texts("x = \"open\ny;"), ["x", "=", "\"open", "y", ";"]);
    }
}
