// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles what goes into the image: our init with cargo, the tree's selftest with cc.

use crate::error::Error;
use crate::options::Progress;
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// Where this crate's sources are: the init is compiled from the directory beside them.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest");
/// An explicit target, so that the flags below reach neither build scripts nor procedural macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "target.x86_64-unknown-linux-gnu.rustflags=[\"-Ctarget-feature=+crt-static\",\"-Crelocation-model=static\"]";

/// The programs that go into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The static init.
    pub init: Utf8PathBuf,
    /// The tree's gup_test selftest, where it compiles.
    pub selftest: Option<Utf8PathBuf>,
}

/// Compiles the init; cargo does nothing where it is up to date.
///
/// # Errors
/// [`Error::Missing`] without cargo, [`Error::Child`] where it does not compile (a host without a static C library).
pub fn build_guest(cache: &Utf8Path, progress: &Progress) -> Result<Utf8PathBuf, Error> {
    progress.say("compiling the guest's init");
    let target_dir = cache.join("guest");
    std::fs::create_dir_all(&target_dir).map_err(Error::io("make directory", &target_dir))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    crate::host::require(&cargo, "compiling the guest's init")?;
    proc::Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "guest",
            "--target",
            TARGET,
        ])
        .args(["--profile", "guest"])
        .args(["--config", "profile.guest.inherits=\"release\""])
        .args(["--config", "profile.guest.opt-level=\"s\""])
        .args(["--config", "profile.guest.strip=true"])
        .args(["--config", FLAGS])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(SOURCES)
        // Settings of the cargo that runs us are not the guest's.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .deadline(Duration::from_secs(1800))
        .run()
        .map_err(Error::child("compile the guest's init"))?;
    Ok(target_dir.join(TARGET).join("guest/guest"))
}

/// Compiles the tree's selftest statically into `to`; `None` where this tree's does not compile by itself.
///
/// # Errors
/// [`Error::Child`] when there is no compiler.
pub fn build_selftest(source: &Utf8Path, to: &Utf8Path) -> Result<Option<Utf8PathBuf>, Error> {
    let tests = source.join("tools/testing/selftests");
    let (mm, vm) = (tests.join("mm"), tests.join("vm"));
    let dir = if mm.join("gup_test.c").is_file() {
        mm
    } else {
        vm
    };
    if !dir.join("gup_test.c").is_file() {
        return Ok(None);
    }
    let program = to.join("gup_test");
    let with = |extra: &[&str]| {
        let files = ["gup_test.c"]
            .iter()
            .chain(extra)
            .map(|file| dir.join(file));
        proc::Command::new("cc")
            .args(["-static", "-O1", "-w", "-D_GNU_SOURCE", "-I"])
            .arg(source)
            .arg("-I")
            .arg(source.join("tools/include/uapi"))
            .arg("-I")
            .arg(&tests)
            .args(files)
            .args(["-lpthread", "-o"])
            .arg(&program)
            .log(to.join("selftest.log"))
            .deadline(Duration::from_secs(120))
            .run_unchecked()
            .map_err(Error::child("compile the tree's selftest"))
    };
    // Its helpers have moved between files over the years; the first set that links is the right one.
    for extra in [&[][..], &["vm_util.c"], &["vm_util.c", "thp_settings.c"]] {
        if extra.iter().all(|file| dir.join(file).is_file()) && with(extra)?.success() {
            return Ok(Some(program));
        }
    }
    Ok(None)
}
