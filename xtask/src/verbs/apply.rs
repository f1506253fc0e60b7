// SPDX-License-Identifier: MIT OR Apache-2.0
//! `apply SERIES_DIR`: the series on a copy or in a new worktree, all or nothing.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Apply, Common};
use crate::{stopping, tree};
use camino::Utf8PathBuf;
use failure::counted;
use patches::{ApplyOptions, Form, Series};
use serde_json::json;

/// Runs `apply`.
pub(crate) fn run(common: &Common, args: &Apply, console: &Console) -> Result<Exit, Failure> {
    let tree = tree::choose_with(common, &args.module, console, None)?;
    let mut options = match (&args.worktree, &common.output) {
        (Some(dir), _) => ApplyOptions {
            form: Form::Worktree,
            ..ApplyOptions::full(dir)
        },
        (None, Some(dir)) => ApplyOptions::full(dir),
        (None, None) => {
            return Err(Failure::new(Exit::Usage, "no directory to apply into")
                .hint("cargo xtask apply SERIES_DIR -o DIR makes a copy; --worktree DIR a linked worktree"));
        }
    };
    options.branch = args.branch.clone();
    if common.dry_run {
        return rehearse(&tree, args, console);
    }
    let applied = patches::apply(&tree, &args.series, &options)?;
    stopping::left(format!("{} is complete", applied.target));
    if common.json {
        let patches: Vec<_> = applied
            .patches
            .iter()
            .map(|patch| json!({ "subject": patch.subject, "commit": patch.commit, "files": patch.files.keys().collect::<Vec<_>>() }))
            .collect();
        deliver_json(
            None,
            &json!({ "schema": "apply/1", "base": applied.base, "patches": patches }),
        )?;
    } else {
        deliver(None, |out| {
            for patch in &applied.patches {
                writeln!(out, "{}", patch.subject)?;
            }
            Ok(())
        })?;
    }
    console.say(format!(
        "{} applied in {}",
        counted(applied.patches.len(), "patch"),
        applied.target
    ));
    Ok(Exit::Clean)
}

/// Applies to copies of the touched files, which are then thrown away.
fn rehearse(
    tree: &callsites::tree::Tree,
    args: &Apply,
    console: &Console,
) -> Result<Exit, Failure> {
    let scratch = tempfile::tempdir()?;
    let target = Utf8PathBuf::from_path_buf(scratch.path().join("applied"))
        .map_err(|_| Failure::new(Exit::Infrastructure, "the temporary directory is not UTF-8"))?;
    patches::apply(tree, &args.series, &ApplyOptions::touched(target))?;
    let series = Series::read(&args.series)?;
    let patches = counted(series.info.patches.len(), "patch");
    console.say(format!("{patches} would apply"));
    Ok(Exit::Clean)
}
