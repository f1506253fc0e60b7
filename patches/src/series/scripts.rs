// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own scripts: whom a patch goes to, and what checkpatch.pl says of it.
//!
//! Both run with the tree as working directory. That they cannot run is a recorded check, never the end of a series.

use crate::info::{Check, Outcome, Recipients};
use callsites::tree::{Kernel, Tree};
use camino::{Utf8Path, Utf8PathBuf};
use proc::Command;
use std::path::Path;
use std::time::Duration;

/// How long a script may take. It needs seconds; one that hangs must not hold up a series of fifty patches for hours.
const DEADLINE: Duration = Duration::from_secs(120);

/// A script of the tree, ready to run.
#[derive(Debug, Clone)]
pub struct Script<'a> {
    /// "checkpatch.pl" or "get_maintainer.pl".
    pub name: &'static str,
    /// The directory of the kernel tree, or why the script is not run.
    pub root: Result<&'a Utf8Path, &'static str>,
    /// Whether the files that a patch is for are those of that tree.
    pub inside: bool,
    /// A directory of ours: a script that leaves a file where it runs, or in its home, leaves it there.
    pub scratch: &'a Path,
}

impl<'a> Script<'a> {
    /// The script of the tree that a series is for. A module has the checkpatch.pl of its kernel, and is nobody's in the
    /// kernel's MAINTAINERS.
    pub fn of(tree: &'a Tree, name: &'static str, enabled: bool, scratch: &'a Path) -> Self {
        let revision = "the tree is a git revision without a checkout";
        let root = match tree.kernel() {
            _ if !enabled => Err("scripts of the tree were not asked for"),
            None => tree.root().ok_or(revision),
            Some(_) if name == "get_maintainer.pl" => {
                Err("MAINTAINERS of the kernel says nothing of a module outside it")
            }
            Some(Kernel::Tree(kernel)) => kernel.root().ok_or(revision),
            Some(Kernel::Release(_)) => Err("no tree of the kernel was named"),
        };
        Script {
            name,
            root,
            inside: tree.kernel().is_none(),
            scratch,
        }
    }
}

impl Script<'_> {
    /// Its command in `scratch`, and the tree's absolute path.
    fn command(&self) -> Result<(Command, Utf8PathBuf), String> {
        let root = self
            .root?
            .canonicalize_utf8()
            .map_err(|error| format!("the tree cannot be entered: {error}"))?;
        let script = root.join("scripts").join(self.name);
        if !script.is_file() {
            return Err(format!("the tree has no scripts/{}", self.name));
        }
        let mut command = Command::new("perl").arg(&script);
        // What a stranger's script could read in the environment, tokens among it, is not there, and neither are the
        // settings of the user's home.
        for (name, _) in std::env::vars_os() {
            if name != "PATH" {
                command = command.env_remove(name);
            }
        }
        let command = command
            .current_dir(self.scratch)
            .env("HOME", self.scratch)
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
        // It asks for the top of the tree as its working directory, and writes nothing.
        Ok((command, root)) => command.current_dir(root),
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

/// The lists that get_maintainer.pl names for a file of the tree, the one for everything aside; none where it cannot run.
pub fn lists_of(script: &Script<'_>, file: &str) -> Vec<String> {
    let Ok((command, root)) = script.command() else {
        return Vec::new();
    };
    let options = [
        "--no-git",
        "--no-git-fallback",
        "--norolestats",
        "--roles",
        "--multiline",
        "--no-m",
        "--no-r",
        "-f",
        file,
    ];
    match command.current_dir(root).args(options).run_unchecked() {
        // The list for everything is nobody's in particular, and its role has no title.
        Ok(output) if output.success() => {
            let said = output.stdout_text();
            let own = said.lines().filter(|line| line.contains("list:"));
            let lists = own
                .filter_map(addressed)
                .map(|(address, _)| address.to_owned());
            lists.collect()
        }
        _ => Vec::new(),
    }
}

/// Maintainers go to `to`, lists and reviewers to `cc`; whoever is both, to `to`.
fn recipients(said: &str) -> Recipients {
    let mut recipients = Recipients::default();
    for (address, role) in said.lines().filter_map(addressed) {
        let known = |list: &[String]| list.iter().any(|other| other == address);
        if known(&recipients.to) {
            continue;
        }
        match role {
            Role::Maintainer => {
                recipients.cc.retain(|other| other != address);
                recipients.to.push(address.to_owned());
            }
            Role::Other if !known(&recipients.cc) => recipients.cc.push(address.to_owned()),
            Role::Other => {}
        }
    }
    recipients
}

/// What somebody is to a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An `M:` of the file's entry in MAINTAINERS, whatever the entry's state is.
    Maintainer,
    /// A reviewer, a list, somebody from the history.
    Other,
}

