// SPDX-License-Identifier: MIT OR Apache-2.0
//! The initramfs: our static init, the list of functions to probe, and the tree's selftests that compile.
//!
//! Same inputs, same bytes: inode numbers count up, every time is 0, every owner is root.

mod guest;
mod newc;

pub(crate) use guest::{Programs, build_guest, build_selftests};
pub(crate) use newc::Archive;

use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};

/// A file of the image's `/ktest` besides the programs: name and contents.
pub(crate) type Extra = (String, Vec<u8>);

/// Writes the initramfs of `guest` with `probes` and `extras` to `to`.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write(
    guest: &Programs,
    probes: &[String],
    extras: &[Extra],
    to: &Utf8Path,
) -> Result<Utf8PathBuf, Error> {
    let read = |path: &Utf8Path| std::fs::read(path).map_err(Error::io("read", path));
    let mut archive = Archive::default();
    for directory in ["dev", "proc", "sys", "tmp", "ktest"] {
        archive.directory(directory);
    }
    // The kernel opens it as the init's standard input and output before /dev is mounted.
    archive.device("dev/console", 5, 1);
    archive.file("init", 0o755, &read(&guest.init)?);
    archive.file("ktest/probes", 0o644, lines(probes).as_bytes());
    for program in &guest.selftests {
        let name = program.file_name().unwrap_or_default();
        archive.file(&format!("ktest/{name}"), 0o755, &read(program)?);
    }
    for (name, contents) in extras {
        archive.file(&format!("ktest/{name}"), 0o644, contents);
    }
    std::fs::write(to, archive.finish()).map_err(Error::io("write", to))?;
    Ok(to.to_owned())
}

fn lines(words: &[String]) -> String {
    words.iter().map(|word| format!("{word}\n")).collect()
}
