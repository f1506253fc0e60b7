// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ktest [SERIES_DIR]`: boots the base and every patched kernel, runs targets in them, and prints the verdict.

use crate::console::{Console, deliver, deliver_as_it_is, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Ktest, Via};
use crate::kbuild::Variables;
use crate::pipeline::userspace;
use crate::runs::directory::Run;
use crate::runs::{page, shown};
use crate::verbs::{audit, build};
use crate::{outcome, places, tree};
use callsites::formats::html::Excerpts;
use callsites::report::Report;
use callsites::tree::Tree;
use camino::Utf8Path;
use failure::counted;
use ktest::formats::{self, Format};
use ktest::{Driver, KtestOptions, Verdict};
use serde_json::json;

mod batch;

/// Runs `ktest`.
pub(crate) fn run(
    common: &Common,
    args: &Ktest,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    if args.list_targets {
        return list(common);
    }
    if let Some(done) = batch::without_tree(common, args, console)? {
        return Ok(done);
    }
    let tree = tree::choose(common, console)?;
    let built = build::options(common, kbuild, console)?;
    let via = match (args.via, &args.ktest_conf) {
        (None | Some(Via::KtestPl), Some(_)) => Via::KtestPl,
        (Some(_), Some(conf)) => return Err(not_by_ktest_pl(conf)),
        (Some(via), None) => via,
        (None, None) if tree::is_embedded(&tree) => Via::Refimpl,
        (None, None) => Via::Qemu,
    };
    if via == Via::Refimpl {
        return in_user_space(common, args, &tree, &built.kbuild, console);
    }
    let mut options = KtestOptions::new(built.cache, places::runs());
    options.targets = args.target.clone();
    options.image = args.image.clone();
    options.resume = args.resume.clone();
    options.shard = args.shard;
    options.accelerator = args.accel;
    options.boot_all = args.boot_all;
    if via == Via::KtestPl {
        options.way = Driver::KtestPl;
        options.ktest_conf = args.ktest_conf.clone();
    }
    options.variants = args.variant.clone();
    options.fragments = args.config.clone();
    options.kbuild = built.kbuild;
    options.jobs = built.jobs;
    options.progress = built.progress;
    if args.on.is_some() || args.prepare {
        return batch::run(common, args, &tree, options, console);
    }
    if common.dry_run {
        let found = ktest::rehearse(&tree, args.series.as_deref(), &options)?;
        let patches =
            args.series
                .as_ref()
                .map_or(String::new(), |series| match found.patches.len() {
                    0 => format!(" and every patch of {series}"),
                    count => format!(" and {} of {series}", counted(count, "patch")),
                });
        console.say(format!(
            "would boot Linux {}{patches} with the targets {}",
            tree.version(),
            found.targets.join(", ")
        ));
        return Ok(Exit::Clean);
    }
    let report = audited(common, args, &tree, console)?;
    if let Some(report) = &report {
        options.callsites = report.callsites.clone();
    }
    let verdict = ktest::run(&tree, args.series.as_deref(), &options)?;
    let run = places::runs().join(&verdict.run);
    record(args, &tree, report.as_ref(), (&verdict, &run), console)?;
    show(common, args, &run, &verdict)
}

/// The callsites that the series may touch, where there is one.
fn audited(
    common: &Common,
    args: &Ktest,
    tree: &Tree,
    console: &Console,
) -> Result<Option<Report>, Failure> {
    if args.series.is_none() {
        return Ok(None);
    }
    console.say("finding the callsites that the series may touch");
    Ok(Some(callsites::audit(tree, &audit::options(common, &[])?)?))
}

/// Writes into the series what came of it.
fn record(
    args: &Ktest,
    tree: &Tree,
    report: Option<&Report>,
    (verdict, run): (&Verdict, &Utf8Path),
    console: &Console,
) -> Result<(), Failure> {
    let Some(dir) = &args.series else {
        return Ok(());
    };
    outcome::record_run(dir, tree.version(), verdict, console)?;
    // What was tested stands in the mails now; the page beside them says the same.
    let page = dir.join(page::OF_SERIES);
    if let (Some(report), true) = (report, page.is_file()) {
        let series = patches::Series::read(dir)?;
        let excerpts = Excerpts::of(tree, report);
        let consoles = shown::consoles(run, Some(verdict))?;
        let html = page::of_series(&series, report, &excerpts, Some(verdict), &consoles);
        deliver(Some(&page), |to| Ok(to.write_all(html.as_bytes())?))?;
    }
    Ok(())
}

