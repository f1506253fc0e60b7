// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags of the compiler that make callsites visible.

use crate::build::Kbuild;
use camino::Utf8PathBuf;

/// Variables that keep the functions of the touched objects from being inlined into each other, so that a probe can be
/// placed on each. The base is compiled with the same ones. An object whose Makefile has flags of its own is left alone:
/// a variable on the command line would replace them.
pub(super) fn keep_functions(kbuild: &Kbuild, files: &[Utf8PathBuf]) -> Vec<(String, String)> {
    let llvm = kbuild.variables.iter().any(|(name, _)| name == "LLVM");
    let flags = if llvm {
        "-fno-inline-functions"
    } else {
        "-fno-inline-functions-called-once -fno-inline-small-functions"
    };
    files
        .iter()
        .filter(|file| file.extension() == Some("c"))
        .filter_map(|file| {
            let variable = format!("CFLAGS_{}.o", file.file_stem()?);
            let directory = kbuild.source.join(file.parent()?);
            let own = ["Makefile", "Kbuild"].iter().any(|name| {
                std::fs::read_to_string(directory.join(name))
                    .is_ok_and(|text| text.contains(&variable))
            });
            (!own).then(|| (variable, flags.to_owned()))
        })
        .collect()
}
