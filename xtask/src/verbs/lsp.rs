// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lsp`: a language server on standard input and output.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Lsp};
use crate::lsp::{Setup, serve};
use crate::places;
use crate::verbs::{audit, convert};
use lsp_server::Connection;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `lsp`.
pub(crate) fn run(common: &Common, args: &Lsp, console: &Console) -> Result<Exit, Failure> {
    if common.json || common.output.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            "a language server speaks to an editor on standard output, and writes no result",
        )
        .hint("cargo xtask audit --json -o FILE"));
    }
    let setup = Setup {
        common: common.clone(),
        module: args.module.clone(),
        oldest: args.oldest.as_deref().map(convert::oldest).transpose()?,
        all_files: args.all_files,
        audit: callsites::AuditOptions {
            goes_on: true,
            ..audit::options(common, &[])?
        },
        work: places::cache()?.join("series"),
    };
    if common.dry_run {
        console.say("would serve one editor on standard input and output");
        return Ok(Exit::Clean);
    }
    if std::io::stdin().is_terminal() {
        console
            .say("waiting for an editor on standard input; docs/editor.md says how to set one up");
    }
    failure::grow_in_large_steps();
    let (connection, threads) = Connection::stdio();
    let ended = serve(connection, setup);
    // The connection is gone, and with it what the threads wait for.
    let read = catch_unwind(AssertUnwindSafe(|| threads.join()));
    match read {
        Ok(Ok(())) => ended,
        Ok(Err(error)) => Err(refused().because(error)),
        Err(_) => Err(refused()),
    }
}

fn refused() -> Failure {
    Failure::new(Exit::Usage, "failed to read a message of the editor").hint(
        "the Language Server Protocol is spoken here: docs/editor.md says how to set an editor up",
    )
}
