// SPDX-License-Identifier: MIT OR Apache-2.0
//! A module outside the kernel, compiled against the headers of several kernels: as it is, and after each patch.
//!
//! The module is copied; kbuild builds it, as `make -C HEADERS M=COPY modules` does (Documentation/kbuild/modules.rst,
//! 6.12), in the directory whose Makefile names an object. A module whose own Makefile has more to do, such as to write a
//! header, is built by that one, with the variables by which such Makefiles are told of a kernel.

use super::prepared::{Ready, With, ready};
use super::way::{OF_KERNEL, Way, has_module, join, places};
use crate::error::Error;
use crate::progress::Progress;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Exit, Failure as _};
use patches::{ApplyOptions, Series};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// A bound, and not a measurement: the largest modules outside the kernel take minutes on two slow processors.
const COMPILE: Duration = Duration::from_secs(1800);

/// How a module is compiled.
#[derive(Debug, Clone)]
pub struct ModuleBuild {
    /// Directories of installed headers, "/usr/src/linux-headers-…", of built trees, or of sources.
    pub headers: Vec<Utf8PathBuf>,
    /// Variables of make.
    pub kbuild: Vec<(String, String)>,
    /// Parallel jobs of make.
    pub jobs: usize,
    /// Where sources that were never configured get an output directory.
    pub cache: Utf8PathBuf,
    /// Told what goes on.
    pub progress: Progress,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleReport {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The module as it is, then after each patch.
    pub stages: Vec<ModuleStage>,
}

/// The schema that is written.
pub(super) const SCHEMA: &str = "build-module/1";

/// The module after a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleStage {
    /// Subject of the patch; "as it is" of the base.
    pub subject: String,
    /// One for each directory of headers.
    pub kernels: Vec<Compiled>,
}

/// The module compiled against one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// The last part of the headers' path.
    pub headers: String,
    /// Whether make succeeded.
    pub built: bool,
    /// The compiler's first error, where it did not.
    pub error: Option<String>,
    /// Warnings, without where they stand.
    pub warnings: BTreeSet<String>,
    /// How it was compiled, where that was not asked for: in another directory, by another Makefile or compiler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Compiles the module, and the module after each patch of the series.
///
/// # Errors
/// See [`Error`]; a module that does not compile is in the report.
pub fn run_module(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &ModuleBuild,
) -> Result<ModuleReport, Error> {
    if proc::on_path("make").is_none() {
        return Err(Error::Missing {
            program: "make".into(),
            purpose: "building a module",
        });
    }
    for headers in &options.headers {
        if !headers.join("Makefile").is_file() {
            return Err(Error::NotThere {
                what: "the headers of a kernel, with a Makefile,",
                path: headers.clone(),
            });
        }
    }
    let place = tempfile::tempdir().map_err(|source| Error::Io {
        what: "make a directory in",
        path: Utf8PathBuf::from(std::env::temp_dir().to_string_lossy().into_owned()),
        source,
    })?;
    let Some(work) = Utf8Path::from_path(place.path()) else {
        return Err(Error::Data {
            path: place.path().display().to_string(),
            why: "the directory for temporary files has a name that is not UTF-8".into(),
        });
    };
    let mut subjects = vec!["as it is".to_owned()];
    let mut touched = BTreeSet::new();
    if let Some(dir) = series {
        let series = Series::read(dir).map_err(not_applied)?;
        let files = series.info.patches.iter().flat_map(|patch| &patch.files);
        touched.extend(files.map(|file| Utf8PathBuf::from(file.as_str())));
        subjects.extend(series.info.patches.into_iter().map(|patch| patch.subject));
    }
    let prepared = options.headers.iter().enumerate();
    let prepared: Vec<Ready> = prepared
        .map(|(at, headers)| ready(headers, options, &work.join(format!("headers-{at}"))))
        .collect::<Result<_, _>>()?;
    let places = places(tree, &touched);
    // The first way in which the module itself is built is that of the patched one.
    let mut ways: Vec<Option<Way>> = vec![None; prepared.len()];
    let mut stages = Vec::new();
    for (count, subject) in subjects.into_iter().enumerate() {
        let mut kernels = Vec::new();
        for (at, ready) in prepared.iter().enumerate() {
            let name = options.headers[at]
                .file_name()
                .unwrap_or("headers")
                .to_owned();
            let ready = match ready {
                Ready::With(ready) => ready,
                Ready::Not(why) => {
                    kernels.push(Compiled {
                        headers: name,
                        built: false,
                        error: Some(why.clone()),
                        warnings: BTreeSet::new(),
                        by: None,
                    });
                    continue;
                }
            };
            options
                .progress
                .say(&format!("building {subject} against {name}"));
            let place = work.join(format!("{count}-{at}"));
            let copied = |to: &Utf8Path| match (series, count) {
                (Some(dir), 1..) => {
                    let options = ApplyOptions {
                        limit: Some(count),
                        ..ApplyOptions::full(to)
                    };
                    patches::apply(tree, dir, &options).map(drop)
                }
                _ => patches::copy(tree, to),
            };
            let tried = match (&ways[at], count) {
                (Some(way), _) => vec![way.clone()],
                (None, 0) => places.clone(),
                (None, _) => places.first().cloned().into_iter().collect(),
            };
            let mut first: Option<Compiled> = None;
            for (n, way) in tried.iter().enumerate() {
                let copy = place.with_file_name(format!("{count}-{at}-{n}"));
                copied(&copy).map_err(not_applied)?;
                let compiled = compile(&copy, way, ready, name.clone(), options)?;
                let built = compiled.built;
                if built {
                    ways[at] = Some(way.clone());
                    first = Some(compiled);
                    break;
                }
                first.get_or_insert(compiled);
            }
            kernels.extend(first);
        }
        stages.push(ModuleStage { subject, kernels });
    }
    Ok(ModuleReport {
        schema: SCHEMA.to_owned(),
        stages,
    })
}

