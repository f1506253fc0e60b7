// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles what goes into the image: our init with cargo, the tree's selftest with cc.

use crate::error::Error;
use crate::progress::Progress;
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// Where this crate's sources are: the init is compiled from the directory beside them.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest");
/// An explicit target, so that the flags below reach neither build scripts nor procedural macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "target.x86_64-unknown-linux-gnu.rustflags=[\"-Ctarget-feature=+crt-static\",\"-Crelocation-model=static\"]";

/// The programs that go into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Programs {
    /// The static init.
    pub init: Utf8PathBuf,
    /// The tree's own selftests, those that compile.
    pub selftests: Vec<Utf8PathBuf>,
}

/// Compiles the init; cargo does nothing where it is up to date.
///
/// # Errors
/// [`Error::Missing`] without cargo, [`Error::Child`] where it does not compile (a host without a static C library).
pub(crate) fn build_guest(cache: &Utf8Path, progress: &Progress) -> Result<Utf8PathBuf, Error> {
    progress.say("compiling the guest's init");
    // Two checkouts that share a cache do not share an init.
    let key = &blake3::hash(SOURCES.as_bytes()).to_hex()[..8];
    let target_dir = cache.join(format!("guest-{key}"));
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

/// The tree's own selftests of pinning, with the helper files of which one set or another makes them link: the helpers
/// have moved between files over the years.
const SELFTESTS: [&str; 3] = ["gup_test", "gup_longterm", "cow"];
const HELPERS: [&[&str]; 4] = [
    &[],
    &["vm_util.c"],
    &["vm_util.c", "thp_settings.c"],
    &["vm_util.c", "hugepage_settings.c"],
];
/// What the selftests' Makefile finds out about liburing, by the names it has had (the second in 7.3).
const FOUND_OUT: [&str; 2] = ["local_config.h", "local_config.h_gen"];

/// Compiles the tree's selftests statically into `to`; those that this tree does not have, or that do not compile by
/// themselves, are left out.
///
/// # Errors
/// [`Error::Child`] when there is no compiler.
pub(crate) fn build_selftests(source: &Utf8Path, to: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Error> {
    let tests = source.join("tools/testing/selftests");
    let Some(dir) = ["mm", "vm"]
        .map(|name| tests.join(name))
        .into_iter()
        .find(|dir| dir.join("gup_test.c").is_file())
    else {
        return Ok(Vec::new());
    };
    // liburing is not there.
    let generated = to.join("selftests");
    let generated = camino::absolute_utf8(&generated).map_err(Error::io("find", &generated))?;
    std::fs::create_dir_all(&generated).map_err(Error::io("make directory", &generated))?;
    for name in FOUND_OUT {
        let header = generated.join(name);
        std::fs::write(&header, b"").map_err(Error::io("write", &header))?;
    }
    let mut programs = Vec::new();
    for name in SELFTESTS {
        let program = generated.join(name);
        let with = |extra: &[&str]| {
            let main = format!("{name}.c");
            let files: Vec<Utf8PathBuf> = std::iter::once(main.as_str())
                .chain(extra.iter().copied())
                .map(Utf8PathBuf::from)
                .collect();
            if !files.iter().all(|file| dir.join(file).is_file()) {
                return Ok(false);
            }
            let compiled = proc::Command::new("cc")
                .args(["-static", "-O1", "-w", "-D_GNU_SOURCE", "-I"])
                .arg(&generated)
                .arg("-I")
                .arg(source)
                .arg("-isystem")
                .arg(source.join("tools/include/uapi"))
                .arg("-I")
                .arg(&tests)
                .args(files)
                .args(["-lpthread", "-o"])
                .arg(&program)
                // A test makes files named after its source's path as the compiler got it.
                .current_dir(&dir)
                .log(generated.join(format!("{name}.log")))
                .deadline(Duration::from_secs(120))
                .run_unchecked()
                .map_err(Error::child(format!("compile the selftest {name}")))?;
            Ok(compiled.success())
        };
        for extra in HELPERS {
            if with(extra)? {
                programs.push(program);
                break;
            }
        }
    }
    Ok(programs)
}
