// SPDX-License-Identifier: MIT OR Apache-2.0
//! cargo's helpers at pinned versions: the installed one, else one that is compiled into the user's cache.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::kernels::store::cache;
use crate::workspace;
use camino::Utf8PathBuf;
use std::time::Duration;

/// A program of cargo's registry.
pub(crate) struct Tool {
    /// Name of crate and program.
    pub(crate) name: &'static str,
    /// The version that this repository was checked with.
    pub(crate) version: &'static str,
    /// More arguments for `cargo install`.
    pub(crate) features: &'static [&'static str],
}

/// Compiling one takes minutes on two processors; half an hour means that it hangs.
const DEADLINE: Duration = Duration::from_secs(1800);

/// The path of a tool, which is compiled first where it is missing.
pub(crate) fn tool(tool: &Tool, console: &Console) -> Result<Utf8PathBuf, Failure> {
    if let Some(path) =
        proc::on_path(tool.name).and_then(|path| Utf8PathBuf::from_path_buf(path).ok())
    {
        return Ok(path);
    }
    let root = cache()?
        .join("tools")
        .join(format!("{}-{}", tool.name, tool.version));
    let path = root.join("bin").join(tool.name);
    if path.exists() {
        return Ok(path);
    }
    console.say(format!(
        "compiling {} {} once, into {root}",
        tool.name, tool.version
    ));
    let target = tempfile::tempdir()?;
    workspace::cargo()
        .args([
            "install",
            "--quiet",
            "--locked",
            "--no-track",
            "--root",
            root.as_str(),
        ])
        .args(["--version", tool.version])
        .args(tool.features)
        .arg("--target-dir")
        .arg(target.path())
        .arg(tool.name)
        .deadline(DEADLINE)
        .run()
        .map_err(|error| {
            Failure::new(
                Exit::Infrastructure,
                format!("failed to install {}", tool.name),
            )
            .hint(format!(
                "cargo install --locked {}@{}",
                tool.name, tool.version
            ))
            .because(error)
        })?;
    Ok(path)
}