fn not_applied(error: patches::Error) -> Error {
    let exit = error.exit();
    Error::Series(Box::new(error), exit)
}

fn compile(
    copy: &Utf8Path,
    way: &Way,
    ready: &With,
    name: String,
    options: &ModuleBuild,
) -> Result<Compiled, Error> {
    let variables = || {
        let given = options
            .kbuild
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        ready.words.iter().cloned().chain(given)
    };
    let jobs = format!("-j{}", options.jobs.max(1));
    let kbuild = |place: &Utf8PathBuf| {
        proc::Command::new("make")
            .arg("-C")
            .arg(&ready.headers)
            .arg(format!("M={}", join(copy, place)))
            .arg(&jobs)
            .args(variables())
            .arg("modules")
    };
    let commands = match way {
        Way::Kbuild(places) => places.iter().map(kbuild).collect(),
        Way::Makefile(place) => {
            let of_kernel = OF_KERNEL.map(|name| format!("{name}={}", ready.headers));
            vec![
                proc::Command::new("make")
                    .arg("-C")
                    .arg(join(copy, place))
                    .arg(&jobs)
                    .args(of_kernel)
                    .args(variables()),
            ]
        }
    };
    let (mut built, mut said) = (true, String::new());
    for command in commands {
        let output = command
            .env("LC_ALL", "C")
            .deadline(COMPILE)
            .run_unchecked()
            .map_err(|source| Error::Child {
                what: format!("build the module against {}", ready.headers),
                source: Box::new(source),
            })?;
        built &= output.success();
        said.push_str(&output.stderr_text());
        said.push('\n');
    }
    // What a Makefile does when it is asked for nothing may be no module.
    built &= matches!(way, Way::Kbuild(_)) || has_module(copy);
    let message = |line: &str, kind: &str| {
        line.split_once(kind)
            .map(|(_, said)| said.trim().to_owned())
    };
    let error = why(&said);
    let told = way.told().into_iter().chain(ready.note.clone());
    let told: Vec<String> = told.collect();
    Ok(Compiled {
        headers: name,
        built,
        error: error
            .filter(|_| !built)
            .map(|line| line.replace(&format!("{copy}/"), "")),
        warnings: said
            .lines()
            .filter_map(|line| message(line, "warning: "))
            .collect(),
        by: (!told.is_empty()).then(|| told.join("; ")),
    })
}

/// The line that says why make failed: a compiler's or modpost's, else make's own, else the first of all. A shell that a
/// Makefile starts may complain before them of what stops nothing.
fn why(said: &str) -> Option<&str> {
    let holds = |words: &[&str]| {
        let mut lines = said.lines();
        lines.find(|line| words.iter().any(|word| line.contains(word)))
    };
    holds(&["error: ", "ERROR: "])
        .or_else(|| holds(&["*** "]))
        .or_else(|| said.lines().find(|line| !line.trim().is_empty()))
}

