// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drivers of an embedded tree, compiled with the host's C compiler and run in user space against the reference
//! implementation.
//!
//! In goes the directory of a tree that `callsites::embedded` wrote, converted or not; out comes what each driver did with
//! its caller's pages: taken and given back by which names, written by a device while nobody could see that they are
//! pinned, and every mistake with its file, line, and function. Each driver runs in a process of its own, so that one
//! which crashes takes nothing along.
//!
//! [`drivers()`] does the same for C files of one's own, which need no tree. [`run`] does it for one tree; [`verdict`]
//! compares the base with the tree after every patch, and [`test()`] makes those trees from a series: that is `ktest
//! --via refimpl`.
//!
//! Needs a C compiler and cargo (the reference implementation is built as a static library on the way), no kernel build
//! tools and no QEMU. Nothing is written into the tree.

mod compile;
mod drivers;
mod error;
mod judge;
mod library;
mod objects;
mod report;
mod series;
#[cfg(test)]
mod tests;

pub use drivers::{drivers, mistakes};
pub use error::Error;
pub(crate) use judge::{Kernel, verdict};
pub use objects::Objects;
pub use report::{DriverRun, Ended, UserspaceRun};
pub use series::{suits, test};

use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// How drivers are compiled and run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The C compiler and its first arguments ("cc", "ccache gcc").
    pub cc: String,
    /// Compilers at a time; at least 1.
    pub jobs: usize,
    /// Where objects, reports, and logs go; a temporary directory when `None`.
    pub work: Option<Utf8PathBuf>,
    /// Each compilation and each driver is stopped after this.
    pub deadline: Duration,
    /// What was compiled with these options and need not be again.
    pub objects: Objects,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cc: "cc".to_owned(),
            jobs: 2,
            work: None,
            deadline: Duration::from_secs(60),
            objects: Objects::default(),
        }
    }
}

/// Compiles the tree's C files and runs each of its drivers.
///
/// # Errors
/// Where nothing could be run: no compiler, no cargo, a directory that is no embedded tree, a file that does not compile
/// ([`Error::Compile`], with what the compiler said). What a driver does is never an error but part of the result.
pub fn run(tree: &Utf8Path, options: &Options) -> Result<UserspaceRun, Error> {
    let version = compile::version(tree)?;
    let library = library::build()?;
    let kept;
    let work = match &options.work {
        Some(work) => work.as_path(),
        None => {
            kept = tempfile::tempdir()
                .map_err(|source| Error::io("make a directory in", "/tmp".into(), source))?;
            Utf8Path::from_path(kept.path())
                .ok_or_else(|| Error::NotUtf8(kept.path().to_owned()))?
        }
    };
    let built = compile::build(tree, work, &library, options)?;
    let mut drivers = Vec::new();
    for module in compile::modules(&built.program, options)? {
        drivers.push(report::drive(
            &built.program,
            "run",
            &version,
            &module,
            work,
            options,
        )?);
    }
    Ok(UserspaceRun {
        version,
        sources: built.sources,
        warnings: built.warnings,
        drivers,
    })
}
