// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask VERB`: the roof of the house. It reads flags, calls one library function per verb, and prints.
//!
//! There is no logic of kernels, pages or patches here; a verb that needs some is a verb whose library lacks a function.

mod browser;
mod ci;
mod codegen;
mod console;
mod exit;
mod flags;
mod fuzz;
mod hints;
mod kbuild;
mod kernels;
mod lock;
mod lsp;
mod mutants;
mod outcome;
mod pipeline;
mod places;
mod runs;
mod stopping;
mod swallowed;
mod tidy;
mod tree;
mod verbs;
mod workspace;

use clap::{CommandFactory, Parser};
use console::Console;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = flags::Cli::command();
    let verbs: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let (words, variables) = kbuild::split(
        std::env::args_os().skip(1),
        &verbs,
        &kbuild::with_values(&command),
    );
    let verb = words
        .iter()
        .find_map(|word| verbs.iter().find(|verb| word == **verb))
        .copied();
    let mut cli = match flags::Cli::try_parse_from(std::iter::once("xtask".into()).chain(words)) {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            return match printed {
                _ if error.use_stderr() => exit::Exit::Usage,
                // Help is a result as any other: a full disk is no success, and a reader that has read enough is.
                Err(error) => exit::Failure::from(error).exit,
                Ok(()) => exit::Exit::Clean,
            }
            .into();
        }
    };
    // A variable that is set to nothing is not set.
    let unset = std::env::var_os("KERNEL_TREE").is_some_and(|tree| tree.is_empty());
    cli.common.kernel.take_if(|tree| unset && tree.is_empty());
    proc::interrupt::install(stopping::last_words);
    let console = Console::new(&cli.common);
    let result = verbs::run(cli, variables, &console);
    if let Some(code) = proc::interrupt::code() {
        stopping::last_words();
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let code = failure.exit.into();
            if !failure.is_closed_pipe() {
                let failure = failure.or_help(verb);
                failure.print(&mut std::io::stderr().lock(), console.colour);
            }
            code
        }
    }
}
