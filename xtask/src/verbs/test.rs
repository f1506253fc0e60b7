// SPDX-License-Identifier: MIT OR Apache-2.0
//! `test`: cargo-nextest where it is installed, else cargo's own runner; then the examples in the documentation.

use crate::console::{Console, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Test};
use crate::workspace;
use serde_json::json;
use std::time::Duration;

/// Compiling everything for the first time takes minutes on a small machine; an hour means that a test hangs.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Runs `test`.
pub(crate) fn run(common: &Common, args: &Test, console: &Console) -> Result<Exit, Failure> {
    let mut steps = vec![units(common)];
    if args.arguments.is_empty() {
        steps.push(workspace::cargo().args(["test", "--quiet", "--workspace", "--doc"]));
    }
    let mut failed = Vec::new();
    for step in steps {
        let step = step.args(&args.arguments).inherit().deadline(DEADLINE);
        console.detail(step.line());
        if common.dry_run {
            console.say(format!("would run {}", step.line()));
        } else if !step.run_unchecked()?.success() {
            failed.push(step.line());
        }
    }
    if common.json {
        deliver_json(
            common.output.as_deref(),
            &json!({ "schema": "test/1", "failed": failed }),
        )?;
    }
    if let Some(first) = failed.first() {
        return Err(Failure::new(Exit::Findings, format!("failed: {first}"))
            .hint("cargo xtask test -- NAME runs one test"));
    }
    Ok(Exit::Clean)
}

fn units(common: &Common) -> proc::Command {
    let cargo = workspace::cargo();
    let jobs = common.jobs.map(|jobs| format!("--build-jobs={jobs}"));
    if proc::on_path("cargo-nextest").is_some() {
        cargo
            .args(["nextest", "run", "--workspace", "--no-fail-fast"])
            .args(jobs)
    } else {
        let jobs = common.jobs.map(|jobs| format!("--jobs={jobs}"));
        cargo
            .args(["test", "--workspace", "--no-fail-fast", "--tests"])
            .args(jobs)
    }
}
