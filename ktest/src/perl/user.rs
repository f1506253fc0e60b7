// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user's own configuration: what of it is taken, and what is not.
//!
//! It is read by the ktest.pl of the tree itself (`read.pl`), so that INCLUDE, IF, variables and OVERRIDE mean what they
//! mean there; what comes out is one value an option. That is why none of the user's text is copied: ktest.pl refuses a
//! second value outside of `DEFAULTS OVERRIDE`, and the user's own TEST_START sections would run before ours.
//!
//! The machine is the user's: power, console, installing, rebooting, logging in. What decides the verdict is ours: what is
//! built, from which sources, where, with which tests. Each option of the user's that is not taken is said.

use super::SCRIPT;
use crate::config::{Fragment, merge};
use crate::error::Error;
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use std::collections::BTreeMap;
use std::time::Duration;

const READER: &str = include_str!("read.pl");

/// What is never the user's, and why. A name that ends in `*` stands for all that begin so.
const OURS: &[(&str, &str)] = &[
    (
        "BUILD_DIR",
        "the series is built in links to the tree, never in a checkout of yours",
    ),
    (
        "OUTPUT_DIR",
        "the kernels are built beside those links, and the next run finds them there",
    ),
    ("BUILD_TARGET", "the image is the one that is built here"),
    (
        "BUILD_TYPE",
        "the configuration is that of the targets with yours below it",
    ),
    (
        "MIN_CONFIG",
        "it is merged below the targets' options, and the result is used",
    ),
    (
        "ADD_CONFIG",
        "it is merged below the targets' options, and the result is used",
    ),
    (
        "MAKE_CMD",
        "everything that would make two builds differ is pinned; give ARCH=, CC= or LLVM= on the command line",
    ),
    ("BUILD_OPTIONS", "give -j on the command line"),
    (
        "BUILD_NOCLEAN",
        "cleaning would build every kernel from nothing",
    ),
    (
        "PRE_BUILD*",
        "it could change what is built, and our links lead into your tree",
    ),
    (
        "POST_BUILD*",
        "it could change what is built, and our links lead into your tree",
    ),
    ("TEST", "the targets are the test"),
    (
        "TEST_TYPE",
        "the base is booted and tested, then the series is checked",
    ),
    ("TEST_NAME", "the tests are ours"),
    ("NUM_TESTS", "the tests are ours"),
    ("CHECKOUT", "the commits are those of the series"),
    ("PATCHCHECK_TYPE", "the commits are those of the series"),
    ("PATCHCHECK_START", "the commits are those of the series"),
    ("PATCHCHECK_END", "the commits are those of the series"),
    ("PATCHCHECK_CHERRY", "the commits are those of the series"),
    ("BISECT*", "nothing is bisected"),
    ("CONFIG_BISECT*", "nothing is bisected"),
    ("START_MIN_CONFIG", "no configuration is looked for"),
    ("OUTPUT_MIN_CONFIG", "no configuration is looked for"),
    ("MIN_CONFIG_TYPE", "no configuration is looked for"),
    ("USE_OUTPUT_MIN_CONFIG", "no configuration is looked for"),
    ("IGNORE_CONFIG", "no configuration is looked for"),
    (
        "WARNINGS_FILE",
        "it belongs to other sources; patchcheck looks at the files that a patch touches",
    ),
    ("IGNORE_WARNINGS", "the commits are those of the series"),
    (
        "IGNORE_ERRORS",
        "what the kernel complains of is held against it",
    ),
    (
        "DIE_ON_FAILURE",
        "a bad kernel is a result, after which ktest.pl brings up the good one",
    ),
    ("TMP_DIR", "logs lie in the run's directory"),
    ("LOG_FILE", "logs lie in the run's directory"),
    ("CLEAR_LOG", "logs lie in the run's directory"),
    ("IGNORE_UNUSED", "what nothing uses is said by us"),
];

/// Where an option stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    name: String,
    value: String,
    place: String,
}

