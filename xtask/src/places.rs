// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results and caches lie. Nothing is ever written to a kernel tree.

use crate::exit::Failure;
use crate::kernels::store;
use crate::workspace;
use camino::Utf8PathBuf;

/// Directories of runs: `target/runs`.
pub fn runs() -> Utf8PathBuf {
    workspace::root().join("target/runs")
}

/// Parsed files, by content.
pub fn parsed() -> Result<Utf8PathBuf, Failure> {
    Ok(store::cache()?.join("parsed"))
}

/// The repository of our own in which series are made.
pub fn series() -> Result<Utf8PathBuf, Failure> {
    Ok(store::cache()?.join("series"))
}

/// Output directories of kernel builds, by configuration and compiler.
pub fn builds() -> Result<Utf8PathBuf, Failure> {
    Ok(store::cache()?.join("builds"))
}
