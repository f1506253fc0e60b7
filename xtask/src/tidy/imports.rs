// SPDX-License-Identifier: MIT OR Apache-2.0
//! Imports only point back: from cargo's metadata for crates, from `crate::` paths for modules.

use crate::tidy::problem::Problem;
use crate::tidy::rooms::Rooms;
use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use serde::Deserialize;
use std::sync::LazyLock;

static PATH: LazyLock<Regex> = LazyLock::new(|| {
    // In a macro `$crate::` names the crate's own top from outside.
    Regex::new(r"(?:^|[^$\w])crate::").expect("a literal pattern")
});
static SUPER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^(?:pub )?use super::").expect("a literal pattern"));

/// What `cargo metadata --no-deps` says of the crates, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The crates of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// All it depends on, for building and for tests.
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a crate depends on.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// Its name.
    pub(crate) name: String,
}

/// Crates that import against the order.
pub(crate) fn crates(metadata: &Metadata, rooms: &Rooms) -> Vec<Problem> {
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

/// Crates whose modules have no order, and modules of the order that are not there.
pub(crate) fn orders(metadata: &Metadata, rooms: &Rooms, files: &[Utf8PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |message| problems.push(Problem::new("xtask/data/rooms.toml", 0, message));
    for package in &metadata.packages {
        let Some(order) = rooms.modules.get(&package.name) else {
            say(format!("`{}` has no order of modules", package.name));
            continue;
        };
        for module in order {
            let is_it = |file: &Utf8PathBuf| {
                place(file).is_some_and(|place| (place.0, &*place.1) == (&package.name, module))
            };
            if !files.iter().any(is_it) {
                say(format!("`{}` has no module `{module}`", package.name));
            }
        }
    }
    problems
}

/// Modules of one file that are imported against the order of its crate.
pub(crate) fn modules(path: &Utf8Path, text: &str, rooms: &Rooms) -> Vec<Problem> {
    let Some((package, module)) = place(path) else {
        return Vec::new();
    };
    let Some(order) = rooms.modules.get(package) else {
        return Vec::new();
    };
    let rank = |name: &str| order.iter().position(|other| other == name);
    let Some(own) = rank(&module) else {
        let message = format!("module `{module}` is not listed in rooms.toml");
        return vec![Problem::new(path, 0, message)];
    };
    let mut problems = Vec::new();
    for (line, name) in imported(path, text) {
        let message = match rank(&name) {
            Some(other) if other > own => {
                format!("`{module}` imports `{name}`, which comes after it")
            }
            None if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                format!("`{module}` imports `{name}` from the top of its crate: name its room")
            }
            _ => continue,
        };
        problems.push(Problem::new(path, line, message));
    }
    problems
}

/// What follows `crate::` in a file, each name with its line; in a file right under `src`, what `use super::` names too.
fn imported(path: &Utf8Path, text: &str) -> Vec<(usize, String)> {
    let is_top = path
        .parent()
        .is_some_and(|above| above.file_name() == Some("src"));
    let code: String = text
        .split_inclusive('\n')
        .map(|line| match line.trim_start().starts_with("//") {
            true => "\n",
            false => line,
        })
        .collect();
    let mut found = Vec::new();
    for path in PATH
        .find_iter(&code)
        .chain(SUPER.find_iter(&code).filter(|_| is_top))
    {
        let line = code[..path.start()].matches('\n').count() + 1;
        found.extend(
            names(&code[path.end()..])
                .into_iter()
                .map(|name| (line, name)),
        );
    }
    found
}

/// The first names of `a::b` or of `{a::{b, c}, d}`.
fn names(after: &str) -> Vec<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let Some(list) = after.strip_prefix('{') else {
        return vec![name(after)];
    };
    let (mut depth, mut begun, mut names) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begun = true,
            _ if begun && !c.is_whitespace() => {
                names.push(name(&list[at..]));
                begun = false;
            }
            _ => {}
        }
    }
    names
}

/// The crate and the top-level module that a source file belongs to. lib.rs and main.rs stand above all.
fn place(path: &Utf8Path) -> Option<(&str, String)> {
    let parts: Vec<&str> = path.components().map(|part| part.as_str()).collect();
    let src = parts.iter().position(|part| *part == "src")?;
    if path.extension() != Some("rs") {
        return None;
    }
    let package = parts.get(src.checked_sub(1)?)?;
    let module = Utf8PathBuf::from(parts.get(src + 1)?).with_extension("");
    let module = module.into_string();
    (module != "lib" && module != "main").then_some((*package, module))
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
        let split = "use crate::{\n    tree::{Tree, Error},\n    flow::{State},\n};\n";
        let problems = check("callsites/src/index/ir.rs", split);
        assert_eq!((problems.len(), problems[0].line), (1, 1));
        assert_eq!(
            check("callsites/src/index.rs", "use super::flow::State;\n").len(),
            1
        );
        assert!(check("callsites/src/index/ir.rs", "use super::flow;\n").is_empty());
        let top = check(
            "callsites/src/index/ir.rs",
            concat!("fn f(tree: &cra", "te::Tree) {}\n"),
        );
        assert_eq!(
            top[0].message,
            "`index` imports `Tree` from the top of its crate: name its room"
        );
    }

    #[test]
    fn a_crate_without_an_order_and_an_order_without_its_module_are_rejected() {
        let mut rooms = rooms();
        let both = metadata(&[("proc", &[]), ("failure", &[])]);
        let listed = rooms.modules["failure"].iter();
        let listed = listed.map(|module| format!("failure/src/{module}.rs").into());
        let files: Vec<Utf8PathBuf> = listed.chain(["proc/src/error.rs".into()]).collect();
        rooms.modules.insert("proc".into(), vec!["error".into()]);
        assert!(orders(&both, &rooms, &files).is_empty());
        rooms
            .modules
            .insert("proc".into(), vec!["error".into(), "attic".into()]);
        rooms.modules.remove("failure");
        let said: Vec<String> = orders(&both, &rooms, &files)
            .into_iter()
            .map(|problem| problem.message)
            .collect();
        assert_eq!(
            said,
            [
                "`proc` has no module `attic`",
                "`failure` has no order of modules"
            ]
        );
    }

    #[test]
    fn the_house_itself_has_an_order_in_every_crate() {
        let rooms = rooms();
        for name in rooms.crates.iter().chain(&rooms.apart) {
            assert!(rooms.modules.contains_key(name), "{name}");
        }
    }
}
