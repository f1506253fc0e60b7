// SPDX-License-Identifier: MIT OR Apache-2.0
//! What MAINTAINERS says of a subsystem's customs.

use crate::base;
use callsites::tree::Tree;
use camino::Utf8Path;
use regex::Regex;

/// The entries of a tree's MAINTAINERS; none where the tree has no such file.
pub(crate) struct Maintainers {
    entries: Vec<Entry>,
}

/// An entry, as far as a subject depends on it.
#[derive(Debug, Default)]
struct Entry {
    title: String,
    /// How its patches are sent (`P:`).
    process: Vec<String>,
    /// Its files (`F:`), and those that are not (`X:`).
    files: Vec<String>,
    excluded: Vec<String>,
}

impl Maintainers {
    /// Reads the file.
    pub(crate) fn of(tree: &Tree) -> Self {
        let bytes = base::read(tree, Utf8Path::new("MAINTAINERS")).unwrap_or_default();
        Maintainers {
            entries: entries(&String::from_utf8_lossy(&bytes)),
        }
    }

    /// Whether a file belongs to an entry whose patches are sent as the document `process` says. A list alone says nothing:
    /// other subsystems copy it.
    pub(crate) fn sends(&self, file: &str, process: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            let covers = |patterns: &[String]| patterns.iter().any(|pattern| covers(pattern, file));
            entry.process.iter().any(|document| document == process)
                && covers(&entry.files)
                && !covers(&entry.excluded)
        })
    }

    /// Whether a directory is a subsystem of its own: it is the file pattern of an entry that is titled as it is named, what
    /// stands in brackets aside.
    pub(crate) fn names(&self, directory: &str) -> bool {
        let name = directory.rsplit('/').next().unwrap_or(directory);
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            let title = entry.title.split(" (").next().unwrap_or_default();
            let same = title
                .split_whitespace()
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
                .join("_")
                == name.replace('-', "_");
            let own = |file: &String| file.strip_suffix('/') == Some(directory);
            same && entry.files.iter().any(own)
        })
    }
}

/// A title at the margin, then lines of a letter and a colon; an empty line ends an entry.
fn entries(text: &str) -> Vec<Entry> {
    let read = |block: &str| {
        let mut entry = Entry::default();
        for line in block.lines() {
            let field = line
                .split_once(':')
                .filter(|(tag, _)| tag.len() == 1)
                .map(|(tag, value)| (tag, value.trim().to_owned()));
            match field {
                Some(("P", value)) => entry.process.push(value),
                Some(("F", value)) => entry.files.push(value),
                Some(("X", value)) => entry.excluded.push(value),
                Some(_) => {}
                None => entry.title = line.trim().to_owned(),
            }
        }
        entry
    };
    text.split("\n\n").map(read).collect()
}

/// Whether a pattern of `F:` or `X:` is for a file: what ends in a slash for all below it, anything else for files of as
/// many components ("scripts/get_maintainer.pl", file_match_pattern(), 6.12).
fn covers(pattern: &str, file: &str) -> bool {
    if !pattern.contains(['*', '?', '[']) {
        return file == pattern || pattern.ends_with('/') && file.starts_with(pattern);
    }
    let text = pattern
        .replace('.', r"\.")
        .replace('*', ".*")
        .replace('?', ".");
    let slashes = |text: &str| text.matches('/').count();
    Regex::new(&format!("^{text}")).is_ok_and(|regex| {
        regex.is_match(file) && (pattern.ends_with('/') || slashes(pattern) == slashes(file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "TOY NET\nM:\tJane <jane@example.org>\nL:\ttoynet@example.org (moderated)\nP:\tDocumentation/toy.rst\n\
                        F:\tnet/\nF:\tinclude/toy/if_*\nX:\tnet/other/\n\n\
                        OTHER TOY (OT)\nL:\ttoynet@example.org\nF:\tDocumentation/toy.rst\nF:\tdrivers/virt/other_toy/\n";

    fn sends(file: &str) -> bool {
        let entries = entries(TEXT);
        Maintainers { entries }.sends(file, "Documentation/toy.rst")
    }

    #[test]
    fn a_file_is_sent_as_its_own_entry_says_and_not_as_its_list_is_used_elsewhere() {
        assert!(sends("net/toy/a.c"));
        assert!(sends("include/toy/if_a.h"));
        // One level further down is another directory's.
        assert!(!sends("include/toy/if_a/b.h"));
        assert!(!sends("net/other/a.c"));
        // The same list, another entry.
        assert!(!sends("drivers/virt/other_toy/a.c"));
    }

    #[test]
    fn a_directory_that_an_entry_is_titled_after_is_a_subsystem() {
        let entries = entries(TEXT);
        let maintainers = Maintainers { entries };
        assert!(maintainers.names("drivers/virt/other_toy"));
        // A title of more words, and a directory that is nobody's.
        assert!(!maintainers.names("drivers/virt/toy"));
        assert!(!maintainers.names("drivers/misc/other_toy"));
    }
}
