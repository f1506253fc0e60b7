// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fuzz`: damaged files, hostile series and lying guests; nothing panics, hangs, escapes, or changes a verdict.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Fuzz};
use crate::fuzz::herd::{Herd, Job};
use crate::fuzz::order::{Kind, Order};
use crate::fuzz::tally::{Find, Tally};
use crate::fuzz::{finds, worker};
use crate::tree;
use callsites::fuzz::case::{Corpus, listed};
use callsites::fuzz::same::Change;
use camino::Utf8Path;
use serde_json::json;
use std::io::Write;
use std::num::NonZeroUsize;

/// Runs `fuzz`: 1 when something was found.
pub(crate) fn run(common: &Common, args: &Fuzz, console: &Console) -> Result<Exit, Failure> {
    if let Some(order) = &args.worker {
        let order: Order = serde_json::from_str(order)
            .map_err(|error| Failure::new(Exit::Usage, "this is no order").because(error))?;
        return worker::run(&order);
    }
    let tree = tree::choose(common, console)?;
    let jobs = jobs(args);
    if common.dry_run {
        for job in &jobs {
            console.say(format!("would run {} cases of {}", job.cases, job.kind));
        }
        return Ok(Exit::Clean);
    }
    let corpus = Corpus::of(&tree, &callsites::audit(&tree, &listed())?);
    let scratch = tempfile::tempdir()?;
    let scratch = Utf8Path::from_path(scratch.path()).ok_or_else(|| {
        Failure::new(Exit::Infrastructure, "the temporary directory is not UTF-8")
    })?;
    let herd = Herd {
        seed: args.seed,
        jobs: common
            .jobs
            .or(std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get),
        corpus: scratch.join("corpus"),
        scratch: scratch.join("scratch"),
        kernel: common.kernel.clone().filter(|_| !tree::is_embedded(&tree)),
    };
    std::fs::create_dir(&herd.scratch)?;
    corpus.write(&herd.corpus)?;
    let mut done: Vec<(Job, Tally)> = Vec::new();
    let mut found: Vec<Find> = Vec::new();
    for job in jobs {
        let bar = console.bar(&job.kind.to_string(), job.cases, false);
        let (tally, finds) = herd.run(&job, &|cases| bar.inc(cases))?;
        bar.finish_and_clear();
        found.extend(finds);
        done.push((job, tally));
    }
    let kept = match &args.out {
        Some(dir) => finds::keep(&herd, &found, dir)?,
        None => Vec::new(),
    };
    let output = common.output.as_deref();
    if common.json {
        let kinds: Vec<_> = done
            .iter()
            .map(|(job, tally)| json!({ "kind": job.kind, "tally": tally }))
            .collect();
        let value = json!({ "schema": "fuzz/1", "tree": tree.version(), "corpus": corpus.len(), "seed": args.seed,
                            "kinds": kinds, "finds": found, "kept": kept });
        deliver_json(output, &value)?;
    } else {
        deliver(output, |to| {
            let version = tree.version();
            writeln!(
                to,
                "Linux {version}, {} files with callsites, seed {}",
                corpus.len(),
                args.seed
            )?;
            for (job, tally) in &done {
                show(to, job.kind, tally)?;
            }
            for Find { kind, case, fate } in &found {
                writeln!(to, "{kind}, case {case}: {fate}")?;
            }
            for dir in &kept {
                writeln!(to, "kept in {dir}")?;
            }
            Ok(writeln!(to, "fuzz: {} finds", found.len())?)
        })?;
    }
    Ok(match found.is_empty() {
        true => Exit::Clean,
        false => Exit::Findings,
    })
}

/// What is run, the quickest first.
fn jobs(args: &Fuzz) -> Vec<Job> {
    let job = |kind, cases, stretch| Job {
        kind,
        cases,
        stretch,
    };
    let all = [
        job(Kind::Whole, args.rounds * Change::ALL.len() as u64, 5),
        job(Kind::Guest, args.guest, 200),
        job(Kind::Runs, args.series, 50),
        job(Kind::Series, args.series, 50),
        job(Kind::Files, args.files, 100),
    ];
    all.into_iter().filter(|job| job.cases > 0).collect()
}

fn show(to: &mut dyn Write, kind: Kind, tally: &Tally) -> Result<(), Failure> {
    if kind != Kind::Whole {
        let counts: Vec<String> = tally
            .counts
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        let counts = match counts.is_empty() {
            true => String::new(),
            false => format!(" ({})", counts.join(", ")),
        };
        writeln!(
            to,
            "  {kind:<10} {} cases{counts}\n             {tally}",
            tally.cases
        )?;
    }
    for whole in &tally.whole {
        let d = &whole.difference;
        writeln!(
            to,
            "  {:<10} {} files with {} callsites rewritten at once: {} lost, {} gained, {} verdicts changed, {} groups, {} findings",
            whole.change,
            whole.files,
            whole.callsites,
            d.lost.len(),
            d.gained.len(),
            d.verdicts.len(),
            d.groups.len(),
            d.findings.len()
        )?;
    }
    Ok(())
}
