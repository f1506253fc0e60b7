// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipeline [PATH…]`: audit, convert, apply, build, trial and report in one run.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Module, Pipeline};
use crate::kbuild::Variables;
use crate::pipeline::progress::{Came, Progress};
use crate::pipeline::{module, stages, userspace};
use crate::runs::directory::{self, Run};
use crate::runs::record::{Inputs, NOT_RUN, OfModule, Record, SCHEMA};
use crate::runs::{page, shown};
use crate::verbs::{audit, build, convert};
use crate::{places, stopping, tree};
use callsites::formats::html::Excerpts;
use callsites::report::Report;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::{KtestOptions, Verdict};
use patches::Series;
use serde_json::json;
use std::io::Write;

/// Runs `pipeline`.
pub(crate) fn run(
    common: &Common,
    args: &Pipeline,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let asked = build::released(common, &args.module, &args.headers, console);
    let tree = tree::choose_with(common, &asked, console, None)?;
    let paths = tree::paths(&tree, &args.paths, console)?;
    let embedded = tree::is_embedded(&tree);
    let inputs = Inputs {
        tree: tree.version().to_owned(),
        revision: tree.repository().map(|(_, revision)| revision.to_owned()),
        paths: paths.iter().map(ToString::to_string).collect(),
        targets: args.target.clone(),
        kbuild: kbuild.clone(),
        module: of_module(common, args)?,
    };
    if let (Some(_), Some(target)) = (&inputs.module, args.target.first()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("no target boots a module outside the kernel, {target} neither"),
        )
        .hint("leave --target out"));
    }
    if common.dry_run {
        let trial = match (embedded, &inputs.module) {
            (true, _) => "drivers in user space before and after",
            (false, None) => "build, boot base and patched",
            (false, Some(_)) => "compile base and patched",
        };
        console.say(format!(
            "would audit {}, convert, apply, {trial}, report",
            tree::named(&tree)
        ));
        return Ok(Exit::Clean);
    }
    let mut progress = begin(args, inputs, console)?;
    stopping::resumable(resume(common, args, &kbuild, &progress.run.id));
    let report = audited(common, &tree, &mut progress)?;
    if let Some(report) = &report {
        converted(common, args, &paths, &tree, kbuild, report, &mut progress)?;
    }
    finish(common, &progress)?;
    Ok(match (progress.exit, progress.record.verdict()) {
        (Exit::Clean, "inconclusive") => Exit::Findings,
        (exit, _) => exit,
    })
}

/// What was asked for of a module outside the kernel.
fn of_module(common: &Common, args: &Pipeline) -> Result<Option<OfModule>, Failure> {
    let Some(place) = &args.module.module else {
        return Ok(None);
    };
    let headers = build::headers(common, &args.headers)?;
    Ok(Some(OfModule {
        place: place.clone(),
        headers: headers.into_iter().map(Utf8PathBuf::into_string).collect(),
        oldest: args.oldest.clone(),
    }))
}

/// The command that goes on with a run: the same tree, paths and variables, and its name.
fn resume(common: &Common, args: &Pipeline, kbuild: &Variables, run: &str) -> String {
    let mut words = vec!["cargo xtask pipeline".to_owned()];
    words.extend(args.paths.iter().map(ToString::to_string));
    words.extend(common.kernel.iter().map(|tree| format!("--kernel {tree}")));
    let Module { module, release } = &args.module;
    for (flag, value) in [
        ("module", module),
        ("for", release),
        ("oldest", &args.oldest),
    ] {
        words.extend(value.iter().map(|value| format!("--{flag} {value}")));
    }
    words.extend(args.headers.iter().map(|name| format!("--headers {name}")));
    if !args.target.is_empty() {
        words.push(format!("--target {}", args.target.join(",")));
    }
    words.extend(
        kbuild
            .iter()
            .map(|(name, value)| match value.contains(' ') {
                true => format!("{name}=\"{value}\""),
                false => format!("{name}={value}"),
            }),
    );
    if args.no_scripts {
        words.push("--no-scripts".to_owned());
    }
    words.push(format!("--resume {run}"));
    words.join(" ")
}

