// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small mistakes in the arithmetic of the reference implementation, drawn by lot, and whether its tests notice.
//!
//! A copy of the workspace is changed, never the workspace; snapshots do not count as tests, since who accepts them waves a mistake
//! through. Each mutant compiles the crate's tests anew.

use crate::exit::{Exit, Failure};
use crate::workspace;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where counts are kept and rules are followed: what `--sample` draws from.
const ROOMS: [&str; 7] = [
    "refimpl/src/page",
    "refimpl/src/gup",
    "refimpl/src/put",
    "refimpl/src/mapping",
    "refimpl/src/capi/ledger.rs",
    "refimpl/src/capi/world.rs",
    "refimpl/src/model",
];
/// What becomes of what. Blanks around an operator tell it from a generic argument or a reference.
const CHANGES: [(&str, &str); 18] = [
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " != "),
    (" != ", " == "),
    (" && ", " || "),
    (" || ", " && "),
    (" + ", " - "),
    (" - ", " + "),
    (" += ", " -= "),
    (" -= ", " += "),
    ("true", "false"),
    ("false", "true"),
    (".any(", ".all("),
    (".all(", ".any("),
    (".min(", ".max("),
    ("if !", "if "),
];
/// The tests of the crate take seconds to compile anew and less than a minute to run, on a machine that is busy ten times that; a
/// mutant that loops is stopped, and is noticed by that.
const DEADLINE: Duration = Duration::from_secs(900);

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Mutant {
    /// Relative to the root.
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) text: String,
    /// The same with the mistake.
    pub(crate) wrong: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// A test failed, or did not end.
    Killed,
    /// No compiler takes it.
    Uncompilable,
    /// It lives, and does nothing wrong: `xtask/data/mutants.toml` says why.
    Equivalent,
    /// Nobody noticed.
    Survived,
}

/// A mutant that changes nothing that anybody could see.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    path: Utf8PathBuf,
    wrong: String,
    #[expect(dead_code, reason = "for people")]
    why: String,
}

/// The lines that are no test, numbered from 1. An item that only tests have ends with a semicolon, or with a brace in the first column.
fn code(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut in_test = false;
    text.lines().zip(1..).filter(move |(line, _)| {
        let begins = line.starts_with("#[cfg(test)]");
        let is_code = !in_test && !begins;
        let ends = line.starts_with('}') || (!line.starts_with([' ', '#']) && line.ends_with(';'));
        in_test = begins || (in_test && !ends);
        is_code
    })
}

/// Every mistake that can be made in a file outside of its comments and tests.
pub(crate) fn candidates(path: &Utf8Path, text: &str) -> Vec<Mutant> {
    let mut all = Vec::new();
    for (line, number) in code(text) {
        let bare = line.trim_start();
        if ["//", "#", "use ", "assert", "debug_assert"]
            .iter()
            .any(|word| bare.starts_with(word))
        {
            continue;
        }
        for (from, to) in CHANGES {
            for (at, _) in line.match_indices(from) {
                let wrong = format!("{}{to}{}", &line[..at], &line[at + from.len()..]);
                all.push(Mutant {
                    path: path.to_owned(),
                    line: number,
                    text: line.to_owned(),
                    wrong,
                });
            }
        }
    }
    all
}

/// So many of them, the same for the same seed.
pub(crate) fn drawn(mut all: Vec<Mutant>, sample: usize, seed: u64) -> Vec<Mutant> {
    // Numbers of Knuth's MMIX: any full-period generator does, as long as it is the same everywhere.
    let mut state = seed;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut chosen = Vec::new();
    while chosen.len() < sample && !all.is_empty() {
        chosen.push(all.swap_remove(next(all.len())));
    }
    chosen
}

/// All candidates of the rooms, or of the files named.
pub(crate) fn all(files: &[Utf8PathBuf]) -> Result<Vec<Mutant>, Failure> {
    let wanted = |path: &Utf8PathBuf| {
        let inside = |room: &str| path.starts_with(room) || *path == format!("{room}.rs");
        let test = path.as_str().contains("/tests");
        let room = ROOMS.into_iter().any(inside);
        path.extension() == Some("rs")
            && !test
            && if files.is_empty() {
                room
            } else {
                files.contains(path)
            }
    };
    let mut all = Vec::new();
    for path in workspace::files()?.into_iter().filter(wanted) {
        let text = std::fs::read_to_string(workspace::root().join(&path))?;
        all.extend(candidates(&path, &text));
    }
    Ok(all)
}

