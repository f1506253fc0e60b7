// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects, and the program that runs them.

use super::objects::{self, Object};
use super::{Error, Options, library};
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The program that runs drivers.
const EXERCISE_C: &str = include_str!("exercise.c");
/// Directories that hold drivers.
const DIRECTORIES: [&str; 4] = ["drivers", "fs", "mm", "net"];
/// A kernel's way of being compiled, as far as a host's compiler can follow: none of the host's headers.
pub(super) const FLAGS: [&str; 11] = [
    "-std=gnu11",
    "-O1",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    // What a kernel refuses is refused here too, whatever the age of the compiler.
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-fno-strict-aliasing",
    "-nostdinc",
];

/// Where sources lie, and what they are compiled with beside [`FLAGS`].
pub(super) struct Sources<'a> {
    /// The directory that commands run in, so that `__FILE__` is what the reports should say.
    pub(super) root: &'a Utf8Path,
    pub(super) files: Vec<Utf8PathBuf>,
    pub(super) flags: Vec<String>,
    /// What stands for all that they may include, where that is known: then an object is used again.
    pub(super) included: Option<blake3::Hash>,
}

pub(super) struct Built {
    pub(super) program: Utf8PathBuf,
    pub(super) sources: Vec<Utf8PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// VERSION.PATCHLEVEL of the top Makefile; an error where the tree is not an embedded one.
pub(super) fn version(tree: &Utf8Path) -> Result<String, Error> {
    let not = |why: &str| Error::NotEmbedded {
        path: tree.to_owned(),
        why: why.to_owned(),
    };
    let makefile =
        std::fs::read_to_string(tree.join("Makefile")).map_err(|_| not("no Makefile"))?;
    let value = |name: &str| {
        makefile.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    if value("EXTRAVERSION").as_deref() != Some("-embedded") {
        return Err(not("the Makefile does not say so"));
    }
    match (value("VERSION"), value("PATCHLEVEL")) {
        (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
        _ => Err(not("the Makefile has no version")),
    }
}

/// The C files of the tree that make up its drivers, sorted.
fn sources(tree: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Error> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for entry in walkdir::WalkDir::new(tree.join(directory)).sort_by_file_name() {
            let entry =
                entry.map_err(|error| Error::io("read", tree.join(directory), error.into()))?;
            let path = Utf8Path::from_path(entry.path())
                .ok_or_else(|| Error::NotUtf8(entry.path().to_owned()))?;
            let relative = path.strip_prefix(tree).ok();
            let is_c = path.extension() == Some("c");
            found.extend(relative.filter(|_| is_c).map(Utf8Path::to_owned));
        }
    }
    Ok(found)
}

fn write(path: Utf8PathBuf, text: &str) -> Result<(), Error> {
    std::fs::write(&path, text).map_err(|source| Error::io("write", path, source))
}

/// Compiles every driver of a tree and links them into one program in `work`.
pub(super) fn build(
    tree: &Utf8Path,
    work: &Utf8Path,
    library: &Utf8Path,
    options: &Options,
) -> Result<Built, Error> {
    let files = sources(tree)?;
    let sources = Sources {
        root: tree,
        included: Some(objects::included(tree, &files)?),
        files,
        flags: vec!["-Iinclude".to_owned()],
    };
    link(sources, work, library, options)
}

/// Compiles sources and links them with the program that runs drivers.
pub(super) fn link(
    sources: Sources<'_>,
    work: &Utf8Path,
    library: &Utf8Path,
    options: &Options,
) -> Result<Built, Error> {
    std::fs::create_dir_all(work.join("include"))
        .map_err(|source| Error::io("make the directory", work.join("include"), source))?;
    let work = &work
        .canonicalize_utf8()
        .map_err(|source| Error::io("find", work.to_owned(), source))?;
    write(work.join("include/refimpl_sites.h"), refimpl::capi::SITES_H)?;
    write(
        work.join("include/refimpl_control.h"),
        refimpl::capi::CONTROL_H,
    )?;
    write(work.join("exercise.c"), EXERCISE_C)?;

    let objects: Vec<Utf8PathBuf> = (0..sources.files.len())
        .map(|index| work.join(format!("{index:04}.o")))
        .collect();
    let mut warnings = compile_all(&sources, work, &objects, options)?;
    warnings.sort();

    let main = work.join("exercise.o");
    let own = compiler(&sources, work, options).args([
        "-c",
        work.join("exercise.c").as_str(),
        "-o",
        main.as_str(),
    ]);
    let output = own.run_unchecked()?;
    if !output.success() {
        return Err(Error::Compile {
            file: "exercise.c".into(),
            said: output.stderr_text(),
        });
    }

    let program = work.join("exercise");
    let link = cc(options)
        .args([main.as_str()])
        .args(objects.iter().map(|object| object.as_str()))
        .args([library.as_str(), "-o", program.as_str()])
        .args(library::NATIVE)
        .current_dir(sources.root)
        .deadline(options.deadline);
    let output = link.run_unchecked()?;
    if !output.success() {
        return Err(Error::Link(output.stderr_text()));
    }
    Ok(Built {
        program,
        sources: sources.files,
        warnings,
    })
}

/// The compiler with all that goes in front of a file.
fn compiler(sources: &Sources<'_>, work: &Utf8Path, options: &Options) -> proc::Command {
    cc(options)
        .args(FLAGS)
        .args(sources.flags.iter().map(String::as_str))
        .arg(format!("-I{}", work.join("include")))
        .current_dir(sources.root)
        .deadline(options.deadline)
}

/// `ccache gcc` is a program and an argument.
fn cc(options: &Options) -> proc::Command {
    let mut words = options.cc.split_whitespace();
    proc::Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .env("LC_ALL", "C")
}

fn compile_all(
    sources: &Sources<'_>,
    work: &Utf8Path,
    objects: &[Utf8PathBuf],
    options: &Options,
) -> Result<Vec<String>, Error> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Ok(Vec::new()));
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(source), Some(object)) = (sources.files.get(index), objects.get(index))
            else {
                return;
            };
            let result = compile(sources, work, source, object, options);
            let Ok(mut all) = done.lock() else { return };
            match (&mut *all, result) {
                (Ok(warnings), Ok(new)) => warnings.extend(new),
                (all @ Ok(_), Err(error)) => *all = Err(error),
                (Err(_), _) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.jobs.max(1) {
            scope.spawn(worker);
        }
        worker();
    });
    done.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Compiles one file, unless that was done before; returns the warnings, one a line, as the compiler gives them.
