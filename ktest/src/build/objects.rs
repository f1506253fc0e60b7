// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles the objects of single source files.

use super::everything::Plan;
use super::fault::machine;
use super::kbuild::Kbuild;
use super::warnings::{Warnings, add};
use crate::error::Error;
use crate::verdict::Outcome;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectBuild {
    /// The source file, relative to the tree.
    pub path: String,
    /// Pass, fail, or skip (nothing is compiled from it here).
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// The architecture and configuration that compiled it, where it is not that of the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// make's ARCH, where something was compiled from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The options that lie between it and the top of the tree, where they were looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl ObjectBuild {
    /// One line for people.
    pub fn text(&self) -> String {
        let word = match self.result {
            Outcome::Pass => "compiled",
            Outcome::Skip => "skipped ",
            _ => "FAILED  ",
        };
        let reason = self.reason.as_deref().unwrap_or("");
        let mut by: Vec<String> = self.configuration.iter().cloned().collect();
        by.extend(self.options.iter().map(|name| format!("CONFIG_{name}")));
        let by = match by.is_empty() {
            true => String::new(),
            false => format!("({}) ", by.join(", ")),
        };
        format!("{word} {} {by}{reason}", self.path)
            .trim_end()
            .to_owned()
    }
}

/// Compiles the object of every C file of `files`: all with one make, and where that fails each with a make of its own, so that
/// one failure hides no other. `again` compiles what is up to date too: only what is compiled can warn. What is warned of is
/// added to `heard`, of what was compiled before an error too.
///
/// # Errors
/// [`Error::Child`] when make cannot be run or is interrupted; what does not compile is in the result.
pub(crate) fn compile_objects(
    kbuild: &Kbuild,
    files: &[Utf8PathBuf],
    again: bool,
    logs: &Utf8Path,
    heard: &mut Warnings,
) -> Result<Vec<ObjectBuild>, Error> {
    let mut objects = Vec::new();
    let is_unit = |f: &&Utf8PathBuf| f.extension() == Some("c") && kbuild.source.join(f).is_file();
    let (units, others): (Vec<_>, Vec<_>) = files.iter().partition(is_unit);
    let nothing = "nothing is compiled from it by itself";
    objects.extend(others.into_iter().map(|file| skipped(file, nothing)));
    if again {
        for file in &units {
            remove(&kbuild.output.join(file.with_extension("o")))?;
        }
    }
    if let Some(made) = compile_together(kbuild, &units, logs, heard)? {
        objects.extend(made);
        return Ok(objects);
    }
    for file in units {
        let object = file.with_extension("o");
        let output = kbuild.output.join(&object);
        let log = logs.join(format!("{}.log", object.as_str().replace('/', "-")));
        let what = format!("compile {file}");
        let (made, warnings) = kbuild.compile(&what, &[object.as_str()], &log);
        add(heard, warnings);
        let made = made?;
        let said = made.stdout_text();
        if !made.success() {
            machine(&what, &said, &kbuild.output)?;
        }
        let said = kbuild.relative(&said);
        let why = not_reached(&kbuild.source, file);
        objects.push(judge(file, made.success(), output.is_file(), &said, why));
    }
    Ok(objects)
}

/// All with one make, which walks the Makefiles once. None where it fails or leaves one out, and for fewer than two.
fn compile_together(
    kbuild: &Kbuild,
    units: &[&Utf8PathBuf],
    logs: &Utf8Path,
    heard: &mut Warnings,
) -> Result<Option<Vec<ObjectBuild>>, Error> {
    if units.len() < 2 {
        return Ok(None);
    }
    let goals: Vec<Utf8PathBuf> = units.iter().map(|file| file.with_extension("o")).collect();
    let names: Vec<&str> = goals.iter().map(|goal| goal.as_str()).collect();
    let what = "compile the touched files";
    let (made, warnings) = kbuild.compile(what, &names, &logs.join("objects.log"));
    add(heard, warnings);
    let made = made?;
    let there = |goal: &Utf8PathBuf| kbuild.output.join(goal).is_file();
    if !made.success() || !goals.iter().all(there) {
        return Ok(None);
    }
    let said = made.stdout_text();
    let judged = |file: &&Utf8PathBuf| {
        let why = not_reached(&kbuild.source, file);
        judge(file, true, true, &said, why)
    };
    Ok(Some(units.iter().map(judged).collect()))
}

