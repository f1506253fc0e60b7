// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a name is defined, told from the text alone.
//!
//! A definition begins in the first column, as the kernel's coding style has it, and ends with no `;`. This decides
//! which file is read, not what is read there: a wrong guess costs a pass over one file.

use crate::index::lex::is_ident;
use memchr::memmem;

/// How many bytes the parameters of a function may take.
const PARAMETERS: usize = 4096;

/// Whether `bytes` may define function or macro `name`.
pub fn defines(bytes: &[u8], name: &str) -> bool {
    memmem::find_iter(bytes, name.as_bytes()).any(|at| defined_at(bytes, at, at + name.len()))
}

fn defined_at(bytes: &[u8], at: usize, end: usize) -> bool {
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
    let line = &bytes[start..at];
    let whole = !line.last().is_some_and(|byte| is_ident(*byte))
        && !bytes.get(end).is_some_and(|byte| is_ident(*byte));
    if !whole {
        return false;
    }
    if let Some(directive) = line.strip_prefix(b"#") {
        return directive.trim_ascii() == b"define";
    }
    let head = line.first().is_none_or(|byte| is_ident(*byte));
    let rest = bytes[end..].trim_ascii_start();
    if !head || rest.first() != Some(&b'(') || line.contains(&b'=') {
        return false;
    }
    let rest = &rest[..rest.len().min(PARAMETERS)];
    let mut depth = 0;
    for (n, byte) in rest.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let next = rest[n + 1..].trim_ascii_start().first();
            return !matches!(next, Some(b';' | b','));
        }
    }
    false
}

/// Looks for the definition of a struct, union or typedef.
pub struct RecordFinder {
    definition: String,
    alias: String,
}

impl RecordFinder {
    /// Looks for `tag`.
    pub fn new(tag: &str) -> Self {
        Self {
            definition: format!("{tag} {{"),
            alias: format!(" {tag};"),
        }
    }

    /// Whether `bytes` may define it.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let tagged = |at: usize| {
            let before = bytes[..at].trim_ascii_end();
            at > before.len() && (before.ends_with(b"struct") || before.ends_with(b"union"))
        };
        let named = |at: usize| {
            let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
            bytes[start..at].starts_with(b"typedef") || bytes[start..at].starts_with(b"}")
        };
        memmem::find_iter(bytes, self.definition.as_bytes()).any(tagged)
            || memmem::find_iter(bytes, self.alias.as_bytes()).any(named)
    }
}

/// The names in the `#include` lines of a file.
pub fn includes(bytes: &[u8]) -> Vec<String> {
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
    fn a_record_is_told_from_its_uses() {
        let finder = RecordFinder::new("box");
        assert!(finder.is_in(b"struct box {\n\tint a;\n};\n"));
        assert!(finder.is_in(b"typedef struct {\n\tint a;\n} box;\n"));
        assert!(!finder.is_in(b"static struct inbox {\n};\n"));
        assert!(!finder.is_in(b"\tstruct box *box;\n\tif (box) {\n\t}\n\treturn box;\n"));
    }
}
