// SPDX-License-Identifier: MIT OR Apache-2.0
//! `codegen [--check]`: writes the files that are made from code, or fails where they are out of date.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::flags::{Codegen, Common};
use crate::{codegen, workspace};

/// Runs `codegen`.
pub fn run(common: &Common, args: &Codegen, console: &Console) -> Result<Exit, Failure> {
    let stale = stale()?;
    let only_look = args.check || common.dry_run;
    for (path, text) in &stale {
        if only_look {
            console.say(format!("{path} is out of date"));
        } else {
            let file = workspace::root().join(path);
            std::fs::create_dir_all(file.parent().unwrap_or(&file))?;
            crate::console::deliver(Some(&file), |to| Ok(to.write_all(text.as_bytes())?))?;
            console.say(format!("wrote {path}"));
        }
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

/// The files that differ from what the code would write.
pub fn stale() -> Result<Vec<(&'static str, String)>, Failure> {
    let mut files = codegen::files::all()?;
    files.retain(|(path, text)| {
        std::fs::read_to_string(workspace::root().join(path))
            .ok()
            .as_ref()
            != Some(text)
    });
    Ok(files)
}
