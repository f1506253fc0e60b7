// SPDX-License-Identifier: MIT OR Apache-2.0
//! `report RUN…`: one self-contained HTML page of one run or of several.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Report};
use crate::places;
use crate::runs::directory::find;
use crate::runs::page::page;
use crate::runs::shown;
use serde_json::json;

/// Runs `report`.
pub fn run(common: &Common, args: &Report, console: &Console) -> Result<Exit, Failure> {
    let runs = args
        .runs
        .iter()
        .map(|name| shown::read(&find(&places::runs(), name)?))
        .collect::<Result<Vec<_>, Failure>>()?;
    if common.dry_run {
        console.say(format!("would make one page of {} runs", runs.len()));
        return Ok(Exit::Clean);
    }
    let output = common.output.as_deref();
    if common.json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| json!({ "id": run.id, "result": run.record.verdict(), "record": run.record, "verdict": run.verdict }))
            .collect();
        deliver_json(output, &json!({ "schema": "report/1", "runs": runs }))?;
    } else {
        deliver(output, |to| Ok(to.write_all(page(&runs).as_bytes())?))?;
    }
    Ok(Exit::Clean)
}
