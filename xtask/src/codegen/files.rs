// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of generated files.

use crate::codegen::{api, cli, dependencies};
use crate::exit::Failure;
use crate::workspace;

/// Every generated file: its path from the root, and what it must hold.
pub(crate) fn all() -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![
        ("docs/api.md", api::page()),
        ("docs/cli.md", cli::page()),
        ("docs/dependencies.md", dependencies::page()?),
    ])
}

/// The files that differ from what the code would write.
pub(crate) fn stale() -> Result<Vec<(&'static str, String)>, Failure> {
    let mut files = all()?;
    files.retain(|(path, text)| {
        std::fs::read_to_string(workspace::root().join(path))
            .ok()
            .as_ref()
            != Some(text)
    });
    Ok(files)
}