impl ModuleReport {
    /// 0 where every patch builds, without a new warning, against all headers that the module itself builds against; 4
    /// where one does not; 69 where the module itself builds against none.
    pub fn exit(&self) -> Exit {
        let Some((base, patched)) = self.stages.split_first() else {
            return Exit::Infrastructure;
        };
        if !base.kernels.iter().any(|kernel| kernel.built) {
            return Exit::Infrastructure;
        }
        let worse = patched
            .iter()
            .flat_map(|stage| base.kernels.iter().zip(&stage.kernels));
        match worse.clone().any(|(base, now)| is_worse(base, now)) {
            true => Exit::Build,
            false => Exit::Clean,
        }
    }

    /// A line a stage and kernel, for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let base = self.stages.first();
        for stage in &self.stages {
            let _infallible = writeln!(text, "{}", stage.subject);
            for (at, kernel) in stage.kernels.iter().enumerate() {
                let before = base.and_then(|base| base.kernels.get(at));
                let word = match (kernel.built, before.is_some_and(|base| base.built)) {
                    (true, _) => "ok",
                    (false, false) => "none",
                    (false, true) => "FAIL",
                };
                let _infallible = write!(text, "  {word:4} {}", kernel.headers);
                if let Some(by) = &kernel.by {
                    let _infallible = write!(text, " ({by})");
                }
                if let Some(error) = &kernel.error {
                    let _infallible = write!(text, ": {error}");
                }
                text.push('\n');
                let known = before.map(|base| &base.warnings);
                let new = kernel
                    .warnings
                    .iter()
                    .filter(|warning| known.is_some_and(|known| !known.contains(*warning)));
                for warning in new {
                    let _infallible = writeln!(text, "       new warning: {warning}");
                }
            }
        }
        text
    }
}

/// Whether a patch broke what was built, or brought a warning.
fn is_worse(base: &Compiled, now: &Compiled) -> bool {
    base.built && (!now.built || !now.warnings.is_subset(&base.warnings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    fn compiled(built: bool, warnings: &[&str]) -> Compiled {
        Compiled {
            headers: "h".into(),
            built,
            error: None,
            by: None,
            warnings: warnings
                .iter()
                .map(|warning| (*warning).to_owned())
                .collect(),
        }
    }

    fn report(base: &[Compiled], patched: &[Compiled]) -> ModuleReport {
        let stage = |subject: &str, kernels: &[Compiled]| ModuleStage {
            subject: subject.to_owned(),
            kernels: kernels.to_vec(),
        };
        ModuleReport {
            schema: SCHEMA.to_owned(),
            stages: vec![stage("as it is", base), stage("a patch", patched)],
        }
    }

    #[test]
    fn what_stopped_make_is_told_before_what_a_shell_complained_of() {
        let shell = "/bin/bash: - : invalid option\n";
        let make = "make[1]: *** No rule to make target 'rules.mk'.  Stop.";
        let compiler = "a.c:1:1: error: unknown type name 'u33'";
        assert_eq!(why(&format!("{shell}{make}\n")), Some(make));
        assert_eq!(why(&format!("{shell}{make}\n{compiler}\n")), Some(compiler));
        assert_eq!(why(shell), Some(shell.trim_end()));
        assert_eq!(why("\n"), None);
    }

    #[test]
    fn a_patch_is_held_against_what_the_module_itself_builds_with() {
        let (good, bad) = (compiled(true, &["old"]), compiled(false, &[]));
        let exit = |base: &[Compiled], patched: &[Compiled]| report(base, patched).exit();
        assert_eq!(
            exit(&[good.clone(), bad.clone()], &[good.clone(), bad.clone()]),
            Exit::Clean
        );
        assert_eq!(exit(from_ref(&good), from_ref(&bad)), Exit::Build);
        assert_eq!(
            exit(from_ref(&good), &[compiled(true, &["old", "new"])]),
            Exit::Build
        );
        assert_eq!(exit(from_ref(&bad), from_ref(&good)), Exit::Infrastructure);
        let text = report(&[good.clone(), bad.clone()], &[bad.clone(), bad]).text();
        assert_eq!(
            text,
            "as it is\n  ok   h\n  none h\na patch\n  FAIL h\n  none h\n"
        );
    }
}
