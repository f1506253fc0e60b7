// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stages: a library call each, and one line on what came of it.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::outcome;
use crate::pipeline::progress::Came;
use crate::places;
use callsites::report::{Report, Verdict as Judged};
use callsites::tree::{Tree, VersionCode};
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use ktest::host::{self, Need};
use ktest::verdict::Outcome;
use ktest::{BuildOptions, KtestOptions, Verdict};
use patches::{ApplyOptions, ConvertOptions, Select, Series, Signer};

/// What the audit found, in one line.
pub(crate) fn audited(report: &Report) -> Came {
    let count = |verdict| {
        report
            .callsites
            .iter()
            .filter(|site| site.verdict == verdict)
            .count()
    };
    let convertible = report
        .groups
        .iter()
        .filter(|group| group.convertible)
        .count();
    let summary = format!(
        "{}: {} to convert in {convertible} of {}, {} keep, {} mixed, {} unknown, {} done; {}",
        counted(report.callsites.len(), "callsite"),
        count(Judged::Convert),
        counted(report.groups.len(), "group"),
        count(Judged::Keep),
        count(Judged::Mixed),
        count(Judged::Unknown),
        count(Judged::Done),
        counted(report.findings.len(), "finding"),
    );
    let unread = report.coverage.unread.iter();
    Came::Well(
        summary,
        unread
            .map(|item| format!("could not read {}:{}: {}", item.path, item.line, item.why))
            .collect(),
    )
}

/// Converts what was selected and writes the series to `dir`.
pub(crate) fn convert(
    tree: &Tree,
    report: &Report,
    paths: &[Utf8PathBuf],
    (scripts, oldest): (bool, Option<VersionCode>),
    dir: &Utf8Path,
) -> Result<Came, Failure> {
    let mut options = ConvertOptions::new(places::cache()?.join("series"));
    options.oldest = oldest;
    if !paths.is_empty() {
        options.select = Select::Paths(paths.to_vec());
    }
    options.signer = signer(tree)?;
    options.scripts = scripts;
    let series = match patches::convert(tree, report, &options) {
        Ok(series) => series,
        Err(error @ patches::Error::Nothing { .. }) => {
            return Ok(Came::Ill(
                Exit::Findings,
                "nothing can be converted".to_owned(),
                vec![error.to_string()],
            ));
        }
        Err(error) => return Err(error.into()),
    };
    series.write(dir)?;
    let unsigned = if series.info.signed {
        ""
    } else {
        "; unsigned, as git knows no user.name and user.email"
    };
    let calls = series
        .info
        .patches
        .iter()
        .map(|patch| patch.callsites.len());
    let summary = format!(
        "{} with {} replaced, {} left alone{unsigned}",
        counted(series.info.patches.len(), "patch"),
        counted(calls.sum::<usize>(), "call"),
        counted(series.info.refused.len(), "group")
    );
    let subjects = series
        .info
        .patches
        .iter()
        .map(|patch| patch.subject.clone());
    let refused = series.info.refused.iter().flat_map(|group| {
        let why = group.reasons.iter();
        why.map(|why| format!("left alone: {}: {why}", group.subsystem))
            .collect::<Vec<_>>()
    });
    Ok(Came::Well(summary, subjects.chain(refused).collect()))
}

/// Whoever git says; nobody where git does not say, because a rehearsal needs no name.
fn signer(tree: &Tree) -> Result<Signer, Failure> {
    let dir = tree
        .root()
        .or(tree.repository().map(|(path, _)| path))
        .unwrap_or(Utf8Path::new("."));
    for key in ["user.name", "user.email"] {
        if proc::git::user_config(dir.as_std_path(), key)?.is_none() {
            return Ok(Signer::Unsigned);
        }
    }
    Ok(Signer::GitConfig)
}

