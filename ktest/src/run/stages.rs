// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop over kernels.

use super::boots::{Booted, Objects};
use super::compiled::{Compiler, not_done};
use super::directory::RunDirectory;
use super::evidence::{Watch, converted};
use super::flags::keep_functions;
use super::kernel::{INITRD, Kernel, Then};
use super::lines::SeriesLines;
use crate::boot::Seen;
use crate::build::stage::{Made, fragment, hash, make_base, make_stage, touched};
use crate::build::{Call, Kbuild, Known, Ledger, Plan, Prepared, prepare_above, strings};
use crate::config::{Fragment, Variant};
use crate::conformance;
use crate::error::Error;
use crate::image::{Programs, write};
use crate::judge::{self, Changed, Converted, exercise};
use crate::options::{Driver, KtestOptions, Stages, What};
use crate::perl::User;
use crate::series::{Overlay, Staged};
use crate::source::Source;
use crate::target::TargetSpec;
use crate::verdict::{Accelerator, Build, Changes, Outcome, Stage, Target};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// A compiler that ran to its end and said no.
fn is_refused(error: &Error) -> bool {
    let Error::Child { source, .. } = error else {
        return false;
    };
    matches!(**source, proc::Error::Failed { code: Some(_), .. })
}

/// Everything that stays the same from kernel to kernel.
pub(super) struct Session<'a> {
    pub(super) source: &'a Source,
    pub(super) options: &'a KtestOptions,
    pub(super) targets: Vec<TargetSpec>,
    /// Indices of the targets of each kernel; the base is the first.
    pub(super) plan: Vec<Vec<usize>>,
    pub(super) directory: &'a RunDirectory,
    pub(super) guest: Programs,
    /// Checks that the kernels have besides.
    pub(super) variants: Vec<Variant>,
    /// Names of the functions that are watched in every kernel.
    pub(super) functions: Vec<String>,
    /// The user's machine, where ktest.pl is to drive that.
    pub(super) user: Option<User>,
    pub(super) watch: Watch,
    /// What becomes of each kernel.
    pub(super) then: Then,
    /// The lines that each patch edits.
    pub(super) lines: SeriesLines,
    /// What executes the guests' instructions, once it is known.
    pub(super) accelerator: Mutex<Option<Accelerator>>,
}