/// A configuration of a user, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The file.
    pub path: Utf8PathBuf,
    entries: Vec<Entry>,
    /// Options with everything in them replaced, as far as that can be done before a test runs.
    finals: BTreeMap<String, String>,
    tests: u32,
}

impl User {
    /// Reads `conf` as `script`, the tree's ktest.pl, does.
    ///
    /// # Errors
    /// [`Error::Usage`] with what ktest.pl says where it refuses it, or where it lacks what ktest.pl would ask a person for.
    pub(crate) fn read(script: &Utf8Path, conf: &Utf8Path) -> Result<User, Error> {
        crate::host::require("perl", "the tree's ktest.pl")?;
        let conf = camino::absolute_utf8(conf).map_err(Error::io("find", conf))?;
        if !script.is_file() {
            return Err(Error::Usage(format!(
                "read {conf}: the tree has no {SCRIPT}; name a tree that has one"
            )));
        }
        std::fs::metadata(&conf).map_err(Error::named("the configuration", &conf))?;
        let scratch = tempfile::tempdir().map_err(Error::io("make directory", "scratch".into()))?;
        let scratch = Utf8Path::from_path(scratch.path())
            .ok_or_else(|| Error::Internal("the temporary directory is not UTF-8".into()))?
            .to_owned();
        let (reader, out) = (scratch.join("read.pl"), scratch.join("options"));
        std::fs::write(&reader, READER).map_err(Error::io("write", &reader))?;
        // Where we were called is where ktest.pl would have been: ${PWD}, and INCLUDE looks there too.
        let ran = proc::Command::new("perl")
            .arg(&reader)
            .args([script, conf.as_path(), out.as_path()])
            .deadline(Duration::from_secs(120))
            .run_unchecked()
            .map_err(Error::child("read a configuration with ktest.pl"))?;
        if !ran.success() {
            let said = ran.stderr_text();
            return Err(Error::Usage(format!(
                "read {conf} as ktest.pl does: {said}"
            )));
        }
        let bytes = std::fs::read(&out).map_err(Error::io("read", &out))?;
        let user = User::parse(conf, &String::from_utf8_lossy(&bytes));
        user.check()?;
        Ok(user)
    }

    pub(super) fn parse(path: Utf8PathBuf, text: &str) -> User {
        let fields: Vec<&str> = text.split('\0').collect();
        let mut user = User {
            path,
            entries: Vec::new(),
            finals: BTreeMap::new(),
            tests: 0,
        };
        for record in fields.chunks_exact(5) {
            let [kind, name, value, file, line] = record else {
                continue;
            };
            match *kind {
                "tests" => user.tests = value.parse().unwrap_or(0),
                "final" => {
                    user.finals.insert((*name).to_owned(), (*value).to_owned());
                }
                _ => user.entries.push(Entry {
                    kind: (*kind).to_owned(),
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                    place: format!("{file}:{line}"),
                }),
            }
        }
        user
    }

    /// What ktest.pl would ask a person for, and what its reader would not read again.
    fn check(&self) -> Result<(), Error> {
        let has = |name: &str| self.option(name).is_some();
        let mut lacking: Vec<&str> = [
            "MACHINE",
            "SSH_USER",
            "POWER_CYCLE",
            "CONSOLE",
            "TARGET_IMAGE",
        ]
        .into_iter()
        .filter(|name| !has(name))
        .collect();
        // ktest.pl: get_mandatory_configs().
        let more: &[&str] = match self.option("REBOOT_TYPE") {
            None if !has("GRUB_MENU") => &["REBOOT_TYPE"],
            None | Some("grub" | "grub2bls") => &["GRUB_MENU"],
            Some("grub2") => &["GRUB_MENU", "GRUB_FILE"],
            Some("syslinux") => &["SYSLINUX_LABEL"],
            Some(_) => &[],
        };
        lacking.extend(more.iter().filter(|name| !has(name)));
        if !lacking.is_empty() {
            return Err(Error::Usage(format!(
                "use {}: it has no {} (tools/testing/ktest/sample.conf says what they are)",
                self.path,
                lacking.join(", ")
            )));
        }
        for (name, _, value) in self.kept() {
            // Its reader takes a line with a # anywhere in it for a comment.
            if value.contains(['#', '\n']) {
                return Err(Error::Usage(format!(
                    "use {}: the value of {name} has a # or a line end once its variables are replaced, and no ktest.pl configuration can hold that: {value}",
                    self.path
                )));
            }
        }
        for (name, form, word) in [
            ("SSH_EXEC", self.login(""), "$SSH_COMMAND"),
            (
                "SCP_TO_TARGET",
                self.copy("", ""),
                "$SRC_FILE and $DST_FILE",
            ),
        ] {
            if form.is_none() {
                return Err(Error::Usage(format!(
                    "use {}: {name} does not say where {word} goes",
                    self.path
                )));
            }
        }
        Ok(())
    }

