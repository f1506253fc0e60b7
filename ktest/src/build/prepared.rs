// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a module is built in: headers as they are installed, or a kernel's sources, which have to be configured first.
//!
//! Sources that were never configured get an output directory in the cache, with the architecture's own defconfig, and what
//! modules need of it (`make modules_prepare`, Documentation/kbuild/modules.rst, 6.12). Nothing is written into the
//! sources. Such a directory has no Module.symvers, so that whether the kernel exports what a module calls is not known.

use super::kbuild::Kbuild;
use super::module::ModuleBuild;
use super::run::{compilers, home_of};
use super::shadow::write_file;
use crate::error::Error;
use callsites::tree::shared_headers;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::time::Duration;

/// A bound, and not a measurement: it compiles kbuild's own programs, objtool among them.
const PREPARE: Duration = Duration::from_secs(1800);

/// What a module is built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct With {
    /// The directory of `make -C`.
    pub(super) headers: Utf8PathBuf,
    /// Words behind it: where it is configured, and the compiler.
    pub(super) words: Vec<String>,
    /// What is not as the headers say.
    pub(super) note: Option<String>,
}

/// Whether a module can be built.
pub(super) enum Ready {
    /// With that.
    With(With),
    /// It cannot be configured: what make said first.
    Not(String),
}

