// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ktest [SERIES_DIR]`: boots the base and every patched kernel, runs targets in them, and prints the verdict.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Ktest, Via};
use crate::kbuild::Variables;
use crate::pipeline::userspace;
use crate::runs::directory::Run;
use crate::verbs::{audit, build};
use crate::{places, tree};
use callsites::tree::Tree;
use camino::Utf8Path;
use ktest::formats::{self, Format};
use ktest::verdict::{Evidence as Reached, Outcome, Stage};
use ktest::{Driver, KtestOptions, Verdict};
use patches::Evidence;
use patches::series::tested::{News, record};
use serde_json::json;

/// Runs `ktest`.
pub fn run(
    common: &Common,
    args: &Ktest,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    if args.list_targets {
        return list(common);
    }
    let tree = tree::choose(common)?;
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
    options.fragments = args.config.clone();
    options.kbuild = built.kbuild;
    options.jobs = built.jobs;
    options.progress = built.progress;
    if common.dry_run {
        let names: Vec<String> = ktest::target::select(&options.targets)?
            .into_iter()
            .map(|target| target.name)
            .collect();
        console.say(format!(
            "would boot Linux {} with the targets {}",
            tree.version(),
            names.join(", ")
        ));
        return Ok(Exit::Clean);
    }
    if args.series.is_some() {
        console.say("finding the callsites that the series may touch");
        options.callsites =
            callsites::audit(&tree, &audit::options(common, &tree, &[])?)?.callsites;
    }
    let verdict = ktest::run(&tree, args.series.as_deref(), &options)?;
    if let Some(dir) = &args.series {
        recorded(dir, tree.version(), &verdict, console)?;
    }
    show(common, args, &verdict)
}

fn not_by_ktest_pl(conf: &Utf8Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{conf} is read by ktest.pl, and --via says that something else runs the targets"),
    )
    .hint("leave --via out: --ktest-conf means --via ktest.pl")
}

/// Writes into the mails of a series how far its calls got in targets that passed.
pub fn recorded(
    dir: &Utf8Path,
    version: &str,
    verdict: &Verdict,
    console: &Console,
) -> Result<(), Failure> {
    if !build::has_record(dir, console) {
        return Ok(());
    }
    let news: Vec<News> = verdict.patches.iter().map(news).collect();
    for sentence in record(dir, version, &news)? {
        console.say(sentence);
    }
    Ok(())
}

fn news(stage: &Stage) -> News {
    let passed = stage.targets.iter().filter(|t| t.result == Outcome::Pass);
    let mut news = News::default();
    for site in passed.flat_map(|target| &target.callsites) {
        let evidence = match site.evidence {
            Reached::Executed => Evidence::Executed,
            Reached::Booted => Evidence::Booted,
            Reached::Built | Reached::None => continue,
        };
        let known = news.calls.entry(site.id.clone()).or_insert(evidence);
        *known = evidence.max(*known);
    }
    news
}

/// The drivers of an embedded tree against the reference implementation, in a run of their own.
fn in_user_space(
    common: &Common,
    args: &Ktest,
    tree: &Tree,
    kbuild: &Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    if let Some(name) = args.target.first() {
        return Err(Failure::new(
            Exit::Usage,
            format!("target `{name}` needs a kernel that boots; in user space every driver of the tree is run"),
        )
        .hint("leave --target out, or name a kernel: --kernel 6.12"));
    }
    if common.dry_run {
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
    show(common, args, &verdict)
}

fn show(common: &Common, args: &Ktest, verdict: &Verdict) -> Result<Exit, Failure> {
    let format = match common.json {
        true => Format::Json,
        false => args
            .format
            .parse()
            .map_err(|error: String| Failure::new(Exit::Usage, error))?,
    };
    deliver(common.output.as_deref(), |to| {
        Ok(formats::write(verdict, format, to)?)
    })?;
    Ok(verdict.exit().into())
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

/// What happened to one kernel, a line each.
pub fn lines(stage: &Stage) -> Vec<String> {
    let mut lines = Vec::new();
    let because = |reason: &Option<String>| {
        reason
            .as_ref()
            .map_or(String::new(), |reason| format!(": {reason}"))
    };
    if stage.build.result != Outcome::Pass {
        lines.push(format!(
            "{:<13} build{}",
            word(stage.build.result),
            because(&stage.build.reason)
        ));
    }
    lines.extend(
        stage
            .build
            .new_warnings
            .iter()
            .map(|warning| format!("new warning: {warning}")),
    );
    lines.extend(ktest::build::not_compared(&stage.build.uncompared_warnings));
    for target in &stage.targets {
        let pins = target.pins.as_ref().map_or(String::new(), |pins| {
            format!(
                ", {} pins taken, {} given back",
                pins.acquired, pins.released
            )
        });
        lines.push(format!(
            "{:<13} {}{pins}{}",
            word(target.result),
            target.name,
            because(&target.reason)
        ));
        lines.extend(
            target
                .splats
                .iter()
                .map(|splat| format!("    {}", splat.first_line)),
        );
    }
    lines
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip => "skip",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Crash => "crash",
        Outcome::Timeout => "timeout",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_in_a_target_that_passed_is_news() {
        let target = |result: &str, evidence: &str| {
            json!({ "name": "t", "result": result, "reason": null, "subtests": [], "pins": null, "drift_pages": null,
                "splats": [], "callsites": [{ "id": evidence, "evidence": evidence }] })
        };
        let stage = json!({ "subject": "toy", "build": { "result": "pass", "reason": null, "new_warnings": [],
            "seconds": 0.0, "image_hash": null }, "targets": [target("pass", "booted"), target("pass", "built"),
            target("fail", "executed")] });
        let stage: Stage = serde_json::from_value(stage).unwrap();
        let expected = [("booted".to_owned(), Evidence::Booted)];
        assert_eq!(news(&stage).calls, expected.into());
    }
}
