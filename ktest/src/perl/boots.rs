// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the scripts that ktest.pl calls leave of each boot.

use camino::{Utf8Path, Utf8PathBuf};

/// A boot whose targets were called: its directory and the commit that was checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) dir: Utf8PathBuf,
    pub(crate) commit: String,
}

/// In order. `mark` is the file that says that the targets were called.
pub(crate) fn boots(dir: &Utf8Path, mark: &str) -> Vec<Boot> {
    (1..)
        .map(|number| dir.join(format!("boots/{number}")))
        .take_while(|boot| boot.is_dir())
        .filter(|boot| boot.join(mark).is_file())
        .map(|dir| {
            let commit = std::fs::read_to_string(dir.join("commit")).unwrap_or_default();
            Boot {
                commit: commit.trim().to_owned(),
                dir,
            }
        })
        .collect()
}
