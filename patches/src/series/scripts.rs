// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own scripts: whom a patch goes to, and what checkpatch.pl says of it.
//!
//! Both run with the tree as working directory. That they cannot run is a recorded check, never the end of a series.

use super::info::{Check, Outcome, Recipients};
use camino::{Utf8Path, Utf8PathBuf};
use proc::Command;
use std::path::Path;
use std::time::Duration;

/// How long a script may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A script of the tree, ready to run.
#[derive(Debug, Clone)]
pub struct Script<'a> {
    /// "checkpatch.pl" or "get_maintainer.pl".
    pub name: &'static str,
    /// The tree's directory; None when it was read from a git revision.
    pub root: Option<&'a Utf8Path>,
    /// Whether scripts are run at all.
    pub enabled: bool,
}

impl Script<'_> {
    fn command(&self) -> Result<(Command, Utf8PathBuf), String> {
        if !self.enabled {
            return Err("scripts of the tree were not asked for".into());
        }
        let root = self
            .root
            .ok_or("the tree is a git revision without a checkout")?;
        let script = root.join("scripts").join(self.name);
        if !script.is_file() {
            return Err(format!("the tree has no scripts/{}", self.name));
        }
        let root = root
            .canonicalize_utf8()
            .map_err(|error| format!("the tree cannot be entered: {error}"))?;
        let command = Command::new("perl")
            .arg(format!("scripts/{}", self.name))
            .current_dir(&root)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .deadline(DEADLINE);
        Ok((command, root))
    }
}

/// Runs get_maintainer.pl on a mail in a file.
pub fn get_maintainer(script: &Script<'_>, mail: &Path) -> (Recipients, Check) {
    let skipped = |why: String| {
        (
            Recipients::default(),
            Check::new("get_maintainer", Outcome::Skipped, why),
        )
    };
    let command = match script.command() {
        Ok((command, _)) => command,
        Err(why) => return skipped(why),
    };
    let options = [
        "--no-git",
        "--no-git-fallback",
        "--norolestats",
        "--roles",
        "--multiline",
    ];
    let output = match command.args(options).arg(mail).run_unchecked() {
        Ok(output) => output,
        Err(error) => return skipped(error.to_string()),
    };
    if !output.success() {
        let said = failure(&output);
        return (
            Recipients::default(),
            Check::new("get_maintainer", Outcome::Failed, said),
        );
    }
    let recipients = recipients(&output.stdout_text());
    let said = format!("{} to, {} cc", recipients.to.len(), recipients.cc.len());
    let outcome = match recipients.to.is_empty() && recipients.cc.is_empty() {
        true => Outcome::Failed,
        false => Outcome::Passed,
    };
    (recipients, Check::new("get_maintainer", outcome, said))
}

/// Maintainers go to `to`, lists and reviewers to `cc`.
fn recipients(said: &str) -> Recipients {
    let mut recipients = Recipients::default();
    for line in said.lines() {
        let (address, role) = match line.rsplit_once(" (") {
            Some((address, role)) => (address.trim(), role),
            None => (line.trim(), ""),
        };
        if !address.contains('@') {
            continue;
        }
        let list = match role.starts_with("maintainer") || role.starts_with("supporter") {
            true => &mut recipients.to,
            false => &mut recipients.cc,
        };
        if !list.iter().any(|known| known == address) {
            list.push(address.to_owned());
        }
    }
    recipients
}

/// Runs checkpatch.pl --strict on a mail in a file. `reversed` is a file with the patch taken back: what checkpatch.pl
/// says of it was said of the lines before, and a complaint that these lines had already is not ours.
pub fn checkpatch(script: &Script<'_>, mail: &Path, reversed: &Path) -> Check {
    let said = complaints(script, mail).and_then(|new| Ok((new, complaints(script, reversed)?)));
    let (new, old) = match said {
        Ok(both) => both,
        Err(why) => return Check::new("checkpatch", Outcome::Skipped, why),
    };
    let (ours, before) = ours(&new, &old);
    let kinds = |level: &str| ours.iter().filter(|line| line.contains(level)).count();
    let mut said = format!(
        "{} errors, {} warnings, {} checks of ours; {before} that the lines had before",
        kinds(":ERROR:"),
        kinds(":WARNING:"),
        kinds(":CHECK:"),
    );
    for line in &ours {
        said.push('\n');
        said.push_str(line);
    }
    let outcome = match ours.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed,
    };
    Check::new("checkpatch", outcome, said)
}

/// The lines "LINE:LEVEL:TYPE: message" of checkpatch.pl.
fn complaints(script: &Script<'_>, patch: &Path) -> Result<Vec<String>, String> {
    let (command, _) = script.command()?;
    // Whether somebody signed is a check of its own, which knows about rehearsals.
    let options = [
        "--strict",
        "--show-types",
        "--terse",
        "--no-color",
        "--no-signoff",
        "--ignore=COMMIT_MESSAGE",
    ];
    let output = command
        .args(options)
        .arg(patch)
        .run_unchecked()
        .map_err(|error| error.to_string())?;
    let said = output.stdout_text();
    // That of 4.19 prints no total in a terse run that has nothing to complain of.
    if output.success() && said.trim().is_empty() && output.stderr.is_empty() {
        return Ok(Vec::new());
    }
    if !said.lines().any(|line| line.starts_with("total: ")) {
        return Err(failure(&output));
    }
    let path = format!("{}:", patch.to_string_lossy());
    let name = patch.file_name().unwrap_or_default();
    let name = format!("{}:", name.to_string_lossy());
    Ok(said
        .lines()
        .filter_map(|line| {
            line.strip_prefix(&path)
                .or_else(|| line.strip_prefix(&name))
        })
        .map(str::to_owned)
        .collect())
}

