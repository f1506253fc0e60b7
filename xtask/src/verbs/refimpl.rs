// SPDX-License-Identifier: MIT OR Apache-2.0
//! `refimpl run DRIVER.c…` and `refimpl trace FILE`: the reference implementation for people who have a driver, or a
//! trace, of their own. `refimpl mutants`: how much its tests notice.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Refimpl, RefimplMutants, RefimplRun, RefimplTrace};
use crate::mutants::{self, Fate};
use ::refimpl::api::KernelVersion;
use ::refimpl::conformance::{Trace, answered};
use ::refimpl::page::GUP_PIN_COUNTING_BIAS;
use ::refimpl::version::Version;
use ktest::userspace::{Options, drivers, mistakes};
use serde_json::json;

/// Runs `refimpl`.
pub(crate) fn run(common: &Common, verb: &Refimpl, console: &Console) -> Result<Exit, Failure> {
    match verb {
        Refimpl::Run(args) => drive(common, args),
        Refimpl::Trace(args) => trace(common, args),
        Refimpl::Mutants(args) => draw(common, args, console),
    }
}

fn drive(common: &Common, args: &RefimplRun) -> Result<Exit, Failure> {
    let run = drivers(&args.files, &args.kernel_version, &Options::default())?;
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &run)?;
    } else {
        deliver(output, |to| Ok(to.write_all(mistakes(&run).as_bytes())?))?;
    }
    Ok(if run.clean() {
        Exit::Clean
    } else {
        Exit::Findings
    })
}

fn trace(common: &Common, args: &RefimplTrace) -> Result<Exit, Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| usage(format!("failed to read {}: {error}", args.file)))?;
    let version: KernelVersion = args
        .kernel_version
        .parse()
        .map_err(|error| usage(format!("failed to {error}")))?;
    let trace =
        Trace::parse(&text).map_err(|error| usage(format!("failed to {error} ({})", args.file)))?;
    let answers = answered(&trace, Version::at(version), GUP_PIN_COUNTING_BIAS)
        .map_err(|why| usage(format!("failed to replay {}: {why}", args.file)))?;
    let output = common.output.as_deref();
    if common.json {
        let answers: Vec<&str> = answers.lines().collect();
        deliver_json(
            output,
            &json!({ "schema": "refimpl-trace/1", "answers": answers }),
        )?;
    } else {
        deliver(output, |to| Ok(to.write_all(answers.as_bytes())?))?;
    }
    Ok(Exit::Clean)
}

fn draw(common: &Common, args: &RefimplMutants, console: &Console) -> Result<Exit, Failure> {
    let all = mutants::all(&args.files)?;
    if all.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "these files have no mistake to make: they are not sources of this repository",
        ));
    }
    let chosen = mutants::drawn(all, args.sample, args.seed);
    let mut results = Vec::new();
    let mut text = String::new();
    mutants::run(&chosen, |mutant, fate| {
        let word = match fate {
            Fate::Killed => "killed",
            Fate::Uncompilable => "no code",
            Fate::Equivalent => "same",
            Fate::Survived => "SURVIVED",
        };
        let line = format!(
            "{word:<8}  {}:{}: {}",
            mutant.path,
            mutant.line,
            mutant.wrong.trim()
        );
        console.say(&line);
        text.push_str(&format!("{line}\n"));
        results.push(json!({ "mutant": mutant, "fate": fate }));
    })?;
    let output = common.output.as_deref();
    if common.json {
        deliver_json(
            output,
            &json!({ "schema": "refimpl-mutants/1", "mutants": results }),
        )?;
    } else {
        deliver(output, |to| Ok(to.write_all(text.as_bytes())?))?;
    }
    Ok(if text.contains("SURVIVED") {
        Exit::Findings
    } else {
        Exit::Clean
    })
}
