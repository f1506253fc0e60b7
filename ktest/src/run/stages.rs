// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop over kernels.

use super::compiled::{Compiler, not_done};
use super::directory::RunDirectory;
use super::evidence::{Watched, watched};
use super::flags::keep_functions;
use super::inputs::inputs;
use super::plan::plan;
use crate::boot::{Accelerator, QEMU};
use crate::build::stage::{Made, fragment, hash, make_base, make_stage, touched};
use crate::build::{
    Changes, Kbuild, Known, Ledger, Overlay, Plan, Prepared, prepare_above, strings,
};
use crate::config::Fragment;
use crate::error::Error;
use crate::image::{Programs, build_guest, build_selftests, write};
use crate::options::{Driver, KtestOptions, Stages, What};
use crate::perl::{SCRIPT, User};
use crate::series::Staged;
use crate::source::Source;
use crate::target::{TargetSpec, select};
use crate::verdict::{Build, Outcome, Stage, Target, Verdict, summarise};
use crate::{conformance, host, series};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::Mutex;

/// Everything that stays the same from kernel to kernel.
pub(super) struct Session<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a KtestOptions,
    targets: Vec<TargetSpec>,
    /// Indices of the targets of each kernel; the base is the first.
    plan: Vec<Vec<usize>>,
    pub(super) directory: RunDirectory,
    pub(super) guest: Programs,
    pub(super) functions: Vec<String>,
    /// The user's machine, where ktest.pl is to drive that.
    pub(super) user: Option<User>,
    pub(super) watched: Vec<Watched>,
    /// What executes the guests' instructions, once it is known.
    pub(super) accelerator: Mutex<Option<Accelerator>>,
}

