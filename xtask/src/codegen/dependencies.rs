// SPDX-License-Identifier: MIT OR Apache-2.0
//! docs/dependencies.md: what each direct dependency is for, what was refused for it, and how much comes with it.

use crate::exit::{Exit, Failure};
use crate::workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    need: String,
    refused: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

const HEAD: &str = "\
<!-- Made by `cargo xtask codegen` from xtask/data/dependencies.toml and cargo's metadata: edit the former. -->
# Dependencies

A dependency earns its line. \"Tree\" counts the packages that come with it on Linux, itself included, for building and
running; many are shared.

| crate | what for | refused instead | tree | licence |
|---|---|---|---|---|
";

/// The page.
pub(crate) fn page() -> Result<String, Failure> {
    let output = workspace::cargo()
        .args([
            "metadata",
            "--format-version=1",
            "--filter-platform=x86_64-unknown-linux-gnu",
        ])
        .run()?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::new(Exit::Internal, "failed to read cargo's metadata").because(error)
    })?;
    let reasons: BTreeMap<String, Reason> =
        toml::from_str(include_str!("../../data/dependencies.toml"))
            .expect("a test parses the same text");
    let (rows, total) = rows(&metadata, &reasons)?;
    Ok(format!(
        "{HEAD}{rows}\nAll in all {total} packages besides our own.\n"
    ))
}

fn rows(
    metadata: &Metadata,
    reasons: &BTreeMap<String, Reason>,
) -> Result<(String, usize), Failure> {
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let is_ours = |id: &str| metadata.workspace_members.contains(id);
    let direct: BTreeMap<&str, &str> = metadata
        .workspace_members
        .iter()
        .filter_map(|id| nodes.get(id.as_str()))
        .flat_map(|node| &node.deps)
        .filter(|edge| !is_ours(&edge.pkg))
        .filter_map(|edge| {
            Some((
                packages.get(edge.pkg.as_str())?.name.as_str(),
                edge.pkg.as_str(),
            ))
        })
        .collect();
    let mut text = String::new();
    for (name, id) in direct {
        let reason = reasons.get(name).ok_or_else(|| {
            Failure::new(
                Exit::Findings,
                format!("the dependency `{name}` has no reason"),
            )
            .hint("say in xtask/data/dependencies.toml what it is for and what was refused instead")
        })?;
        let licence = packages
            .get(id)
            .and_then(|package| package.license.as_deref())
            .unwrap_or("none");
        let size = tree(id, &nodes);
        text.push_str(&format!(
            "| `{name}` | {} | {} | {size} | {licence} |\n",
            reason.need, reason.refused
        ));
    }
    let total = metadata
        .packages
        .iter()
        .filter(|package| !is_ours(&package.id))
        .count();
    Ok((text, total))
}

/// How many packages come with `id`, itself included, without those that only its own tests need.
fn tree(id: &str, nodes: &BTreeMap<&str, &Node>) -> usize {
    let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let edges = nodes
            .get(id)
            .map(|node| node.deps.as_slice())
            .unwrap_or_default();
        let needed = |edge: &&Edge| {
            edge.dep_kinds
                .iter()
                .any(|kind| kind.kind.as_deref() != Some("dev"))
        };
        open.extend(edges.iter().filter(needed).map(|edge| edge.pkg.as_str()));
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        serde_json::from_value(serde_json::json!({
            "packages": [{"id": "o", "name": "ours", "license": null}, {"id": "a", "name": "a", "license": "MIT"}, {"id": "b", "name": "b", "license": "MIT"}, {"id": "t", "name": "t", "license": "MIT"}],
            "workspace_members": ["o"],
            "resolve": {"nodes": [
                {"id": "o", "deps": [{"pkg": "a", "dep_kinds": [{"kind": null}]}]},
                {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": "build"}]}, {"pkg": "t", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "b", "deps": []}, {"id": "t", "deps": []}]}
        }))
        .unwrap()
    }

    #[test]
    fn a_tree_counts_what_is_built_and_not_what_tests_need() {
        let reason = Reason {
            need: "n".into(),
            refused: "r".into(),
        };
        let (rows, total) = rows(&metadata(), &BTreeMap::from([("a".to_owned(), reason)])).unwrap();
        assert_eq!(rows, "| `a` | n | r | 2 | MIT |\n");
        assert_eq!(total, 3);
    }

    #[test]
    fn a_dependency_without_a_reason_is_refused() {
        let refused = rows(&metadata(), &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.exit, Exit::Findings);
    }
}
