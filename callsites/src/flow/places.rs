// SPDX-License-Identifier: MIT OR Apache-2.0
//! The paths of a tree, by directory.

use super::hash::FastMap;
use super::want::Scope;
use crate::index::shelf::Changes;
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Cow;
use std::sync::Arc;

/// Directories with more files than this below them are not searched below, only in themselves: they join parts that have
/// nothing to do with each other. A directory with more files than this in itself is not searched for a function that moved. In 6.12 these are 37 of the 3,966 directories that hold sources.
const LARGE: usize = 400;

/// Paths, sorted by their text.
#[derive(Debug)]
pub struct Places<'t> {
    paths: Cow<'t, [Utf8PathBuf]>,
    siblings: FastMap<String, Arc<[Utf8PathBuf]>>,
}

impl<'t> Places<'t> {
    /// Takes the paths of a tree.
    pub fn new(paths: &'t [Utf8PathBuf]) -> Self {
        let mut paths = Cow::Borrowed(paths);
        if !paths.is_sorted_by(|a, b| a.as_str() <= b.as_str()) {
            let paths = paths.to_mut();
            paths.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        Self {
            paths,
            siblings: FastMap::default(),
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &Utf8Path) -> bool {
        let found = self
            .paths
            .binary_search_by(|known| known.as_str().cmp(path.as_str()));
        found.is_ok()
    }

    fn from(&self, text: &str) -> usize {
        self.paths.partition_point(|path| path.as_str() < text)
    }

    /// The paths that begin with a directory and a slash.
    fn inside(&self, directory: &str) -> &[Utf8PathBuf] {
        if directory.is_empty() {
            return &self.paths;
        }
        // The byte after '/' is '0'.
        let range = self.from(&format!("{directory}/"))..self.from(&format!("{directory}0"));
        self.paths.get(range).unwrap_or_default()
    }

    /// The files of a directory, without those below it.
    pub fn siblings(&mut self, directory: &str) -> Arc<[Utf8PathBuf]> {
        if let Some(known) = self.siblings.get(directory) {
            return Arc::clone(known);
        }
        let skip = if directory.is_empty() {
            0
        } else {
            directory.len() + 1
        };
        let mut rest = self.inside(directory);
        let mut out = Vec::new();
        while let Some(path) = rest.first() {
            match path.as_str()[skip..].split_once('/') {
                None => {
                    out.push(path.clone());
                    rest = &rest[1..];
                }
                Some((inner, _)) => {
                    // All below an inner directory stand together.
                    let after = format!("{}0", &path.as_str()[..skip + inner.len()]);
                    rest = &rest[rest.partition_point(|path| path.as_str() < after.as_str())..];
                }
            }
        }
        let out: Arc<[Utf8PathBuf]> = out.into();
        self.siblings.insert(directory.to_owned(), Arc::clone(&out));
        out
    }

    /// The files of a directory and of all below it or, where there are many, of the directory.
    pub fn below(&mut self, directory: &str) -> Arc<[Utf8PathBuf]> {
        if self.is_large(directory) {
            self.siblings(directory)
        } else {
            self.inside(directory).into()
        }
    }

    /// The files of the directory in which `path` stands or stood; none where there are many.
    pub fn beside(&mut self, path: &Utf8Path) -> Arc<[Utf8PathBuf]> {
        let siblings = self.siblings(parent(path));
        if siblings.len() > LARGE {
            return [].into();
        }
        siblings
    }

    fn is_large(&self, directory: &str) -> bool {
        self.inside(directory).len() > LARGE
    }

    /// Whether a word that `from` looks for is looked for in `path` too.
    pub fn covers(&self, from: &Utf8Path, scope: Scope<'_>, path: &Utf8Path) -> bool {
        let directory = parent(from);
        match scope {
            Scope::File => path == from,
            Scope::Directory => parent(path) == directory,
            Scope::Subtree | Scope::Naming(..) => {
                is_inside(path, directory)
                    && (parent(path) == directory || !self.is_large(directory))
            }
        }
    }

    /// Whether the changes made many files of few, or few of many.
    pub fn grew_out_of(&self, directory: &str, changes: &Changes) -> bool {
        let count = |paths: &std::collections::BTreeSet<Utf8PathBuf>| {
            paths
                .iter()
                .filter(|path| is_inside(path, directory))
                .count()
        };
        let (added, gone) = (count(&changes.added), count(&changes.gone));
        let now = self.inside(directory).len();
        (added, gone) != (0, 0) && ((now + gone).saturating_sub(added) > LARGE) != (now > LARGE)
    }
}

/// Whether a header is one of the kernel's public ones: of all of it or of one architecture.
pub(crate) fn is_public(path: &Utf8Path) -> bool {
    path.as_str().starts_with("include/") || path.as_str().contains("/include/")
}

/// Whether a file stands in a directory or below it.
pub(crate) fn is_inside(path: &Utf8Path, directory: &str) -> bool {
    let rest = path.as_str().strip_prefix(directory);
    rest.is_some_and(|rest| directory.is_empty() || rest.starts_with('/'))
}

/// The directory of a file as text: comparing paths part by part costs more than searching small files.
pub(crate) fn parent(path: &Utf8Path) -> &str {
    path.as_str()
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory)
}

/// The path of a header that a file of `directory` names: `../b/c.h` stands in the directory next to it.
pub(crate) fn named_from(directory: &str, name: &str) -> Utf8PathBuf {
    let (mut directory, mut name) = (Utf8Path::new(directory), name);
    while let Some(rest) = name.strip_prefix("../") {
        directory = directory.parent().unwrap_or(Utf8Path::new(""));
        name = rest;
    }
    directory.join(name)
}

/// How near two files are: shared leading directories, with the same file nearest and public headers before strangers.
pub(crate) fn closeness(here: &Utf8Path, there: &Utf8Path) -> u32 {
    let (here, there) = (here.as_str(), there.as_str());
    if here == there {
        return 1000;
    }
    // Directories and names in front that are the same; neither path lies below the other, both are files.
    let same = here.bytes().zip(there.bytes()).take_while(|(a, b)| a == b);
    let same = same.count();
    let shared = here.as_bytes()[..same].iter().filter(|byte| **byte == b'/');
    let shared = shared.count() as u32;
    let directory = |path: &str| path.rfind('/');
    let beside =
        directory(here) == directory(there) && directory(here).is_none_or(|length| length < same);
    let beside = u32::from(beside);
    let public = u32::from(there.starts_with("include/"));
    1 + 4 * shared + 2 * beside + public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_leave_out_what_lies_deeper_and_names_that_begin_alike() {
        let paths: Vec<Utf8PathBuf> = ["a-b/x.c", "a.c", "a/b.c", "a/b/c.c", "a/c.c", "a0/d.c"]
            .map(Utf8PathBuf::from)
            .to_vec();
        let mut places = Places::new(&paths);
        let text =
            |found: Arc<[Utf8PathBuf]>| found.iter().map(|p| p.to_string()).collect::<Vec<_>>();
        assert_eq!(text(places.siblings("a")), ["a/b.c", "a/c.c"]);
        assert_eq!(text(places.below("a")), ["a/b.c", "a/b/c.c", "a/c.c"]);
        assert_eq!(text(places.siblings("")), ["a.c"]);
        assert_eq!(text(places.siblings("none")), [""; 0]);
        assert!(places.covers(
            Utf8Path::new("a/b.c"),
            Scope::Subtree,
            Utf8Path::new("a/b/c.c")
        ));
        assert!(!places.covers(
            Utf8Path::new("a/b.c"),
            Scope::Subtree,
            Utf8Path::new("a0/d.c")
        ));
        assert!(!places.covers(
            Utf8Path::new("a/b.c"),
            Scope::Directory,
            Utf8Path::new("a/b/c.c")
        ));
    }
}
