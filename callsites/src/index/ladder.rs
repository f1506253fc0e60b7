// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each release compiles of a file that holds arms for many of them.

use super::lex::{Kind, Mode, Token, tokens};
use super::versions::{called, live, releases};
use crate::index::ir::Span;
use crate::tree::{Defined, VersionCode};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// The releases that conditions of the file name: `KERNEL_VERSION(a, b, c)`.
pub fn named(bytes: &[u8]) -> BTreeSet<VersionCode> {
    releases(bytes, &tokens(bytes, 0, bytes.len(), Mode::File))
}

/// The calls of the catalogue's acquires, releases and dirtying functions that a release compiles, by their names.
pub fn calls(bytes: &[u8], release: VersionCode) -> Vec<Span> {
    let all = compiled(bytes, release);
    let nowhere = SmolStr::default();
    let calls = (0..all.len()).filter_map(|at| called(bytes, &all, at, &nowhere));
    calls.map(|call| call.span).collect()
}

/// The words of the code that a release compiles, without directives.
pub fn words(bytes: &[u8], release: VersionCode) -> Vec<&[u8]> {
    let all = compiled(bytes, release);
    let code = all.iter().filter(|token| token.kind != Kind::Directive);
    code.map(|token| token.text(bytes)).collect()
}

fn compiled(bytes: &[u8], release: VersionCode) -> Vec<Token> {
    let given = Defined {
        code: Some(release),
        names: Vec::new(),
    };
    live(bytes, tokens(bytes, 0, bytes.len(), Mode::File), &given).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_compiles_the_calls_of_its_arm() {
        let text = b"#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 3)\nput_page(a);\n#else\nput_page(b); f(c);\n#endif\nput_page(d);\n";
        let old = VersionCode(5 << 16 | 6 << 8 | 2);
        let new = VersionCode(5 << 16 | 6 << 8 | 3);
        assert_eq!(named(text), BTreeSet::from([new]));
        let argument = |span: &Span| char::from(text[span.end as usize + 1]);
        let of = |release| {
            calls(text, release)
                .iter()
                .map(argument)
                .collect::<String>()
        };
        assert_eq!((of(old), of(new)), ("bd".into(), "ad".into()));
        assert_eq!(words(text, new).len(), 10);
    }
}
