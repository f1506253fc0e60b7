// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each release compiles of a file that holds arms for many of them.

use super::features::Module;
use super::lex::{Kind, Mode, Token, tokens};
use super::versions::{called, live, releases};
use crate::index::ir::Span;
use crate::tree::{Defined, Tree, VersionCode};
use refimpl::api::followed;
use refimpl::version::KernelVersion;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// What decides the conditions of a module for every release.
#[derive(Debug, Default)]
pub struct Ladder {
    module: Module,
    known: Mutex<BTreeMap<VersionCode, Defined>>,
}

impl Ladder {
    /// Of a module; of a kernel tree nothing is read.
    pub fn of(tree: &Tree) -> Ladder {
        Ladder {
            module: Module::read(tree),
            known: Mutex::default(),
        }
    }

    /// The releases that conditions of the file name, `KERNEL_VERSION(a, b, c)`, and those in which a function of the catalogue
    /// that it calls has come, gone or got other arguments.
    pub fn named(&self, bytes: &[u8]) -> BTreeSet<VersionCode> {
        let all = tokens(bytes, 0, bytes.len(), Mode::File);
        let mut found = releases(bytes, &all);
        for header in self.module.headers() {
            found.extend(releases(
                header,
                &tokens(header, 0, header.len(), Mode::File),
            ));
        }
        let nowhere = SmolStr::default();
        for at in 0..all.len() {
            if let Some(call) = called(bytes, &all, at, &nowhere) {
                found.extend(changes(&call.name));
            }
        }
        found
    }

    /// The calls of the catalogue's acquires, releases and dirtying functions that a release compiles, by their names.
    pub fn calls(&self, bytes: &[u8], release: VersionCode) -> Vec<Span> {
        let all = self.compiled(bytes, release);
        let nowhere = SmolStr::default();
        let calls = (0..all.len()).filter_map(|at| called(bytes, &all, at, &nowhere));
        calls.map(|call| call.span).collect()
    }

    /// The words of the code that a release compiles, without directives.
    pub fn words<'b>(&self, bytes: &'b [u8], release: VersionCode) -> Vec<&'b [u8]> {
        let all = self.compiled(bytes, release);
        let code = all.iter().filter(|token| token.kind != Kind::Directive);
        code.map(|token| token.text(bytes)).collect()
    }

    fn compiled(&self, bytes: &[u8], release: VersionCode) -> Vec<Token> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let given = known
            .entry(release)
            .or_insert_with(|| self.module.at(release));
        live(bytes, tokens(bytes, 0, bytes.len(), Mode::File), given).0
    }
}

/// The releases in which a function of the catalogue came, went or got other arguments.
pub fn changes(name: &str) -> BTreeSet<VersionCode> {
    let Some(function) = followed().get(name) else {
        return BTreeSet::new();
    };
    let forms = function.signatures.iter();
    let forms = forms.flat_map(|form| [form.since, form.until]);
    let all = [function.since, function.until].into_iter().chain(forms);
    all.flatten().map(code).collect()
}

fn code(version: KernelVersion) -> VersionCode {
    VersionCode(u32::from(version.major) << 16 | u32::from(version.minor) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_compiles_the_calls_of_its_arm() {
        let text = b"#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 3)\nput_page(a);\n#else\nput_page(b); f(c);\n#endif\nput_page(d);\n";
        let old = VersionCode(5 << 16 | 6 << 8 | 2);
        let new = VersionCode(5 << 16 | 6 << 8 | 3);
        let ladder = Ladder::default();
        assert!(ladder.named(text).contains(&new));
        let argument = |span: &Span| char::from(text[span.end as usize + 1]);
        let of = |release| {
            ladder
                .calls(text, release)
                .iter()
                .map(argument)
                .collect::<String>()
        };
        assert_eq!((of(old), of(new)), ("bd".into(), "ad".into()));
        assert_eq!(ladder.words(text, new).len(), 10);
    }
}