fn remove(output: &Utf8Path) -> Result<(), Error> {
    match std::fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", output)(error))
        }
        _ => Ok(()),
    }
}

/// The same for files that several configurations share between them. Files that `plan` does not know are those from
/// which nothing is compiled by itself.
///
/// # Errors
/// As [`compile_objects`].
pub(crate) fn compile_everywhere(
    plan: &Plan,
    files: &[Utf8PathBuf],
    again: bool,
    logs: &Utf8Path,
    heard: &mut Warnings,
) -> Result<Vec<ObjectBuild>, Error> {
    let mut objects = Vec::new();
    let mut rest: BTreeSet<&Utf8PathBuf> = files.iter().collect();
    for group in &plan.groups {
        let own: Vec<Utf8PathBuf> = files
            .iter()
            .filter(|file| group.files.contains(file))
            .cloned()
            .collect();
        rest.retain(|file| !own.contains(file));
        let mut made = compile_objects(&group.kbuild, &own, again, logs, heard)?;
        for object in &mut made {
            object.configuration.clone_from(&group.name);
            object.architecture = group.kbuild.architecture().map(str::to_owned);
            let options = plan.options.get(Utf8Path::new(&object.path));
            object.options = options.cloned().unwrap_or_default();
        }
        objects.extend(made);
    }
    objects.extend(rest.into_iter().map(|file| match plan.unreached.get(file) {
        Some(why) => skipped(file, why),
        None => skipped(file, "nothing is compiled from it by itself"),
    }));
    objects.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(objects)
}

/// Why nothing was compiled from `file`, where make says no more than that it has no rule. Without a Makefile beside it
/// kbuild has nothing that it could read of the object, whatever the configuration is.
fn not_reached(source: &Utf8Path, file: &Utf8Path) -> &'static str {
    let dir = file
        .parent()
        .map_or_else(|| source.to_owned(), |dir| source.join(dir));
    match ["Kbuild", "Makefile"].map(|name| dir.join(name).is_file()) {
        [false, false] => "there is no Makefile beside it, so kbuild does not compile it by itself",
        _ => "this configuration does not reach it",
    }
}

fn judge(
    file: &Utf8Path,
    ended_well: bool,
    there: bool,
    said: &str,
    not_reached: &str,
) -> ObjectBuild {
    let path = file.to_string();
    if ended_well && there {
        return ObjectBuild {
            path,
            result: Outcome::Pass,
            reason: None,
            configuration: None,
            architecture: None,
            options: Vec::new(),
        };
    }
    let unreached = said.contains("No rule to make target") && !said.contains("error:");
    if unreached || (ended_well && !there) {
        return skipped(file, not_reached);
    }
    let error = said
        .lines()
        .find(|line| line.contains("error:") || line.contains("fatal error"))
        .or_else(|| said.lines().find(|line| line.contains("***")))
        .unwrap_or("make failed");
    ObjectBuild {
        path,
        result: Outcome::Fail,
        reason: Some(error.trim().to_owned()),
        configuration: None,
        architecture: None,
        options: Vec::new(),
    }
}

fn skipped(file: &Utf8Path, why: &str) -> ObjectBuild {
    ObjectBuild {
        path: file.to_string(),
        result: Outcome::Skip,
        reason: Some(why.to_owned()),
        configuration: None,
        architecture: None,
        options: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_makefile_is_not_blamed_on_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap();
        for (dir, makefile) in [
            ("with", Some("Makefile")),
            ("newer", Some("Kbuild")),
            ("bare", None),
        ] {
            std::fs::create_dir(tree.join(dir)).unwrap();
            if let Some(name) = makefile {
                std::fs::write(tree.join(dir).join(name), "").unwrap();
            }
        }
        let no_rule = "make: *** No rule to make target 'x.o'.  Stop.";
        let said = |file: &str| {
            let file = Utf8Path::new(file);
            let object = judge(file, false, false, no_rule, not_reached(tree, file));
            assert_eq!(object.result, Outcome::Skip);
            object.reason.unwrap()
        };
        for file in ["with/x.c", "newer/x.c"] {
            assert_eq!(said(file), "this configuration does not reach it");
        }
        for file in ["bare/x.c", "gone/x.c", "x.c"] {
            assert!(
                said(file).starts_with("there is no Makefile beside it"),
                "{file}"
            );
        }
    }
}
