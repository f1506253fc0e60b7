// SPDX-License-Identifier: MIT OR Apache-2.0
//! What git is started with, so that nothing of a stranger's repository runs and no setting of the user changes a result.
//!
//! A repository names programs in its own configuration: hooks, a file system monitor, filters, merge drivers, gpg, an ssh
//! command, a remote that is asked for missing objects. Those under a fixed key are overruled by [`PINS`]; those under a
//! name of the stranger's choosing ("filter.NAME.smudge") are looked up and overruled one by one, which takes one more
//! git command for each repository. No transport is allowed, so that nothing is fetched, whoever asks for it.

use crate::command::Command;
use crate::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How long the names of a configuration may take to list: it takes milliseconds, but an included file can be a FIFO.
const LISTING: Duration = Duration::from_secs(20);

/// Settings that hold whatever a configuration says.
const PINS: [&str; 25] = [
    // Programs.
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=false",
    "core.alternateRefsCommand=true",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "merge.verifySignatures=false",
    "gpg.program=false",
    "gc.auto=0",
    "maintenance.auto=false",
    // Files beside the repository.
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    // Results.
    "core.autocrlf=false",
    "core.quotePath=true",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "diff.algorithm=histogram",
    "diff.orderFile=/dev/null",
    "apply.whitespace=nowarn",
    "apply.ignoreWhitespace=no",
    "am.threeWay=false",
    "am.keepcr=false",
    "rerere.enabled=false",
    "advice.detachedHead=false",
];

/// Git in `repo`, with [`PINS`] and an environment of ours alone.
pub(super) fn pinned(repo: &Path) -> Command {
    let mut command = Command::new("git");
    for pin in PINS {
        command = command.args(["-c", pin]);
    }
    for (name, _) in std::env::vars_os() {
        // GIT_EXEC_PATH says where git itself is installed.
        let is_gits = name.as_encoded_bytes().starts_with(b"GIT_") && name != "GIT_EXEC_PATH";
        if is_gits {
            command = command.env_remove(name);
        }
    }
    command
        .current_dir(repo)
        .env("GIT_CEILING_DIRECTORIES", above(repo))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_EDITOR", ":")
        .env("GIT_PAGER", "cat")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
}

/// The directory above `repo`: a repository further up is not the one that was asked about.
fn above(repo: &Path) -> OsString {
    let place = repo.canonicalize().unwrap_or_else(|_| repo.to_owned());
    place.parent().map_or_else(OsString::new, Into::into)
}

/// The same, with what the repository's own configuration names overruled.
pub(super) fn overruled(repo: &Path) -> Command {
    let trusted = trusted(repo);
    let mut settings = match theirs(repo, &trusted) {
        Ok(settings) => settings,
        // What git cannot read for this it cannot read for the command that is to follow, which says why.
        Err(Error::Failed { .. }) => Settings::new(),
        // A configuration that hangs: git refuses to start with a count that is no number.
        Err(_) => return pinned(repo).env("GIT_CONFIG_COUNT", "unread"),
    };
    settings.extend(trusted);
    with(pinned(repo), &settings)
}

/// A command with settings. They are not given by -c, where a name may hold the `=` that ends it.
fn with(mut command: Command, settings: &Settings) -> Command {
    for (at, (key, value)) in settings.iter().enumerate() {
        command = command
            .env(format!("GIT_CONFIG_KEY_{at}"), key)
            .env(format!("GIT_CONFIG_VALUE_{at}"), value);
    }
    command.env("GIT_CONFIG_COUNT", settings.len().to_string())
}

type Settings = Vec<(String, String)>;

/// Values for the keys of this repository that would start a program. Looked up each time, for the configuration of a
/// stranger's repository may change while we run.
fn theirs(repo: &Path, trusted: &Settings) -> Result<Settings, Error> {
    if is_plain(repo) {
        return Ok(Settings::new());
    }
    // Of a directory that is not trusted git would list nothing, and end well.
    let listing = with(pinned(repo), trusted)
        .args(["config", "--null", "--name-only", "--list"])
        .deadline(LISTING)
        .run()?;
    let names = listing.stdout.split(|&byte| byte == 0);
    let mut settings: Settings = names
        .filter_map(|name| {
            let key = String::from_utf8_lossy(name).into_owned();
            let value = harmless(&key)?;
            Some((key, value.to_owned()))
        })
        .collect();
    settings.sort();
    settings.dedup();
    Ok(settings)
}

