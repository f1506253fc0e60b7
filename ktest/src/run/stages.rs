// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop over kernels.

use super::directory::{Inputs, RunDirectory, ToolVersion};
use super::evidence::{Watched, converted, watched};
use crate::boot::{Machine, QEMU, boot};
use crate::build::stage::{Made, fragment, hash, make_stage, strings, touched};
use crate::build::{Kbuild, Overlay, Prepared, new_warnings, prepare};
use crate::error::Error;
use crate::image::{Guest, build_guest, build_selftest, write};
use crate::options::{KtestOptions, Stages, What};
use crate::series::Staged;
use crate::source::Source;
use crate::target::{TargetSpec, select};
use crate::verdict::{
    Build, CallsiteEvidence, Evidence, Outcome, Seen, Stage, Target, Verdict, judge, summarise,
};
use crate::{host, series};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// Everything that stays the same from kernel to kernel.
struct Session<'a> {
    source: &'a Source,
    options: &'a KtestOptions,
    targets: Vec<TargetSpec>,
    directory: RunDirectory,
    initrd: Utf8PathBuf,
    watched: Vec<Watched>,
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
    let targets = select(&options.targets)?;
    let qemu = options.qemu.clone().unwrap_or_else(|| QEMU.into());
    host::require(qemu.as_str(), "booting kernels")?;
    let source = &match (tree.root(), tree.repository(), &options.image) {
        (None, None, Some(_)) => Source::nowhere(tree),
        _ => Source::of(tree, &options.cache)?,
    };
    let staged = match series {
        Some(dir) => series::stage(source, dir)?,
        None => Vec::new(),
    };
    let watched = watched(source, &staged, &options.callsites);
    let inputs = inputs(source, &staged, &targets, options)?;
    let directory = match &options.resume {
        Some(id) => RunDirectory::resume(&options.runs, id, &inputs)?,
        None => RunDirectory::create(&options.runs, &inputs)?,
    };
    options.progress.say(&format!("run {}", directory.id));
    let guest = guest(source, &directory, options)?;
    let functions: Vec<String> = watched.iter().map(|w| w.function.clone()).collect();
    let initrd = write(&guest, &functions, &directory.path.join("initrd"))?;
    let session = Session {
        source,
        options,
        targets,
        directory,
        initrd,
        watched,
    };
    let (base, patches) = match &options.image {
        Some(image) => (session.given(image)?, Vec::new()),
        None => session.built(&staged)?,
    };
    let verdict = summarise(&session.directory.id, base, patches);
    session.directory.conclude(&verdict)?;
    Ok(verdict)
}

fn guest(
    source: &Source,
    directory: &RunDirectory,
    options: &KtestOptions,
) -> Result<Guest, Error> {
    let init = match &options.guest {
        Some(init) => init.clone(),
        None => build_guest(&options.cache, &options.progress)?,
    };
    let selftest = build_selftest(&source.root, &directory.path)?;
    Ok(Guest { init, selftest })
}

