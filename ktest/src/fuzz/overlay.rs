// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stranger's series, laid over a tree of links.

use crate::build::shadow::Shadow;
use crate::error::Error;
use crate::series::{Overlay, stage};
use crate::source::Source;
use camino::Utf8Path;

/// Does with the series in `dir` what `build` and `ktest` do before make is started: each patch laid over a shadow of
/// `tree` that is made in `shadow`, and taken off again. How many patches were laid.
///
/// # Errors
/// Where the series is refused or does not apply.
pub fn laid(
    tree: &Utf8Path,
    version: &str,
    dir: &Utf8Path,
    shadow: &Utf8Path,
) -> Result<usize, Error> {
    let source = Source::at(tree, version);
    let staged = stage(&source, dir)?;
    let shadow = Shadow::open(tree, shadow)?;
    for stage in &staged {
        shadow.set(&stage.overlay)?;
    }
    shadow.set(&Overlay::new())?;
    Ok(staged.len())
}