/// Tests the base, then every patch of the series in `series`.
///
/// # Errors
/// See [`Error`]: whatever keeps a verdict from being reached. What a kernel does is in the verdict.
pub fn run(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Verdict, Error> {
    let mut targets = select(&options.targets)?;
    let qemu = options.qemu.clone().unwrap_or_else(|| QEMU.into());
    if options.ktest_conf.is_none() && targets.iter().any(|target| target.guest().is_some()) {
        host::require(qemu.as_str(), "booting kernels")?;
    }
    let source = &match (tree.root(), tree.repository(), &options.image) {
        (None, None, Some(_)) => Source::nowhere(tree),
        _ => Source::of(tree, &options.cache)?,
    };
    if let Some(image) = &options.image {
        std::fs::metadata(image).map_err(Error::named("the image", image))?;
    }
    let version = source.kernel_version()?;
    for target in &mut targets {
        target.at(version);
    }
    let staged = match series {
        Some(dir) => series::stage(source, dir)?,
        None => Vec::new(),
    };
    let watched = watched(source, &staged, &options.callsites);
    let user = user(source, options)?;
    let inputs = inputs(source, &staged, &targets, user.as_ref(), options)?;
    let directory = match &options.resume {
        Some(id) => RunDirectory::resume(&options.runs, id, &inputs)?,
        None => RunDirectory::create(&options.runs, &inputs)?,
    };
    options.progress.say(&format!("run {}", directory.id));
    let guest = guest(source, &directory, options)?;
    let functions: Vec<String> = watched.iter().map(|w| w.function.clone()).collect();
    let kernels: Vec<usize> = match options.stages {
        Stages::EachPatch => (1..=staged.len()).collect(),
        Stages::Last => (1..=staged.len()).last().into_iter().collect(),
    };
    let session = Session {
        source,
        options,
        plan: plan(&targets, &staged, &kernels, options.shard),
        targets,
        directory,
        guest,
        functions,
        user,
        watched,
        accelerator: Mutex::new(options.accelerator),
    };
    let (base, mut patches) = match &options.image {
        Some(image) => (session.given(image)?, Vec::new()),
        None => session.built(&staged)?,
    };
    // ktest.pl does not know our verdict on the base, and goes on.
    if !base.is_good() {
        let numbered = (1..).zip(&staged);
        let left_out =
            numbered.map(|(at, patch)| left_out(at, &patch.subject, &session.targets(at)));
        patches = left_out.filter(|stage| !stage.targets.is_empty()).collect();
    }
    let mut verdict = summarise(&session.directory.id, base, patches);
    verdict.shard = options.shard;
    verdict.inputs = Some(blake3::hash(inputs.of_the_run().as_bytes()).to_hex()[..16].to_owned());
    if verdict.base.targets.is_empty() {
        verdict.reason = "there is no job for this shard".into();
    }
    session.directory.conclude(&verdict)?;
    Ok(verdict)
}

/// A kernel of a series whose base is not good: nothing is said about it, and it is not to vanish.
fn left_out(number: usize, subject: &str, targets: &[&TargetSpec]) -> Stage {
    let why = "not judged, as the base itself is not good";
    Stage {
        number,
        subject: subject.to_owned(),
        build: Build::of(Outcome::Skip, Some(why.into())),
        targets: targets.iter().map(|spec| not_done(spec, why)).collect(),
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

impl Session<'_> {
    /// What kernel `number` is booted with.
    pub(super) fn targets(&self, number: usize) -> Vec<&TargetSpec> {
        let planned = self.plan.get(number).into_iter().flatten();
        planned.map(|index| &self.targets[*index]).collect()
    }

    /// The initramfs for one kernel: the same for all, but for a probe module that is built against each. Of an image
    /// that was given nothing is known to build against, and the target says that it lacks the module.
    pub(super) fn initrd(
        &self,
        specs: &[&TargetSpec],
        kbuild: Option<&Kbuild>,
        dir: &Utf8Path,
    ) -> Result<Utf8PathBuf, Error> {
        let probe = specs.iter().any(|t| t.guest().is_some_and(|g| g.probe));
        let extras = match kbuild.filter(|_| probe) {
            None => Vec::new(),
            Some(kbuild) => {
                let said = &self.options.progress;
                conformance::extras(self.source.kernel_version()?, kbuild, dir, said)?
            }
        };
        write(&self.guest, &self.functions, &extras, &dir.join("initrd"))
    }

    /// An image that somebody else built.
    fn given(&self, image: &Utf8Path) -> Result<Stage, Error> {
        let build = Build {
            image_hash: Some(hash(image)?),
            ..Build::of(Outcome::Skip, Some("the image was given".into()))
        };
        if let Some(stage) = self.directory.finished(0) {
            return Ok(stage);
        }
        let dir = self.directory.stage(0)?;
        let specs = self.targets(0);
        let initrd = self.initrd(&specs, None, &dir)?;
        let kernel = (image, initrd.as_path());
        let mut targets = self.boot(&specs, kernel, &Overlay::new(), None, &dir)?;
        let compiled = specs.into_iter().filter(|t| t.guest().is_none());
        let why = "compiled only, and the image was given";
        targets.extend(compiled.map(|target| not_done(target, why)));
        let subject = image.file_name().unwrap_or("image").to_owned();
        self.finish(0, subject, build, targets)
    }

    /// The base, and the kernels of the series.
    fn built(&self, staged: &[Staged]) -> Result<(Stage, Vec<Stage>), Error> {
        let options = self.options;
        let all_touched = touched(staged);
        let fragment = fragment(self.source, &options.fragments)?;
        let below = match &self.user {
            Some(user) => user.fragment()?,
            None => Fragment::default(),
        };
        let mut prepared = prepare_above(
            self.source,
            &options.cache,
            &below,
            &fragment,
            &options.kbuild,
            options.jobs,
            &options.progress,
        )?;
        let flags = keep_functions(&prepared.kbuild, &all_touched);
        prepared.kbuild.variables.extend(flags);
        if options.way == Driver::KtestPl {
            for number in 0..=staged.len() {
                self.directory.stage(number)?;
            }
            return self.by_ktest_pl(&prepared, staged);
        }
        let mut compiler = Compiler::prepare(self.source, &prepared, &self.targets(0), options)?;
        let name = format!("Linux {}", self.source.version);
        options.progress.say(&format!("building {name}"));
        let plan = Plan::one(&prepared.kbuild, &all_touched);
        let dir = self.directory.stage(0)?;
        let (base_made, known) = make_base(&prepared, &plan, &all_touched, What::Image, &dir)?;
        let log = self.directory.path.join("00/make.log");
        if base_made.result != Outcome::Pass {
            return Err(Error::BaseBuild {
                status: base_made.reason.unwrap_or_default(),
                log,
                tail: String::new(),
            });
        }
        if let (Some(compiler), Some(_)) = (&mut compiler, self.directory.finished(0)) {
            for spec in self.targets(0).iter().filter(|t| t.guest().is_none()) {
                compiler.compile(spec, true, &self.directory.stage(0)?)?;
            }
        }
        let made = (&known, &base_made, Changes::default());
        let mut ledger = Ledger::new(&base_made);
        let base = self.stage(&prepared, &mut compiler, &Overlay::new(), 0, &name, made)?;
        let mut patches = Vec::new();
        if base.is_good() {
            for (index, patch) in staged.iter().enumerate() {
                let number = index + 1;
                if self.targets(number).is_empty() {
                    continue;
                }
                let (overlay, files) = match options.stages {
                    Stages::EachPatch => (&patch.overlay, &patch.touched),
                    Stages::Last => (&patch.overlay, &all_touched),
                };
                if let Some(stage) = self.directory.finished(number) {
                    patches.push(stage);
                    continue;
                }
                let subject = &patch.subject;
                options.progress.say(&format!("building {subject}"));
                let plan = Plan::one(&prepared.kbuild, files);
                let dir = self.directory.stage(number)?;
                let made = make_stage(&prepared, &plan, overlay, files, What::Image, &dir)?;
                let changes = ledger.step(&self.source.root, overlay, &made);
                let made = (&known, &made, changes);
                let stage = self.stage(&prepared, &mut compiler, overlay, number, subject, made)?;
                patches.push(stage);
            }
        }
        // The next run finds the base, and make has nothing to do for it.
        prepared.shadow.set(&Overlay::new())?;
        Ok((base, patches))
    }

    /// Boots what was made, unless that was done in an earlier run of the same directory.
    fn stage(
        &self,
        prepared: &Prepared,
        compiler: &mut Option<Compiler>,
        overlay: &Overlay,
        number: usize,
        subject: &str,
        (known, made, changes): (&Known, &Made, Changes),
    ) -> Result<Stage, Error> {
        if let Some(stage) = self.directory.finished(number) {
            return Ok(stage);
        }
        let dir = self.directory.stage(number)?;
        let compared = known.compare(&made.warnings);
        let mut build = Build {
            result: made.result,
            reason: made.reason.clone(),
            new_warnings: strings(&compared.new),
            uncompared_warnings: strings(&compared.uncompared),
            changes,
            image_hash: None,
            seconds: made.seconds,
        };
        if made.result != Outcome::Pass {
            return self.finish(number, subject.to_owned(), build, Vec::new());
        }
        let image = dir.join("bzImage");
        let built = prepared.kbuild.image().1;
        let specs = self.targets(number);
        let digest = hash(&built)?;
        build.image_hash = Some(digest.clone());
        let same = self.same_image(number, &digest);
        let mut targets = match same.filter(|_| !self.options.boot_all) {
            Some(same) => {
                let why = format!("not booted: its image is byte for byte that of \"{same}\"");
                self.options.progress.say(&why);
                let booted = specs.iter().filter(|spec| spec.guest().is_some());
                booted.map(|spec| not_done(spec, &why)).collect()
            }
            None => {
                std::fs::copy(&built, &image).map_err(Error::io("copy", &built))?;
                self.options.progress.say(&format!("booting {subject}"));
                let initrd = self.initrd(&specs, Some(&prepared.kbuild), &dir)?;
                let kernel = (image.as_path(), initrd.as_path());
                let mut targets =
                    self.boot(&specs, kernel, overlay, Some(&prepared.kbuild), &dir)?;
                self.shorten(&specs, &image, &dir, &mut targets)?;
                targets
            }
        };
        if let Some(compiler) = compiler {
            for spec in specs.into_iter().filter(|t| t.guest().is_none()) {
                let mut target = compiler.compile(spec, number == 0, &dir)?;
                target.callsites = self.evidence(spec, None, Some(&compiler.kbuild));
                targets.push(target);
            }
        }
        self.finish(number, subject.to_owned(), build, targets)
    }

    /// The kernel of an earlier stage that has this very image and was booted with the same targets: there is nothing new to learn.
    fn same_image(&self, number: usize, digest: &str) -> Option<String> {
        let earlier =
            (0..number).filter(|earlier| self.plan.get(*earlier) == self.plan.get(number));
        earlier
            .filter_map(|earlier| self.directory.finished(earlier))
            .find(|stage| stage.build.image_hash.as_deref() == Some(digest))
            .map(|stage| stage.subject)
    }

    fn finish(
        &self,
        number: usize,
        subject: String,
        build: Build,
        mut targets: Vec<Target>,
    ) -> Result<Stage, Error> {
        let place = |target: &Target| self.targets.iter().position(|t| t.name == target.name);
        targets.sort_by_key(place);
        let stage = Stage {
            number,
            subject,
            build,
            targets,
        };
        self.directory.record(number, &stage)?;
        Ok(stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failure::Exit;

    #[test]
    fn a_base_that_is_not_good_is_infrastructure_and_no_verdict_on_the_series() {
        let targets = select(&["process-vm".into()]).unwrap();
        let specs: Vec<&TargetSpec> = targets.iter().collect();
        let patch = left_out(1, "a patch", &specs);
        assert!(patch.is_good(), "it is not the first bad one");
        let mut base = left_out(0, "the base", &specs);
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