/// Makes each mistake in turn in a copy of the workspace, and tells `told` what became of it.
pub(crate) fn run(mutants: &[Mutant], mut told: impl FnMut(&Mutant, Fate)) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        mutant: Vec<Known>,
    }
    let known: File = toml::from_str(include_str!("../data/mutants.toml")).map_err(|error| {
        Failure::new(Exit::Internal, "failed to read xtask/data/mutants.toml").because(error)
    })?;
    let copy = tempfile::tempdir()?;
    let copy = Utf8Path::from_path(copy.path()).ok_or_else(|| {
        Failure::new(Exit::Infrastructure, "the temporary directory is not UTF-8")
    })?;
    for file in workspace::files()? {
        let to = copy.join(&file);
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::copy(workspace::root().join(&file), to)?;
    }
    for mutant in mutants {
        let path = copy.join(&mutant.path);
        let right = std::fs::read_to_string(&path)?;
        let lines = right.lines().zip(1..).map(|(line, number)| {
            let text = if number == mutant.line {
                mutant.wrong.as_str()
            } else {
                line
            };
            format!("{text}\n")
        });
        std::fs::write(&path, lines.collect::<String>())?;
        let is_known = known
            .mutant
            .iter()
            .any(|known| known.path == mutant.path && known.wrong == mutant.wrong.trim());
        // The tests of the modules take a tenth of the time of those that explore, and notice most.
        // A compiler that does not get done says nothing of the mistake: that is no fate, and ends the run.
        let all = ["--lib", "--test", "it", "--no-run"];
        let fate = if !tests(copy, &all).run_unchecked()?.success() {
            Fate::Uncompilable
        } else if !test(copy, &["--lib"])? || !test(copy, &["--test", "it"])? {
            Fate::Killed
        } else if is_known {
            Fate::Equivalent
        } else {
            Fate::Survived
        };
        std::fs::write(&path, right)?;
        told(mutant, fate);
    }
    Ok(())
}

/// Whether the crate's tests do what they should.
fn test(copy: &Utf8Path, more: &[&str]) -> Result<bool, Failure> {
    match tests(copy, more).run_unchecked() {
        Ok(output) => Ok(output.success()),
        Err(proc::Error::Timeout { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn tests(copy: &Utf8Path, more: &[&str]) -> proc::Command {
    workspace::cargo()
        .args(["test", "--quiet", "--locked", "-p", "refimpl"])
        // Compiling anew is what most of the time goes into; at this level it is a few seconds.
        .args(["--config", "profile.dev.package.refimpl.opt-level=1"])
        .args(more)
        .args(["--", "--skip", "model_docs"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", workspace::root().join("target/mutants"))
        .env("INSTA_FORCE_PASS", "1")
        .env("INSTA_UPDATE", "no")
        .deadline(DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "// a < b\nfn f(a: i32) -> bool {\n    a < 3 && a != 1\n}\n#[cfg(test)]\nmod tests {\n    fn g() { 1 + 1 }\n}\n";

    #[test]
    fn comments_and_tests_are_left_alone() {
        let all = candidates(Utf8Path::new("x.rs"), TEXT);
        let wrong: Vec<&str> = all.iter().map(|mutant| mutant.wrong.trim()).collect();
        assert_eq!(
            wrong,
            ["a <= 3 && a != 1", "a < 3 && a == 1", "a < 3 || a != 1"]
        );
        assert!(all.iter().all(|mutant| mutant.line == 3));
    }

    #[test]
    fn what_stands_behind_a_module_of_tests_is_code() {
        let text = "#[cfg(test)]\nmod tests;\n\nfn f(a: i32) -> bool {\n    a < 3\n}\n#[cfg(test)]\n#[path = \"x\"]\nmod more {\n    use a;\n    fn g() { 1 + 1 }\n}\nfn h() -> i32 { 1 + 1 }\n";
        let all = candidates(Utf8Path::new("x.rs"), text);
        let lines: Vec<usize> = all.iter().map(|mutant| mutant.line).collect();
        assert_eq!(lines, [5, 13]);
    }

    #[test]
    fn a_seed_draws_the_same_each_time_and_none_twice() {
        let all = candidates(Utf8Path::new("x.rs"), TEXT);
        let mut once = drawn(all.clone(), 3, 7);
        assert_eq!(once, drawn(all.clone(), 3, 7));
        assert_eq!(drawn(all.clone(), 9, 1).len(), 3);
        once.sort();
        once.dedup();
        assert_eq!(once.len(), 3);
    }

    #[test]
    fn the_rooms_have_mistakes_to_make() {
        let all = all(&[]).expect("the sources are there");
        for room in ROOMS {
            let has = all
                .iter()
                .any(|mutant| mutant.path.as_str().starts_with(room));
            assert!(has, "{room}");
            // A room's own file is not covered by what stands in its directory.
            let file = Utf8PathBuf::from(format!("{room}.rs"));
            let is_file = workspace::root().join(&file).exists();
            assert!(!is_file || all.iter().any(|m| m.path == file), "{file}");
        }
    }
}