fn compile(
    sources: &Sources<'_>,
    work: &Utf8Path,
    source: &Utf8Path,
    object: &Utf8Path,
    options: &Options,
) -> Result<Vec<String>, Error> {
    let key = match sources.included {
        Some(included) => {
            let mut command = vec![options.cc.as_str()];
            command.extend(sources.flags.iter().map(String::as_str));
            objects::key(&command, included, (sources.root, source))?
        }
        None => None,
    };
    if let Some(known) = key.and_then(|key| options.objects.get(&key)) {
        std::fs::write(object, &known.bytes)
            .map_err(|source| Error::io("write", object.to_owned(), source))?;
        return Ok(known.warnings.clone());
    }
    let output = compiler(sources, work, options)
        .args(["-include", "refimpl_sites.h"])
        .args(["-c", source.as_str(), "-o", object.as_str()])
        .run_unchecked()?;
    // No path of this machine in what is kept.
    let said = output.stderr_text().replace(&format!("{work}/"), "");
    if !output.success() {
        return Err(Error::Compile {
            file: source.to_owned(),
            said,
        });
    }
    let warnings: Vec<String> = said
        .lines()
        .filter(|line| line.contains(": warning: "))
        .map(str::to_owned)
        .collect();
    if let Some(key) = key {
        let bytes =
            std::fs::read(object).map_err(|source| Error::io("read", object.to_owned(), source))?;
        let warnings = warnings.clone();
        options.objects.put(key, Object { bytes, warnings });
    }
    Ok(warnings)
}

/// The drivers in the program, sorted.
pub(super) fn modules(program: &Utf8Path, options: &Options) -> Result<Vec<String>, Error> {
    let output = proc::Command::new(program)
        .arg("list")
        .deadline(options.deadline)
        .run()?;
    let mut modules: Vec<String> = output.stdout_text().lines().map(str::to_owned).collect();
    modules.sort();
    Ok(modules)
}