impl Session<'_> {
    /// An image that somebody else built.
    fn given(&self, image: &Utf8Path) -> Result<Stage, Error> {
        let build = Build {
            result: Outcome::Skip,
            reason: Some("the image was given".into()),
            new_warnings: Vec::new(),
            image_hash: Some(hash(image)?),
            seconds: 0.0,
        };
        if let Some(stage) = self.directory.finished(0) {
            return Ok(stage);
        }
        let dir = self.directory.stage(0)?;
        let targets = self.boot(image, &Overlay::new(), None, &dir)?;
        let subject = image.file_name().unwrap_or("image").to_owned();
        self.finish(0, subject, build, targets)
    }

    /// The base, and the kernels of the series.
    fn built(&self, staged: &[Staged]) -> Result<(Stage, Vec<Stage>), Error> {
        let options = self.options;
        let all_touched = touched(staged);
        let fragment = fragment(&options.fragments)?;
        let mut prepared = prepare(
            self.source,
            &options.cache,
            &fragment,
            &options.kbuild,
            options.jobs,
            &options.progress,
        )?;
        let flags = keep_functions(&prepared.kbuild, &all_touched);
        prepared.kbuild.variables.extend(flags);
        let name = format!("Linux {}", self.source.version);
        let base_made = self.make(&prepared, &Overlay::new(), &all_touched, true, 0, &name)?;
        let log = self.directory.path.join("00/make.log");
        if base_made.result != Outcome::Pass {
            return Err(Error::BaseBuild {
                status: base_made.reason.unwrap_or_default(),
                log,
                tail: String::new(),
            });
        }
        let base = self.stage(&prepared, &Overlay::new(), 0, &name, &base_made, &base_made)?;
        let mut patches = Vec::new();
        let bad = base
            .targets
            .iter()
            .any(|t| !matches!(t.result, Outcome::Pass | Outcome::Skip));
        if !bad {
            let wanted = match options.stages {
                Stages::EachPatch => 0,
                Stages::Last => staged.len().saturating_sub(1),
            };
            for (index, patch) in staged.iter().enumerate().skip(wanted) {
                let number = index + 1;
                let (overlay, files) = match options.stages {
                    Stages::EachPatch => (&patch.overlay, &patch.touched),
                    Stages::Last => (&patch.overlay, &all_touched),
                };
                if let Some(stage) = self.directory.finished(number) {
                    patches.push(stage);
                    continue;
                }
                let made = self.make(&prepared, overlay, files, false, number, &patch.subject)?;
                patches.push(self.stage(
                    &prepared,
                    overlay,
                    number,
                    &patch.subject,
                    &base_made,
                    &made,
                )?);
            }
        }
        // The next run finds the base, and make has nothing to do for it.
        prepared.shadow.set(&Overlay::new())?;
        Ok((base, patches))
    }

    fn make(
        &self,
        prepared: &Prepared,
        overlay: &Overlay,
        files: &[Utf8PathBuf],
        again: bool,
        number: usize,
        subject: &str,
    ) -> Result<Made, Error> {
        self.options.progress.say(&format!("building {subject}"));
        let dir = self.directory.stage(number)?;
        make_stage(prepared, overlay, files, What::Image, again, &dir)
    }

    /// Boots what was made, unless that was done in an earlier run of the same directory.
    fn stage(
        &self,
        prepared: &Prepared,
        overlay: &Overlay,
        number: usize,
        subject: &str,
        base: &Made,
        made: &Made,
    ) -> Result<Stage, Error> {
        if let Some(stage) = self.directory.finished(number) {
            return Ok(stage);
        }
        let dir = self.directory.stage(number)?;
        let mut build = Build {
            result: made.result,
            reason: made.reason.clone(),
            new_warnings: strings(&new_warnings(&base.warnings, &made.warnings)),
            image_hash: None,
            seconds: made.seconds,
        };
        if made.result != Outcome::Pass {
            return self.finish(number, subject.to_owned(), build, Vec::new());
        }
        let image = dir.join("bzImage");
        let built = prepared.kbuild.image().1;
        std::fs::copy(&built, &image).map_err(Error::io("copy", &built))?;
        build.image_hash = Some(hash(&image)?);
        self.options.progress.say(&format!("booting {subject}"));
        let targets = self.boot(&image, overlay, Some(&prepared.kbuild), &dir)?;
        self.finish(number, subject.to_owned(), build, targets)
    }

    fn finish(
        &self,
        number: usize,
        subject: String,
        build: Build,
        targets: Vec<Target>,
    ) -> Result<Stage, Error> {
        let stage = Stage {
            subject,
            build,
            targets,
        };
        self.directory.record(number, &stage)?;
        Ok(stage)
    }

    fn boot(
        &self,
        image: &Utf8Path,
        overlay: &Overlay,
        kbuild: Option<&Kbuild>,
        dir: &Utf8Path,
    ) -> Result<Vec<Target>, Error> {
        let machine = Machine {
            qemu: self.options.qemu.clone().unwrap_or_else(|| QEMU.into()),
            kernel: image.to_owned(),
            initrd: self.initrd.clone(),
            targets: self
                .targets
                .iter()
                .map(|t| (t.program.clone(), t.deadline_seconds))
                .collect(),
            memory_mib: self.options.memory_mib,
            cpus: self.options.cpus,
            boot_seconds: self.options.boot_seconds,
        };
        let seen = boot(&machine, dir)?;
        Ok(self
            .targets
            .iter()
            .map(|spec| {
                let converted = converted(&self.source.root, overlay, spec);
                let mut target = judge(spec, converted, &seen);
                target.callsites = self.evidence(spec, &seen, kbuild);
                target
            })
            .collect())
    }

    /// Only of the callsites in files that the target exercises.
    fn evidence(
        &self,
        spec: &TargetSpec,
        seen: &Seen,
        kbuild: Option<&Kbuild>,
    ) -> Vec<CallsiteEvidence> {
        let report = seen.results.target(&spec.name);
        let ended = report.is_some_and(|r| r.end.is_some());
        let nothing = BTreeMap::new();
        let hits = report.map_or(&nothing, |r| &r.hits);
        self.watched
            .iter()
            .filter(|w| spec.reaches(w.path.as_str()))
            .map(|w| {
                let object = kbuild.map(|k| k.output.join(w.path.with_extension("o")));
                let built = object.is_some_and(|o| o.is_file());
                let evidence = match (built, ended, hits.get(&w.function)) {
                    (true, _, Some(1..)) => Evidence::Executed,
                    (true, true, _) => Evidence::Booted,
                    (true, false, _) => Evidence::Built,
                    (false, _, _) => Evidence::None,
                };
                CallsiteEvidence {
                    id: w.id.clone(),
                    evidence,
                }
            })
            .collect()
    }
}

