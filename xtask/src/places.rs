// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results and caches lie. Nothing is ever written to a kernel tree.

use crate::exit::Failure;
use crate::kernels::store;
use crate::workspace;
use camino::Utf8PathBuf;

/// Directories of runs: `target/runs`.
pub(crate) fn runs() -> Utf8PathBuf {
    workspace::root().join("target/runs")
}

/// Kernel builds, parsed files, the repository in which series are made: everything that can be made again.
pub(crate) fn cache() -> Result<Utf8PathBuf, Failure> {
    store::cache()
}
