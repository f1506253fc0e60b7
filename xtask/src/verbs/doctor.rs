// SPDX-License-Identifier: MIT OR Apache-2.0
//! `doctor [--install]`: what this machine has and lacks, and the command that mends it.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Doctor};
use ktest::host::{self, Need, Tool};
use serde_json::json;

/// Runs `doctor`. Exit code 69 when something is missing that a verb cannot do without.
pub(crate) fn run(common: &Common, args: &Doctor, console: &Console) -> Result<Exit, Failure> {
    let mut tools = host::doctor();
    let mut refused = Vec::new();
    let wanted = packages(&tools).join(" ");
    if args.install && common.dry_run {
        console.say(format!("would install: {wanted}"));
    } else if args.install {
        if !wanted.is_empty() {
            console.say(format!("installing: {wanted}"));
        }
        refused = host::install(&tools)?;
        tools = host::doctor();
    }
    for package in &refused {
        console.say(format!(
            "{} cannot be installed: {}; without it: no {}",
            package.package,
            package.why,
            package.costs.join("; no ")
        ));
    }
    let output = common.output.as_deref();
    if common.json {
        deliver_json(
            output,
            &json!({ "schema": "doctor/1", "tools": tools, "refused": refused }),
        )?;
    } else {
        deliver(output, |to| {
            for tool in &tools {
                writeln!(to, "{}", line(tool))?;
            }
            Ok(())
        })?;
    }
    let missing: Vec<&Tool> = tools
        .iter()
        .filter(|tool| !tool.found && tool.need != Need::Optional)
        .collect();
    if missing.is_empty() {
        return Ok(Exit::Clean);
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let failure = Failure::new(
        Exit::Infrastructure,
        format!("missing: {}", names.join(", ")),
    );
    if !refused.is_empty() {
        return Err(
            failure.hint("read what apt said above; other suites or mirrors may have the packages")
        );
    }
    Err(failure.hint(if proc::on_path("apt-get").is_some() {
        "cargo xtask doctor --install".to_owned()
    } else {
        format!(
            "install them with this machine's package manager; Debian calls them {}",
            packages(&tools).join(" ")
        )
    }))
}

fn line(tool: &Tool) -> String {
    let state = match (tool.found, tool.need) {
        (true, _) => "ok",
        (false, Need::Optional) => "absent",
        (false, _) => "MISSING",
    };
    let detail = match &tool.version {
        Some(version) if tool.found => version.clone(),
        _ if tool.found => String::new(),
        _ => format!("for: {}; package {}", tool.purpose, tool.package),
    };
    format!("{state:<8} {:<20} {detail}", tool.name)
        .trim_end()
        .to_owned()
}

fn packages(tools: &[Tool]) -> Vec<&str> {
    let mut packages: Vec<&str> = tools
        .iter()
        .filter(|tool| !tool.found)
        .map(|tool| tool.package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