/// Applies the series to copies of the files it touches.
pub(crate) fn apply(tree: &Tree, series: &Utf8Path, target: &Utf8Path) -> Result<Came, Failure> {
    // A try that was stopped half-way has left something.
    if target.exists() {
        std::fs::remove_dir_all(target)?;
    }
    let applied = patches::apply(tree, series, &ApplyOptions::touched(target))?;
    let files: usize = applied.patches.iter().map(|patch| patch.files.len()).sum();
    let lines = applied
        .patches
        .iter()
        .map(|patch| format!("{} {}", short(&patch.commit), patch.subject));
    Ok(Came::Well(
        format!(
            "{} over {}, all or nothing",
            counted(applied.patches.len(), "patch"),
            counted(files, "file")
        ),
        lines.collect(),
    ))
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// What this machine lacks for `needs`, as a skipped stage.
pub(crate) fn lacking(needs: &[Need], what: &str) -> Option<Came> {
    let tools = host::doctor();
    let missing: Vec<&str> = tools
        .iter()
        .filter(|tool| !tool.found && needs.contains(&tool.need))
        .map(|tool| tool.name)
        .collect();
    (!missing.is_empty()).then(|| {
        let reason = format!(
            "{what} needs {}, which this machine lacks",
            missing.join(", ")
        );
        Came::Skipped(reason, Some("cargo xtask doctor --install".to_owned()))
    })
}

/// Compiles the objects of the touched files, patch by patch.
pub(crate) fn build(
    tree: &Tree,
    series: &Utf8Path,
    options: &BuildOptions,
    report: &Utf8Path,
    console: &Console,
) -> Result<Came, Failure> {
    if let Some(skipped) = lacking(&[Need::Always, Need::Build], "building kernels") {
        return Ok(skipped);
    }
    let built = ktest::build::run(tree, Some(series), options)?;
    outcome::record_build(series, tree.version(), &built, console)?;
    crate::console::deliver_json(Some(report), &built)?;
    let details: Vec<String> = built.text().lines().map(str::to_owned).collect();
    let objects: usize = built.patches.iter().map(|stage| stage.objects.len()).sum();
    let warnings: usize = built
        .patches
        .iter()
        .map(|stage| stage.new_warnings.len())
        .sum();
    let summary = format!(
        "{} over {}, {}",
        counted(objects, "object"),
        counted(built.patches.len(), "patch"),
        counted(warnings, "new warning")
    );
    Ok(if built.is_clean() {
        Came::Well(summary, details)
    } else {
        Came::Ill(built.exit(), summary, details)
    })
}

/// Boots base and patched kernels.
pub(crate) fn ktest(
    tree: &Tree,
    series: &Utf8Path,
    options: &KtestOptions,
    console: &Console,
) -> Result<(Came, Option<Verdict>), Failure> {
    let needs = [Need::Always, Need::Build, Need::Boot];
    if let Some(skipped) = lacking(&needs, "booting kernels") {
        return Ok((skipped, None));
    }
    let verdict = ktest::run(tree, Some(series), options)?;
    outcome::record_run(series, tree.version(), &verdict, console)?;
    let summary = format!(
        "{} kernels booted: {}",
        verdict.patches.len() + 1,
        verdict.reason
    );
    let details = std::iter::once(&verdict.base)
        .chain(&verdict.patches)
        .flat_map(|stage| {
            let lines = outcome::lines(stage).into_iter();
            std::iter::once(stage.subject.clone()).chain(lines.map(|line| format!("    {line}")))
        })
        .collect();
    let came = if verdict.result == Outcome::Pass {
        Came::Well(summary, details)
    } else {
        Came::Ill(verdict.exit(), summary, details)
    };
    Ok((came, Some(verdict)))
}

/// The targets that reach a file of the series; where none does, the tree's own test of the functions themselves.
pub(crate) fn targets(series: &Series) -> Result<Vec<String>, Failure> {
    let files = || series.info.patches.iter().flat_map(|patch| &patch.files);
    let all = ktest::target::all()?;
    let reaching = all
        .iter()
        .filter(|target| files().any(|file| target.reaches(file)));
    let mut names: Vec<String> = reaching.map(|target| target.name.clone()).collect();
    if names.is_empty() {
        names.extend(
            all.into_iter()
                .map(|target| target.name)
                .filter(|name| name == "gup-test"),
        );
    }
    Ok(names)
}
