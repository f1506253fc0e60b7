// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of generated files.

use crate::codegen::{cli, dependencies};
use crate::exit::Failure;

/// Every generated file: its path from the root, and what it must hold.
pub fn all() -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![
        ("docs/api.md", refimpl::api::page()),
        ("docs/cli.md", cli::page()),
        ("docs/dependencies.md", dependencies::page()?),
    ])
}