/// A line "ADDRESS (ROLE:TITLE)" of get_maintainer.pl. Titles have brackets of their own, and so can names, which are
/// quoted then: the role begins behind the address, not at the last bracket.
fn addressed(line: &str) -> Option<(&str, Role)> {
    let line = line.trim();
    let end = match line.strip_prefix('"') {
        // A quoted name ends at a quote that is not escaped.
        Some(rest) => {
            let close = closing(rest)? + 1;
            close + line[close..].find('>')? + 1
        }
        None => {
            let role = line.find(" (").unwrap_or(line.len());
            line.find('>').map_or(role, |at| at + 1)
        }
    };
    let (address, role) = line.split_at(end);
    let role = role.trim_start().strip_prefix('(').unwrap_or("");
    let plain = address.rsplit_once('<').map_or(address, |(_, rest)| rest);
    let is_address = plain.contains('@') && !plain.contains([' ', '(', ')', ',', ';', ':']);
    // A reviewer, a list and what git knows are named by these words ("scripts/get_maintainer.pl", add_categories(), 6.12);
    // everything else is the state of an entry: "maintainer", "supporter", "odd fixer", "orphan minder", "chief penguin".
    let others = [
        "reviewer",
        "open list",
        "moderated list",
        "subscriber list",
        "commit_signer",
        "authored",
        "added_lines",
        "removed_lines",
        "modified",
        "blamed_fixes",
        "in file",
        "commits",
    ];
    let role = match role.is_empty() || others.iter().any(|other| role.starts_with(other)) {
        true => Role::Other,
        false => Role::Maintainer,
    };
    is_address.then_some((address, role))
}

