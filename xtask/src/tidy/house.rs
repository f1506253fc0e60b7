// SPDX-License-Identifier: MIT OR Apache-2.0
//! All rules on the whole repository.

use crate::exit::{Exit, Failure};
use crate::tidy::problem::Problem;
use crate::tidy::{docs, imports, rooms, text};
use crate::workspace;
use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// All broken rules, sorted.
pub(crate) fn problems() -> Result<Vec<Problem>, Failure> {
    let rooms = rooms::rooms();
    let root = workspace::root();
    let files = workspace::files()?;
    let metadata = workspace::cargo()
        .args(["metadata", "--no-deps", "--format-version=1"])
        .run()?;
    let metadata: imports::Metadata =
        serde_json::from_slice(&metadata.stdout).map_err(|error| {
            Failure::new(Exit::Internal, "failed to read cargo's metadata").because(error)
        })?;
    let mut problems = imports::crates(&metadata, &rooms);
    problems.extend(imports::orders(&metadata, &rooms, &files));
    for file in &files {
        // What is not UTF-8 is a fixture that says so by its bytes.
        if let Ok(content) = std::fs::read_to_string(root.join(file)) {
            problems.extend(text::check(file, &content, &rooms));
            problems.extend(imports::modules(file, &content, &rooms));
        }
    }
    let page = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    problems.extend(docs::dependencies(
        &page("Cargo.toml"),
        &page(docs::DEPENDENCIES),
    ));
    let named = top_modules(&files, &rooms);
    problems.extend(docs::rooms(
        named.iter().map(String::as_str),
        &page(docs::ARCHITECTURE),
    ));
    problems.sort();
    Ok(problems)
}

/// `crate/src/module` of every top-level module, and the crates themselves.
fn top_modules(files: &[Utf8PathBuf], rooms: &rooms::Rooms) -> BTreeSet<String> {
    let is_crate = |name: &str| rooms.crates.iter().any(|other| other == name);
    files
        .iter()
        .filter(|file| file.extension() == Some("rs"))
        .filter_map(|file| {
            let parts: Vec<&str> = file.components().map(|part| part.as_str()).collect();
            match parts[..] {
                [room, "src", module, ..] if is_crate(room) => {
                    let module = module.trim_end_matches(".rs");
                    Some(if matches!(module, "lib" | "main") {
                        room.to_owned()
                    } else {
                        format!("{room}/src/{module}")
                    })
                }
                _ => None,
            }
        })
        .collect()
}
