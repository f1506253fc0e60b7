// SPDX-License-Identifier: MIT OR Apache-2.0
//! What MAINTAINERS says of a subsystem's customs.

use crate::base;
use callsites::tree::Tree;
use camino::Utf8Path;
use std::collections::BTreeSet;

/// The lists (`L:`) of the entries whose patches are sent as the document `process` says (`P:`); none where the tree has
/// no MAINTAINERS.
pub(crate) fn lists_of_process(tree: &Tree, process: &str) -> BTreeSet<String> {
    let bytes = base::read(tree, Utf8Path::new("MAINTAINERS")).unwrap_or_default();
    lists(&String::from_utf8_lossy(&bytes), process)
}

fn lists(text: &str, process: &str) -> BTreeSet<String> {
    let value = |line: &str, tag: &str| {
        let rest = line.strip_prefix(tag)?.strip_prefix(':')?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let entries = text.split("\n\n");
    entries
        .filter(|entry| {
            let mut lines = entry.lines();
            lines.any(|line| value(line, "P").as_deref() == Some(process))
        })
        .flat_map(|entry| entry.lines().filter_map(|line| value(line, "L")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_its_process_and_its_lists() {
        let text = "TOY NET\nM:\tJane <jane@example.org>\nL:\ttoynet@example.org (moderated)\nP:\tDocumentation/toy.rst\n\n\
                    OTHER\nL:\tother@example.org\nF:\tDocumentation/toy.rst\n";
        let found = lists(text, "Documentation/toy.rst");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["toynet@example.org"]
        );
    }
}
