// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions' code a patch changed, and whether those are the ones it edits.

use super::functions::{Functions, differing, of_file};
use super::stage::Made;
use crate::series::{Content, Overlay, changed_functions};
use crate::verdict::Changes;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// The functions of an object, or why they cannot be told apart.
pub(crate) type Compiled = Result<Functions, &'static str>;

/// The objects of the touched files as the last kernel left them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    functions: BTreeMap<Utf8PathBuf, Compiled>,
    overlay: Overlay,
}

impl Ledger {
    /// With what the base came to.
    pub(crate) fn new(base: &Made) -> Ledger {
        Ledger {
            functions: base.functions.clone(),
            overlay: Overlay::new(),
        }
    }

    /// What the kernel with `overlay` changed since the last one.
    pub(crate) fn step(&mut self, tree: &Utf8Path, overlay: &Overlay, made: &Made) -> Changes {
        let mut changes = Changes::default();
        for (file, now) in &made.functions {
            let edited = edited(tree, file, &self.overlay, overlay);
            let Some(before) = self.functions.insert(file.clone(), now.clone()) else {
                continue;
            };
            let (before, now) = match (&before, now) {
                (Ok(before), Ok(now)) => (before, now),
                (Err(why), _) | (_, Err(why)) => {
                    if !edited.is_empty() {
                        changes.not_compared.push(format!("{file}: {why}"));
                    }
                    continue;
                }
            };
            let differ = differing(before, now);
            let name = |function: &String| format!("{file}:{function}");
            let (meant, beyond): (Vec<&String>, Vec<&String>) = differ
                .iter()
                .partition(|function| edited.contains(function));
            changes.meant.extend(meant.into_iter().map(name));
            changes.beyond.extend(beyond.into_iter().map(name));
            let idle = edited.iter().filter(|function| !differ.contains(function));
            let (same, inlined): (Vec<&String>, Vec<&String>) =
                idle.partition(|function| now.contains_key(*function));
            changes.without_effect.extend(same.into_iter().map(name));
            changes.inlined.extend(inlined.into_iter().map(name));
        }
        // What a header says has no code but in those that take it in.
        let headers = overlay.keys().chain(self.overlay.keys());
        let headers: BTreeSet<&Utf8PathBuf> =
            headers.filter(|f| f.extension() == Some("h")).collect();
        for header in headers {
            let edited = edited(tree, header, &self.overlay, overlay);
            let names = edited.iter().map(|function| format!("{header}:{function}"));
            match changes.beyond.is_empty() {
                true => changes.without_effect.extend(names),
                false => changes.inlined.extend(names),
            }
        }
        self.overlay = overlay.clone();
        changes
    }
}

/// The functions of `file` whose text differs between two states of the tree.
pub(crate) fn edited(
    tree: &Utf8Path,
    file: &Utf8Path,
    before: &Overlay,
    now: &Overlay,
) -> Vec<String> {
    let text = |overlay: &Overlay| match overlay.get(file) {
        Some(content) => content.bytes().to_vec(),
        // A file of the tree that cannot be read has no functions.
        None => Content::at(tree, file).map_or(Vec::new(), |content| content.bytes().to_vec()),
    };
    changed_functions(&text(before), &text(now))
}

/// Of every file of `files` that was compiled to an object in `output`.
pub(super) fn functions_of(
    output: &Utf8Path,
    files: &[Utf8PathBuf],
) -> BTreeMap<Utf8PathBuf, Compiled> {
    files
        .iter()
        .filter(|file| file.extension() == Some("c"))
        .map(|file| {
            (
                file.clone(),
                of_file(&output.join(file.with_extension("o"))),
            )
        })
        .filter(|(_, functions)| functions.as_ref().map_or(true, |f| !f.is_empty()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Outcome;

    fn made(functions: &[(&str, &str)]) -> Made {
        let hashed =
            |(name, code): &(&str, &str)| ((*name).to_owned(), blake3::hash(code.as_bytes()));
        let functions = functions.iter().map(hashed).collect();
        Made {
            result: Outcome::Pass,
            reason: None,
            objects: Vec::new(),
            warnings: BTreeMap::new(),
            functions: BTreeMap::from([("a.c".into(), Ok(functions))]),
            calls: BTreeMap::new(),
            lines: BTreeMap::new(),
            seconds: 0.0,
        }
    }

    #[test]
    fn a_patch_is_told_what_it_edits_what_else_it_changes_and_what_was_in_vain() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap();
        let text = |f: &str, g: &str| {
            format!(
                "int f(void)\n{{\n{f}\n}}\n\nint g(void)\n{{\n{g}\n}}\n\nstatic int i(void)\n{{\n{g}\n}}\n\nint h(void)\n{{\n}}\n"
            )
        };
        std::fs::write(tree.join("a.c"), text("one", "two")).unwrap();
        let overlay = |f: &str, g: &str| Overlay::from([("a.c".into(), Content::file(text(f, g)))]);
        let mut ledger = Ledger::new(&made(&[("f", "1"), ("g", "2"), ("h", "3")]));
        let second = made(&[("f", "9"), ("g", "2"), ("h", "4")]);
        let changes = ledger.step(tree, &overlay("new", "new"), &second);
        assert_eq!(
            changes.lines(),
            [
                "changes the code of a.c:f",
                "changes code that it does not edit, of a.c:h",
                "edits without effect on the code a.c:g",
                "edits what has no code of its own, being inlined: a.c:i",
            ]
        );
        assert!(
            ledger
                .step(tree, &overlay("new", "new"), &second)
                .is_empty()
        );
    }

    #[test]
    fn an_object_that_is_not_read_is_said_not_to_be_compared() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(tree.join("a.c"), "int f(void)\n{\n}\n").unwrap();
        let text = b"int f(void)\n{\n\treturn 1;\n}\n".to_vec();
        let overlay = Overlay::from([("a.c".into(), Content::file(text))]);
        let unread = |functions| {
            let mut made = made(&[]);
            made.functions.insert("a.c".into(), functions);
            made
        };
        for (base, now) in [
            (Err("why"), Ok(Functions::new())),
            (Ok(Functions::new()), Err("why")),
        ] {
            let changes = Ledger::new(&unread(base)).step(tree, &overlay, &unread(now));
            assert_eq!(changes.lines(), ["functions are not compared of a.c: why"]);
        }
    }
}
