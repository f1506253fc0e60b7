// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory that is built from. It is read, never written.

use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};

/// A directory with a kernel's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Absolute, without links.
    pub root: Utf8PathBuf,
    /// "6.12.117".
    pub version: String,
}

impl Source {
    /// A directory.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there.
    pub fn directory(root: &Utf8Path, version: &str) -> Result<Source, Error> {
        let root = root.canonicalize_utf8().map_err(Error::io("find tree", root))?;
        Ok(Source {
            root,
            version: version.to_owned(),
        })
    }
}
