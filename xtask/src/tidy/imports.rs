// SPDX-License-Identifier: MIT OR Apache-2.0
//! Imports only point back: from cargo's metadata for crates, from `crate::` paths for modules.

use crate::tidy::problem::Problem;
use crate::tidy::rooms::Rooms;
use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use serde::Deserialize;
use std::sync::LazyLock;

static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bcrate::(?:([a-z][a-z0-9_]*)|\{([^}]*)\})").expect("a literal pattern")
});

/// What `cargo metadata --no-deps` says of the crates, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// The crates of the workspace.
    pub packages: Vec<Package>,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// All it depends on, for building and for tests.
    pub dependencies: Vec<Dependency>,
}

/// What a crate depends on.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Its name.
    pub name: String,
}

/// Crates that import against the order.
pub fn crates(metadata: &Metadata, rooms: &Rooms) -> Vec<Problem> {
    let rank = |name: &str| rooms.crates.iter().position(|other| other == name);
    let is_apart = |name: &str| rooms.apart.iter().any(|other| other == name);
    let is_ours = |name: &str| metadata.packages.iter().any(|package| package.name == name);
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let mut say = |message| {
            problems.push(Problem::new(
                format!("{}/Cargo.toml", package.name),
                0,
                message,
            ))
        };
        if rank(&package.name).is_none() && !is_apart(&package.name) {
            say("a crate that rooms.toml does not list".to_owned());
        }
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| is_ours(&dependency.name))
        {
            let back =
                rank(&dependency.name) < rank(&package.name) && rank(&dependency.name).is_some();
            if !back || is_apart(&package.name) {
                say(format!(
                    "imports {}, which does not come before it",
                    dependency.name
                ));
            }
        }
    }
    problems
}

/// Modules of one file that are imported against the order of its crate.
pub fn modules(path: &Utf8Path, text: &str, rooms: &Rooms) -> Vec<Problem> {
    let Some((order, module)) = place(path, rooms) else {
        return Vec::new();
    };
    let rank = |name: &str| order.iter().position(|other| other == name);
    let Some(own) = rank(&module) else {
        return vec![Problem::new(
            path,
            0,
            format!("module `{module}` is not listed in rooms.toml"),
        )];
    };
    let mut problems = Vec::new();
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    for (index, line) in code {
        for found in PATH.captures_iter(line) {
            let names = found
                .get(1)
                .or_else(|| found.get(2))
                .map_or("", |names| names.as_str());
            for name in names
                .split(',')
                .map(|name| name.split("::").next().unwrap_or_default().trim())
            {
                if rank(name).is_some_and(|rank| rank > own) {
                    let message = format!("`{module}` imports `{name}`, which comes after it");
                    problems.push(Problem::new(path, index + 1, message));
                }
            }
        }
    }
    problems
}

/// The order that holds for a file, and the top-level module it belongs to. lib.rs and main.rs stand above all.
fn place<'a>(path: &Utf8Path, rooms: &'a Rooms) -> Option<(&'a [String], String)> {
    let mut parts = path.components().map(|part| part.as_str());
    let order = rooms.modules.get(parts.next()?)?;
    if parts.next()? != "src" || path.extension() != Some("rs") {
        return None;
    }
    let module = Utf8PathBuf::from(parts.next()?)
        .with_extension("")
        .into_string();
    (module != "lib" && module != "main").then_some((order, module))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::rooms::rooms;

    fn metadata(edges: &[(&str, &[&str])]) -> Metadata {
        let packages = edges.iter().map(|(name, uses)| Package {
            name: (*name).into(),
            dependencies: uses
                .iter()
                .map(|name| Dependency {
                    name: (*name).into(),
                })
                .collect(),
        });
        Metadata {
            packages: packages.collect(),
        }
    }

    #[test]
    fn a_crate_that_imports_forward_is_rejected() {
        let good = metadata(&[
            ("proc", &[]),
            ("callsites", &["proc"]),
            ("patches", &["callsites", "serde"]),
        ]);
        assert!(crates(&good, &rooms()).is_empty());
        let bad = metadata(&[("proc", &[]), ("patches", &[]), ("callsites", &["patches"])]);
        let problems = crates(&bad, &rooms());
        assert_eq!(
            problems[0].message,
            "imports patches, which does not come before it"
        );
    }

    #[test]
    fn the_guest_imports_none_of_the_others_and_nobody_imports_it() {
        let own = crates(&metadata(&[("proc", &[]), ("guest", &["proc"])]), &rooms());
        assert_eq!(own.len(), 1);
        let other = crates(
            &metadata(&[("guest", &[]), ("ktest", &["guest"])]),
            &rooms(),
        );
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn a_module_that_imports_forward_is_rejected() {
        let mut rooms = rooms();
        let order = ["tree", "index", "flow"].map(str::to_owned).to_vec();
        rooms.modules.insert("callsites".into(), order);
        let check = |path: &str, text: &str| modules(Utf8Path::new(path), text, &rooms);
        assert!(
            check(
                "callsites/src/flow/walk.rs",
                "use crate::index::ir::Expr;\n"
            )
            .is_empty()
        );
        assert!(check("callsites/src/index/ir.rs", "//! See [`crate::flow`].\n").is_empty());
        let problems = check(
            "callsites/src/index/ir.rs",
            "use crate::{tree::Tree, flow::State};\n",
        );
        assert_eq!(
            problems[0].message,
            "`index` imports `flow`, which comes after it"
        );
        assert_eq!(check("callsites/src/attic.rs", "").len(), 1);
    }
}