fn not_by_ktest_pl(conf: &Utf8Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{conf} is read by ktest.pl, and --via says that something else runs the targets"),
    )
    .hint("leave --via out: --ktest-conf means --via ktest.pl")
}

/// The drivers of an embedded tree against the reference implementation, in a run of their own.
fn in_user_space(
    common: &Common,
    args: &Ktest,
    tree: &Tree,
    kbuild: &Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let unused = [
        ("--resume", args.resume.is_some()),
        ("--image", args.image.is_some()),
        ("--shard", args.shard.is_some()),
        ("--accel", args.accel.is_some()),
        ("--variant", !args.variant.is_empty()),
        ("--config", !args.config.is_empty()),
        ("--boot-all", args.boot_all),
        ("--on", args.on.is_some()),
        ("--prepare", args.prepare),
    ];
    if let Some((flag, _)) = unused.iter().find(|(_, given)| *given) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{flag} is for kernels that boot; in user space it would be ignored"),
        )
        .hint(format!("leave {flag} out, or name a kernel: --kernel 6.12")));
    }
    if let Some(name) = args.target.first() {
        return Err(Failure::new(
            Exit::Usage,
            format!("target `{name}` needs a kernel that boots; in user space every driver of the tree is run"),
        )
        .hint("leave --target out, or name a kernel: --kernel 6.12"));
    }
    ktest::userspace::suits(tree)?;
    if common.dry_run {
        let options = KtestOptions::new(places::cache()?, places::runs());
        ktest::rehearse(tree, args.series.as_deref(), &options)?;
        console.say(format!(
            "would run the drivers of {} in user space",
            tree.version()
        ));
        return Ok(Exit::Clean);
    }
    let run = Run::create(&places::runs(), tree.version())?;
    console.say(format!("run {}", run.id));
    let options = userspace::options(common, kbuild, &run.dir);
    let verdict = ktest::userspace::test(&run.id, tree, args.series.as_deref(), &[], &options)?;
    let mut bytes = serde_json::to_vec_pretty(&verdict).map_err(std::io::Error::from)?;
    bytes.push(b'\n');
    run.write("verdict.json", &bytes)?;
    show(common, args, &run.dir, &verdict)
}

/// Leaves the page in the run's directory, and delivers the verdict in the format that was asked for.
fn show(common: &Common, args: &Ktest, run: &Utf8Path, verdict: &Verdict) -> Result<Exit, Failure> {
    let html = page::page(&[shown::read(run)?]);
    deliver_as_it_is(Some(&run.join("report.html")), |to| {
        Ok(to.write_all(html.as_bytes())?)
    })?;
    let output = common.output.as_deref();
    let format = match (common.json, args.format.as_str()) {
        (true, _) => Format::Json,
        (false, "html") => {
            deliver_as_it_is(output, |to| Ok(to.write_all(html.as_bytes())?))?;
            return Ok(verdict.exit());
        }
        (false, _) => args
            .format
            .parse()
            .map_err(|error: String| Failure::new(Exit::Usage, error))?,
    };
    deliver_as_it_is(output, |to| Ok(formats::write(verdict, format, to)?))?;
    Ok(verdict.exit())
}

fn list(common: &Common) -> Result<Exit, Failure> {
    let targets = ktest::target::all()?;
    let output = common.output.as_deref();
    if common.json {
        let targets: Vec<_> = targets
            .iter()
            .map(|target| json!({ "name": target.name, "title": target.title }))
            .collect();
        deliver_json(
            output,
            &json!({ "schema": "targets/1", "targets": targets }),
        )?;
    } else {
        deliver(output, |to| {
            for target in &targets {
                writeln!(to, "{:<12} {}", target.name, target.title)?;
            }
            Ok(())
        })?;
    }
    Ok(Exit::Clean)
}
