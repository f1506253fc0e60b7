// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's two commands on a machine that has git, a C compiler and Rust, and nothing else.
//!
//! The machine is a root directory that mmdebstrap makes from nothing: Debian 13 without recommended packages, with
//! git, gcc, and the rustc and cargo that it ships, which are the oldest that this repository promises to compile with.
//! The commit is cloned into it, not copied. What cargo would download is put beside it, nothing compiled is. The
//! programs of this machine, its home and its environment are out of sight.

use crate::ci::step::Outcome;
use crate::console::Console;
use crate::exit::Failure;
use crate::kernels::debian::Mirrors;
use crate::kernels::store::cache;
use crate::{lock, workspace};
use camino::Utf8Path;
use proc::{cmd, short};
use std::time::Duration;

/// How a directory of this step is named.
const UNFINISHED: &str = ".bare-";
/// Debian 13.
const SUITE: &str = "trixie";
/// What the README asks for; gcc without the headers of the C library compiles nothing.
const PACKAGES: &str = "--include=git,gcc,libc6-dev,cargo,rustc";
/// Making the root takes one minute, each of the two commands about four on two processors.
const DEADLINE: Duration = Duration::from_secs(2400);

/// Makes the root and runs the commands in it.
pub(crate) fn run(console: &Console) -> Result<Outcome, Failure> {
    let here = short::shell(workspace::root())?;
    if short::read(cmd!(here, "id -u"))? != "0" {
        return Ok(skipped("a root directory can be made by root alone"));
    }
    if proc::on_path("apt-get").is_none() {
        return Ok(skipped(
            "a root directory is made from Debian's packages, and this machine has no apt-get",
        ));
    }
    // Which mirror apt is set up with stands in its lists, and a fresh machine has none.
    let apt = proc::Command::new("apt-get").args(["update", "-q"]);
    apt.deadline(DEADLINE).run_unchecked()?;
    let Some(source) = Mirrors::configured()?.line(SUITE) else {
        return Ok(skipped("apt is set up with no mirror of Debian"));
    };
    if let Some(lacking) = lacking()? {
        return Ok(skipped(&lacking));
    }
    let cache = cache()?;
    std::fs::create_dir_all(&cache)?;
    let held = std::fs::File::create(cache.join(".bare.lock"))?;
    if lock::take(&held).is_err() {
        return Ok(skipped("another run is at it in the same cache"));
    }
    for entry in cache.read_dir_utf8()? {
        // What a run left that was killed: nobody else is at it.
        let left = entry?.into_path();
        if left
            .file_name()
            .is_some_and(|name| name.starts_with(UNFINISHED))
            && left.is_dir()
        {
            std::fs::remove_dir_all(left)?;
        }
    }
    let scratch = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(&cache)?;
    let root = Utf8Path::from_path(scratch.path())
        .map(|scratch| scratch.join("root"))
        .ok_or_else(|| std::io::Error::other("the path of the cache is not UTF-8"))?;
    console.say(format!(
        "making a root of Debian ({SUITE}) with git, gcc, cargo and rustc"
    ));
    let made = proc::Command::new("mmdebstrap")
        .args([
            "--variant=minbase",
            "--quiet",
            PACKAGES,
            SUITE,
            root.as_str(),
            &source,
        ])
        .deadline(DEADLINE)
        .run_unchecked()?;
    if !made.success() {
        let said = made.stderr_text();
        let why = said.lines().last().unwrap_or_default();
        return Ok(skipped(&format!("no root could be made: {why}")));
    }
    furnish(&root)?;
    commands(&root, console)
}

fn skipped(why: &str) -> Outcome {
    Outcome::Skipped(why.to_owned())
}

/// Installs what makes and enters a root; why not, where that fails.
fn lacking() -> Result<Option<String>, Failure> {
    for (program, package) in [("mmdebstrap", "mmdebstrap"), ("bwrap", "bubblewrap")] {
        if proc::on_path(program).is_some() {
            continue;
        }
        let apt = |arguments: &[&str]| {
            proc::Command::new("apt-get")
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .deadline(DEADLINE)
                .run_unchecked()
        };
        let installed = apt(&["install", "-q", "-y", "--no-install-recommends", package])?;
        if !installed.success() {
            return Ok(Some(format!(
                "{program} is not here, and {package} cannot be installed"
            )));
        }
    }
    Ok(None)
}

