// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where this repository is, and which files it tracks.

use crate::exit::{Exit, Failure};
use camino::Utf8PathBuf;
use proc::{cmd, short};

/// The root of the repository that this program was built from.
///
/// cargo names it when it runs the program; a copy of the binary falls back on where it was compiled.
pub(crate) fn root() -> Utf8PathBuf {
    let package =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let package = Utf8PathBuf::from(package);
    let here = |dir: &Utf8PathBuf| dir.join("xtask/Cargo.toml").is_file();
    package
        .parent()
        .map(Utf8PathBuf::from)
        .filter(here)
        .unwrap_or_else(|| Utf8PathBuf::from("."))
}

/// The files that git tracks or would track, sorted, relative to the root.
pub(crate) fn files() -> Result<Vec<Utf8PathBuf>, Failure> {
    let here = short::shell(root())?;
    let listed = cmd!(here, "git ls-files -z --cached --others --exclude-standard");
    let text = short::read(listed)?;
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Failure::new(
            Exit::Findings,
            "a tracked file has a name that is not UTF-8",
        ));
    }
    let mut files: Vec<Utf8PathBuf> = text
        .split_terminator('\0')
        .map(Utf8PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// cargo, as the one that runs this program was called.
pub(crate) fn cargo() -> proc::Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    proc::Command::new(program).current_dir(root())
}
