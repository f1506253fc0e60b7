// SPDX-License-Identifier: MIT OR Apache-2.0
//! `tidy`: reads the tracked files and prints the rules they break.

use crate::console::{deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::Common;
use crate::tidy::house::problems;
use crate::tidy::problem::Problem;
use serde_json::json;

/// Runs `tidy`.
pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let problems = problems()?;
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &json!({ "schema": "tidy/1", "problems": problems }))?;
    } else {
        deliver(output, |to| {
            for Problem {
                path,
                line,
                message,
            } in &problems
            {
                writeln!(to, "{path}:{line}: {message}")?;
            }
            Ok(())
        })?;
    }
    Ok(if problems.is_empty() {
        Exit::Clean
    } else {
        Exit::Findings
    })
}
