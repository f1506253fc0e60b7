// SPDX-License-Identifier: MIT OR Apache-2.0
//! One step, and what came of it.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::workspace;
use std::time::Duration;

/// A cold build of everything on two processors takes a quarter of an hour; a kernel too.
const DEADLINE: Duration = Duration::from_secs(3000);

/// A step of `ci`.
pub(crate) struct Step {
    /// The word for `--only` and `--skip`.
    pub(crate) name: &'static str,
    /// What it checks.
    pub(crate) what: &'static str,
    /// The command that mends it.
    pub(crate) mend: &'static str,
    /// Does it.
    pub(crate) run: fn(&Console) -> Result<Outcome, Failure>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and found nothing.
    Passed,
    /// It ran and found something, or could not run although it should.
    Failed(String),
    /// This machine cannot run it.
    Skipped(String),
}

impl Outcome {
    /// "passed", "failed", "skipped"
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// Why it did not pass.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Passed => None,
            Outcome::Failed(reason) | Outcome::Skipped(reason) => Some(reason),
        }
    }
}

/// Runs a command with its output on the terminal; anything but 0 is a failure.
pub(crate) fn shown(command: proc::Command) -> Result<Outcome, Failure> {
    let command = command.inherit().deadline(DEADLINE);
    Ok(match command.run_unchecked()?.code {
        Some(0) => Outcome::Passed,
        Some(code) => Outcome::Failed(format!("{} ended with {code}", command.line())),
        None => Outcome::Failed(format!("{} was killed", command.line())),
    })
}

/// The same for a verb that needs the world outside: where the machine is at fault (no network, no qemu) it is skipped,
/// with what it said.
pub(crate) fn real(command: proc::Command) -> Result<Outcome, Failure> {
    let command = command.inherit().deadline(DEADLINE);
    Ok(match command.run_unchecked()?.code {
        Some(0) => Outcome::Passed,
        Some(code) if code == i32::from(Exit::Infrastructure as u8) => {
            Outcome::Skipped("this machine cannot run it; the reason stands above".to_owned())
        }
        Some(code) => Outcome::Failed(format!("{} ended with {code}", command.line())),
        None => Outcome::Failed(format!("{} was killed", command.line())),
    })
}

/// A verb of this program, run as a user would.
pub(crate) fn xtask(arguments: &[&str]) -> proc::Command {
    workspace::cargo()
        .args([
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--bin",
            "xtask",
            "--",
        ])
        .args(arguments)
}
