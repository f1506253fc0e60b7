// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a name is defined, told from the text alone.
//!
//! A definition has a word or a `*` before its name, and a brace or another word behind its parameters. This decides
//! which file is read, not what is read there: a wrong guess costs a pass over one file.

use super::hash::FastSet;
use crate::index::lex::{Kind, Mode, is_ident, is_whole, tokens};
use memchr::memmem;
use smol_str::SmolStr;

/// How many bytes the parameters of a function may take: some forty lines. Without a bound a bracket that is never closed
/// would be followed to the end of the file for each name.
const PARAMETERS: usize = 4096;
/// How many bytes back the beginning of a typedef is looked for: some three lines, which is more than its head takes.
const TYPEDEF: usize = 256;

/// Whether `bytes` may define function or macro `name`.
pub(crate) fn defines(bytes: &[u8], name: &str) -> bool {
    !name.is_empty()
        && memmem::find_iter(bytes, name.as_bytes())
            .any(|at| defined_at(bytes, at, at + name.len()))
}

fn defined_at(bytes: &[u8], at: usize, end: usize) -> bool {
    if !is_whole(bytes, at, end) {
        return false;
    }
    let before = end_before(bytes, at);
    let word = last_word(&bytes[..before]);
    if word == b"define" {
        let rest = bytes[..before - word.len()].trim_ascii_end();
        return rest.ends_with(b"#") && !in_comment(bytes, at);
    }
    if bytes[line_start(bytes, at)..]
        .trim_ascii_start()
        .starts_with(b"#")
    {
        return false;
    }
    let typed = if word.is_empty() {
        bytes[..before].ends_with(b"*") || bytes[..before].ends_with(b")")
    } else {
        !matches!(
            word,
            b"return" | b"else" | b"do" | b"case" | b"goto" | b"sizeof"
        )
    };
    let open = start_after(bytes, end);
    if !typed || bytes.get(open) != Some(&b'(') {
        return false;
    }
    let mut depth = 0;
    let mut n = open;
    let most = bytes.len().min(open + PARAMETERS);
    while n < most {
        match bytes[n] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'/' => {
                let next = start_after(bytes, n);
                if next > n {
                    n = next;
                    continue;
                }
            }
            _ => {}
        }
        n += 1;
        if depth == 0 {
            let next = bytes.get(start_after(bytes, n));
            let goes_on = next.is_some_and(|next| *next == b'{' || is_ident(*next));
            return goes_on && !in_comment(bytes, at);
        }
    }
    false
}

/// The names of all functions and macros that `bytes` define, told from tokens.
pub(crate) fn defined(bytes: &[u8]) -> FastSet<SmolStr> {
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let is = |i: usize, text: &[u8]| all.get(i).is_some_and(|token| token.is(bytes, text));
    let word = |i: usize| {
        let token = all.get(i).filter(|token| token.kind == Kind::Ident);
        token.map(|token| token.text(bytes))
    };
    let mut out = FastSet::default();
    for (i, token) in all.iter().enumerate() {
        let text = token.text(bytes);
        if token.kind == Kind::Directive {
            let (kind, rest) = directive_words(text);
            if kind == b"define" {
                out.insert(String::from_utf8_lossy(rest).into());
            }
            continue;
        }
        if token.kind != Kind::Ident || !is(i + 1, b"(") || i == 0 {
            continue;
        }
        let typed = is(i - 1, b"*")
            || is(i - 1, b")")
            || word(i - 1).is_some_and(|word| !leads_a_statement(word));
        if !typed {
            continue;
        }
        let mut depth = 0;
        for n in i + 1..all.len().min(i + PARAMETERS / 4) {
            if is(n, b"(") {
                depth += 1;
            } else if is(n, b")") {
                depth -= 1;
            }
            if depth == 0 {
                if is(n + 1, b"{") || word(n + 1).is_some() {
                    out.insert(String::from_utf8_lossy(text).into());
                }
                break;
            }
        }
    }
    out
}

/// The keyword of a preprocessor line and the word behind it.
fn directive_words(text: &[u8]) -> (&[u8], &[u8]) {
    let rest = text.strip_prefix(b"#").unwrap_or(text);
    let first_word = |text: &'_ [u8]| {
        let start = start_after(text, 0);
        let length = text[start..].iter().position(|byte| !is_ident(*byte));
        (start, start + length.unwrap_or(text.len() - start))
    };
    let (start, end) = first_word(rest);
    let tail = &rest[end..];
    let (from, to) = first_word(tail);
    (&rest[start..end], &tail[from..to])
}

fn leads_a_statement(word: &[u8]) -> bool {
    matches!(
        word,
        b"return" | b"else" | b"do" | b"case" | b"goto" | b"sizeof"
    )
}

/// Whether `bytes` name `function` before a parenthesis.
pub(crate) fn calls(bytes: &[u8], function: &str) -> bool {
    memmem::find_iter(bytes, function.as_bytes()).any(|at| {
        let end = at + function.len();
        is_whole(bytes, at, end) && bytes.get(start_after(bytes, end)) == Some(&b'(')
    })
}

/// Where the last comment begins. The end of one and a `*` behind it look like the beginning of another.
fn last_comment(bytes: &[u8]) -> Option<usize> {
    let open = memmem::rfind(bytes, b"/*")?;
    let before = bytes[..open]
        .strip_suffix(b"*")
        .and_then(|rest| memmem::rfind(rest, b"/*"));
    let ends_here =
        |before: &usize| memmem::find(&bytes[before + 2..=open], b"*/") == Some(open - before - 3);
    before.filter(ends_here).or(Some(open))
}

