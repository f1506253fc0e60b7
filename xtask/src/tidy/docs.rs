// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents that must name what is there: every room in ARCHITECTURE.md, every dependency in docs/dependencies.md.

use crate::tidy::problem::Problem;
use std::collections::BTreeSet;

/// The page about dependencies.
pub(crate) const DEPENDENCIES: &str = "docs/dependencies.md";
/// The page about rooms.
pub(crate) const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Dependencies of the workspace that the page does not name, and the other way round.
pub(crate) fn dependencies(manifest: &str, page: &str) -> Vec<Problem> {
    let Ok(manifest) = manifest.parse::<toml::Table>() else {
        return vec![Problem::new("Cargo.toml", 0, "is not TOML")];
    };
    let table = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(|dependencies| dependencies.as_table());
    let used: BTreeSet<&str> = table
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let named: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let missing = used
        .difference(&named)
        .map(|name| format!("`{name}` has no line here"));
    let stale = named
        .difference(&used)
        .map(|name| format!("`{name}` is no dependency any more"));
    missing
        .chain(stale)
        .map(|message| Problem::new(DEPENDENCIES, 0, message))
        .collect()
}

/// Rooms that the page does not name.
pub(crate) fn rooms<'a>(rooms: impl Iterator<Item = &'a str>, page: &str) -> Vec<Problem> {
    rooms
        .filter(|room| !page.contains(&format!("`{room}`")))
        .map(|room| Problem::new(ARCHITECTURE, 0, format!("does not name `{room}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_line_is_rejected_and_so_is_a_line_without_a_dependency() {
        let manifest = "[workspace.dependencies]\nproc = { path = \"proc\" }\nregex = \"1\"\n";
        assert!(dependencies(manifest, "| `regex` | need | refused | 5 |").is_empty());
        let problems = dependencies(manifest, "| `serde` | need | refused | 5 |");
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_room_that_the_architecture_does_not_name_is_rejected() {
        assert!(
            rooms(
                ["callsites/src/tree"].into_iter(),
                "in `callsites/src/tree`, …"
            )
            .is_empty()
        );
        assert_eq!(
            rooms(["callsites/src/tree"].into_iter(), "the tree").len(),
            1
        );
    }
}
