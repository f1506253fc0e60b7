// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of modules outside the kernel.

use clap::Args;

/// NAME or NAME=VALUE.
pub(super) fn definition(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "1"));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(format!("`{name}` is no name of a macro"));
    }
    let value = value
        .parse()
        .map_err(|_| format!("`{value}` is no whole number"))?;
    Ok((name.to_owned(), value))
}

/// A module outside the kernel, for the verbs that take one.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Modules outside the kernel")]
pub(crate) struct Module {
    /// Read this directory (or REPO@REVISION) in place of the kernel: a module, its paths relative to it. --kernel, or the
    /// headers that /lib/modules/RELEASE/build leads to, says which kernel it is built for.
    #[arg(long, value_name = "DIR")]
    pub(crate) module: Option<String>,
    /// The kernel that the module is built for, where no tree of it is at hand: 5.4, 6.12.
    #[arg(long = "for", value_name = "VERSION", requires = "module")]
    pub(crate) release: Option<String>,
}
