// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a module is built in: headers as they are installed, or a kernel's sources, which have to be configured first.
//!
//! Sources that were never configured get an output directory in the cache, with the architecture's own defconfig, and what
//! modules need of it (`make modules_prepare`, Documentation/kbuild/modules.rst, 6.12). Nothing is written into the sources. Such
//! a directory has no Module.symvers, so that whether the kernel exports what a module calls is not known.

use super::kbuild::Kbuild;
use super::module::ModuleBuild;
use super::run::{compilers, home_of};
use super::shadow::write_file;
use crate::error::Error;
use camino::Utf8Path;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::time::Duration;

/// A bound, and not a measurement: it compiles kbuild's own programs, objtool among them.
const PREPARE: Duration = Duration::from_secs(1800);

/// Words behind `make -C HEADERS` that say where it is configured.
pub(super) enum Ready {
    /// These.
    With(Vec<String>),
    /// It cannot be configured: what make said first.
    Not(String),
}

/// Sees to it that a module can be built with `headers`.
///
/// # Errors
/// The cache cannot be written, make cannot be started, or another process prepares the same.
pub(super) fn ready(headers: &Utf8Path, options: &ModuleBuild) -> Result<Ready, Error> {
    let is_there = |name: &str| headers.join(name).exists();
    let is_source = is_there("Kconfig") && is_there("scripts/kconfig");
    if !is_source || is_there("include/config/auto.conf") || is_there(".config") {
        return Ok(Ready::With(Vec::new()));
    }
    let root = headers.canonicalize_utf8().unwrap_or(headers.to_owned());
    let output =
        home_of(&options.cache, &root).join(format!("modules-{}", compilers(&options.kbuild)));
    std::fs::create_dir_all(&output).map_err(Error::io("make directory", &output))?;
    let lock_path = output.join("lock");
    let lock = File::create(&lock_path).map_err(Error::io("open", &lock_path))?;
    // Another process prepares the same: it ends, and then nothing is left to do.
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| Error::io("lock", &lock_path)(error.into()))?;
    let makefile = root.join("Makefile");
    let now = std::fs::read(&makefile).map_err(Error::io("read", &makefile))?;
    let now = blake3::hash(&now).to_hex().to_string();
    let mut kbuild = Kbuild::new(&root, &output, &options.kbuild, options.jobs);
    kbuild.progress = options.progress.clone();
    let (words, prepared) = (with(&output, &kbuild), output.join("prepared"));
    if std::fs::read_to_string(&prepared).is_ok_and(|before| before == now) {
        return Ok(Ready::With(words));
    }
    let name = root.file_name().unwrap_or("the kernel");
    options
        .progress
        .say(&format!("configuring {name} for modules, once"));
    for goal in ["defconfig", "modules_prepare"] {
        let what = format!("prepare {name} for modules (make {goal})");
        let made = kbuild
            .make(&[goal])
            .log(output.join(format!("{goal}.log")))
            .deadline(PREPARE)
            .run_unchecked()
            .map_err(Error::child(what))?;
        if !made.success() {
            let said = made.stderr_text();
            let first = said.lines().find(|line| !line.trim().is_empty());
            let first = first.unwrap_or("it says nothing");
            return Ok(Ready::Not(format!(
                "make {goal}: {}",
                first.replace(&format!("{root}/"), "")
            )));
        }
    }
    write_file(&prepared, now.as_bytes())?;
    Ok(Ready::With(words))
}

fn with(output: &Utf8Path, kbuild: &Kbuild) -> Vec<String> {
    let mut words = vec![format!("O={output}")];
    words.extend(kbuild.architecture().map(|name| format!("ARCH={name}")));
    // What the kernel exports is not known: that it is not is no error of the module.
    words.push("KBUILD_MODPOST_WARN=1".to_owned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use camino::Utf8PathBuf;

    /// Sources whose make leaves what it was asked for, and fails where `broken` stands beside them.
    fn sources(dir: &tempfile::TempDir) -> Utf8PathBuf {
        let root = Utf8PathBuf::from_path_buf(dir.path().join("linux-9.8")).unwrap();
        std::fs::create_dir_all(root.join("scripts/kconfig")).unwrap();
        std::fs::write(root.join("Kconfig"), "").unwrap();
        let makefile =
            "%:\n\t@test ! -e broken || { echo no flex >&2; exit 1; }\n\t@echo $@ >> $(O)/asked\n";
        std::fs::write(root.join("Makefile"), makefile).unwrap();
        root
    }

    fn options(dir: &tempfile::TempDir) -> ModuleBuild {
        ModuleBuild {
            headers: Vec::new(),
            kbuild: vec![("CC".into(), "gcc".into())],
            jobs: 1,
            cache: Utf8PathBuf::from_path_buf(dir.path().join("cache")).unwrap(),
            progress: Progress::silent(),
        }
    }

    #[test]
    fn sources_are_configured_once_in_the_cache_and_headers_are_left_alone() {
        if proc::on_path("make").is_none() {
            eprintln!("skipped: no make");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (root, options) = (sources(&dir), options(&dir));
        std::fs::write(root.join("broken"), "").unwrap();
        let Ready::Not(why) = ready(&root, &options).unwrap() else {
            panic!("it cannot be configured");
        };
        assert_eq!(why, "make defconfig: no flex");
        std::fs::remove_file(root.join("broken")).unwrap();
        let words = |root: &Utf8Path| match ready(root, &options).unwrap() {
            Ready::With(words) => words,
            Ready::Not(why) => panic!("{why}"),
        };
        let first = words(&root);
        let output = Utf8PathBuf::from(first[0].strip_prefix("O=").unwrap());
        assert!(output.starts_with(&options.cache));
        assert_eq!(words(&root), first);
        let asked = || std::fs::read_to_string(output.join("asked")).unwrap();
        assert_eq!(asked(), "defconfig\nmodules_prepare\n");
        // Another release in the same place is another kernel.
        let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
        std::fs::write(root.join("Makefile"), format!("# 9.8.1\n{makefile}")).unwrap();
        assert_eq!(words(&root), first);
        assert_eq!(asked().lines().count(), 4);
        std::fs::create_dir_all(root.join("include/config")).unwrap();
        std::fs::write(root.join("include/config/auto.conf"), "").unwrap();
        assert_eq!(words(&root), [] as [String; 0]);
    }
}