    /// The value of an option of the user's, outside of TEST_START sections.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let found = self
            .entries
            .iter()
            .find(|e| e.name == name && matches!(e.kind.as_str(), "option" | "unused"));
        found
            .map(|e| e.value.as_str())
            .filter(|v| !v.trim().is_empty())
    }

    /// What goes into our configuration, in order: name, `=` or `=~`, value.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.entries
            .iter()
            .filter(|e| e.kind != "test" && why_ours(&e.name).is_none())
            .map(|e| {
                let sign = if e.kind == "change" { "=~" } else { "=" };
                (e.name.as_str(), sign, e.value.as_str())
            })
    }

    /// A sentence for everything that is not taken, and for what nothing uses.
    pub(crate) fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.tests > 0 {
            said.push(format!(
                "{}: {} left out, as the tests are ours",
                self.path,
                counted(self.tests, "test")
            ));
        }
        for entry in &self.entries {
            let (place, name) = (&entry.place, &entry.name);
            if entry.kind == "test" {
                let plain = name.split('[').next().unwrap_or(name);
                said.push(format!(
                    "{place}: {plain} is not taken: it belongs to a test of yours"
                ));
            } else if let Some(why) = why_ours(name) {
                if entry.value.trim().is_empty() {
                    continue;
                }
                said.push(format!("{place}: {name} is not taken: {why}"));
            } else if entry.kind == "unused" {
                said.push(format!(
                    "{place}: {name} is no option of ktest.pl, and nothing uses it"
                ));
            }
        }
        said
    }

    /// The shell's words that run `command` on the machine.
    pub(crate) fn login(&self, command: &str) -> Option<String> {
        let form = self.finals.get("SSH_EXEC")?;
        form.contains("$SSH_COMMAND")
            .then(|| form.replace("$SSH_COMMAND", command))
    }

    /// The shell's words that copy a file to the machine.
    pub(crate) fn copy(&self, from: &str, to: &str) -> Option<String> {
        let form = self.finals.get("SCP_TO_TARGET")?;
        (form.contains("$SRC_FILE") && form.contains("$DST_FILE"))
            .then(|| form.replace("$SRC_FILE", from).replace("$DST_FILE", to))
    }

    /// The kernel configurations that it names, the strongest last (ktest.pl puts MIN_CONFIG behind ADD_CONFIG).
    pub(crate) fn configs(&self) -> Vec<Utf8PathBuf> {
        ["ADD_CONFIG", "MIN_CONFIG"]
            .into_iter()
            .filter_map(|name| self.finals.get(name))
            .flat_map(|files| files.split_whitespace())
            .map(Utf8PathBuf::from)
            .collect()
    }

    /// Those configurations as one.
    ///
    /// # Errors
    /// As [`Fragment::read`].
    pub(crate) fn fragment(&self) -> Result<Fragment, Error> {
        let files = self.configs();
        let read: Result<Vec<Fragment>, Error> = files.iter().map(|f| Fragment::read(f)).collect();
        Ok(merge(&read?))
    }

    /// A hash of all that is taken.
    ///
    /// # Errors
    /// As [`Fragment::read`].
    pub(crate) fn digest(&self) -> Result<String, Error> {
        let kept: Vec<_> = self.kept().collect();
        let all = format!("{kept:?} {:?} {}", self.finals, self.fragment()?.text());
        Ok(blake3::hash(all.as_bytes()).to_hex().to_string())
    }
}