/// Puts a clone of the commit into the root, and what cargo would download.
fn furnish(root: &Utf8Path) -> Result<(), Failure> {
    let (kit, vendor) = (root.join("src/kit"), root.join("src/vendor"));
    std::fs::create_dir_all(root.join("src"))?;
    let here = short::shell(workspace::root())?;
    short::read(cmd!(here, "git clone --quiet --no-hardlinks . {kit}"))?;
    let vendored = workspace::cargo()
        .args([
            "vendor",
            "--quiet",
            "--locked",
            "--versioned-dirs",
            vendor.as_str(),
        ])
        .deadline(DEADLINE);
    vendored.run()?;
    std::fs::create_dir_all(root.join("root/.cargo"))?;
    std::fs::write(
        root.join("root/.cargo/config.toml"),
        "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"/src/vendor\"\n",
    )?;
    Ok(())
}

/// Runs each command of the README and says what it cost.
fn commands(root: &Utf8Path, console: &Console) -> Result<Outcome, Failure> {
    let rust = inside(root, &["rustc", "--version"]).run()?.stdout_text();
    console.say(format!("{}, commit {}", rust.trim(), commit()?));
    if !rust.starts_with(&format!("rustc {}.", promised())) {
        return Ok(Outcome::Failed(format!(
            "Cargo.toml promises Rust {}, and {SUITE} has {rust}: this step no longer checks that",
            promised()
        )));
    }
    for words in readme() {
        let line = words.join(" ");
        console.say(format!("$ {line}"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = inside(root, &words)
            .inherit()
            .deadline(DEADLINE)
            .run_unchecked()?;
        let cost = output.usage;
        console.say(format!(
            "{line}: {:.0} CPU seconds, {:.0} seconds",
            cost.cpu().as_secs_f64(),
            cost.wall.as_secs_f64()
        ));
        if !output.success() {
            let code = output
                .code
                .map_or("a signal".to_owned(), |code| code.to_string());
            return Ok(Outcome::Failed(format!(
                "{line} ended with {code} on a bare machine"
            )));
        }
    }
    let here = short::shell(root)?;
    let size = short::read(cmd!(here, "du -sm src/kit/target"))?;
    let size = size.split_whitespace().next().unwrap_or("?");
    console.say(format!("target directory: {size} MiB"));
    Ok(Outcome::Passed)
}

/// A program inside the root: its own /dev and /tmp, and none of our variables.
fn inside(root: &Utf8Path, words: &[&str]) -> proc::Command {
    proc::Command::new("bwrap")
        .args(["--bind", root.as_str(), "/"])
        .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"])
        // A process namespace of its own would hide from wait4(2) what the command costs.
        .args(["--die-with-parent", "--clearenv"])
        .args([
            "--setenv",
            "HOME",
            "/root",
            "--setenv",
            "PATH",
            "/usr/bin:/bin",
        ])
        .args(["--chdir", "/src/kit"])
        .args(words)
}

fn commit() -> Result<String, Failure> {
    let here = short::shell(workspace::root())?;
    Ok(short::read(cmd!(here, "git rev-parse --short HEAD"))?)
}

/// The oldest Rust that Cargo.toml promises: "1.85".
fn promised() -> &'static str {
    env!("CARGO_PKG_RUST_VERSION")
}

/// The commands that the README shows first, word by word.
fn readme() -> Vec<Vec<String>> {
    let text = include_str!("../../../README.md");
    let section = text.split("## Two commands").nth(1).unwrap_or_default();
    section
        .lines()
        .skip_while(|line| !line.starts_with("    cargo"))
        .take_while(|line| line.starts_with("    cargo"))
        .map(|line| {
            let command = line.split('#').next().unwrap_or_default();
            command.split_whitespace().map(str::to_owned).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_those_of_the_readme() {
        assert_eq!(
            readme(),
            [["cargo", "xtask", "pipeline"], ["cargo", "xtask", "test"]]
        );
    }

    #[test]
    fn no_variable_and_no_program_of_this_machine_is_in_sight() {
        let line = inside("/r".into(), &["cargo"]).line();
        assert!(line.contains("--clearenv"));
        assert!(line.starts_with("bwrap --bind /r / "), "{line}");
    }
}