/// Sees to it that a module can be built with `headers`; what has to be written for that goes to `place`.
///
/// # Errors
/// The cache cannot be written, make cannot be started, or another process prepares the same.
pub(super) fn ready(
    headers: &Utf8Path,
    options: &ModuleBuild,
    place: &Utf8Path,
) -> Result<Ready, Error> {
    let is_there = |name: &str| headers.join(name).exists();
    let is_source = is_there("Kconfig") && is_there("scripts/kconfig");
    if !is_source || is_there("include/config/auto.conf") || is_there(".config") {
        let (words, note) = compiler(headers, options);
        return Ok(Ready::With(With {
            headers: relocated(headers, place)?,
            words,
            note,
        }));
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
        return Ok(Ready::With(configured(headers, words)));
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
    Ok(Ready::With(configured(headers, words)))
}

fn configured(headers: &Utf8Path, words: Vec<String>) -> With {
    With {
        headers: headers.to_owned(),
        words,
        note: None,
    }
}

/// The headers where make finds all of them: the Makefile of a package that was unpacked and not installed includes one that
/// is not there, so that a directory with another Makefile stands for it.
fn relocated(headers: &Utf8Path, place: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let makefile = std::fs::read_to_string(headers.join("Makefile")).unwrap_or_default();
    let mut included = makefile
        .lines()
        .filter_map(|line| line.strip_prefix("include /"));
    let missing = included.any(|path| !Utf8Path::new("/").join(path.trim()).is_file());
    let shared = match missing {
        true => shared_headers(headers).and_then(|shared| shared.canonicalize_utf8().ok()),
        false => None,
    };
    let Some(shared) = shared else {
        return Ok(headers.to_owned());
    };
    let real = headers.canonicalize_utf8().unwrap_or(headers.to_owned());
    std::fs::create_dir_all(place).map_err(Error::io("make directory", place))?;
    let entries = real.read_dir_utf8().map_err(Error::io("list", &real))?;
    for entry in entries {
        let entry = entry.map_err(Error::io("list", &real))?;
        if entry.file_name() != "Makefile" {
            let link = place.join(entry.file_name());
            std::os::unix::fs::symlink(entry.path(), &link).map_err(Error::io("link", &link))?;
        }
    }
    let makefile = format!("include {shared}/Makefile\n");
    write_file(&place.join("Makefile"), makefile.as_bytes())?;
    Ok(place.to_owned())
}

/// Another compiler where the one that Debian's headers name is not installed, and that there is another.
fn compiler(headers: &Utf8Path, options: &ModuleBuild) -> (Vec<String>, Option<String>) {
    let given = |name: &str| options.kbuild.iter().any(|(other, _)| other == name);
    let named = std::fs::read_to_string(headers.join(".kernelvariables")).unwrap_or_default();
    let named = named.lines().find_map(|line| {
        let value = line.strip_prefix("CC = ")?;
        value.rsplit([' ', ')']).next().map(str::to_owned)
    });
    match named {
        Some(named)
            if !given("CC")
                && !given("LLVM")
                && !given("CROSS_COMPILE")
                && named.starts_with("gcc-")
                && proc::on_path(&named).is_none()
                && proc::on_path("gcc").is_some() =>
        {
            let note = format!("CC=gcc, as {named} of these headers is not installed");
            (vec!["CC=gcc".to_owned()], Some(note))
        }
        _ => (Vec::new(), None),
    }
}

fn with(output: &Utf8Path, kbuild: &Kbuild) -> Vec<String> {
    let mut words = vec![format!("O={output}")];
    words.extend(kbuild.architecture().map(|name| format!("ARCH={name}")));
    // What the kernel exports is not known: that it is not is no error of the module.
    words.push("KBUILD_MODPOST_WARN=1".to_owned());
    // defconfig makes errors of warnings, and no distribution's headers do; the warnings of base and patch are compared.
    words.push("CONFIG_WERROR=".to_owned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

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
        let place = root.with_file_name("place");
        let Ready::Not(why) = ready(&root, &options, &place).unwrap() else {
            panic!("it cannot be configured");
        };
        assert_eq!(why, "make defconfig: no flex");
        std::fs::remove_file(root.join("broken")).unwrap();
        let words = |root: &Utf8Path| match ready(root, &options, &place).unwrap() {
            Ready::With(with) => with.words,
            Ready::Not(why) => panic!("{why}"),
        };
        let first = words(&root);
        let output = Utf8PathBuf::from(first[0].strip_prefix("O=").unwrap());
        assert!(output.starts_with(&options.cache));
        assert!(first.contains(&"CONFIG_WERROR=".to_owned()), "{first:?}");
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

    #[test]
    fn headers_that_were_unpacked_elsewhere_lead_to_those_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let (amd64, common) = (root.join("h-amd64"), root.join("h-common"));
        for directory in [&amd64, &common] {
            std::fs::create_dir_all(directory.join("include")).unwrap();
        }
        std::fs::write(common.join("Makefile"), "VERSION = 5\n").unwrap();
        std::fs::write(amd64.join(".config"), "").unwrap();
        let makefile = "include /no/such/place/h-common/Makefile\n";
        std::fs::write(amd64.join("Makefile"), makefile).unwrap();
        let variables = "override ARCH = x86\nCC = $(CCACHE) $(CROSS_COMPILE)gcc-3.2\n";
        std::fs::write(amd64.join(".kernelvariables"), variables).unwrap();
        let place = root.join("place");
        let mut options = options(&dir);
        options.kbuild.clear();
        let with = |options: &ModuleBuild, place: &Utf8Path| match ready(&amd64, options, place) {
            Ok(Ready::With(with)) => with,
            _ => panic!("they are ready"),
        };
        let one = with(&options, &place);
        assert_eq!(one.headers, place);
        let text = std::fs::read_to_string(place.join("Makefile")).unwrap();
        assert_eq!(text, format!("include {common}/Makefile\n"));
        assert!(place.join("include").is_dir() && place.join(".config").is_file());
        if proc::on_path("gcc").is_some() {
            assert_eq!(one.words, ["CC=gcc"]);
            assert!(one.note.unwrap().contains("gcc-3.2"));
        }
        // Whoever names a compiler gets that one; and what is installed is taken as it is.
        options.kbuild = vec![("CC".into(), "cc".into())];
        std::fs::write(amd64.join("Makefile"), "all:\n").unwrap();
        let two = with(&options, &root.join("other"));
        assert_eq!(
            (two.headers, two.words, two.note),
            (amd64.clone(), vec![], None)
        );
    }
}