fn why_ours(name: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    let found = OURS.iter().find(|(pattern, _)| matches(pattern));
    found.map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `read.pl` writes it.
    fn user(records: &[[&str; 5]]) -> User {
        let text: String = records.iter().flatten().map(|f| format!("{f}\0")).collect();
        User::parse("my.conf".into(), &text)
    }

    fn whole(more: &[[&str; 5]]) -> User {
        let names = [
            "MACHINE",
            "SSH_USER",
            "POWER_CYCLE",
            "CONSOLE",
            "TARGET_IMAGE",
        ];
        let mut records: Vec<[&str; 5]> = names
            .iter()
            .map(|name| ["option", name, "x", "my.conf", "1"])
            .collect();
        records.extend_from_slice(&[
            ["option", "REBOOT_TYPE", "script", "my.conf", "2"],
            ["final", "SSH_EXEC", "ssh $SSH_COMMAND", "", "0"],
            [
                "final",
                "SCP_TO_TARGET",
                "scp $SRC_FILE b:$DST_FILE",
                "",
                "0",
            ],
        ]);
        records.extend_from_slice(more);
        user(&records)
    }

    #[test]
    fn the_machine_is_theirs_and_what_is_built_is_ours() {
        let user = whole(&[
            ["option", "OUTPUT_DIR", "/o", "my.conf", "7"],
            ["option", "PRE_BUILD_DIE", "1", "my.conf", "8"],
            ["option", "PRE_INSTALL", "a", "my.conf", "9"],
            ["option", "TEST", "", "my.conf", "10"],
            ["test", "MACHINE[1]", "other", "my.conf", "11"],
            ["change", "TIMEOUT", "s/1/2/", "my.conf", "12"],
        ]);
        user.check().unwrap();
        let kept: Vec<_> = user.kept().collect();
        assert!(kept.contains(&("PRE_INSTALL", "=", "a")));
        assert!(kept.contains(&("TIMEOUT", "=~", "s/1/2/")));
        assert!(!kept.iter().any(|(name, ..)| {
            matches!(
                *name,
                "OUTPUT_DIR" | "PRE_BUILD_DIE" | "TEST" | "MACHINE[1]"
            )
        }));
        let said = user.said();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("my.conf:7: OUTPUT_DIR is not taken: "));
        assert_eq!(user.login("x").as_deref(), Some("ssh x"));
    }

    #[test]
    fn what_ktest_pl_would_ask_for_and_a_login_without_a_command_are_refused() {
        let lacks = user(&[["option", "MACHINE", "m", "my.conf", "1"]]);
        let why = lacks.check().unwrap_err().to_string();
        assert!(why.contains("SSH_USER, POWER_CYCLE"), "{why}");
        let grub = whole(&[]);
        let mut grub = grub;
        grub.entries.retain(|e| e.name != "REBOOT_TYPE");
        assert!(
            grub.check()
                .unwrap_err()
                .to_string()
                .contains("REBOOT_TYPE")
        );
        let mut mute = whole(&[]);
        mute.finals.insert("SSH_EXEC".into(), "ssh box".into());
        let why = mute.check().unwrap_err().to_string();
        assert!(why.contains("SSH_EXEC does not say where"), "{why}");
    }

    #[test]
    fn every_option_that_is_ours_has_a_reason_and_none_is_there_twice() {
        let mut names: Vec<&str> = OURS.iter().map(|(name, _)| *name).collect();
        assert!(OURS.iter().all(|(_, why)| why.len() > 8));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
