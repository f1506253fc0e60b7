// SPDX-License-Identifier: MIT OR Apache-2.0
//! `bench`: what the audit and a verdict cost, as ratios to other programs in the same run.
//!
//! Every program is a child and every figure is the kernel's own account of it (wait4): user and system seconds, peak
//! memory. The first round warms the page cache and is thrown away; of the others the median counts. What an audit costs
//! after an edit is measured in a copy of the tree.

use crate::browser::look::Looked;
use crate::browser::many::{MANY, many};
use crate::browser::{self, devtools};
use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Bench, Common, Measured};
use crate::kbuild::Variables;
use crate::runs::page;
use crate::verbs::{audit, build, look};
use crate::{places, tree};
use callsites::formats::{self, html::Excerpts};
use callsites::report::Report;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::{KtestOptions, measure};
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// The names that a search must find, as the contract fixes them.
const NAMES: &str = r"get_user_pages\w*|pin_user_pages\w*|unpin_user_page\w*|put_user_page\w*|put_page|release_pages";
/// spatch takes a minute and a half of CPU on a whole tree; half an hour means that it hangs.
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

/// What pages cost.
#[derive(Debug, Serialize)]
struct OfPage {
    /// That of the audit.
    #[serde(flatten)]
    audit: Looked,
    /// One with more groups than any kernel has.
    many: Many,
}

/// What a page of many groups costs.
#[derive(Debug, Serialize)]
struct Many {
    groups: usize,
    bytes: u64,
    first_paint_ms: Option<f64>,
    keystroke_ms: Option<f64>,
}

/// Runs `bench`.
pub(crate) fn run(
    common: &Common,
    args: &Bench,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let tree = tree::choose(common, console)?;
    let root = tree.root().ok_or_else(|| {
        Failure::new(Exit::Usage, "only a directory can be measured")
            .hint("cargo xtask bench --kernel DIR")
    })?;
    let root = root.canonicalize_utf8()?;
    let rows = match args.only {
        Some(Measured::Ktest | Measured::Page) => Vec::new(),
        _ => of_the_audit(&tree, &root, common, args, console)?,
    };
    let verdicts = match args.only {
        Some(Measured::Audit | Measured::Page) => Vec::new(),
        _ => of_verdicts(&tree, common, args, kbuild, console)?,
    };
    let page = match args.only {
        Some(Measured::Audit | Measured::Ktest) => None,
        _ => of_the_page(&tree, common, console)?,
    };
    let output = common.output.as_deref();
    if common.json {
        let value = serde_json::json!({
            "schema": "bench/1", "tree": tree.version(), "files": tree.files().len(), "rows": rows, "page": page, "ktest": verdicts,
        });
        deliver_json(output, &value)?;
    } else if !common.dry_run {
        let files = tree.files().len();
        deliver(output, |to| {
            writeln!(to, "Linux {}, {files} .c and .h files", tree.version())?;
            show_audit(to, &rows)?;
            if let Some(page) = &page {
                look::told(&page.audit, to)?;
                let Many {
                    groups,
                    bytes,
                    first_paint_ms,
                    keystroke_ms,
                } = &page.many;
                let name = format!("a page of {groups} groups");
                look::tell_cost(&name, *bytes, *first_paint_ms, *keystroke_ms, to)?;
            }
            Ok(show_verdicts(to, &verdicts)?)
        })?;
    }
    Ok(Exit::Clean)
}