/// The complaints of `new` beyond those of the same type in `old`, and how many of those there were.
fn ours(new: &[String], old: &[String]) -> (Vec<String>, usize) {
    fn message(line: &str) -> &str {
        line.split_once(':').map_or(line, |(_, rest)| rest)
    }
    let mut left: Vec<&str> = old.iter().map(|line| message(line)).collect();
    let mut ours = Vec::new();
    for line in new {
        match left.iter().position(|old| *old == message(line)) {
            Some(at) => drop(left.swap_remove(at)),
            None => ours.push(line.clone()),
        }
    }
    let before = new.len() - ours.len();
    (ours, before)
}

/// What a script that failed has said; how it ended where it said nothing.
fn failure(output: &proc::Output) -> String {
    let said = first_lines(&output.stderr_text());
    match (said.is_empty(), output.code) {
        (false, _) => said,
        (true, Some(code)) => format!("it ended with exit status {code} and said nothing"),
        (true, None) => "it was ended by a signal and said nothing".into(),
    }
}

fn first_lines(text: &str) -> String {
    text.lines().take(4).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintainers_are_written_to_and_lists_are_copied() {
        let said = "\"Jørn Å. Doe\" <jd@example.org> (maintainer:FOO DRIVER)\n\
                    Jane <jane@example.org> (reviewer:FOO DRIVER)\n\
                    linux-kernel@vger.kernel.org (open list)\n\
                    Jane <jane@example.org> (reviewer:BAR)\n";
        let recipients = recipients(said);
        assert_eq!(recipients.to, ["\"Jørn Å. Doe\" <jd@example.org>"]);
        assert_eq!(
            recipients.cc,
            ["Jane <jane@example.org>", "linux-kernel@vger.kernel.org"]
        );
    }

    #[test]
    fn a_tree_without_scripts_skips_the_check_and_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
        let script = Script {
            name: "checkpatch.pl",
            root: Some(root),
            enabled: true,
        };
        let check = checkpatch(&script, Path::new("0001.patch"), Path::new("reversed"));
        assert_eq!(check.outcome, Outcome::Skipped);
        assert_eq!(check.detail, "the tree has no scripts/checkpatch.pl");
    }

    #[test]
    fn a_complaint_that_the_lines_had_before_is_not_ours() {
        let line = |text: &str| text.to_owned();
        let new = [
            line("9:CHECK:SPACING: no space"),
            line("12:CHECK:SPACING: no space"),
            line("14:WARNING:LONG_LINE: too long"),
        ];
        let old = [
            line("30:CHECK:SPACING: no space"),
            line("31:CHECK:OTHER: gone now"),
        ];
        let (ours, before) = ours(&new, &old);
        assert_eq!(ours, [new[1].as_str(), new[2].as_str()]);
        assert_eq!(before, 1);
    }

    /// A tree with one script that does what `body` says, and a mail for it.
    fn tree_with(name: &str, body: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let scripts = dir.path().join("scripts");
        std::fs::create_dir(&scripts).expect("a directory");
        std::fs::write(scripts.join(name), body).expect("a file");
        let mail = dir.path().join("0001.patch");
        std::fs::write(&mail, "a mail").expect("a file");
        (dir, mail)
    }

    fn maintainers(body: &str) -> (Recipients, Check) {
        let (dir, mail) = tree_with("get_maintainer.pl", body);
        let script = Script {
            name: "get_maintainer.pl",
            root: Utf8Path::from_path(dir.path()),
            enabled: true,
        };
        get_maintainer(&script, &mail)
    }

    fn style(body: &str) -> Check {
        let (dir, mail) = tree_with("checkpatch.pl", body);
        let script = Script {
            name: "checkpatch.pl",
            root: Utf8Path::from_path(dir.path()),
            enabled: true,
        };
        checkpatch(&script, &mail, &dir.path().join("0001.patch"))
    }

    #[test]
    fn a_get_maintainer_that_fails_is_silent_or_talks_nonsense_is_a_failed_check_that_names_nobody()
    {
        for (body, said) in [
            (
                "print STDERR \"no MAINTAINERS\\n\"; exit 2;",
                "no MAINTAINERS",
            ),
            ("exit 3;", "it ended with exit status 3 and said nothing"),
            ("exit 0;", "0 to, 0 cc"),
            ("print \"what is this\\n\\x{ff}\\n\";", "0 to, 0 cc"),
        ] {
            let (recipients, check) = maintainers(body);
            assert_eq!(recipients, Recipients::default(), "{body}");
            assert_eq!(check.outcome, Outcome::Failed, "{body}");
            assert_eq!(check.detail, said, "{body}");
        }
    }

    #[test]
    fn a_name_outside_of_ascii_survives() {
        let (recipients, check) =
            maintainers("print qq{\"J\\xc3\\xb8rn Doe\" <jd\\@example.org> (maintainer:FOO)\\n};");
        assert_eq!(recipients.to, ["\"Jørn Doe\" <jd@example.org>"]);
        assert_eq!(check.outcome, Outcome::Passed);
    }

    #[test]
    fn a_checkpatch_that_fails_or_talks_nonsense_is_never_passed() {
        for body in [
            "print STDERR \"syntax error\\n\"; exit 255;",
            "exit 9;",
            "print \"what is this\\n\"; exit 0;",
            "kill 9, $$;",
        ] {
            assert_eq!(style(body).outcome, Outcome::Skipped, "{body}");
        }
        let said = style("exit 9;").detail;
        assert_eq!(said, "it ended with exit status 9 and said nothing");
    }
}
