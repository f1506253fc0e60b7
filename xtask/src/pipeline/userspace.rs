// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trial that needs no kernel: the embedded tree's drivers in user space, before and after conversion.

use crate::exit::{Exit, Failure};
use crate::flags::Common;
use crate::kbuild::Variables;
use crate::outcome;
use crate::pipeline::progress::Came;
use callsites::embedded;
use callsites::report::Era;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::Verdict;
use ktest::userspace::{self, Options};
use ktest::verdict::Outcome;

/// How drivers are compiled and run: `CC=` and `-j` as everywhere.
pub(crate) fn options(common: &Common, kbuild: &Variables, dir: &Utf8Path) -> Options {
    let mut options = Options {
        work: Some(dir.join("userspace")),
        ..Options::default()
    };
    if let Some(jobs) = common.jobs {
        options.jobs = jobs.get();
    }
    if let Some((_, cc)) = kbuild.iter().find(|(name, _)| name == "CC") {
        options.cc.clone_from(cc);
    }
    options
}

/// Compiles and runs the drivers as they are.
pub(crate) fn before(base: &Utf8Path, options: &Options) -> Result<Came, Failure> {
    let run = userspace::run(base, options)?;
    let summary = format!(
        "{} files compiled, {} drivers ran: {} device writes to pages that nobody can see are pinned",
        run.sources.len(),
        run.drivers.len(),
        run.unseen(),
    );
    Ok(Came::Well(
        summary,
        run.text().lines().map(str::to_owned).collect(),
    ))
}

/// The base in a directory: where it is, or written out below `dir` when it comes with the program.
pub(crate) fn base(tree: &Tree, dir: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    if let Some(root) = tree.root() {
        return Ok(root.to_owned());
    }
    let base = dir.join("base");
    if base.exists() {
        std::fs::remove_dir_all(&base)?;
    }
    let era = match tree.era() {
        Era::Pin => embedded::Era::V6_12,
        Era::PutPage | Era::PutUserPage => embedded::Era::V4_19,
    };
    embedded::materialise(era, &base).map_err(|error| {
        Failure::new(
            Exit::Infrastructure,
            format!("failed to write the embedded tree to {base}"),
        )
        .because(error)
    })?;
    Ok(base)
}

/// The verdict on a series as a stage.
pub(crate) fn after(verdict: &Verdict) -> Came {
    let (summary, details) = told(verdict);
    if verdict.result == Outcome::Pass {
        Came::Well(summary, details)
    } else {
        Came::Ill(verdict.exit(), summary, details)
    }
}

/// One line on the last kernel's pins, and every kernel's lines.
fn told(verdict: &Verdict) -> (String, Vec<String>) {
    let last = verdict.patches.last().unwrap_or(&verdict.base);
    let pins = last
        .targets
        .iter()
        .filter_map(|target| target.pins.as_ref());
    let (taken, given) = pins.fold((0, 0), |(taken, given), pins| {
        (taken + pins.acquired, given + pins.released)
    });
    let summary = format!(
        "{}; after the last patch {taken} pins taken, {given} given back",
        verdict.reason
    );
    let stages = std::iter::once(&verdict.base).chain(&verdict.patches);
    let details = stages.flat_map(|stage| {
        let lines = outcome::lines(stage)
            .into_iter()
            .map(|line| format!("    {line}"));
        std::iter::once(stage.subject.clone())
            .chain(lines)
            .collect::<Vec<_>>()
    });
    (summary, details.collect())
}