fn begin<'a>(
    args: &Pipeline,
    inputs: Inputs,
    console: &'a Console,
) -> Result<Progress<'a>, Failure> {
    let runs = places::runs();
    let (run, earlier) = match &args.resume {
        None => (Run::create(&runs, &inputs.tree)?, Vec::new()),
        Some(name) => {
            let run = Run::resume(&runs, name)?;
            let record = directory::read(&run.dir)?;
            if record.inputs != inputs {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("run {} was begun with other inputs", run.id),
                )
                .hint("give the same tree, paths and variables as then, or leave --resume out"));
            }
            (run, record.stages)
        }
    };
    console.say(format!("run {}", run.id));
    let tools = ktest::host::doctor().into_iter();
    let tools = tools
        .filter_map(|tool| Some((tool.name.to_owned(), tool.version?)))
        .collect();
    let record = Record {
        schema: SCHEMA.to_owned(),
        inputs,
        tools,
        stages: Vec::new(),
    };
    Ok(Progress {
        run,
        record,
        earlier,
        exit: Exit::Clean,
        console,
    })
}

/// The audit is done anew in every try: it is quick, and tells whether the tree is still what it was.
fn audited(
    common: &Common,
    tree: &Tree,
    progress: &mut Progress<'_>,
) -> Result<Option<Report>, Failure> {
    let options = audit::options(common, &[])?;
    let mut found = None;
    let finished: Vec<_> = std::mem::take(&mut progress.earlier);
    progress.stage("audit", |run| {
        let report = callsites::audit(tree, &options)?;
        let text = serde_json::to_vec_pretty(&report).map_err(std::io::Error::from)?;
        let before = directory::file(&run.dir, "audit.json")?;
        if !finished.is_empty() && before.is_some_and(|before| before != text) {
            return Err(
                Failure::new(Exit::Usage, "the tree has changed since this run was begun")
                    .hint("leave --resume out to start a new run"),
            );
        }
        run.write("audit.json", &text)?;
        let excerpts = Excerpts::of(tree, &report);
        let excerpts = serde_json::to_vec(&excerpts).map_err(std::io::Error::from)?;
        run.write(shown::EXCERPTS, &excerpts)?;
        let came = stages::audited(&report);
        found = Some(report);
        Ok(came)
    })?;
    progress.earlier = finished;
    Ok(found)
}

fn converted(
    common: &Common,
    args: &Pipeline,
    paths: &[Utf8PathBuf],
    tree: &Tree,
    kbuild: Variables,
    report: &Report,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let series = progress.run.dir.join("series");
    let oldest = args.oldest.as_deref().map(convert::oldest).transpose()?;
    let how = (!args.no_scripts, oldest);
    if !progress.stage("convert", |_| {
        stages::convert(tree, report, paths, how, &series)
    })? {
        return Ok(());
    }
    if !progress.stage("apply", |run| {
        stages::apply(tree, &series, &run.dir.join("applied"))
    })? {
        return Ok(());
    }
    if progress.record.inputs.module.is_some() {
        outside(common, tree, kbuild, &series, progress)
    } else if tree::is_embedded(tree) {
        small(common, tree, kbuild, report, &series, progress)
    } else {
        real(common, args, tree, kbuild, report, &series, progress)
    }
}

/// The embedded tree: user space.
fn small(
    common: &Common,
    tree: &Tree,
    kbuild: Variables,
    report: &Report,
    series: &Utf8Path,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let dir = progress.run.dir.clone();
    let options = userspace::options(common, &kbuild, &dir);
    progress.stage("before", |run| {
        userspace::before(&userspace::base(tree, &run.dir)?, &options)
    })?;
    progress.stage("after", |run| {
        let verdict =
            ktest::userspace::test(&run.id, tree, Some(series), &report.callsites, &options)?;
        write_verdict(run, &verdict)?;
        Ok(userspace::after(&verdict))
    })?;
    progress.stage("ktest", |_| {
        // Whatever this machine has: with every tool there is it would still be too small.
        let reason = "the embedded tree is too small to boot; a kernel to boot needs its own tree";
        let next = "cargo xtask kernel get 6.12, then cargo xtask pipeline PATH --kernel 6.12";
        Ok(Came::Skipped(reason.to_owned(), Some(next.to_owned())))
    })?;
    Ok(())
}

