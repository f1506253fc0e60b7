// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ktest --on ENGINE`, and its halves: `--prepare` builds, `--prepared DIR --shard K/N` boots, `--estimate DIR` tells
//! what more of it costs.

use super::{audited, record, show};
use crate::console::{Console, deliver};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Ktest};
use crate::verbs::build::progress;
use crate::{places, stopping};
use callsites::report::Report;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::batch::{self, BatchOptions};
use ktest::{Event, KtestOptions, Prepared, Progress};

/// What needs no tree, as everything lies in a directory: booting what is prepared, an estimate, going on with a batch by
/// its name.
pub(super) fn without_tree(
    common: &Common,
    args: &Ktest,
    console: &Console,
) -> Result<Option<Exit>, Failure> {
    if args.shared.is_some() && args.on.is_none() && !args.prepare {
        return Err(Failure::new(
            Exit::Usage,
            "--shared is the directory of a run that other machines boot",
        )
        .hint("add --on slurm or --prepare, or leave it out"));
    }
    if let Some(home) = &args.prepared {
        let prepared = Prepared::read(home)?;
        if common.dry_run {
            console.say(format!("would boot what is prepared in {home}"));
            return Ok(Some(Exit::Clean));
        }
        let mut options = KtestOptions::new(home, home);
        options.accelerator = args.accel;
        // What a shard may use is for one guest.
        options.at_once = Some(1);
        options.progress = progress(console);
        let verdict = prepared.boot(args.shard, &options)?;
        let run = prepared.shards().join(&verdict.run);
        return show(common, args, &run, &verdict).map(Some);
    }
    if let Some(home) = &args.estimate {
        let text = batch::growth(&Prepared::read(home)?)?;
        let output = common.output.as_deref();
        deliver(output, |to| Ok(to.write_all(text.as_bytes())?))?;
        return Ok(Some(Exit::Clean));
    }
    let (Some(_), Some(id), None) = (args.on, &args.resume, &args.series) else {
        return Ok(None);
    };
    let prepared = Prepared::read(&runs(args).join(id))?;
    if common.dry_run {
        let home = &prepared.home;
        console.say(format!("would go on with the jobs of {home}"));
        return Ok(Some(Exit::Clean));
    }
    follow(common, args, prepared, console, &|_| Ok(())).map(Some)
}

/// Prepares the run, and with an engine submits and follows it.
pub(super) fn run(
    common: &Common,
    args: &Ktest,
    tree: &Tree,
    mut options: KtestOptions,
    console: &Console,
) -> Result<Exit, Failure> {
    options.runs = runs(args);
    let series = args.series.as_deref();
    if common.dry_run {
        ktest::rehearse(tree, series, &options)?;
        if args.on.is_none() {
            console.say(format!("would build every kernel below {}", options.runs));
            return Ok(Exit::Clean);
        }
        let text = batch::dry_run(tree, series, &options, &engine(args, console)?)?;
        let output = common.output.as_deref();
        deliver(output, |to| Ok(to.write_all(text.as_bytes())?))?;
        return Ok(Exit::Clean);
    }
    if args.on.is_some() {
        batch::ready(&engine(args, console)?)?;
    }
    let report: Option<Report> = audited(common, args, tree, console)?;
    if let Some(report) = &report {
        options.callsites = report.callsites.clone();
    }
    let prepared = ktest::prepare(tree, series, &options)?;
    if args.on.is_none() {
        let output = common.output.as_deref();
        deliver(output, |to| Ok(writeln!(to, "{}", prepared.home)?))?;
        return Ok(Exit::Clean);
    }
    let home = prepared.home.clone();
    follow(common, args, prepared, console, &|verdict| {
        record(args, tree, report.as_ref(), (verdict, &home), console)
    })
}

fn follow(
    common: &Common,
    args: &Ktest,
    prepared: Prepared,
    console: &Console,
    record: &dyn Fn(&ktest::Verdict) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let home = prepared.home.clone();
    stopping::resumable(again(args, &home));
    let mut batch = batch::submit(prepared, engine(args, console)?)?;
    let outcome = batch.follow()?;
    record(&outcome.verdict)?;
    show(common, args, &home, &outcome.verdict)?;
    Ok(outcome.exit())
}

fn engine(args: &Ktest, console: &Console) -> Result<BatchOptions, Failure> {
    let mut options = BatchOptions::new(program()?);
    options.partition.clone_from(&args.partition);
    options.shards = args.shards.map(usize::from);
    let said = progress(console);
    options.progress = Progress::with_steps(move |event| match event {
        Event::Queued(jobs) => stopping::left(queued(jobs)),
        other => said.tell(other),
    });
    Ok(options)
}

/// What a person who stops us is to know of the jobs.
fn queued(jobs: &[u64]) -> String {
    let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let jobs = jobs.join(" ");
    format!(
        "the jobs stay queued and go on: squeue -j {}; scancel {jobs} takes them away",
        jobs.replace(' ', ",")
    )
}

/// The command that goes on with the batch in `home`.
fn again(args: &Ktest, home: &Utf8Path) -> String {
    let id = home.file_name().unwrap_or("RUN");
    let shared = args.shared.as_ref().map_or(String::new(), |shared| {
        format!(" --shared {}", proc::quote(shared.as_str()))
    });
    format!(
        "cargo xtask ktest --on slurm{shared} --resume {}",
        proc::quote(id)
    )
}

/// Where the run's directory is made.
fn runs(args: &Ktest) -> Utf8PathBuf {
    args.shared.clone().unwrap_or_else(places::runs)
}

/// This very program: the nodes run a copy of it.
fn program() -> Result<Utf8PathBuf, Failure> {
    let failed = |what: String| Failure::new(Exit::Infrastructure, what);
    let path = std::env::current_exe()
        .map_err(|error| failed("failed to find this program".into()).because(error))?;
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| failed(format!("{} is no name in UTF-8", path.display())))
}