impl Session<'_> {
    /// What kernel `number` is booted with.
    pub(super) fn targets(&self, number: usize) -> Vec<&TargetSpec> {
        let planned = self.plan.get(number).into_iter().flatten();
        planned.map(|index| &self.targets[*index]).collect()
    }

    /// The initramfs for one kernel: the same for all, but for a probe module that is built against each. Of an image
    /// that was given nothing is known to build against, and the target says that it lacks the module. `more` is watched besides
    /// what is watched in every kernel.
    pub(super) fn initrd(
        &self,
        specs: &[&TargetSpec],
        kbuild: Option<&Kbuild>,
        more: &[String],
        dir: &Utf8Path,
    ) -> Result<Utf8PathBuf, Error> {
        let probe = specs.iter().any(|t| t.guest().is_some_and(|g| g.probe));
        let mut extras = match kbuild.filter(|_| probe) {
            None => Vec::new(),
            Some(kbuild) => {
                let said = &self.options.progress;
                conformance::extras(self.source.kernel_version()?, kbuild, dir, said)?
            }
        };
        let guests = specs.iter().filter_map(|spec| spec.guest());
        let modules: BTreeSet<&String> = guests.filter_map(|g| g.module.as_ref()).collect();
        for name in modules {
            let Some(kbuild) = kbuild else {
                continue;
            };
            match conformance::module_of(name, kbuild, dir) {
                Ok(module) => extras.push(module),
                // The target says that it lacks it, and is skipped; the others are not held up.
                Err(error) if is_refused(&error) => self.options.progress.say(&format!(
                    "module {name} does not compile against this kernel: {}",
                    dir.join(name).join("make.log")
                )),
                Err(error) => return Err(error),
            }
        }
        let watched: BTreeSet<&String> = self.functions.iter().chain(more).collect();
        let watched: Vec<String> = watched.into_iter().cloned().collect();
        write(&self.guest, &watched, &extras, &dir.join(INITRD))
    }

    /// An image that somebody else built.
    pub(super) fn given(&self, image: &Utf8Path) -> Result<Stage, Error> {
        let build = Build {
            image_hash: Some(hash(image)?),
            ..Build::of(Outcome::Skip, Some("the image was given".into()))
        };
        if let Some(stage) = self.directory.finished(0) {
            return Ok(stage);
        }
        let dir = self.directory.stage(0)?;
        let specs = self.targets(0);
        let subject = image.file_name().unwrap_or("image");
        let mut kernel = Kernel::new(0, subject, build);
        let mut stage = match self.then {
            Then::Boot => {
                let initrd = self.initrd(&specs, None, &[], &dir)?;
                let files = (image, initrd.as_path());
                let booted = self.boot(&specs, files, &kernel.converted, None, &dir)?;
                let mut stage = self.stage_of(0, subject, kernel.build, &booted);
                stage.targets = booted.targets;
                stage
            }
            Then::Keep => {
                self.pack(&mut kernel, image, &specs, None, &dir)?;
                kernel.stage()
            }
        };
        let compiled = specs.into_iter().filter(|t| t.guest().is_none());
        let why = "compiled only, and the image was given";
        let not_done = compiled.map(|target| not_done(target, why));
        stage.targets.extend(not_done);
        self.finish(stage)
    }

    /// The base, and the kernels of the series.
    pub(super) fn built(&self, staged: &[Staged]) -> Result<(Stage, Vec<Stage>), Error> {
        let options = self.options;
        let all_touched = touched(staged);
        let fragment = fragment(self.source, &self.variants, &options.fragments)?;
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
        let mut compiler = Compiler::prepare(
            self.source,
            &prepared,
            &self.targets(0),
            &self.variants,
            options,
        )?;
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

    /// Boots what was made, or keeps it for others, unless that was done in an earlier run of the same directory.
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
            return self.finish(Stage {
                subject: subject.to_owned(),
                ..Stage::new(number, build)
            });
        }
        let built = prepared.kbuild.image().1;
        let specs = self.targets(number);
        let digest = hash(&built)?;
        build.image_hash = Some(digest.clone());
        let same = self.same_image(number, &digest);
        let asks =
            |spec: &&&TargetSpec| converted(&self.source.root, overlay, spec) == Converted::Yes;
        let mut changed = self.changed(number, &build.changes, &made.calls);
        self.with_lines(number, made, &mut changed);
        let mut kernel = Kernel {
            changed,
            later: self.lines.taken_later(number, &made.lines),
            compiled: self.compiled(&prepared.kbuild),
            calls: made.calls.clone(),
            converted: specs
                .iter()
                .filter(asks)
                .map(|spec| spec.name.clone())
                .collect(),
            ..Kernel::new(number, subject, build)
        };
        let mut stage = match same.filter(|_| !self.options.boot_all) {
            Some(same) => {
                let why = format!("not booted: its image is byte for byte that of \"{same}\"");
                self.options.progress.say(&why);
                let booted = specs.iter().filter(|spec| spec.guest().is_some());
                Stage {
                    exercise: exercise(&kernel.changed, &[]),
                    targets: booted.map(|spec| not_done(spec, &why)).collect(),
                    ..kernel.stage()
                }
            }
            None => {
                self.pack(&mut kernel, &built, &specs, Some(&prepared.kbuild), &dir)?;
                match self.then {
                    Then::Boot => self.boot_kernel(&kernel, &specs, &dir, &dir)?,
                    Then::Keep => kernel.stage(),
                }
            }
        };
        if let Some(compiler) = compiler {
            for spec in specs.into_iter().filter(|t| t.guest().is_none()) {
                let mut target = compiler.compile(spec, number == 0, &dir)?;
                let objects = Objects {
                    compiled: &self.compiled(&compiler.kbuild),
                    calls: &made.calls,
                };
                target.callsites = self.evidence(spec, None, Some(objects));
                stage.targets.push(target);
            }
        }
        self.finish(stage)
    }

    /// Adds to `changed` the places of the lines that patch `number` adds.
    fn with_lines(&self, number: usize, made: &Made, changed: &mut [Changed]) {
        let added = self.lines.added(number, &made.lines);
        for changed in changed {
            let name = format!("{}:{}", changed.path, changed.function);
            changed.lines = added.get(&name).cloned().unwrap_or_default();
        }
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

    /// What came of the boots of one kernel, but for its targets.
    pub(super) fn stage_of(
        &self,
        number: usize,
        subject: &str,
        build: Build,
        booted: &Booted,
    ) -> Stage {
        let base = match number {
            0 => None,
            _ => self.directory.finished(0).and_then(|base| base.boot),
        };
        let seen: Vec<&Seen> = booted.seen.iter().collect();
        let came_up = (!seen.is_empty()).then(|| judge::boot(&seen, base.as_ref()));
        Stage {
            subject: subject.to_owned(),
            boot: came_up,
            ..Stage::new(number, build)
        }
    }

    /// The functions that the kernel changes against the one before it; the base changes none.
    pub(super) fn changed(
        &self,
        number: usize,
        changes: &Changes,
        calls: &BTreeMap<Utf8PathBuf, Vec<Call>>,
    ) -> Vec<Changed> {
        let first = match self.options.stages {
            Stages::EachPatch => number,
            Stages::Last => 1,
        };
        match number {
            0 => Vec::new(),
            _ => self.watch.changed(first..=number, changes, calls),
        }
    }

    pub(super) fn finish(&self, mut stage: Stage) -> Result<Stage, Error> {
        let place = |target: &Target| self.targets.iter().position(|t| t.name == target.name);
        stage.targets.sort_by_key(place);
        self.directory.record(stage.number, &stage)?;
        Ok(stage)
    }
}
