// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kernel tree a verb works on.

use crate::exit::{Exit, Failure};
use crate::flags::Common;
use crate::kernels::store::Store;
use crate::kernels::version::Version;
use callsites::report::Era;
use callsites::tree::Tree;
use camino::Utf8Path;

/// `--kernel` (or KERNEL_TREE), else the working directory where that is a kernel tree, else the embedded one.
pub fn choose(common: &Common) -> Result<Tree, Failure> {
    choose_with(common, None)
}

/// The same, with the list of files from an audit's cache.
pub fn choose_with(common: &Common, cache: Option<&Utf8Path>) -> Result<Tree, Failure> {
    match common.kernel.as_deref() {
        Some(spec) => open(spec, cache),
        None if Version::of_tree(Utf8Path::new(".")).is_some() => open(".", cache),
        None => Ok(Tree::embedded(Era::Pin)),
    }
}

/// A directory, REPO@REVISION, or a version of the cache.
pub fn open(spec: &str, cache: Option<&Utf8Path>) -> Result<Tree, Failure> {
    if !Utf8Path::new(spec).exists()
        && let Ok(version) = spec.parse::<Version>()
    {
        let tree = Store::of_user()?.find(version).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("no kernel tree of version {version} at hand"),
            )
            .hint(format!("cargo xtask kernel get {version}"))
        })?;
        return Ok(Tree::open_with(tree.dir.as_str(), cache)?);
    }
    Ok(Tree::open_with(spec, cache)?)
}

/// Whether it is the tree that comes with the program.
pub fn is_embedded(tree: &Tree) -> bool {
    tree.root().is_none() && tree.repository().is_none()
}