/// Where the quote that closes `rest` stands.
fn closing(rest: &str) -> Option<usize> {
    let mut escaped = false;
    rest.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
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
    let (command, root) = script.command()?;
    // Whether somebody signed is a check of its own, which knows about rehearsals.
    let options = [
        "--strict",
        "--show-types",
        "--terse",
        "--no-color",
        "--no-signoff",
        "--ignore=COMMIT_MESSAGE",
    ];
    let command = match script.inside {
        true => command.arg(format!("--root={root}")),
        // It looks for nothing beside the patch.
        false => command.arg("--no-tree"),
    };
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
    fn a_title_or_a_name_with_brackets_does_not_become_part_of_an_address() {
        let said = "Jane <jane@example.org> (maintainer:TOYS (WOODEN AND OTHER) FOR RDMA (FUTURE))\n\
                    \"Doe, John (DMA)\" <john@example.org> (supporter:TOYS (WOODEN))\n\
                    toys@lists.example.org (moderated list:TOYS (NEW AND \"OLD\"))\n\
                    Max <max@example.org> (orphan minder:TOYS)\n\
                    Ann <ann@example.org> (reviewer:TOYS (WOODEN))\n\
                    Ann <ann@example.org> (maintainer:TOYS)\n\
                    plain@example.org (odd fixer:TOYS)\n\
                    nobody (maintainer:TOYS)\n";
        let recipients = recipients(said);
        assert_eq!(
            recipients.to,
            [
                "Jane <jane@example.org>",
                "\"Doe, John (DMA)\" <john@example.org>",
                "Max <max@example.org>",
                "Ann <ann@example.org>",
                "plain@example.org",
            ]
        );
        assert_eq!(recipients.cc, ["toys@lists.example.org"]);
    }

    #[test]
    fn a_tree_without_scripts_skips_the_check_and_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
        let script = Script {
            name: "checkpatch.pl",
            root: Ok(root),
            inside: true,
            scratch: dir.path(),
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
            root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
            inside: true,
            scratch: dir.path(),
        };
        get_maintainer(&script, &mail)
    }

    fn style(body: &str) -> Check {
        let (dir, mail) = tree_with("checkpatch.pl", body);
        let script = Script {
            name: "checkpatch.pl",
            root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
            inside: true,
            scratch: dir.path(),
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
    fn what_a_script_leaves_where_it_runs_is_not_left_in_the_tree() {
        let (dir, mail) = tree_with(
            "checkpatch.pl",
            "open(F, '>', '.checkpatch-camelcase.x'); print F 'x'; close F; print \"total: 0 errors\\n\";",
        );
        let scratch = tempfile::tempdir().expect("a directory");
        let script = Script {
            name: "checkpatch.pl",
            root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
            inside: true,
            scratch: scratch.path(),
        };
        let check = checkpatch(&script, &mail, &mail);
        assert_eq!(check.outcome, Outcome::Passed, "{}", check.detail);
        assert!(!dir.path().join(".checkpatch-camelcase.x").exists());
        assert!(scratch.path().join(".checkpatch-camelcase.x").exists());
    }

    #[test]
    fn a_script_sees_nothing_of_the_environment_but_where_programs_are() {
        // Cargo sets this one for every test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let (_, check) = maintainers(
            "print STDERR join(' ', sort grep { !/^_$/ && !/^PWD$/ } keys %ENV), qq{\\n}; exit 2;",
        );
        assert_eq!(check.detail, "HOME LC_ALL PATH TZ");
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

    /// An existing file of each entry of MAINTAINERS.
    fn one_of_each(root: &Utf8Path) -> Vec<Utf8PathBuf> {
        let text = std::fs::read(root.join("MAINTAINERS")).expect("the tree has MAINTAINERS");
        let text = String::from_utf8_lossy(&text).into_owned();
        let first = |pattern: &str| {
            let mut path =
                Utf8PathBuf::from(pattern.split(['*', '?', '[']).next().unwrap_or_default());
            if pattern.contains(['*', '?', '[']) {
                path.pop();
            }
            for _ in 0..8 {
                if root.join(&path).is_file() {
                    return Some(path);
                }
                let mut inner: Vec<_> = root.join(&path).read_dir_utf8().ok()?.flatten().collect();
                inner.sort_by_key(|entry| (entry.path().is_dir(), entry.path().to_owned()));
                path = path.join(inner.first()?.file_name());
            }
            None
        };
        let mut files: Vec<Utf8PathBuf> = text
            .split("\n\n")
            .filter_map(|entry| {
                let mut patterns = entry.lines().filter_map(|line| line.strip_prefix("F:"));
                patterns.find_map(|pattern| first(pattern.trim()))
            })
            .collect();
        files.sort();
        files.dedup();
        files
    }

    #[test]
    #[ignore = "asks get_maintainer.pl for thousands of files of the tree that KERNEL_TREE names: minutes"]
    fn what_get_maintainer_prints_for_every_entry_of_a_tree_is_an_address() {
        let root = std::env::var("KERNEL_TREE").expect("KERNEL_TREE names a directory");
        let root = Utf8PathBuf::from(root);
        let scratch = tempfile::tempdir().expect("a directory");
        let files = one_of_each(&root);
        // A tree of the last ten years has more than two thousand entries.
        assert!(files.len() > 1000, "{} entries", files.len());
        let well_formed = regex::Regex::new(
            r#"^(?:(?:"(?:[^"\\]|\\.)*"|[^<>()@,;:\\"]+) <[^\s<>()@,;:]+@[^\s<>()@,;:]+>|[^\s<>()@,;:]+@[^\s<>()@,;:]+)$"#,
        )
        .expect("a constant");
        let mut lines = 0;
        let mut malformed = Vec::new();
        for some in files.chunks(200) {
            let script = Script {
                name: "get_maintainer.pl",
                root: Ok(&root),
                inside: true,
                scratch: scratch.path(),
            };
            let (command, root) = script.command().expect("the tree has the script");
            let output = command
                .current_dir(root)
                .deadline(Duration::from_secs(3600))
                .args([
                    "--no-git",
                    "--no-git-fallback",
                    "--norolestats",
                    "--roles",
                    "--multiline",
                    "-f",
                ])
                .args(some)
                .run_unchecked()
                .expect("perl runs");
            assert!(output.success(), "{}", output.stderr_text());
            for line in output.stdout_text().lines() {
                lines += 1;
                match addressed(line) {
                    Some((address, _)) if well_formed.is_match(address) => {}
                    // The script itself has lost the address of a list whose line it cannot read.
                    None if !line.contains('@') => {}
                    _ => malformed.push(line.to_owned()),
                }
            }
        }
        assert!(
            lines > files.len(),
            "{lines} lines for {} files",
            files.len()
        );
        assert!(
            malformed.is_empty(),
            "{} of {lines}: {malformed:#?}",
            malformed.len()
        );
    }
}
