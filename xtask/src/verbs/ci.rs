// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ci`: everything that must hold before a change lands, the same for everyone.

use crate::ci::step::{Outcome, Step};
use crate::ci::steps;
use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Ci, Common};
use serde_json::{Value, json};
use std::time::Instant;

/// Runs `ci`.
pub(crate) fn run(common: &Common, args: &Ci, console: &Console) -> Result<Exit, Failure> {
    let steps = chosen(args)?;
    let mut done: Vec<(&Step, Outcome, f64)> = Vec::new();
    for step in &steps {
        if common.dry_run {
            console.say(format!("{:<10} {}", step.name, step.what));
            continue;
        }
        console.say(format!("\n== {}: {}", step.name, step.what));
        let started = Instant::now();
        let outcome =
            (step.run)(console).unwrap_or_else(|failure| Outcome::Failed(failure.to_string()));
        if proc::interrupted() {
            return Ok(Exit::Interrupted);
        }
        if let Outcome::Failed(why) = &outcome {
            console.say(format!("failed: {}: {why}\nhint: {}", step.name, step.mend));
        }
        done.push((step, outcome, started.elapsed().as_secs_f64()));
    }
    if !common.dry_run {
        show(common, &done)?;
    }
    let failed = done
        .iter()
        .any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)));
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}

fn chosen(args: &Ci) -> Result<Vec<Step>, Failure> {
    let all = steps::all();
    let unknown = args
        .only
        .iter()
        .chain(&args.skip)
        .find(|name| !all.iter().any(|step| step.name == name.as_str()));
    if let Some(name) = unknown {
        let names: Vec<&str> = all.iter().map(|step| step.name).collect();
        return Err(
            Failure::new(Exit::Usage, format!("there is no step `{name}`"))
                .hint(format!("the steps are {}", names.join(", "))),
        );
    }
    let named = |list: &[String], step: &Step| list.iter().any(|name| name == step.name);
    Ok(all
        .into_iter()
        .filter(|step| {
            (args.only.is_empty() || named(&args.only, step)) && !named(&args.skip, step)
        })
        .collect())
}

fn show(common: &Common, done: &[(&Step, Outcome, f64)]) -> Result<(), Failure> {
    let count = |word: &str| {
        done.iter()
            .filter(|(_, outcome, _)| outcome.word() == word)
            .count()
    };
    let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
    if common.json {
        let steps: Vec<Value> = done
            .iter()
            .map(|(step, outcome, seconds)| {
                json!({ "name": step.name, "result": outcome.word(), "reason": outcome.reason(), "seconds": seconds })
            })
            .collect();
        return deliver_json(
            common.output.as_deref(),
            &json!({ "schema": "ci/1", "steps": steps }),
        );
    }
    deliver(common.output.as_deref(), |to| {
        writeln!(to)?;
        for (step, outcome, seconds) in done {
            let reason = outcome
                .reason()
                .and_then(|reason| reason.lines().next())
                .unwrap_or_default();
            writeln!(
                to,
                "{:<8} {:<10} {seconds:>6.0} s  {reason}",
                outcome.word(),
                step.name
            )?;
        }
        Ok(writeln!(
            to,
            "ci: {passed} passed, {failed} failed, {skipped} skipped"
        )?)
    })
}
