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
    match common.kernel.as_deref() {
        Some(spec) => open(spec),
        None if Version::of_tree(Utf8Path::new(".")).is_some() => open("."),
        None => Ok(Tree::embedded(Era::Pin)),
    }
}

/// A directory, REPO@REVISION, or a version of the cache.
pub fn open(spec: &str) -> Result<Tree, Failure> {
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
        return Ok(Tree::open(tree.dir.as_str())?);
    }
    Ok(Tree::open(spec)?)
}

/// Whether it is the tree that comes with the program.
pub fn is_embedded(tree: &Tree) -> bool {
    tree.root().is_none() && tree.repository().is_none()
}