/// Whether the configuration cannot hold such a key, told by its text alone: it is so in every repository that we made,
/// and spares one git command for each.
fn is_plain(repo: &Path) -> bool {
    const SECTIONS: [&str; 8] = [
        "[filter",
        "[merge",
        "[hook",
        "[remote",
        "[trailer",
        "[diff",
        "[include",
        "worktreeconfig",
    ];
    let below = repo.join(".git");
    let config = match below.symlink_metadata() {
        Ok(meta) if meta.is_dir() => below.join("config"),
        // A linked work tree: its repository is elsewhere.
        Ok(_) => return false,
        Err(_) => repo.join("config"),
    };
    match config.symlink_metadata() {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return false,
        // No repository: nothing is configured.
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    }
    let Ok(text) = std::fs::read(&config) else {
        return false;
    };
    let text = as_text(&text).to_ascii_lowercase();
    !SECTIONS.iter().any(|section| text.contains(section))
}

/// The value that takes a program out of a key of the form "section.NAME.variable".
fn harmless(key: &str) -> Option<&'static str> {
    let (section, rest) = key.split_once('.')?;
    let (_, variable) = rest.rsplit_once('.')?;
    match (section, variable) {
        ("filter", "clean" | "smudge" | "process") => Some(""),
        ("filter", "required") | ("remote", "promisor") | ("hook", "enabled") => Some("false"),
        // A merge that it was to do becomes a conflict.
        ("merge", "driver") => Some("false"),
        ("hook", "command") | ("trailer", "command" | "cmd") => Some("true"),
        ("diff", "command" | "textconv") => Some("false"),
        ("remote", "uploadpack") => Some("git-upload-pack"),
        ("remote", "receivepack") => Some("git-receive-pack"),
        _ => None,
    }
}

/// The directories of other owners that the user has told git to trust; the rest of their configuration is not read.
fn trusted(repo: &Path) -> Settings {
    let us = rustix::process::geteuid().as_raw();
    let ours = |path: &Path| path.metadata().map_or(true, |meta| meta.uid() == us);
    if ours(repo) && ours(&repo.join(".git")) {
        return Settings::new();
    }
    let mut settings = Settings::new();
    for scope in ["--system", "--global"] {
        let listed = Command::new("git")
            .args(["config", scope, "--null", "--get-all", "safe.directory"])
            .current_dir("/")
            .env_remove("GIT_DIR")
            .run();
        // Without such an entry git ends with 1.
        let Ok(listed) = listed else { continue };
        let values = listed.stdout.split(|&byte| byte == 0);
        settings.extend(
            values
                .filter(|value| !value.is_empty())
                .map(|value| ("safe.directory".into(), as_text(value))),
        );
    }
    settings
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `git config --get KEY` as the user has it.
pub(super) fn as_the_user(dir: &Path, key: &str) -> Command {
    let mut command = Command::new("git")
        .args(["config", "--get", key])
        .current_dir(dir)
        .deadline(LISTING)
        .env("LC_ALL", "C");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"] {
        command = command.env_remove(OsStr::new(name));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_configuration_without_such_sections_is_plain() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let made = Command::new("mkfifo").arg(dir.path().join(".git/config"));
        made.run().unwrap();
        assert!(!is_plain(dir.path()));
        let config = dir.path().join(".git/config");
        std::fs::remove_file(&config).unwrap();
        std::fs::write(&config, "[core]\n\tbare = false\n").unwrap();
        assert!(is_plain(dir.path()));
        for text in [
            "[include]\npath=x",
            "[a][FILTER \"x\"]",
            "[extensions]\nworktreeConfig=1",
        ] {
            std::fs::write(&config, text).unwrap();
            assert!(!is_plain(dir.path()), "{text}");
        }
    }

    #[test]
    fn every_kind_of_program_under_a_name_of_theirs_is_overruled() {
        for key in [
            "filter.x.y.smudge",
            "filter.=.clean",
            "merge.x.driver",
            "hook.x.command",
            "remote.origin.uploadpack",
            "remote.origin.promisor",
        ] {
            assert!(harmless(key).is_some(), "{key}");
        }
        for key in ["core.bare", "remote.origin.url", "filter.smudge", "user"] {
            assert_eq!(harmless(key), None, "{key}");
        }
    }
}
