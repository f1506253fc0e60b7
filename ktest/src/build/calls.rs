// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calls in an object that take or give back pages, each by the symbol and the offset where its instruction stands: a probe there
//! shows whether the call itself was made, not only its function.
//!
//! Read of x86-64 objects, which is what guests run.

use super::elf::{EM_X86_64, Object, STT_FUNC, Symbol, parse};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Role, catalogue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// R_X86_64_PC32 and R_X86_64_PLT32: what a call's distance is relocated by.
const DISTANCES: [u32; 2] = [2, 4];
/// `call rel32`.
const CALL: u8 = 0xe8;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The function that it stands in, by its name in the source.
    pub(crate) function: String,
    /// `symbol+0x12`.
    pub(crate) place: String,
    /// What is called.
    pub(crate) callee: String,
}

/// Of every file of `files` that was compiled to an object in `output`.
pub(super) fn calls_of(
    output: &Utf8Path,
    files: &[Utf8PathBuf],
) -> BTreeMap<Utf8PathBuf, Vec<Call>> {
    let units = files.iter().filter(|file| file.extension() == Some("c"));
    let calls = units.filter_map(|file| {
        let bytes = std::fs::read(output.join(file.with_extension("o"))).ok()?;
        let object = parse(&bytes).ok()?;
        Some((file.clone(), calls(&object)))
    });
    calls.collect()
}

fn calls(object: &Object<'_>) -> Vec<Call> {
    if object.machine != EM_X86_64 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for symbol in object
        .symbols
        .iter()
        .filter(|s| s.kind == STT_FUNC && s.size > 0)
    {
        found.extend(of_function(object, symbol).into_iter().flatten());
    }
    found
}

fn of_function(object: &Object<'_>, function: &Symbol<'_>) -> Option<Vec<Call>> {
    let data = object.sections.get(function.section)?.data;
    let range = function.value..function.value.checked_add(function.size)?;
    let mut calls = Vec::new();
    for relocation in object.relocations.get(function.section)? {
        let is_distance = DISTANCES.contains(&relocation.kind);
        let Some(at) = relocation
            .offset
            .checked_sub(1)
            .filter(|at| range.contains(at))
        else {
            continue;
        };
        let byte = usize::try_from(at).ok().and_then(|at| data.get(at));
        let Some(callee) = object.symbols.get(relocation.symbol) else {
            continue;
        };
        if is_distance && byte == Some(&CALL) && is_about_pages(callee.name) {
            let name = function.name.split('.').next().unwrap_or(function.name);
            calls.push(Call {
                function: name.to_owned(),
                place: format!("{}+{:#x}", function.name, at - function.value),
                callee: callee.name.to_owned(),
            });
        }
    }
    Some(calls)
}

fn is_about_pages(name: &str) -> bool {
    let role = catalogue().get(name).map(|function| function.role);
    matches!(role, Some(Role::Acquire | Role::Release | Role::Dirty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_where_its_instruction_stands() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let text = "void unpin_user_page(void *);\nvoid other(void *);\nint give(void **p, int n)\n{\n\
            \tother(p);\n\tunpin_user_page(p[0]);\n\tother(p);\n\treturn n;\n}\n";
        std::fs::write(root.join("a.c"), text).unwrap();
        let compiled = proc::Command::new("cc")
            .args(["-c", "-O2", "-o"])
            .arg(root.join("a.o"))
            .arg(root.join("a.c"))
            .run_unchecked();
        if !compiled.is_ok_and(|made| made.success()) || !cfg!(target_arch = "x86_64") {
            eprintln!("skip: no C compiler for x86-64");
            return;
        }
        let calls = calls_of(root, &["a.c".into()])
            .remove(Utf8Path::new("a.c"))
            .unwrap();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(
            (calls[0].function.as_str(), calls[0].callee.as_str()),
            ("give", "unpin_user_page")
        );
        assert!(calls[0].place.starts_with("give+0x"));
    }
}
