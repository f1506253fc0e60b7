// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this machine has and lacks, and how to get what it lacks.

use crate::error::Error;
use serde::Serialize;
use std::time::Duration;

/// One thing that a verb needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// The program, or the header of a library.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Debian's package.
    pub package: &'static str,
    /// Whether everything stops without it, or only something gets slower or is skipped.
    pub need: Need,
    /// Whether it is there.
    pub found: bool,
    /// The first line that it says of its version.
    pub version: Option<String>,
}

/// How much depends on a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Every verb.
    Always,
    /// Building kernels.
    Build,
    /// Booting them.
    Boot,
    /// Something that is skipped without it.
    Optional,
}

enum Kind {
    Program(&'static str),
    Header(&'static str),
}

const TOOLS: &[(Kind, &str, &str, Need)] = &[
    (
        Kind::Program("cc"),
        "compile kernels, drivers of the embedded tree, and selftests",
        "gcc",
        Need::Always,
    ),
    (
        Kind::Program("git"),
        "read revisions, make and check series",
        "git",
        Need::Always,
    ),
    (Kind::Program("make"), "drive kbuild", "make", Need::Build),
    (Kind::Program("ld"), "link kernels", "binutils", Need::Build),
    (
        Kind::Program("flex"),
        "kbuild's configuration programs",
        "flex",
        Need::Build,
    ),
    (
        Kind::Program("bison"),
        "kbuild's configuration programs",
        "bison",
        Need::Build,
    ),
    (
        Kind::Program("bc"),
        "kernel/time/timeconst.h",
        "bc",
        Need::Build,
    ),
    (
        Kind::Program("perl"),
        "checkpatch.pl, get_maintainer.pl, ktest.pl, some generated headers",
        "perl",
        Need::Build,
    ),
    (
        Kind::Program("gzip"),
        "compress the image",
        "gzip",
        Need::Build,
    ),
    (
        Kind::Header("libelf.h"),
        "objtool",
        "libelf-dev",
        Need::Build,
    ),
    (
        Kind::Header("openssl/opensslv.h"),
        "kernels with signed modules (not our configuration)",
        "libssl-dev",
        Need::Optional,
    ),
    (
        Kind::Program("qemu-system-x86_64"),
        "boot kernels",
        "qemu-system-x86",
        Need::Boot,
    ),
    (
        Kind::Program("diffstat"),
        "patchcheck of the tree's ktest.pl",
        "diffstat",
        Need::Optional,
    ),
    (
        Kind::Program("ccache"),
        "compile the same object once",
        "ccache",
        Need::Optional,
    ),
    (
        Kind::Program("spatch"),
        "compare with Coccinelle in bench",
        "coccinelle",
        Need::Optional,
    ),
    (Kind::Program("sparse"), "C=1", "sparse", Need::Optional),
    (
        Kind::Program("rg"),
        "compare with ripgrep in bench",
        "ripgrep",
        Need::Optional,
    ),
    (Kind::Program("clang"), "LLVM=1", "clang", Need::Optional),
    (
        Kind::Program("chromium"),
        "open the pages in look, bench and the tests",
        "chromium",
        Need::Optional,
    ),
];

/// Looks for everything; sorted as the table is, what is needed most first.
pub fn doctor() -> Vec<Tool> {
    TOOLS
        .iter()
        .map(|(kind, purpose, package, need)| {
            let (name, found, version) = match kind {
                Kind::Program(name) => (*name, proc::on_path(name).is_some(), version(name)),
                Kind::Header(name) => (*name, has_header(name), None),
            };
            Tool {
                name,
                purpose,
                package,
                need: *need,
                found,
                version,
            }
        })
        .collect()
}

/// A package that could not be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Debian's name for it.
    pub package: &'static str,
    /// What apt said last.
    pub why: String,
    /// What cannot be done without it.
    pub costs: Vec<&'static str>,
    /// Whether something that a verb cannot do without is missing now.
    pub required: bool,
}

/// Installs what `tools` lacks with apt-get (through sudo where we are not root): what is required before what is
/// optional, each lot in one transaction, and package by package where that fails, so that one that cannot be had
/// takes no other with it. Returns what was refused; [`doctor`] then says what is here.
///
/// # Errors
/// [`Error::Missing`] where there is no apt-get, [`Error::Child`] when it cannot be started or is interrupted.
pub fn install(tools: &[Tool]) -> Result<Vec<Refused>, Error> {
    let lots = [false, true].map(|optional| lot(tools, optional));
    if lots.iter().all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    if proc::on_path("apt-get").is_none() {
        return Err(Error::Missing {
            program: "apt-get".into(),
            purpose: "installing packages; use this machine's own package manager",
        });
    }
    // Lists that cannot be renewed may still name what is wanted.
    let _stale = apt(&["update", "-q"])?;
    let mut refused = Vec::new();
    for packages in lots.iter().filter(|lot| !lot.is_empty()) {
        if packages.len() > 1 && install_all(packages)?.is_none() {
            continue;
        }
        for package in packages {
            if let Some(why) = install_all(&[package])? {
                refused.push(refusal(tools, package, why));
            }
        }
    }
    Ok(refused)
}

/// The packages of one lot, each once.
fn lot(tools: &[Tool], optional: bool) -> Vec<&'static str> {
    let missing = tools.iter().filter(|tool| !tool.found);
    let wanted = missing.filter(|tool| (tool.need == Need::Optional) == optional);
    let packages: std::collections::BTreeSet<_> = wanted.map(|tool| tool.package).collect();
    packages.into_iter().collect()
}