/// The page of the audit in a browser: its size, its first paint, and what a keystroke in its search costs.
fn of_the_page(tree: &Tree, common: &Common, console: &Console) -> Result<Option<OfPage>, Failure> {
    if common.dry_run {
        return Ok(None);
    }
    if devtools::program().is_none() {
        console
            .say("the page is not measured: there is no Chromium (cargo xtask doctor --install)");
        return Ok(None);
    }
    let report = callsites::audit(tree, &audit::options(common, &[])?)?;
    let dir = tempfile::tempdir()?;
    let dir = Utf8Path::from_path(dir.path()).ok_or_else(|| {
        let path = dir.path().display();
        Failure::new(Exit::Infrastructure, format!("{path} is not UTF-8"))
    })?;
    let write = |name: &str, report: &Report, excerpts: &Excerpts| {
        let file = dir.join(name);
        deliver(Some(&file), |to| {
            let beside = page::of_audit(report);
            Ok(formats::write_page(report, excerpts, &beside, to)?)
        })?;
        Ok::<_, Failure>(file)
    };
    let mut tab = devtools::Tab::start()?;
    let file = write("audit.html", &report, &Excerpts::of(tree, &report))?;
    let seen = browser::look::look(&mut tab, &file)?;
    let file = write("many.html", &many(&report), &Excerpts::default())?;
    let (first_paint_ms, keystroke_ms) = browser::look::cost(&mut tab, &file)?;
    Ok(Some(OfPage {
        audit: Looked {
            page: "the page of the audit".into(),
            ..seen
        },
        many: Many {
            groups: MANY,
            bytes: std::fs::metadata(&file)?.len(),
            first_paint_ms,
            keystroke_ms,
        },
    }))
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
    tree: &Tree,
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
    let add = |rows: &mut Vec<Row>, mut row: Row| {
        let yardstick = rows.first().map_or(row.cpu_seconds, |rg| rg.cpu_seconds);
        row.times_rg = row.cpu_seconds / yardstick.max(0.001);
        rows.push(row);
    };
    let rounds = args.rounds.max(1);
    for (what, command) in programs(root, scratch, args)? {
        if common.dry_run {
            console.say(format!("would run {}", command.line()));
            continue;
        }
        console.say(format!("{what}: {}", command.line()));
        add(&mut rows, measure(what, &command, rounds, &mut |_| Ok(()))?);
    }
    if common.dry_run {
        console.say(format!("would copy {root} and audit the copy after edits"));
    } else {
        let copy = scratch.join("tree");
        console.say(format!("copying {root} to {copy}"));
        let mut edited = Edited::copy(tree, copy)?;
        let audit = audit(&edited.root, scratch, &[])?;
        for (what, edit) in EDITS {
            if what.ends_with("in git") {
                proc::git::git(edited.root.as_std_path())
                    .args(["init", "--quiet"])
                    .run()?;
            }
            console.say(format!("{what}: {}", audit.line()));
            let row = measure(what, &audit, rounds, &mut |turn| edit(&mut edited, turn))?;
            add(&mut rows, row);
        }
    }
    Ok(rows)
}

fn show_audit(to: &mut dyn Write, rows: &[Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        to,
        "{:<38} {:>8} {:>8} {:>9} {:>8}",
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
            "{what:<38} {cpu_seconds:>8.2} {wall_seconds:>8.2} {peak_mib:>9.0} {times_rg:>8.2}"
        )?;
    }
    Ok(())
}

/// The audit of a tree as a child, its cache in `scratch`.
fn audit(root: &Utf8Path, scratch: &Utf8Path, more: &[&str]) -> Result<proc::Command, Failure> {
    let program = std::env::current_exe()?;
    let to = ["--format", "json", "-o", "/dev/null"];
    Ok(proc::Command::new(&program)
        .args(["audit", "--quiet", "--kernel", root.as_str()])
        .args(to)
        .args(more)
        .env("XDG_CACHE_HOME", scratch))
}