/// Variables that keep the functions of the touched objects from being inlined into each other, so that a probe can be
/// placed on each. The base is compiled with the same ones. An object whose Makefile has flags of its own is left alone:
/// a variable on the command line would replace them.
fn keep_functions(kbuild: &Kbuild, files: &[Utf8PathBuf]) -> Vec<(String, String)> {
    let llvm = kbuild.variables.iter().any(|(name, _)| name == "LLVM");
    let flags = if llvm {
        "-fno-inline-functions"
    } else {
        "-fno-inline-functions-called-once -fno-inline-small-functions"
    };
    files
        .iter()
        .filter(|file| file.extension() == Some("c"))
        .filter_map(|file| {
            let variable = format!("CFLAGS_{}.o", file.file_stem()?);
            let directory = kbuild.source.join(file.parent()?);
            let own = ["Makefile", "Kbuild"].iter().any(|name| {
                std::fs::read_to_string(directory.join(name))
                    .is_ok_and(|text| text.contains(&variable))
            });
            (!own).then(|| (variable, flags.to_owned()))
        })
        .collect()
}

fn inputs(
    source: &Source,
    staged: &[Staged],
    targets: &[TargetSpec],
    options: &KtestOptions,
) -> Result<Inputs, Error> {
    let digest = |overlay: &Overlay| {
        let mut hasher = blake3::Hasher::new();
        for (path, contents) in overlay {
            hasher.update(path.as_str().as_bytes());
            hasher.update(&[0]);
            let contents = contents.as_deref();
            hasher.update(blake3::hash(contents.unwrap_or(b"\0gone")).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    };
    let config = fragment(&options.fragments)?.text();
    let names: Vec<String> = targets.iter().map(|t| t.name.clone()).collect();
    let tools = ["cc", "ld", "make", QEMU].map(|name| ToolVersion {
        name: name.to_owned(),
        version: host::version(name),
    });
    Ok(Inputs {
        schema: "run/1".into(),
        tree: source.version.clone(),
        patches: staged
            .iter()
            .map(|s| (s.subject.clone(), digest(&s.overlay)))
            .collect(),
        reproduce: format!(
            "cargo xtask ktest --kernel TREE SERIES_DIR --target {}",
            names.join(",")
        ),
        targets: names,
        config: blake3::hash(config.as_bytes()).to_hex().to_string(),
        kbuild: options.kbuild.clone(),
        image: options.image.as_deref().map(hash).transpose()?,
        machine: (options.memory_mib, options.cpus),
        tools: tools.to_vec(),
    })
}
