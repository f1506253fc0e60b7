// SPDX-License-Identifier: MIT OR Apache-2.0
//! `convert [PATH…|--group ID…] -o SERIES_DIR`: a patch series of what can be converted.

use crate::console::{Console, deliver, deliver_as_it_is, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Api, Common, Convert, Module};
use crate::runs::page;
use crate::verbs::audit;
use crate::{places, stopping, tree};
use callsites::formats::html::Excerpts;
use callsites::report::Report;
use callsites::tree::VersionCode;
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use ktest::formats::html::Consoles;
use patches::series::Outcome;
use patches::{ConvertOptions, Export, Select, Series, Signer};
use serde_json::json;
use std::io::Read;

/// In bytes: a hundred times what a long cover letter has.
const LONGEST_COVER: u64 = 400_000;

/// Runs `convert`.
pub(crate) fn run(common: &Common, args: &Convert, console: &Console) -> Result<Exit, Failure> {
    let dir = directory(common)?;
    let tree = tree::choose_with(common, &args.module, console, None)?;
    // Pages travel across files: the whole tree is audited, and the paths choose among its groups.
    let paths = tree::paths(&tree, &args.paths, console)?;
    let report = callsites::audit(&tree, &audit::options(common, &[])?)?;
    let options = options(common, args, paths)?;
    let series = match &args.series {
        Some(name) => patches::steps::convert(&tree, &report, name, &options)?,
        None => patches::convert(&tree, &report, &options)?,
    };
    for group in &series.info.refused {
        console.detail(format!(
            "left alone: {}: {}",
            group.subsystem,
            group
                .reasons
                .iter()
                .map(|why| patches::series::shortened(why))
                .collect::<Vec<_>>()
                .join("; ")
        ));
    }
    if common.dry_run {
        for patch in &series.info.patches {
            console.say(format!("would write {}", patch.subject));
        }
        return Ok(Exit::Clean);
    }
    series.write(&dir)?;
    stopping::left(format!(
        "the series in {dir} is complete, but the patched tree was not audited"
    ));
    let series = proven(common, &args.module, &dir, &report, &options, console)?;
    let html = page::of_series(
        &series,
        &report,
        &Excerpts::of(&tree, &report),
        None,
        &Consoles::new(),
    );
    deliver_as_it_is(Some(&dir.join(page::OF_SERIES)), |to| {
        Ok(to.write_all(html.as_bytes())?)
    })?;
    stopping::left(format!("the series in {dir} is complete"));
    if common.json {
        deliver_json(
            None,
            &json!({ "schema": "convert/1", "series": series.info, "checks": series.checks }),
        )?;
    } else {
        deliver(None, |out| {
            for patch in &series.info.patches {
                writeln!(out, "{}: {}", patch.file, patch.subject)?;
            }
            Ok(())
        })?;
    }
    console.say(format!(
        "{} in {dir}; {} left alone",
        counted(series.info.patches.len(), "patch"),
        counted(series.info.refused.len(), "group")
    ));
    Ok(Exit::Clean)
}

/// The series with what the audit of the patched tree says of it.
fn proven(
    common: &Common,
    module: &Module,
    dir: &Utf8Path,
    before: &Report,
    options: &ConvertOptions,
    console: &Console,
) -> Result<Series, Failure> {
    let tree = tree::again(common, module, None)?;
    let audit = audit::options(common, &[])?;
    let series = patches::verify::audit(tree, dir, &options.work, before, &audit)?;
    for patch in &series.checks.patches {
        for check in &patch.checks {
            let told = matches!(check.name.as_str(), "audit" | "get_maintainer");
            if told && check.outcome == Outcome::Failed {
                console.say(format!(
                    "{}: {} failed: {}",
                    patch.subject, check.name, check.detail
                ));
            }
        }
    }
    Ok(series)
}

fn directory(common: &Common) -> Result<Utf8PathBuf, Failure> {
    common.output.clone().ok_or_else(|| {
        Failure::new(Exit::Usage, "no directory for the series")
            .hint("cargo xtask convert … -o SERIES_DIR")
    })
}

fn options(
    common: &Common,
    args: &Convert,
    paths: Vec<Utf8PathBuf>,
) -> Result<ConvertOptions, Failure> {
    let mut options = ConvertOptions::new(places::cache()?.join("series"));
    if !args.group.is_empty() {
        options.select = Select::Groups(args.group.clone());
    } else if !paths.is_empty() {
        options.select = Select::Paths(paths);
    }
    options.api = match args.api {
        Api::Auto => patches::Api::Auto,
        Api::PutUserPage => patches::Api::PutUserPage,
        Api::Pin => patches::Api::Pin,
    };
    // A rehearsal shows what would be written; only what is to be sent needs a name, and the hour at which it was made.
    if args.unsigned || common.dry_run {
        options.signer = Signer::Unsigned;
    } else {
        options.date = Some(now()?);
    }
    options.scripts = !args.no_scripts && !common.dry_run;
    if let Some(file) = &args.cover {
        let refused = |error| {
            let what = format!("failed to read the cover letter {file}");
            Failure::new(Exit::Usage, what)
                .hint("--cover takes a text: its first line is the title")
                .because(error)
        };
        // A pipe of the shell's is welcome; a device has no end.
        let letter = std::fs::File::open(file).map_err(refused)?;
        let mut text = String::new();
        letter
            .take(LONGEST_COVER)
            .read_to_string(&mut text)
            .map_err(refused)?;
        if text.len() as u64 == LONGEST_COVER {
            return Err(refused(std::io::Error::other("it is too long for a mail")));
        }
        options.cover = Some(text);
    }
    options.fixes = args.fixes;
    options.previous = args.v2.clone();
    if let Some(oldest) = &args.oldest {
        options.oldest = Some(self::oldest(oldest)?);
    }
    if let (false, Some(branch), Some(into)) = (common.dry_run, &args.export_branch, &args.into) {
        options.export = Some(Export {
            branch: branch.clone(),
            into: into.clone(),
        });
    }
    Ok(options)
}

/// The version that --oldest names.
pub(crate) fn oldest(version: &str) -> Result<VersionCode, Failure> {
    VersionCode::of(version).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`{version}` is no kernel version")).hint("--oldest 5.4")
    })
}

/// What SOURCE_DATE_EPOCH says, for whoever wants the same bytes again, else the clock; seconds since 1970.
fn now() -> Result<i64, Failure> {
    let Ok(set) = std::env::var("SOURCE_DATE_EPOCH") else {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let since = since.map_err(|error| {
            Failure::new(Exit::Infrastructure, "the clock stands before 1970").because(error)
        })?;
        return Ok(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    };
    set.parse().map_err(|_| {
        Failure::new(
            Exit::Usage,
            format!("SOURCE_DATE_EPOCH is `{set}`, which is no number"),
        )
        .hint("seconds since 1970, as `date +%s` prints them")
    })
}
