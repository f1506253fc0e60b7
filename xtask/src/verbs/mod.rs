// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file per verb: each turns flags into one library call, and its result into text or JSON.

mod apply;
mod audit;
mod bench;
pub(crate) mod build;
mod ci;
pub(crate) mod codegen;
mod convert;
mod diff_audit;
mod doctor;
mod fuzz;
mod kernel;
pub(crate) mod ktest;
pub(crate) mod look;
mod lsp;
mod model;
mod pipeline;
mod refimpl;
mod report;
mod test;
pub(crate) mod tidy;
mod truth;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::flags::{Cli, Kernel, ModelFormat, Refimpl, Verb};
use crate::kbuild::Variables;
use crate::swallowed;
use camino::Utf8Path;

/// Runs the verb.
pub(crate) fn run(mut cli: Cli, variables: Variables, console: &Console) -> Result<Exit, Failure> {
    give_back(&mut cli.verb)?;
    one_format(cli.common.json, &cli.verb)?;
    if cli.common.dry_run && only_tells(&cli.verb) {
        cli.common.output = None;
    }
    let common = &cli.common;
    let runs_make = matches!(
        cli.verb,
        Verb::Build(_) | Verb::Ktest(_) | Verb::Pipeline(_)
    );
    if let (false, Some((name, _))) = (runs_make, variables.first()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("this verb runs no make: it has no use for {name}="),
        )
        .hint("kbuild variables go with build, ktest and pipeline"));
    }
    match cli.verb {
        Verb::Kernel(verb) => kernel::run(common, verb, console),
        Verb::Audit(args) => audit::run(common, &args, console),
        Verb::DiffAudit(args) => diff_audit::run(common, &args),
        Verb::Convert(args) => convert::run(common, &args, console),
        Verb::Apply(args) => apply::run(common, &args, console),
        Verb::Build(args) => build::run(common, &args, variables, console),
        Verb::Ktest(args) => ktest::run(common, &args, variables, console),
        Verb::Model(args) => model::run(common, &args),
        Verb::Refimpl(verb) => refimpl::run(common, &verb, console),
        Verb::Pipeline(args) => pipeline::run(common, &args, variables, console),
        Verb::Truth(args) => truth::run(common, &args, console),
        Verb::Bench(args) => bench::run(common, &args, variables, console),
        Verb::Look(args) => look::run(common, &args, console),
        Verb::Lsp(args) => lsp::run(common, &args, console),
        Verb::Report(args) => report::run(common, &args, console),
        Verb::Doctor(args) => doctor::run(common, &args, console),
        Verb::Tidy => tidy::run(common),
        Verb::Codegen(args) => codegen::run(common, &args, console),
        Verb::Test(args) => test::run(common, &args, console),
        Verb::Fuzz(args) => fuzz::run(common, &args, console),
        Verb::Ci(args) => ci::run(common, &args, console),
    }
}

/// Refuses two formats for one result: either would be an answer that was not asked for.
fn one_format(json: bool, verb: &Verb) -> Result<(), Failure> {
    let asked = match verb {
        Verb::Audit(args) => args.format.as_str(),
        Verb::Ktest(args) => args.format.as_str(),
        Verb::Model(args) if args.format == ModelFormat::Html => "html",
        _ => return Ok(()),
    };
    match json && !matches!(asked, "text" | "json") {
        false => Ok(()),
        true => Err(Failure::new(
            Exit::Usage,
            format!("--json and --format {asked} ask for two formats of one result"),
        )
        .hint("leave one of them out")),
    }
}

/// Whether the verb changes nothing but the file that -o names, so that a rehearsal of it is to show the result.
fn only_tells(verb: &Verb) -> bool {
    match verb {
        Verb::DiffAudit(_) | Verb::Doctor(_) | Verb::Model(_) | Verb::Truth(_) => true,
        Verb::Kernel(kernel) => matches!(kernel, Kernel::List),
        Verb::Refimpl(refimpl) => !matches!(refimpl, Refimpl::Mutants(_)),
        Verb::Audit(args) => args.explain.is_some(),
        Verb::Ktest(args) => args.list_targets,
        _ => false,
    }
}

/// What a flag with several values took by mistake.
fn give_back(verb: &mut Verb) -> Result<(), Failure> {
    let targets = ::ktest::target::all()?;
    let is_target = |name: &str| targets.iter().any(|target| target.name == name);
    match verb {
        Verb::Ktest(args) => swallowed::from_ktest(args, is_target),
        Verb::Build(args) => swallowed::from_build(args),
        Verb::Pipeline(args) => {
            let has_makefile = |name: &Utf8Path| build::installed(name).join("Makefile").is_file();
            swallowed::from_pipeline(args, is_target, has_makefile);
        }
        _ => {}
    }
    Ok(())
}
