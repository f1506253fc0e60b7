// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the base's objects warned of when they were compiled, kept beside them: a later run compiles few of them again, and
//! only what is compiled can warn.
//!
//! An entry counts as long as its object is the very file that it was written for; an object without one is unknown.

use super::kbuild::Kbuild;
use super::shadow::write_file;
use super::warnings::{Known, Warning, Warnings, add};
use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use walkdir::WalkDir;

/// In the output directory.
const NAME: &str = "ktest.warnings";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// What decides on warnings and does not make kbuild compile again.
    checks: Vec<(String, String)>,
    /// By path relative to the output directory.
    objects: BTreeMap<Utf8PathBuf, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<(Warning, usize)>,
}

/// Time of the last change, in seconds and nanoseconds, and length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp(i64, i64, u64);

impl Stamp {
    fn of(file: &Utf8Path) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt;
        let is = std::fs::metadata(file).ok()?;
        Some(Stamp(is.mtime(), is.mtime_nsec(), is.len()))
    }
}

/// Adds what was `heard` while the base was made in the output directory of `kbuild`, and returns everything that is known of it.
///
/// # Errors
/// [`Error::Io`] where the record cannot be written.
pub(crate) fn learn(kbuild: &Kbuild, heard: &Warnings) -> Result<Known, Error> {
    let file = kbuild.output.join(NAME);
    let checks: Vec<(String, String)> = kbuild
        .variables
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "C" | "CF" | "CHECK" | "W"))
        .cloned()
        .collect();
    // One that cannot be read is as good as none: its objects are unknown.
    let before = std::fs::read(&file).ok();
    let before: Option<Record> = before.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut record = before
        .filter(|record| record.checks == checks)
        .unwrap_or_default();
    record.checks = checks;
    let path = |object: &Utf8Path| kbuild.output.join(object);
    record
        .objects
        .retain(|object, entry| Stamp::of(&path(object)) == Some(entry.stamp));
    for (object, warnings) in heard {
        let Ok(relative) = object.strip_prefix(&kbuild.output) else {
            continue;
        };
        if let Some(stamp) = Stamp::of(object) {
            let warnings = warnings.clone().into_iter().collect();
            let entry = Entry { stamp, warnings };
            record.objects.insert(relative.to_owned(), entry);
        }
    }
    let text =
        serde_json::to_vec(&record).map_err(|error| Error::Internal(format!("{file}: {error}")))?;
    write_file(&file, &text)?;
    let known = |(object, entry): (Utf8PathBuf, Entry)| {
        (path(&object), entry.warnings.into_iter().collect())
    };
    let objects = objects(&kbuild.output);
    let unknown = objects
        .into_iter()
        .filter(|object| !record.objects.contains_key(object))
        .map(|object| path(&object))
        .collect();
    let mut warnings: Warnings = record.objects.into_iter().map(known).collect();
    add(&mut warnings, heard.clone());
    Ok(Known { warnings, unknown })
}

/// Every object in an output directory, relative to it.
fn objects(output: &Utf8Path) -> BTreeSet<Utf8PathBuf> {
    let mut found = BTreeSet::new();
    for entry in WalkDir::new(output).into_iter().flatten() {
        let Some(path) = Utf8Path::from_path(entry.path()) else {
            continue;
        };
        if let (Some("o"), Ok(relative)) = (path.extension(), path.strip_prefix(output)) {
            found.insert(relative.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::warnings::{Hearing, strings};
    use super::*;

    struct Desk {
        _dir: tempfile::TempDir,
        kbuild: Kbuild,
    }

    impl Desk {
        fn new() -> Desk {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap();
            let output = root.join("out");
            std::fs::create_dir_all(output.join("d")).unwrap();
            let kbuild = Kbuild::new(&root.join("source"), &output, &[], 1);
            Desk { _dir: dir, kbuild }
        }

        /// Compiles `d/NAME.o`, which warns of `what`.
        fn compile(&self, name: &str, what: &[&str]) -> Warnings {
            let object = format!("d/{name}.o");
            let output = self.kbuild.output.join(&object);
            std::fs::write(output, what.concat()).unwrap();
            let mut hearing = Hearing::new(&self.kbuild.source, &self.kbuild.output);
            hearing.line(&format!("  CC      {object}"));
            for what in what {
                let file = self.kbuild.source.join(format!("d/{name}.c"));
                hearing.line(&format!("{file}:3:1: warning: {what}"));
            }
            hearing.heard(false)
        }

        fn learn(&self, heard: &Warnings) -> Known {
            learn(&self.kbuild, heard).unwrap()
        }
    }

    #[test]
    fn what_an_earlier_run_compiled_is_known() {
        let desk = Desk::new();
        desk.learn(&desk.compile("a", &["odd"]));
        let known = desk.learn(&Warnings::new());
        // A header was touched: all is compiled again.
        let now = desk.compile("a", &["odd", "new"]);
        let compared = known.compare(&now);
        assert_eq!(strings(&compared.new), ["d/a.c: new"]);
        assert!(compared.uncompared.is_empty());
    }

    #[test]
    fn a_warning_that_the_tree_no_longer_has_is_new_when_it_comes_back() {
        let desk = Desk::new();
        desk.learn(&desk.compile("a", &["odd"]));
        // The tree is mended, and its base made again.
        desk.learn(&desk.compile("a", &[]));
        let known = desk.learn(&Warnings::new());
        let compared = known.compare(&desk.compile("a", &["odd"]));
        assert_eq!(strings(&compared.new), ["d/a.c: odd"]);
    }

    #[test]
    fn an_object_that_was_compiled_unheard_is_unknown() {
        let desk = Desk::new();
        desk.learn(&desk.compile("a", &["odd"]));
        let unheard = desk.compile("a", &["another"]);
        let compared = desk.learn(&Warnings::new()).compare(&unheard);
        assert_eq!(strings(&compared.uncompared), ["d/a.c: another"]);
        assert!(compared.new.is_empty());
    }

    #[test]
    fn another_checker_has_another_record() {
        let mut desk = Desk::new();
        let heard = desk.compile("a", &["odd"]);
        desk.learn(&heard);
        desk.kbuild.variables.push(("C".into(), "1".into()));
        let known = desk.learn(&Warnings::new());
        assert_eq!(known.compare(&heard).uncompared.len(), 1);
    }

    #[test]
    fn a_damaged_record_is_none() {
        let desk = Desk::new();
        let heard = desk.compile("a", &["odd"]);
        desk.learn(&heard);
        std::fs::write(desk.kbuild.output.join(NAME), "{").unwrap();
        let known = desk.learn(&Warnings::new());
        assert_eq!(known.compare(&heard).uncompared.len(), 1);
        assert_eq!(desk.learn(&heard).compare(&heard).new.len(), 0);
    }
}