/// Comments speak of functions too.
fn in_comment(bytes: &[u8], at: usize) -> bool {
    let line = line_start(bytes, at);
    let open = last_comment(&bytes[..at]);
    open.is_some_and(|open| memmem::find(&bytes[open + 2..at], b"*/").is_none())
        || memmem::find(&bytes[line..at], b"//").is_some()
}

/// Where the token before `at` ends: white space and comments are no tokens.
fn end_before(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    loop {
        end = bytes[..end].trim_ascii_end().len();
        let open = bytes[..end]
            .strip_suffix(b"*/")
            .and_then(last_comment)
            .or_else(|| {
                let line = line_start(bytes, end);
                Some(line + memmem::find(&bytes[line..end], b"//")?)
            });
        match open {
            Some(open) => end = open,
            None => return end,
        }
    }
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1)
}

/// Where the token from `at` on begins.
fn start_after(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_ascii_start().len();
        let rest = bytes.get(at..).unwrap_or_default();
        let length = if rest.starts_with(b"/*") {
            memmem::find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4)
        } else if rest.starts_with(b"//") {
            memchr::memchr(b'\n', rest).unwrap_or(rest.len())
        } else {
            return at;
        };
        at += length;
    }
}

/// The word that ends there, or nothing.
fn last_word(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().rposition(|byte| !is_ident(*byte));
    &bytes[start.map_or(0, |start| start + 1)..]
}

/// Looks for the definition of a struct, union or typedef.
pub(crate) struct RecordFinder {
    tag: memmem::Finder<'static>,
}

impl RecordFinder {
    /// Looks for `tag`.
    pub(crate) fn new(tag: &str) -> Self {
        Self {
            tag: memmem::Finder::new(tag.as_bytes()).into_owned(),
        }
    }

    /// Whether `bytes` may define it.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        let length = self.tag.needle().len();
        let defined = |at: usize| match bytes.get(start_after(bytes, at + length)) {
            Some(b'{') => {
                let before = last_word(&bytes[..end_before(bytes, at)]);
                matches!(before, b"struct" | b"union")
            }
            Some(b';') => {
                let before = end_before(bytes, at);
                let text = &bytes[before.saturating_sub(TYPEDEF)..before];
                let start = text
                    .iter()
                    .rposition(|byte| matches!(byte, b';' | b'{' | b'}'));
                let start = start.map_or(0, |start| start + 1);
                start == text.len() && text.last() == Some(&b'}')
                    || memmem::find(&text[start..], b"typedef").is_some()
            }
            _ => false,
        };
        length > 0
            && self
                .tag
                .find_iter(bytes)
                .any(|at| is_whole(bytes, at, at + length) && defined(at))
    }
}

/// The names in the `#include` lines of a file.
pub(crate) fn includes(bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for at in memmem::find_iter(bytes, b"include") {
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
        let before = bytes[start..at].trim_ascii();
        if before != b"#" {
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let rest = bytes[at + b"include".len()..end].trim_ascii();
        let close = match rest.first() {
            Some(b'<') => b'>',
            Some(b'"') => b'"',
            _ => continue,
        };
        if let Some(end) = rest[1..].iter().position(|byte| *byte == close) {
            out.push(String::from_utf8_lossy(&rest[1..=end]).into_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_told_from_uses_and_prototypes() {
        let text = b"int f(int a);\n#define g(x) f(x)\nstatic int\nh(int a,\n  int b)\n{\n\tf(a);\n}\nint v = f(1);\n";
        for (name, expected) in [("f", false), ("g", true), ("h", true), ("v", false)] {
            assert_eq!(defines(text, name), expected, "{name}");
        }
        assert!(defines(
            b"static struct s *of(struct s *(*f)(int)) __must_hold(l)\n{\n}\n",
            "of"
        ));
        assert!(!defines(b"static int often(void)\n{\n}\n", "of"));
    }

    #[test]
    fn include_lines_are_told_from_other_text() {
        let text = b"#include <a/b.h>\n # include \"c.h\" /* include */\n#include_next X\n// #include <no.h>\n#include MACRO\n#include <open\n#include\t<d.h>";
        assert_eq!(includes(text), ["a/b.h", "c.h", "d.h"]);
    }

    #[test]
    fn comments_and_line_ends_change_nothing() {
        assert!(defines(
            b"x; static int /* a */ f /* b */\n (int a /* ) */,\n int b) // c\n{ }",
            "f"
        ));
        assert!(defines(b"int/**/*f(int a)\n{ }", "f"));
        assert!(defines(b"int */**/f(int a)\n{ }", "f"));
        assert!(defines(b"static int // a;\nf(int a)\n{ }", "f"));
        assert!(!defines(
            b"} for_each(a, b) { g(a); } if (f(x)) { }",
            "for_each"
        ));
        assert!(!defines(b"} for_each(a, b) { g(a); } if (f(x)) { }", "f"));
        assert!(!defines(
            b"/*\n * f() might be called { }\n */\n// int f() {\n",
            "f"
        ));
        let finder = RecordFinder::new("box");
        assert!(finder.is_in(b"struct /* a */ box\n/* b */ { int a; };"));
        assert!(finder.is_in(b"typedef\nstruct crate /* a */ box ;"));
    }

    #[test]
    fn a_record_is_told_from_its_uses() {
        let finder = RecordFinder::new("box");
        assert!(finder.is_in(b"struct box {\n\tint a;\n};\n"));
        assert!(finder.is_in(b"typedef struct {\n\tint a;\n} box;\n"));
        assert!(!finder.is_in(b"static struct inbox {\n};\n"));
        assert!(!finder.is_in(b"\tstruct box *box;\n\tif (box) {\n\t}\n\treturn box;\n"));
    }
}