/// The programs, the yardstick first.
fn programs(
    root: &Utf8Path,
    scratch: &Utf8Path,
    args: &Bench,
) -> Result<Vec<(&'static str, proc::Command)>, Failure> {
    let mut programs = vec![
        (
            "rg -l -w",
            proc::Command::new("rg").args(["-l", "-w", NAMES, "-g", "*.[ch]", root.as_str()]),
        ),
        (
            "audit, every file read anew",
            audit(root, scratch, &["--no-cache"])?,
        ),
        ("audit, nothing changed", audit(root, scratch, &[])?),
    ];
    let pattern = NAMES.replace(r"\w", "[A-Za-z0-9_]");
    let grep = proc::git::git(root.as_std_path())
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

/// Runs a command, what comes `before` not measured; the first round, number 0, is thrown away.
fn measure(
    what: &str,
    command: &proc::Command,
    rounds: usize,
    before: &mut dyn FnMut(usize) -> Result<(), Failure>,
) -> Result<Row, Failure> {
    let command = command.clone().deadline(DEADLINE);
    let mut usages = Vec::new();
    // A program of minutes needs neither warming nor repetition.
    before(0)?;
    let first = command.run_unchecked()?;
    let slow = first.usage.cpu() > Duration::from_secs(30);
    if !matches!(first.code, Some(0 | 1)) {
        return Err(Failure::new(
            Exit::Infrastructure,
            format!("{} failed: {}", command.line(), first.stderr_text()),
        ));
    }
    for turn in 0..if slow { 0 } else { rounds } {
        before(turn + 1)?;
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

type Edit = fn(&mut Edited, usize) -> Result<(), Failure>;

/// What is changed in the copy before each round of a row.
const EDITS: [(&str, Edit); 4] = [
    ("audit, a file without calls changed", Edited::far),
    ("audit, a comment changed", Edited::comment),
    ("audit, a call added", Edited::call),
    ("audit, a call added, in git", Edited::call),
];

/// A copy of a tree that may be edited, and two of its files.
struct Edited {
    root: Utf8PathBuf,
    /// One that holds a callsite.
    near: (Utf8PathBuf, Vec<u8>),
    /// One that names none of the functions.
    far: (Utf8PathBuf, Vec<u8>),
}

impl Edited {
    /// Copies the sources of a tree, without its git repository; files are shared with it until they are replaced.
    fn copy(tree: &Tree, root: Utf8PathBuf) -> Result<Self, Failure> {
        let from = tree.root().unwrap_or(Utf8Path::new("."));
        let makefile = Utf8PathBuf::from("Makefile");
        for path in tree.files().iter().chain([&makefile]) {
            let to = root.join(path);
            if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
                std::fs::create_dir_all(parent)?;
            }
            if std::fs::hard_link(from.join(path), &to).is_err() {
                std::fs::copy(from.join(path), &to)?;
            }
        }
        let report = callsites::audit(tree, &callsites::AuditOptions::default())?;
        let sites = &report.callsites;
        let middle = sites.get(sites.len() / 2);
        let near = middle.map(|site| Utf8PathBuf::from(&site.path));
        let held = |path: &Utf8PathBuf| sites.iter().any(|site| site.path == *path);
        let far = tree.files().iter().rev().find(|path| {
            let text = tree.read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            !held(path) && path.extension() == Some("c") && !text.contains("_page")
        });
        let (Some(near), Some(far)) = (near, far.cloned()) else {
            return Err(Failure::new(
                Exit::Infrastructure,
                "the tree has no file to edit",
            ));
        };
        let with = |path: Utf8PathBuf| tree.read(&path).map(|bytes| (path, bytes));
        Ok(Edited {
            near: with(near)?,
            far: with(far)?,
            root,
        })
    }

    /// Replaces a file; the original, which may be shared, is not written to.
    fn replace(&self, path: &Utf8Path, pieces: &[&[u8]]) -> Result<(), Failure> {
        let new = self.root.join("edited");
        std::fs::write(&new, pieces.concat())?;
        std::fs::rename(new, self.root.join(path))?;
        // An audit does not trust the time of a file that was written just now.
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }

    fn far(&mut self, turn: usize) -> Result<(), Failure> {
        let more = format!("int edited_{turn};\n");
        self.replace(&self.far.0, &[&self.far.1, more.as_bytes()])
    }

    fn comment(&mut self, turn: usize) -> Result<(), Failure> {
        let more = format!("/* edited {turn} */\n{}", "\n".repeat(turn));
        self.replace(&self.near.0, &[more.as_bytes(), &self.near.1])
    }

    fn call(&mut self, turn: usize) -> Result<(), Failure> {
        let more = format!(
            "int edited_{turn}(unsigned long at)\n{{\n\tstruct page *page;\n\n\tif (get_user_pages_fast(at, 1, 0, &page) != 1)\n\t\treturn -EFAULT;\n\tput_page(page);\n\treturn 0;\n}}\n"
        );
        self.replace(&self.near.0, &[&self.near.1, more.as_bytes()])
    }
}