fn refusal(tools: &[Tool], package: &'static str, why: String) -> Refused {
    let of = |tool: &&Tool| tool.package == package && !tool.found;
    Refused {
        package,
        why,
        costs: tools.iter().filter(of).map(|tool| tool.purpose).collect(),
        required: tools
            .iter()
            .filter(of)
            .any(|tool| tool.need != Need::Optional),
    }
}

/// Installs packages in one transaction; why not, where apt refuses.
fn install_all(packages: &[&str]) -> Result<Option<String>, Error> {
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

/// Runs apt-get; the last line that says why, where it fails.
fn apt(arguments: &[&str]) -> Result<Option<String>, Error> {
    let command = if is_root() {
        proc::Command::new("apt-get")
    } else {
        proc::Command::new("sudo").arg("apt-get")
    };
    let output = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C")
        .deadline(Duration::from_secs(1800))
        .run_unchecked()
        .map_err(Error::child("install packages"))?;
    if output.success() {
        return Ok(None);
    }
    let said = output.stderr_text();
    let last = said.lines().rfind(|line| line.starts_with("E: "));
    let last = last.or(said.lines().last()).unwrap_or("it said nothing");
    Ok(Some(last.trim_start_matches("E: ").to_owned()))
}

/// The error that names `program`, where it is not installed.
pub(crate) fn require(program: &str, purpose: &'static str) -> Result<(), Error> {
    if proc::on_path(program).is_some() {
        return Ok(());
    }
    Err(Error::Missing {
        program: program.to_owned(),
        purpose,
    })
}

/// The error that names the first thing that building a kernel lacks.
pub(crate) fn require_build() -> Result<(), Error> {
    for (kind, purpose, _, need) in TOOLS {
        let (name, found) = match kind {
            Kind::Program(name) => (*name, proc::on_path(name).is_some()),
            Kind::Header(name) => (*name, has_header(name)),
        };
        if *need == Need::Build && !found {
            return Err(Error::Missing {
                program: name.to_owned(),
                purpose,
            });
        }
    }
    require("cc", "compiling kernels")
}

/// The error that names the checker which the user's variables of make ask for, where it is not installed.
pub(crate) fn require_checker(user: &[(String, String)]) -> Result<(), Error> {
    let chosen = |wanted: &str| {
        let mut named = user.iter().filter(|(name, _)| name == wanted);
        named.next_back().map(|(_, value)| value.as_str())
    };
    if !matches!(chosen("C"), Some("1" | "2")) {
        return Ok(());
    }
    let command = chosen("CHECK").unwrap_or("sparse");
    let program = command.split_whitespace().next().unwrap_or("sparse");
    require(program, "checking the source (C=1)")
}

/// The first line of `program --version`; `None` when it does not say.
pub(crate) fn version(program: &str) -> Option<String> {
    let output = proc::Command::new(program)
        .arg("--version")
        .env("LC_ALL", "C")
        .deadline(Duration::from_secs(10))
        .run()
        .ok()?;
    let text = output.stdout_text();
    text.lines()
        .find(|line| !line.trim().is_empty())
        .map(|line| line.trim().to_owned())
}

fn has_header(name: &str) -> bool {
    let places = [
        "/usr/include",
        "/usr/local/include",
        "/usr/include/x86_64-linux-gnu",
    ];
    places
        .iter()
        .any(|dir| std::path::Path::new(dir).join(name).is_file())
}

fn is_root() -> bool {
    proc::Command::new("id")
        .arg("-u")
        .run()
        .is_ok_and(|o| o.stdout_text() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use failure::Failure as _;

    #[test]
    fn every_tool_is_listed_once_and_says_what_it_is_for_and_where_it_comes_from() {
        let tools = doctor();
        let names: std::collections::BTreeSet<_> = tools.iter().map(|tool| tool.name).collect();
        assert_eq!(names.len(), tools.len());
        for tool in tools {
            assert!(
                !tool.purpose.is_empty() && !tool.package.is_empty(),
                "{}",
                tool.name
            );
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_infrastructure_with_a_hint() {
        let error = require("no-such-program-anywhere", "this test").unwrap_err();
        assert_eq!(error.exit().code(), 69);
        assert_eq!(
            error.hint(),
            Some(failure::Act::InstallWhatIsMissing.into())
        );
    }
}
