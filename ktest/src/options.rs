// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a caller chooses.

use crate::progress::Progress;
use crate::verdict::{Accelerator, Shard};
use callsites::report::Callsite;
use camino::Utf8PathBuf;

/// What `build` makes of every patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The objects of the files that a patch touches, one by one.
    Objects,
    /// The bootable image.
    Image,
}

/// How [`crate::build::run`] builds.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Where shadow trees and output directories are kept between runs.
    pub cache: Utf8PathBuf,
    /// Objects or the whole image.
    pub what: What,
    /// Fragments of the user's own, in kbuild's format, on top of ours.
    pub fragments: Vec<Utf8PathBuf>,
    /// Variables of make as kernel developers type them: `ARCH=arm64`, `LLVM=1`, `CC="ccache gcc"`, `W=1`, `C=1`, `O=DIR`.
    pub kbuild: Vec<(String, String)>,
    /// Parallel jobs of make; at least 1.
    pub jobs: usize,
    /// Where logs go; the cache when `None`.
    pub logs: Option<Utf8PathBuf>,
    /// Told what is going on.
    pub progress: Progress,
}

impl BuildOptions {
    /// Objects only, our configuration, as many jobs as there are processors.
    pub fn new(cache: impl Into<Utf8PathBuf>) -> BuildOptions {
        BuildOptions {
            cache: cache.into(),
            what: What::Objects,
            fragments: Vec::new(),
            kbuild: Vec::new(),
            jobs: processors(),
            logs: None,
            progress: Progress::silent(),
        }
    }
}

/// Which kernels are booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stages {
    /// The base, then the kernel after every patch: names the first bad one.
    EachPatch,
    /// The base, then the kernel after the last patch.
    Last,
}

/// Who builds and boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// We do.
    Ourselves,
    /// The tree's tools/testing/ktest/ktest.pl does, told how by us.
    KtestPl,
}

/// How [`crate::run()`] tests.
#[derive(Debug, Clone)]
pub struct KtestOptions {
    /// Names of targets; all when empty.
    pub targets: Vec<String>,
    /// An image that is built already: it alone is booted, and called the base.
    pub image: Option<Utf8PathBuf>,
    /// Where shadow trees and output directories are kept between runs.
    pub cache: Utf8PathBuf,
    /// The directory that holds run directories, usually `target/runs`.
    pub runs: Utf8PathBuf,
    /// Finish this run: jobs with a result are not done again.
    pub resume: Option<String>,
    /// Names of variants: kernels that check more (`kasan`, `lockdep`, `kmemleak`); a name may be several with commas between.
    pub variants: Vec<String>,
    /// Fragments of the user's own, in kbuild's format, on top of ours.
    pub fragments: Vec<Utf8PathBuf>,
    /// Variables of make, as in [`BuildOptions::kbuild`].
    pub kbuild: Vec<(String, String)>,
    /// Parallel jobs of make; at least 1.
    pub jobs: usize,
    /// Who builds and boots.
    pub way: Driver,
    /// With [`Driver::KtestPl`], a configuration of ktest.pl that says which machine is booted and how, instead of a guest of ours.
    pub ktest_conf: Option<Utf8PathBuf>,
    /// Which kernels are booted.
    pub stages: Stages,
    /// Only this part of the jobs; all of them when `None`.
    pub shard: Option<Shard>,
    /// The audit's callsites: each is reported as executed, booted, built or none. Empty: the functions that a patch
    /// changes stand in.
    pub callsites: Vec<Callsite>,
    /// The emulator; `qemu-system-x86_64` when `None`.
    pub qemu: Option<Utf8PathBuf>,
    /// What executes the guests' instructions; found out when `None`.
    pub accelerator: Option<Accelerator>,
    /// Boot a kernel although its image is that of an earlier one of the run.
    pub boot_all: bool,
    /// A guest init that is built already; ours is compiled when `None`.
    pub guest: Option<Utf8PathBuf>,
    /// Memory of the guest in MiB.
    pub memory_mib: u32,
    /// Processors of the guest.
    pub cpus: u32,
    /// How many guests run side by side; as many as the processors and the free memory of this machine allow when `None`.
    pub at_once: Option<usize>,
    /// Seconds for everything in a boot that is not a target.
    pub boot_seconds: u64,
    /// Told what is going on.
    pub progress: Progress,
}

impl KtestOptions {
    /// All targets, every patch, two processors and 512 MiB.
    pub fn new(cache: impl Into<Utf8PathBuf>, runs: impl Into<Utf8PathBuf>) -> KtestOptions {
        KtestOptions {
            targets: Vec::new(),
            image: None,
            cache: cache.into(),
            runs: runs.into(),
            resume: None,
            variants: Vec::new(),
            fragments: Vec::new(),
            kbuild: Vec::new(),
            jobs: processors(),
            way: Driver::Ourselves,
            ktest_conf: None,
            stages: Stages::EachPatch,
            shard: None,
            callsites: Vec::new(),
            qemu: None,
            accelerator: None,
            boot_all: false,
            guest: None,
            memory_mib: 512,
            cpus: 2,
            at_once: None,
            boot_seconds: 60,
            progress: Progress::silent(),
        }
    }
}

/// Those of the host that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
