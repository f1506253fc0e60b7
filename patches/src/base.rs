// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file of the tree that a series is for, read as patches name files: beneath the tree, over no link.

use crate::error::Error;
use callsites::tree::Tree;
use callsites::tree::beneath::{Root, TreePath};
use camino::Utf8Path;

/// The bytes of an ordinary file.
///
/// # Errors
/// [`Error::Path`] where it is none, and [`Error::Tree`] where there is none.
pub(crate) fn read(tree: &Tree, path: &Utf8Path) -> Result<Vec<u8>, Error> {
    let Some(root) = tree.root().filter(|_| !tree.is_overlaid()) else {
        return Ok(tree.read(path)?);
    };
    let found = Root::open(root)?.read(&TreePath::parse(path.as_str())?)?;
    found.ok_or_else(|| Error::Tree(callsites::tree::Error::absent(path)))
}
