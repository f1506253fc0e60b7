// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree's own scripts: whom a patch goes to, and what checkpatch.pl says of it.
//!
//! Both run with the tree as working directory. That they cannot run is a recorded check, never the end of a series.

use super::info::{Check, Outcome, Recipients};
use camino::{Utf8Path, Utf8PathBuf};
use proc::Command;
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
pub fn get_maintainer(script: &Script<'_>, mail: &std::path::Path) -> (Recipients, Check) {
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
        let said = first_lines(&output.stderr_text());
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

/// Runs checkpatch.pl --strict on a mail in a file.
pub fn checkpatch(script: &Script<'_>, mail: &std::path::Path) -> Check {
    let skipped = |why: String| Check::new("checkpatch", Outcome::Skipped, why);
    let command = match script.command() {
        Ok((command, _)) => command,
        Err(why) => return skipped(why),
    };
    let options = [
        "--strict",
        "--show-types",
        "--terse",
        "--no-color",
        "--no-signoff",
    ];
    // Without --no-signoff where the patch is signed would repeat our own check; an unsigned one has a check of its own.
    let output = match command.args(options).arg(mail).run_unchecked() {
        Ok(output) => output,
        Err(error) => return skipped(error.to_string()),
    };
    let said = output.stdout_text();
    let outcome = match said.lines().any(|line| line.starts_with("total: ")) {
        true if output.success() => Outcome::Passed,
        true => Outcome::Failed,
        false => return skipped(first_lines(&output.stderr_text())),
    };
    let name = mail
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let shown: Vec<String> = said
        .lines()
        .map(|line| {
            // The name of a scratch file says nothing.
            let path = mail.to_string_lossy();
            line.strip_prefix(path.as_ref())
                .map(|rest| format!("{}{rest}", name.as_deref().unwrap_or_default()))
                .unwrap_or_else(|| line.to_owned())
        })
        .collect();
    Check::new("checkpatch", outcome, shown.join("\n"))
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
        let check = checkpatch(&script, std::path::Path::new("0001.patch"));
        assert_eq!(check.outcome, Outcome::Skipped);
        assert_eq!(check.detail, "the tree has no scripts/checkpatch.pl");
    }
}
