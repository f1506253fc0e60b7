// SPDX-License-Identifier: MIT OR Apache-2.0
//! A whole run, from what the caller chose to a verdict.

use super::compiled::not_done;
use super::directory::{Inputs, RunDirectory};
use super::evidence::Watch;
use super::inputs::inputs;
use super::kernel::Then;
use super::lines::SeriesLines;
use super::plan::plan;
use super::stages::Session;
use crate::boot::QEMU;
use crate::config::{Variant, variants};
use crate::error::Error;
use crate::host;
use crate::image::{Programs, build_guest, build_selftests};
use crate::options::{KtestOptions, Stages};
use crate::perl::{SCRIPT, User};
use crate::series::{Overlay, Staged, stage};
use crate::source::Source;
use crate::target::{TargetSpec, Way, select};
use crate::verdict::{Build, Outcome, Stage, Verdict, summarise};
use callsites::tree::Tree;
use camino::Utf8Path;
use std::sync::Mutex;

/// Tests the base, then every patch of the series in `series`.
///
/// # Errors
/// See [`Error`]: whatever keeps a verdict from being reached. What a kernel does is in the verdict.
pub fn run(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Verdict, Error> {
    let whole = whole(tree, series, options, Then::Boot)?;
    let mut verdict = summarise(&whole.directory.id, whole.base, whole.patches);
    verdict.shard = options.shard;
    verdict.inputs = Some(whole.inputs.hash());
    if verdict.base.targets.is_empty() {
        verdict.reason = "there is no job for this shard".into();
    }
    whole.directory.conclude(&verdict)?;
    Ok(verdict)
}

/// What is known of a run before anything is built.
pub(super) struct Asked {
    pub(super) source: Source,
    pub(super) targets: Vec<TargetSpec>,
    pub(super) variants: Vec<Variant>,
    /// With what the variants demand.
    pub(super) options: KtestOptions,
    pub(super) staged: Vec<Staged>,
    pub(super) user: Option<User>,
    pub(super) inputs: Inputs,
}

/// A run of which every kernel was made.
pub(super) struct Whole {
    pub(super) directory: RunDirectory,
    pub(super) inputs: Inputs,
    pub(super) targets: Vec<TargetSpec>,
    /// What the series comes to.
    pub(super) touched: Option<Overlay>,
    pub(super) watch: Watch,
    pub(super) guest: Programs,
    pub(super) base: Stage,
    pub(super) patches: Vec<Stage>,
}

/// Reads the tree and the series, and gathers what decides the outcome.
pub(super) fn ask(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Asked, Error> {
    let mut targets = select(&options.targets)?;
    let variants = variants(&options.variants)?;
    let options = on(&variants, &mut targets, options);
    let source = match (tree.root(), tree.repository(), &options.image) {
        (None, None, Some(_)) => Source::nowhere(tree),
        _ => Source::of(tree, series, &options.cache)?,
    };
    if let Some(image) = &options.image {
        std::fs::metadata(image).map_err(Error::named("the image", image))?;
    }
    let version = source.kernel_version()?;
    for target in &mut targets {
        target.at(version);
    }
    let staged = match series {
        Some(from) => stage(&source, from)?,
        None => Vec::new(),
    };
    let user = user(&source, &options)?;
    let inputs = inputs(
        &source,
        &staged,
        &targets,
        user.as_ref(),
        &variants,
        &options,
    )?;
    Ok(Asked {
        source,
        targets,
        variants,
        options,
        staged,
        user,
        inputs,
    })
}

/// Makes every kernel, and boots or keeps it.
pub(super) fn whole(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
    then: Then,
) -> Result<Whole, Error> {
    let booted = |target: &TargetSpec| target.guest().is_some();
    let qemu = options.qemu.clone().unwrap_or_else(|| QEMU.into());
    let here = then == Then::Boot && options.ktest_conf.is_none();
    if here && select(&options.targets)?.iter().any(booted) {
        host::require(qemu.as_str(), "booting kernels")?;
    }
    let asked = ask(tree, series, options)?;
    let (source, options, staged) = (&asked.source, &asked.options, &asked.staged);
    let inputs = asked.inputs;
    let watch = Watch::new(source, staged, &options.callsites);
    let lines = SeriesLines::new(&source.root, staged, options.stages)?;
    let directory = match &options.resume {
        Some(id) => RunDirectory::resume(&options.runs, id, &inputs)?,
        None => RunDirectory::create(&options.runs, &inputs)?,
    };
    options.progress.say(&format!("run {}", directory.id));
    options.progress.begun(&directory.id);
    let kernels: Vec<usize> = match options.stages {
        Stages::EachPatch => (1..=staged.len()).collect(),
        Stages::Last => (1..=staged.len()).last().into_iter().collect(),
    };
    let plan = plan(&asked.targets, staged, &kernels, options.shard);
    let judged = guest(source, &directory, options).and_then(|guest| {
        let session = Session {
            source,
            options,
            plan,
            targets: asked.targets.clone(),
            directory: &directory,
            guest: guest.clone(),
            variants: asked.variants,
            functions: watch.functions(),
            user: asked.user,
            watch: watch.clone(),
            lines,
            then,
            accelerator: Mutex::new(options.accelerator),
        };
        Ok((session.judged(staged)?, guest))
    });
    match judged {
        Ok(((base, patches), guest)) => Ok(Whole {
            inputs,
            targets: asked.targets,
            touched: staged.last().map(|last| last.overlay.clone()),
            watch,
            guest,
            base,
            patches,
            directory,
        }),
        Err(error) => {
            // What was refused before anything was done leaves nothing behind.
            if options.resume.is_none() && !interrupted(&error) {
                directory.forget_unless_used();
            }
            Err(error)
        }
    }
}

/// What the guests of a kernel that checks more are given: memory, words of its command line, and time.
pub(super) fn on(
    variants: &[Variant],
    targets: &mut [TargetSpec],
    options: &KtestOptions,
) -> KtestOptions {
    let mut options = options.clone();
    for variant in variants {
        options
            .progress
            .say(&format!("variant {}: {}", variant.name, variant.title));
        options.memory_mib = options.memory_mib.max(variant.memory_mib);
        options.boot_seconds = options.boot_seconds.saturating_mul(variant.slower);
        for target in targets.iter_mut() {
            if let Way::Booted(guest) = &mut target.way {
                guest.deadline_seconds = guest.deadline_seconds.saturating_mul(variant.slower);
                guest.cmdline.extend(variant.cmdline.iter().cloned());
            }
        }
    }
    options
}

fn interrupted(error: &Error) -> bool {
    let Error::Child { source, .. } = error else {
        return false;
    };
    matches!(**source, proc::Error::Interrupted { .. })
}

impl Session<'_> {
    /// The base and the kernels of the series.
    fn judged(&self, staged: &[Staged]) -> Result<(Stage, Vec<Stage>), Error> {
        let (base, mut patches) = match &self.options.image {
            Some(image) => (self.given(image)?, Vec::new()),
            None => self.built(staged)?,
        };
        // ktest.pl does not know our verdict on the base, and goes on.
        if !base.is_good() {
            let numbered = (1..).zip(staged);
            let left_out = numbered
                .map(|(at, patch)| left_out(at, &patch.subject, &self.targets(at), NOT_JUDGED));
            patches = left_out.filter(|stage| !stage.targets.is_empty()).collect();
        }
        Ok((base, patches))
    }
}

/// Why the kernels behind a bad base are left out.
pub(super) const NOT_JUDGED: &str = "not judged, as the base itself is not good";

/// A kernel of a series that was not judged: nothing is said about it, and it is not to vanish.
pub(super) fn left_out(number: usize, subject: &str, targets: &[&TargetSpec], why: &str) -> Stage {
    Stage {
        subject: subject.to_owned(),
        targets: targets.iter().map(|spec| not_done(spec, why)).collect(),
        ..Stage::new(number, Build::of(Outcome::Skip, Some(why.into())))
    }
}

/// The user's configuration of ktest.pl, read; what of it is not taken is said.
fn user(source: &Source, options: &KtestOptions) -> Result<Option<User>, Error> {
    let Some(conf) = &options.ktest_conf else {
        return Ok(None);
    };
    let user = User::read(&source.root.join(SCRIPT), conf)?;
    for sentence in user.said() {
        options.progress.say(&sentence);
    }
    Ok(Some(user))
}

fn guest(
    source: &Source,
    directory: &RunDirectory,
    options: &KtestOptions,
) -> Result<Programs, Error> {
    let init = match &options.guest {
        Some(init) => init.clone(),
        None => build_guest(&options.cache, &options.progress)?,
    };
    let selftests = build_selftests(&source.root, &directory.path)?;
    Ok(Programs { init, selftests })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_checks_more_gets_memory_words_and_time() {
        let mut targets = select(&["process-vm".into(), "usnic".into()]).unwrap();
        let before = targets[0].guest().unwrap().deadline_seconds;
        let chosen = variants(&["kasan,kmemleak".into()]).unwrap();
        let options = KtestOptions::new("cache", "runs");
        let options = on(&chosen, &mut targets, &options);
        let guest = targets[0].guest().unwrap();
        assert_eq!(guest.deadline_seconds, before * 4 * 3);
        assert!(guest.cmdline.contains(&"kmemleak=on".to_owned()));
        assert_eq!(
            (options.memory_mib, options.boot_seconds),
            (1024, 60 * 4 * 3)
        );
    }
    use failure::Exit;

    #[test]
    fn a_base_that_is_not_good_is_infrastructure_and_no_verdict_on_the_series() {
        let targets = select(&["process-vm".into()]).unwrap();
        let specs: Vec<&TargetSpec> = targets.iter().collect();
        let patch = left_out(1, "a patch", &specs, NOT_JUDGED);
        assert!(patch.is_good(), "it is not the first bad one");
        let mut base = left_out(0, "the base", &specs, NOT_JUDGED);
        base.build.result = Outcome::Pass;
        base.targets[0].result = Outcome::Fail;
        let verdict = summarise("run", base, vec![patch]);
        assert_eq!(verdict.result, Outcome::Inconclusive);
        assert_eq!(
            (verdict.exit(), verdict.first_bad),
            (Exit::Infrastructure, None)
        );
    }
}
