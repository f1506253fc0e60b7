// SPDX-License-Identifier: MIT OR Apache-2.0
//! `codegen [--check]`: writes the files that are made from code, or fails where they are out of date.
//!
//! `codegen --trees DIR…` runs refimpl's test of the catalogue on kernel trees.

use crate::codegen::files::stale;
use crate::console::{Console, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Codegen, Common};
use crate::workspace;
use camino::Utf8PathBuf;
use serde_json::json;
use std::time::Duration;

/// A tree takes some seconds to read, building the test a minute; an hour is for a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Runs `codegen`.
pub(crate) fn run(common: &Common, args: &Codegen, console: &Console) -> Result<Exit, Failure> {
    if !args.trees.is_empty() {
        return compare(&args.trees);
    }
    let stale = stale()?;
    let only_look = args.check || common.dry_run;
    for (path, text) in &stale {
        if only_look {
            console.say(format!("{path} is out of date"));
        } else {
            let file = workspace::root().join(path);
            std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
            crate::console::deliver_as_it_is(Some(&file), |to| Ok(to.write_all(text.as_bytes())?))?;
            console.say(format!("wrote {path}"));
        }
    }
    if common.json {
        let paths: Vec<&str> = stale.iter().map(|(path, _)| *path).collect();
        deliver_json(
            common.output.as_deref(),
            &json!({ "schema": "codegen/1", "stale": paths, "written": !only_look }),
        )?;
    }
    if args.check && !stale.is_empty() {
        return Err(Failure::new(
            Exit::Findings,
            format!("{} generated files are out of date", stale.len()),
        )
        .hint("cargo xtask codegen"));
    }
    Ok(Exit::Clean)
}

/// Compares the catalogue with kernel trees; the test prints what differs.
fn compare(trees: &[Utf8PathBuf]) -> Result<Exit, Failure> {
    let mut list = Vec::new();
    for tree in trees {
        if !tree.join("mm/gup.c").is_file() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{tree} is no kernel tree: it has no mm/gup.c"),
            ));
        }
        list.push(tree.canonicalize_utf8()?);
    }
    let list: Vec<&str> = list.iter().map(|tree| tree.as_str()).collect();
    let ended = workspace::cargo()
        .args(["test", "--quiet", "-p", "refimpl", "--test", "it"])
        .args(["trees::every_version", "--", "--ignored", "--nocapture"])
        .env("KERNEL_TREES", list.join(":"))
        .env("RUST_BACKTRACE", "0")
        .inherit()
        .deadline(DEADLINE)
        .run_unchecked()?;
    if !ended.success() {
        return Err(
            Failure::new(Exit::Findings, "the catalogue and the trees differ").hint(
                "correct refimpl/data/api.toml or audit.toml; the lines above name the function",
            ),
        );
    }
    Ok(Exit::Clean)
}
