// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own scripts: whom a patch goes to, and what checkpatch.pl says of it.
//!
//! Both run with the tree as working directory. That they cannot run is a recorded check, never the end of a series.

use crate::info::{Check, Outcome, Recipients};
use callsites::tree::{Kernel, Tree};
use camino::{Utf8Path, Utf8PathBuf};
use proc::Command;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a script may take. It needs seconds; one that hangs must not hold up a series of fifty patches for hours.
const DEADLINE: Duration = Duration::from_secs(120);

/// A script of the tree, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Script<'a> {
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
    pub(crate) fn of(tree: &'a Tree, name: &'static str, enabled: bool, scratch: &'a Path) -> Self {
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
pub(crate) fn get_maintainer(script: &Script<'_>, mail: &Path) -> (Recipients, Check) {
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
pub(crate) fn lists_of(script: &Script<'_>, file: &str) -> Vec<String> {
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

/// Runs checkpatch.pl --strict on mails in files, each with a file that has the patch taken back: what checkpatch.pl says
/// of that one was said of the lines before, and a complaint that these lines had already is not ours.
pub(crate) fn checkpatch(script: &Script<'_>, mails: &[(PathBuf, PathBuf)]) -> Vec<Check> {
    let new = complaints(script, mails.iter().map(|(mail, _)| mail.as_path()));
    // Without a complaint there is none that the lines had before.
    let bad: Vec<bool> = new
        .iter()
        .map(|said| said.as_ref().is_ok_and(|said| !said.is_empty()))
        .collect();
    let again = mails.iter().zip(&bad).filter(|(_, bad)| **bad);
    let mut old =
        complaints(script, again.map(|((_, reversed), _)| reversed.as_path())).into_iter();
    let all = new.into_iter().zip(bad).map(|(new, bad)| {
        let old = match bad {
            true => old.next().unwrap_or_else(|| Ok(Vec::new())),
            false => Ok(Vec::new()),
        };
        judged(new.and_then(|new| Ok((new, old?))))
    });
    all.collect()
}

/// What is ours of the complaints of one mail and of the lines before it.
fn judged(said: Result<(Vec<String>, Vec<String>), String>) -> Check {
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

/// The lines "LINE:LEVEL:TYPE: message" of checkpatch.pl for each of some patches. One run reads them all, because it
/// takes longer to begin than to read a patch; where it fails each is read alone, so that one patch says nothing of the
/// others.
fn complaints<'p>(
    script: &Script<'_>,
    patches: impl Iterator<Item = &'p Path>,
) -> Vec<Result<Vec<String>, String>> {
    let patches: Vec<&Path> = patches.collect();
    match (patches.as_slice(), together(script, &patches)) {
        ([], _) => Vec::new(),
        (_, Ok(all)) => all.into_iter().map(Ok).collect(),
        ([_], Err(why)) => vec![Err(why)],
        (_, Err(_)) => patches
            .iter()
            .map(|&patch| Ok(together(script, &[patch])?.pop().unwrap_or_default()))
            .collect(),
    }
}

/// The complaints of one run.
fn together(script: &Script<'_>, patches: &[&Path]) -> Result<Vec<Vec<String>>, String> {
    let (command, root) = script.command()?;
    // Whether somebody signed is a check of its own, which knows about rehearsals.
    let options = [
        "--strict",
        "--show-types",
        "--terse",
        "--no-color",
        "--no-signoff",
        // Without a history it takes every commit for an unknown one.
        match root.join(".git").exists() {
            true => "--ignore=COMMIT_MESSAGE",
            false => "--ignore=COMMIT_MESSAGE,UNKNOWN_COMMIT_ID",
        },
    ];
    let command = match script.inside {
        true => command.arg(format!("--root={root}")),
        // It looks for nothing beside the patch.
        false => command.arg("--no-tree"),
    };
    let output = command
        .args(options)
        .args(patches)
        .run_unchecked()
        .map_err(|error| error.to_string())?;
    let said = output.stdout_text();
    // That of 4.19 prints no total in a terse run that has nothing to complain of.
    if output.success() && said.trim().is_empty() && output.stderr.is_empty() {
        return Ok(vec![Vec::new(); patches.len()]);
    }
    // One that stopped in the middle has not read the others.
    let ended = patches.len() == 1 || matches!(output.code, Some(0 | 1));
    if !ended || !said.lines().any(|line| line.starts_with("total: ")) {
        return Err(failure(&output));
    }
    let of = |patch: &&Path| {
        let path = format!("{}:", patch.to_string_lossy());
        let name = patch.file_name().unwrap_or_default();
        let name = format!("{}:", name.to_string_lossy());
        let lines = said.lines().filter_map(|line| {
            line.strip_prefix(&path)
                .or_else(|| line.strip_prefix(&name))
        });
        lines.map(str::to_owned).collect()
    };
    Ok(patches.iter().map(of).collect())
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
mod entries;
#[cfg(test)]
mod tests;
