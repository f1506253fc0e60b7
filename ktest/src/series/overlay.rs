// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs from a tree.

use crate::error::Error;
use callsites::tree::beneath::{self, Entry, Root, TreePath};
use camino::{Utf8Path, Utf8PathBuf};
use failure::Exit;
use std::collections::BTreeMap;

/// Files that differ from the tree. Paths are relative to it.
pub(crate) type Overlay = BTreeMap<Utf8PathBuf, Content>;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Gone,
    /// A file.
    File {
        /// What it holds.
        bytes: Vec<u8>,
        /// It may be executed.
        executable: bool,
    },
    /// A link to another place of the tree.
    Link(Utf8PathBuf),
}

impl Content {
    /// A file that is not executed.
    pub(crate) fn file(bytes: impl Into<Vec<u8>>) -> Content {
        Content::File {
            bytes: bytes.into(),
            executable: false,
        }
    }

    /// The bytes of a file; none of anything else.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Content::File { bytes, .. } => bytes,
            Content::Gone | Content::Link(_) => &[],
        }
    }

    /// What stands at `path` beneath `root`, of which no link is followed.
    ///
    /// # Errors
    /// [`Error::Series`] where the path names no place inside, where a link is on the way, and where neither file nor link stands;
    /// [`Error::Io`] where a file cannot be read.
    pub(crate) fn at(root: &Utf8Path, path: &Utf8Path) -> Result<Content, Error> {
        let path = tree_path(path)?;
        let entry = Root::open(root).and_then(|root| root.entry(&path));
        match entry.map_err(from_outside)? {
            None => Ok(Content::Gone),
            Some(Entry::File { bytes, permissions }) => Ok(Content::File {
                bytes,
                executable: permissions & 0o111 != 0,
            }),
            Some(Entry::Link { target }) => {
                let target = String::from_utf8_lossy(&target).into_owned();
                Ok(Content::Link(target.into()))
            }
        }
    }
}

/// What a path from outside names, where it names a place inside of a tree: not what the shadow of the tree keeps for itself.
///
/// # Errors
/// [`Error::Series`].
pub(crate) fn tree_path(path: &Utf8Path) -> Result<TreePath, Error> {
    let parsed = TreePath::parse(path.as_str()).map_err(from_outside)?;
    if path.components().any(|part| part.as_str() == RESERVED) {
        let why = format!("use the path {path}: {RESERVED} is kept for links to the tree");
        return Err(Error::Series(
            std::io::Error::other(why).into(),
            Exit::Usage,
        ));
    }
    Ok(parsed)
}

/// What the gate refuses is the fault of whoever wrote the path.
pub(crate) fn from_outside(error: beneath::Error) -> Error {
    match error {
        beneath::Error::Refused { .. } => Error::Series(Box::new(error), Exit::Usage),
        beneath::Error::Io { path, source } => Error::Io {
            what: "use",
            path,
            source,
        },
    }
}

/// In each directory of the shadow, the link to the user's.
pub(crate) const RESERVED: &str = ".tree";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_inside_is_a_path() {
        for path in ["a.c", "d/a.c", "a..b", "..a"] {
            assert!(tree_path(path.into()).is_ok(), "{path}");
        }
        for path in [
            "",
            "/a",
            "../a",
            "d/../../a",
            ".git/config",
            "d/.GIT/x",
            "d/.tree/x",
            "d/",
            "a\nb",
        ] {
            assert!(tree_path(path.into()).is_err(), "{path}");
        }
    }
}
