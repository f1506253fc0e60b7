// SPDX-License-Identifier: MIT OR Apache-2.0
//! `build [SERIES_DIR]`: compiles what a series touches, or the whole image, patch by patch.

use crate::console::{Console, deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Build, Common};
use crate::kbuild::Variables;
use crate::{places, tree};
use camino::Utf8Path;
use ktest::build::BuildStage;
use ktest::{BuildOptions, BuildReport, Event, Progress, What};
use patches::Series;
use patches::series::tested::{News, record};
use patches::series::{Check, Outcome};
use std::sync::{Mutex, PoisonError};

/// Runs `build`.
pub fn run(
    common: &Common,
    args: &Build,
    kbuild: Variables,
    console: &Console,
) -> Result<Exit, Failure> {
    let tree = tree::choose(common)?;
    let what = if args.image {
        What::Image
    } else {
        What::Objects
    };
    let options = BuildOptions {
        what,
        fragments: args.config.clone(),
        ..options(common, kbuild, console)?
    };
    if common.dry_run {
        let of = args
            .series
            .as_ref()
            .map_or("the base".to_owned(), |series| {
                format!("the base and every patch of {series}")
            });
        console.say(format!("would build {of} in {}", options.cache));
        return Ok(Exit::Clean);
    }
    let report = ktest::build::run(&tree, args.series.as_deref(), &options)?;
    if let Some(dir) = &args.series {
        recorded(dir, tree.version(), &report, console)?;
    }
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, &report)?;
    } else {
        deliver(output, |to| Ok(to.write_all(report.text().as_bytes())?))?;
    }
    Ok(report.exit().into())
}

/// Writes what compiled into the checks of the series and into its mails.
pub fn recorded(
    dir: &Utf8Path,
    version: &str,
    report: &BuildReport,
    console: &Console,
) -> Result<(), Failure> {
    if !has_record(dir, console) {
        return Ok(());
    }
    let mut series = Series::read(dir)?;
    for (at, stage) in report.patches.iter().enumerate() {
        let outcome = match stage.result {
            ktest::verdict::Outcome::Pass if stage.new_warnings.is_empty() => Outcome::Passed,
            ktest::verdict::Outcome::Skip => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        let objects = stage.objects.iter().map(|object| object.text());
        let said: Vec<String> = stage
            .reason
            .iter()
            .cloned()
            .chain(objects)
            .chain(
                stage
                    .new_warnings
                    .iter()
                    .map(|w| format!("new warning: {w}")),
            )
            .chain(ktest::build::not_compared(&stage.uncompared_warnings))
            .collect();
        series
            .checks
            .set(at, Check::new("compile", outcome, said.join("\n")));
    }
    series.write_checks(dir)?;
    let news: Vec<News> = report.patches.iter().map(news).collect();
    for sentence in record(dir, version, &news)? {
        console.say(sentence);
    }
    Ok(())
}

/// Whether `dir` holds the record that a series of convert's has beside its mails; says so where it does not.
pub fn has_record(dir: &Utf8Path, console: &Console) -> bool {
    let there = dir.join("series.toml").is_file();
    if !there {
        console.say(format!(
            "{dir} has no series.toml, as one that convert writes has: nothing is recorded in its mails"
        ));
    }
    there
}

/// What was compiled, and for which architecture.
fn news(stage: &BuildStage) -> News {
    let made = stage
        .objects
        .iter()
        .filter(|object| object.result != ktest::verdict::Outcome::Skip);
    let objects = made.filter_map(|object| {
        let well = object.result == ktest::verdict::Outcome::Pass;
        Some((object.path.clone(), object.architecture.clone()?, well))
    });
    News {
        objects: objects.collect(),
        ..News::default()
    }
}

/// What the flags say of building.
pub fn options(
    common: &Common,
    kbuild: Variables,
    console: &Console,
) -> Result<BuildOptions, Failure> {
    let mut options = BuildOptions::new(places::cache()?);
    options.kbuild = kbuild;
    options.progress = progress(console);
    if let Some(jobs) = common.jobs {
        options.jobs = jobs.get();
    }
    Ok(options)
}

/// What goes on, as talk; make's steps as a bar below it.
pub fn progress(console: &Console) -> Progress {
    let console = console.clone();
    let bar = Mutex::new(None);
    Progress::with_steps(move |event| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Said(sentence) => {
                *bar = None;
                console.say(sentence);
            }
            Event::Step { done, about, what } => {
                let bar = bar.get_or_insert_with(|| console.steps(about));
                bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
                bar.set_message(what.to_owned());
            }
            Event::Ended => *bar = None,
        }
    })
}