/// A module outside the kernel: it is compiled.
fn outside(
    common: &Common,
    tree: &Tree,
    kbuild: Variables,
    series: &Utf8Path,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let module = progress.record.inputs.module.as_ref();
    let headers = module.map_or(&[][..], |module| &module.headers);
    let headers = headers.iter().map(Utf8PathBuf::from).collect();
    let options = build::module_options(common, headers, kbuild, progress.console)?;
    progress.stage("build", |run| {
        module::build(tree, series, &options, &run.dir.join("build.json"))
    })?;
    Ok(())
}

/// A kernel tree: objects, then boots.
fn real(
    common: &Common,
    args: &Pipeline,
    tree: &Tree,
    kbuild: Variables,
    report: &Report,
    series: &Utf8Path,
    progress: &mut Progress<'_>,
) -> Result<(), Failure> {
    let mut built = build::options(common, kbuild, progress.console)?;
    let dir = progress.run.dir.clone();
    built.logs = Some(dir.join("build"));
    std::fs::create_dir_all(dir.join("build"))?;
    let console = progress.console;
    progress.stage("build", |run| {
        stages::build(tree, series, &built, &run.dir.join("build.json"), console)
    })?;
    let mut options = KtestOptions::new(built.cache.clone(), dir.join("ktest"));
    options.kbuild = built.kbuild.clone();
    options.jobs = built.jobs;
    options.progress = built.progress.clone();
    options.callsites = report.callsites.clone();
    options.targets = if args.target.is_empty() {
        stages::targets(&Series::read(series)?)?
    } else {
        args.target.clone()
    };
    progress.stage("ktest", |run| {
        let (came, verdict) = stages::ktest(tree, series, &options, console)?;
        if let Some(verdict) = &verdict {
            write_verdict(run, verdict)?;
        }
        Ok(came)
    })?;
    Ok(())
}

fn write_verdict(run: &Run, verdict: &Verdict) -> Result<(), Failure> {
    let mut bytes = serde_json::to_vec_pretty(verdict).map_err(std::io::Error::from)?;
    bytes.push(b'\n');
    run.write("verdict.json", &bytes)
}

/// The page, and the summary.
fn finish(common: &Common, progress: &Progress<'_>) -> Result<(), Failure> {
    let run = &progress.run;
    let shown = shown::read(&run.dir)?;
    let html = page::page(std::slice::from_ref(&shown));
    run.write("report.html", html.as_bytes())?;
    let output = common.output.as_deref();
    let record = &progress.record;
    if common.json {
        let not_checked = record.inputs.module.as_ref().map(|_| NOT_RUN);
        let value = json!({
            "schema": "pipeline/1", "run": run.id, "result": record.verdict(), "not_checked": not_checked, "record": record,
            "verdict": shown.verdict,
        });
        return deliver_json(output, &value);
    }
    deliver(output, |to| summary(&run.id, record, to))
}

fn summary(id: &str, record: &Record, to: &mut dyn Write) -> Result<(), Failure> {
    let (passed, failed, skipped) = record.counts();
    match &record.inputs.module {
        None => writeln!(to, "Linux {}", record.inputs.tree)?,
        Some(module) => writeln!(
            to,
            "the module in {}, for Linux {}",
            module.place, record.inputs.tree
        )?,
    }
    for stage in &record.stages {
        writeln!(
            to,
            "  {:<9} {:<8} {}",
            stage.name,
            stage.result.word(),
            stage.summary
        )?;
        if stage.result == crate::runs::record::Ended::Failed {
            for line in &stage.details {
                writeln!(to, "      {line}")?;
            }
        }
        if let Some(hint) = &stage.hint {
            writeln!(to, "      hint: {hint}")?;
        }
    }
    let not_run = record.inputs.module.as_ref();
    let not_run = not_run.map_or(String::new(), |_| format!("; {NOT_RUN}"));
    writeln!(
        to,
        "{}: {passed} passed, {failed} failed, {skipped} skipped{not_run}",
        record.verdict()
    )?;
    Ok(writeln!(to, "target/runs/{id}/report.html")?)
}
