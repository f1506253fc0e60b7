// SPDX-License-Identifier: MIT OR Apache-2.0
//! `truth --set DIR --pair A-B`: the audit against what maintainers did.

use crate::console::{deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Truth};
use crate::tree;
use crate::verbs::audit;
use callsites::truth::{Measure, score};
use serde_json::{Value, json};

/// Runs `truth`: 1 when a bar is missed.
pub fn run(common: &Common, args: &Truth) -> Result<Exit, Failure> {
    let tree = tree::choose(common)?;
    let report = callsites::audit(&tree, &audit::options(common, &tree, &[])?)?;
    let score = score(&args.set, &args.pair, &report)?;
    let output = common.output.as_deref();
    if common.json {
        let measures: Vec<Value> = score.measures.iter().map(measure).collect();
        deliver_json(
            output,
            &json!({ "schema": "truth/1", "pair": score.pair, "met": score.met(), "measures": measures }),
        )?;
    } else {
        deliver(output, |to| Ok(write!(to, "{score}")?))?;
    }
    Ok(if score.met() {
        Exit::Clean
    } else {
        Exit::Findings
    })
}

fn measure(measure: &Measure) -> Value {
    let misses: Vec<Value> = measure
        .misses
        .iter()
        .map(|miss| json!({ "path": miss.path, "line": miss.line, "call": miss.call, "why": miss.why }))
        .collect();
    json!({
        "side": format!("{:?}", measure.side),
        "count": measure.count,
        "of": measure.of,
        "met": measure.met(),
        "misses": misses,
    })
}
