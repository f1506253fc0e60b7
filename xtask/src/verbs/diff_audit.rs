// SPDX-License-Identifier: MIT OR Apache-2.0
//! `diff-audit A.json B.json`: what two audits say otherwise.

use crate::console::{deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, DiffAudit};
use callsites::report::{Report, SCHEMA};
use callsites::since;
use camino::Utf8Path;
use std::fs::File;
use std::io::Read as _;

/// In bytes: a hundred times the report of a whole kernel with all its releases.
const LARGEST: u64 = 1 << 30;

/// Runs `diff-audit`.
pub(crate) fn run(common: &Common, args: &DiffAudit) -> Result<Exit, Failure> {
    let changes = since::diff(&read(&args.before)?, &read(&args.after)?);
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &changes)?;
    } else {
        deliver(output, |to| Ok(write!(to, "{changes}")?))?;
    }
    Ok(Exit::Clean)
}

fn read(path: &Utf8Path) -> Result<Report, Failure> {
    let refused = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("failed to read the audit {path}"))
            .because(error)
            .hint("cargo xtask audit --json -o FILE writes one")
    };
    let mut bytes = Vec::new();
    // A pipe of the shell's is welcome; a device has no end.
    let file = File::open(path).map_err(refused)?;
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    let report: Report =
        serde_json::from_slice(&bytes).map_err(|error| refused(std::io::Error::other(error)))?;
    match report.schema == SCHEMA {
        true => Ok(report),
        false => {
            let what = format!("it is of schema {}, and not {SCHEMA}", report.schema);
            Err(refused(std::io::Error::other(what)))
        }
    }
}
