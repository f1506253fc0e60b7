// SPDX-License-Identifier: MIT OR Apache-2.0
//! `bench`: what the audit and a verdict cost, as ratios to other programs in the same run.
//!
//! Every program is a child and every figure is the kernel's own account of it (wait4): user and system seconds, peak
//! memory. The first round warms the page cache and is thrown away; of the others the median counts.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Bench, Common, Measured};
use crate::kbuild::Variables;
use crate::verbs::build;
use crate::{places, tree};
use callsites::tree::Tree;
use camino::Utf8Path;
use ktest::{KtestOptions, measure};
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// The names that a search must find, as the contract fixes them.
const NAMES: &str = r"get_user_pages\w*|pin_user_pages\w*|unpin_user_page\w*|put_user_page\w*|put_page|release_pages";
/// spatch takes minutes.
const DEADLINE: Duration = Duration::from_secs(1800);

/// What a program cost.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_mib: f64,
    times_rg: f64,
}

/// Runs `bench`.
pub fn run(
    common: &Common,
    args: &Bench,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let tree = tree::choose(common)?;
    let root = tree.root().ok_or_else(|| {
        Failure::new(Exit::Usage, "only a directory can be measured")
            .hint("cargo xtask bench --kernel DIR")
    })?;
    let root = root.canonicalize_utf8()?;
    let rows = match args.only {
        Some(Measured::Ktest) => Vec::new(),
        _ => of_the_audit(&root, common, args, console)?,
    };
    let verdicts = match args.only {
        Some(Measured::Audit) => Vec::new(),
        _ => of_verdicts(&tree, common, args, kbuild, console)?,
    };
    let output = common.output.as_deref();
    if common.json {
        let value = serde_json::json!({
            "schema": "bench/1", "tree": tree.version(), "files": tree.files().len(), "rows": rows, "ktest": verdicts,
        });
        deliver_json(output, &value)?;
    } else if !common.dry_run {
        let files = tree.files().len();
        deliver(output, |to| {
            writeln!(to, "Linux {}, {files} .c and .h files", tree.version())?;
            show_audit(to, &rows)?;
            Ok(show_verdicts(to, &verdicts)?)
        })?;
    }
    Ok(Exit::Clean)
}

/// What a verdict costs, beside what has to be paid anyway.
fn of_verdicts(
    tree: &Tree,
    common: &Common,
    args: &Bench,
    kbuild: Variables,
    console: &Console,
) -> Result<Vec<measure::Row>, Failure> {
    if common.dry_run || args.quick {
        let why = "it takes minutes (--quick or --dry-run)";
        return Ok(measure::ROWS
            .map(|row| measure::Row::skipped(row, why))
            .into());
    }
    let built = build::options(common, kbuild, console)?;
    let mut options = KtestOptions::new(built.cache, places::runs());
    options.kbuild = built.kbuild;
    options.jobs = built.jobs;
    options.progress = built.progress;
    Ok(measure::measure(tree, &args.target, args.rounds, &options)?)
}

