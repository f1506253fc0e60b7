// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of steps, quick ones first.

use crate::ci::bare;
use crate::ci::step::{Outcome, Step, real, shown, xtask};
use crate::ci::tools::{self, tool};
use crate::codegen::files::stale;
use crate::console::Console;
use crate::exit::Failure;
use crate::kernels::store::Store;
use crate::kernels::version::Version;
use crate::tidy::house;
use crate::workspace::cargo;
use ktest::host::{Need, Tool, doctor};

const MACHETE: tools::Tool = tools::Tool {
    name: "cargo-machete",
    version: "0.9.2",
    features: &[],
};
/// Without its default features it does not ask for advisories, whose database is a git repository elsewhere.
const DENY: tools::Tool = tools::Tool {
    name: "cargo-deny",
    version: "0.20.2",
    features: &["--no-default-features"],
};

/// All steps, in order.
pub(crate) fn all() -> Vec<Step> {
    vec![
        Step {
            name: "bare",
            what: "the README's two commands on a machine with git, gcc and the oldest Rust alone",
            mend: "cargo xtask ci --only bare, and read what the command said",
            run: bare::run,
        },
        Step {
            name: "host",
            what: "compiler, kbuild's programs and qemu are installed",
            mend: "cargo xtask doctor --install",
            run: |_| {
                let needed = |tool: &Tool| !tool.found && tool.need != Need::Optional;
                if doctor().iter().any(needed) {
                    return real(xtask(&["doctor", "--install"]));
                }
                Ok(Outcome::Passed)
            },
        },
        Step {
            name: "fmt",
            what: "sources are formatted",
            mend: "cargo fmt --all",
            run: |_| shown(cargo().args(["fmt", "--all", "--check"])),
        },
        Step {
            name: "clippy",
            what: "no warning of compiler and clippy",
            mend: "cargo clippy --workspace --all-targets --fix",
            run: |_| {
                shown(cargo().args([
                    "clippy",
                    "--quiet",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ]))
            },
        },
        Step {
            name: "tidy",
            what: "the rules of the house",
            mend: "cargo xtask tidy lists what to change",
            run: |console| {
                let problems = house::problems()?;
                for problem in &problems {
                    console.say(format!(
                        "{}:{}: {}",
                        problem.path, problem.line, problem.message
                    ));
                }
                Ok(none_of(problems.len(), "rules are broken"))
            },
        },
        Step {
            name: "codegen",
            what: "generated files are up to date",
            mend: "cargo xtask codegen",
            run: |_| Ok(none_of(stale()?.len(), "generated files are out of date")),
        },
        Step {
            name: "test",
            what: "tests and examples",
            mend: "cargo xtask test -- NAME runs one test again",
            run: |_| shown(xtask(&["test"])),
        },
        Step {
            name: "fuzz",
            what: "damaged files, hostile series and lying guests do no harm",
            mend: "cargo xtask fuzz --out DIR keeps what was found, made small",
            run: |_| shown(xtask(&["fuzz"])),
        },
        Step {
            name: "doc",
            what: "documentation builds without a warning",
            mend: "cargo doc --workspace --no-deps --document-private-items",
            run: |_| {
                shown(
                    cargo()
                        .args([
                            "doc",
                            "--quiet",
                            "--workspace",
                            "--no-deps",
                            "--document-private-items",
                        ])
                        .env("RUSTDOCFLAGS", "-D warnings"),
                )
            },
        },
        Step {
            name: "machete",
            what: "no dependency that nothing uses",
            mend: "take it out of the Cargo.toml that cargo-machete names",
            run: |console| in_root(&MACHETE, &[], console),
        },
        Step {
            name: "deny",
            what: "licences, bans and sources of all dependencies",
            mend: "change the dependency, or allow it in deny.toml with a reason",
            run: |console| {
                in_root(
                    &DENY,
                    &["--all-features", "check", "licenses", "bans", "sources"],
                    console,
                )
            },
        },
        Step {
            name: "kernel",
            what: "a real kernel tree to work on",
            mend: "cargo xtask kernel get 6.12",
            run: |_| real(xtask(&["kernel", "get", "6.12"])),
        },
        Step {
            name: "small",
            what: "the whole way on the embedded tree",
            mend: "cargo xtask pipeline",
            run: |_| shown(xtask(&["pipeline"])),
        },
        Step {
            name: "real",
            what: "the whole way on Linux 6.12: a driver converted, built, booted before and after",
            mend: "cargo xtask pipeline drivers/misc/vmw_vmci --kernel 6.12",
            run: |_| {
                let wanted = Version {
                    major: 6,
                    minor: 12,
                    sub: None,
                };
                if Store::of_user()?.find(wanted).is_none() {
                    return Ok(Outcome::Skipped(
                        "no 6.12 tree at hand: the step `kernel` says why".to_owned(),
                    ));
                }
                shown(xtask(&[
                    "pipeline",
                    "drivers/misc/vmw_vmci",
                    "--kernel",
                    "6.12",
                ]))
            },
        },
    ]
}

fn none_of(count: usize, what: &str) -> Outcome {
    match count {
        0 => Outcome::Passed,
        _ => Outcome::Failed(format!("{count} {what}")),
    }
}

fn in_root(which: &tools::Tool, arguments: &[&str], console: &Console) -> Result<Outcome, Failure> {
    let program = tool(which, console)?;
    shown(
        proc::Command::new(program)
            .args(arguments)
            .current_dir(crate::workspace::root()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_names_the_command_that_mends_it_and_no_two_share_a_name() {
        let mut names: Vec<&str> = all().iter().map(|step| step.name).collect();
        assert!(
            all()
                .iter()
                .all(|step| !step.mend.is_empty() && !step.what.is_empty())
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_count_above_none_is_a_failure_and_never_a_pass() {
        assert_eq!(none_of(0, "x"), Outcome::Passed);
        assert_eq!(
            none_of(2, "rules are broken"),
            Outcome::Failed("2 rules are broken".into())
        );
    }
}
