// SPDX-License-Identifier: MIT OR Apache-2.0
//! `truth --set DIR --pair A-B`: the audit against what maintainers did.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Truth};
use crate::tree;
use crate::verbs::audit;
use callsites::report::Report;
use callsites::tree::Tree;
use callsites::truth::{Measure, score};
use camino::Utf8Path;
use patches::truth::{Judged, compare, compare_series, shown};
use serde_json::{Value, json};

/// Runs `truth`: 1 when a bar is missed.
pub(crate) fn run(common: &Common, args: &Truth, console: &Console) -> Result<Exit, Failure> {
    let tree = tree::choose(common, console)?;
    let report = callsites::audit(&tree, &audit::options(common, &[])?)?;
    if let Some(later) = &args.later {
        return patches(common, args, &tree, &tree::open(later, None)?, &report);
    }
    let (set, pair) = labelled(args)?;
    let score = score(set, pair, &report)?;
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

/// The set and the pair, of which clap asks for both or for --series.
fn labelled(args: &Truth) -> Result<(&Utf8Path, &str), Failure> {
    let both = args.set.as_deref().zip(args.pair.as_deref());
    both.ok_or_else(|| {
        Failure::new(Exit::Usage, "no set to compare with").hint("--set DIR --pair A-B")
    })
}

/// `--later TREE`: our patches against theirs.
fn patches(
    common: &Common,
    args: &Truth,
    tree: &Tree,
    later: &Tree,
    report: &Report,
) -> Result<Exit, Failure> {
    let judged = match &args.judged {
        None => Judged::default(),
        Some(file) => Judged::parse(&std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::Usage, format!("failed to read {file}")).because(error)
        })?),
    };
    let compared = match args.series {
        true => {
            let after = callsites::audit(later, &audit::options(common, &[])?)?;
            compare_series(tree, later, (report, &after), judged)?
        }
        false => {
            let (set, pair) = labelled(args)?;
            compare(set, pair, tree, later, report, judged)?
        }
    };
    let output = common.output.as_deref();
    if common.json {
        let (same, equivalent) = compared.counts();
        let functions: Vec<Value> = compared
            .functions
            .iter()
            .map(|f| {
                json!({ "path": f.path, "function": f.function, "state": shown(f.state), "ours": f.ours,
                        "theirs": f.theirs, "why": f.why })
            })
            .collect();
        deliver_json(
            output,
            &json!({ "schema": "truth-patches/1", "pair": compared.pair, "met": compared.met(), "same": same,
                     "equivalent": equivalent, "of": compared.functions.len(), "functions": functions,
                     "must_stay_changed": compared.must_stay.as_ref().map(|(_, changed)| changed), "stale": compared.stale() }),
        )?;
    } else {
        deliver(output, |to| Ok(write!(to, "{compared}")?))?;
    }
    Ok(if compared.met() {
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