fn show_verdicts(to: &mut dyn Write, rows: &[measure::Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let of = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    writeln!(
        to,
        "{:<64} {:>8} {:>8} {:>6} {:>5}",
        "", "wall s", "against", "ratio", "bar"
    )?;
    for row in rows {
        if let Some(why) = &row.skipped {
            writeln!(to, "{:<64} skipped: {why}", row.what)?;
            continue;
        }
        let (seconds, yardstick) = (of(row.seconds), of(row.yardstick));
        let (ratio, bar) = (of(row.ratio), of(row.bar));
        writeln!(
            to,
            "{:<64} {seconds:>8} {yardstick:>8} {ratio:>6} {bar:>5}",
            row.what
        )?;
    }
    Ok(())
}

/// The audit and other programs that search.
fn of_the_audit(
    root: &Utf8Path,
    common: &Common,
    args: &Bench,
    console: &Console,
) -> Result<Vec<Row>, Failure> {
    if proc::on_path("rg").is_none() {
        return Err(Failure::new(
            Exit::Infrastructure,
            "rg is the yardstick, and this machine lacks it",
        )
        .hint("cargo xtask doctor --install"));
    }
    let scratch = tempfile::tempdir()?;
    let scratch = Utf8Path::from_path(scratch.path()).ok_or_else(|| {
        Failure::new(Exit::Infrastructure, "the temporary directory is not UTF-8")
    })?;
    let mut rows: Vec<Row> = Vec::new();
    for (what, command) in programs(root, scratch, args)? {
        if common.dry_run {
            console.say(format!("would run {}", command.line()));
            continue;
        }
        console.say(format!("{what}: {}", command.line()));
        let mut row = measure(what, &command, args.rounds.max(1))?;
        let yardstick = rows.first().map_or(row.cpu_seconds, |rg| rg.cpu_seconds);
        row.times_rg = row.cpu_seconds / yardstick.max(0.001);
        rows.push(row);
    }
    Ok(rows)
}

fn show_audit(to: &mut dyn Write, rows: &[Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        to,
        "{:<34} {:>8} {:>8} {:>9} {:>8}",
        "", "CPU s", "wall s", "peak MiB", "x rg"
    )?;
    for row in rows {
        let Row {
            what,
            cpu_seconds,
            wall_seconds,
            peak_mib,
            times_rg,
        } = row;
        writeln!(
            to,
            "{what:<34} {cpu_seconds:>8.2} {wall_seconds:>8.2} {peak_mib:>9.0} {times_rg:>8.2}"
        )?;
    }
    Ok(())
}

/// The programs, the yardstick first.
fn programs(
    root: &Utf8Path,
    scratch: &Utf8Path,
    args: &Bench,
) -> Result<Vec<(&'static str, proc::Command)>, Failure> {
    let program = std::env::current_exe()?;
    let audit = |more: &[&str]| {
        proc::Command::new(&program)
            .args([
                "audit",
                "--quiet",
                "--format",
                "json",
                "-o",
                "/dev/null",
                "--kernel",
                root.as_str(),
            ])
            .args(more)
            .env("XDG_CACHE_HOME", scratch)
    };
    let mut programs = vec![
        (
            "rg -l -w",
            proc::Command::new("rg").args(["-l", "-w", NAMES, "-g", "*.[ch]", root.as_str()]),
        ),
        ("audit, every file read anew", audit(&["--no-cache"])),
        ("audit, nothing changed", audit(&[])),
    ];
    let pattern = NAMES.replace(r"\w", "[A-Za-z0-9_]");
    let grep = proc::Command::new("git")
        .args([
            "grep",
            "--no-index",
            "-l",
            "-w",
            "-E",
            &pattern,
            "--",
            "*.c",
            "*.h",
        ])
        .current_dir(root);
    programs.push(("git grep -l -w -E", grep));
    if !args.quick && proc::on_path("spatch").is_some() {
        let rule = scratch.join("calls.cocci");
        std::fs::write(&rule, "@@\nexpression E;\n@@\n* put_page(E)\n")?;
        let spatch = proc::Command::new("spatch")
            .args([
                "--very-quiet",
                "--sp-file",
                rule.as_str(),
                "--no-includes",
                "--include-headers",
                "--dir",
            ])
            .arg(root);
        programs.push(("spatch, one plain call", spatch));
    }
    Ok(programs)
}

fn measure(what: &str, command: &proc::Command, rounds: usize) -> Result<Row, Failure> {
    let command = command.clone().deadline(DEADLINE);
    let mut usages = Vec::new();
    // A program of minutes needs neither warming nor repetition.
    let first = command.run_unchecked()?;
    let slow = first.usage.cpu() > Duration::from_secs(30);
    if !matches!(first.code, Some(0 | 1)) {
        return Err(Failure::new(
            Exit::Infrastructure,
            format!("{} failed: {}", command.line(), first.stderr_text()),
        ));
    }
    for _ in 0..if slow { 0 } else { rounds } {
        usages.push(command.run_unchecked()?.usage);
    }
    if slow {
        usages.push(first.usage);
    }
    usages.sort_by_key(proc::Usage::cpu);
    let usage = usages[usages.len() / 2];
    Ok(Row {
        what: what.to_owned(),
        cpu_seconds: usage.cpu().as_secs_f64(),
        wall_seconds: usage.wall.as_secs_f64(),
        peak_mib: usages.iter().map(|usage| usage.peak_kib).max().unwrap_or(0) as f64 / 1024.0,
        times_rg: 1.0,
    })
}
