// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run in two halves: every kernel is made once and kept in a directory, and its jobs are booted from there, in shards, by
//! processes that may be on other machines and need nothing but that directory and an emulator.
//!
//! The directory is that of an ordinary run. `NN/kernel.json` stands beside the image of each kernel that is to be booted,
//! `NN/stage.json` holds what is decided without a boot, and `prepared.json` comes last: without it nothing is prepared.

use super::directory::{Inputs, begun, lock};
use super::evidence::Watched;
use super::kept::{COST, Cost, weigh};
use super::kernel::Then;
use super::limits::{Limits, jobs, limits, seconds};
use super::plan::{in_order, order};
use super::whole::{ask, left_out, on, whole};
use crate::config::variants;
use crate::error::Error;
use crate::image::Programs;
use crate::options::{Driver, KtestOptions};
use crate::source::Source;
use crate::target::{TargetSpec, select};
use crate::verdict::{Shard, Stage, Verdict, together};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a kernel is, in its directory.
pub(super) const KERNEL: &str = "kernel.json";
/// What a prepared run is, in its directory.
pub(super) const PREPARED: &str = "prepared.json";
/// Where the runs of its shards are.
const SHARDS: &str = "shards";
/// Where the programs of the guest are.
pub(super) const GUEST: &str = "guest";
/// What shards learn of each machine.
const HOSTS: &str = "hosts";
const SCHEMA: &str = "prepared/1";

/// A run of which every kernel is made, and none is booted.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its directory.
    pub home: Utf8PathBuf,
    pub(super) data: Data,
    pub(super) targets: Vec<TargetSpec>,
    /// What guests are given: memory, processors, time.
    pub(super) options: KtestOptions,
}

/// prepared.json
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Data {
    schema: String,
    pub(super) inputs: Inputs,
    variants: Vec<String>,
    /// As they were asked for, before the variants' own demands: MiB and seconds.
    memory_mib: u32,
    boot_seconds: u64,
    /// Indices of the targets in the order in which the jobs come.
    order: Vec<usize>,
    /// The number of each kernel but the base, its subject, and whether it is to be booted.
    pub(super) kernels: Vec<(usize, String, bool)>,
    pub(super) sites: Vec<Watched>,
    pub(super) selftests: Vec<String>,
    /// Seconds that make took for the base and for all other kernels together.
    seconds: (f64, f64),
}

/// What is known of a prepared run without reading its kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    /// Kernels that are booted, the base included.
    pub(crate) kernels: usize,
    /// Pairs of a kernel and a target that are shared out.
    pub(crate) jobs: usize,
    /// Seconds of make for the base, and for all other kernels together.
    pub(crate) seconds: (f64, f64),
    /// Bytes of the directory without what shards leave.
    pub(crate) bytes: u64,
}

/// A prepared run that nobody else goes on with meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: std::fs::File,
}

/// Makes the base and every kernel of the series, and keeps them for [`Prepared::boot`] in a directory below `options.runs`.
///
/// # Errors
/// Those of [`crate::run()`] up to the first boot.
pub fn prepare(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Prepared, Error> {
    if options.shard.is_some() {
        let why = "prepare a run: a shard is a part of one that is prepared";
        return Err(Error::Usage(why.into()));
    }
    if options.ktest_conf.is_some() || options.way == Driver::KtestPl {
        let why = "prepare a run: ktest.pl boots what it has just built, on its one machine";
        return Err(Error::Usage(why.into()));
    }
    if let Some(id) = &options.resume {
        let home = options.runs.join(id);
        if home.join(PREPARED).is_file() {
            let prepared = Prepared::read(&home)?;
            // A run that is gone on with by its name alone is what it was.
            if series.is_some() {
                let asked = ask(tree, series, options)?;
                if asked.inputs.hash() != prepared.inputs() {
                    let why = "it was made from other inputs".into();
                    return Err(Error::Resume {
                        run: id.clone(),
                        why,
                    });
                }
            }
            return Ok(prepared);
        }
    }
    let whole = whole(tree, series, options, Then::Keep)?;
    let home = whole.directory.path.clone();
    let selftests = keep_programs(&whole.guest, &home)?;
    let kernels = whole.patches.iter().map(|stage| {
        let boots = home.join(format!("{:02}/{KERNEL}", stage.number)).is_file();
        (stage.number, stage.subject.clone(), boots)
    });
    let made = whole.patches.iter().map(|stage| stage.build.seconds);
    let data = Data {
        schema: SCHEMA.into(),
        variants: options.variants.clone(),
        memory_mib: options.memory_mib,
        boot_seconds: options.boot_seconds,
        order: order(&whole.targets, whole.touched.as_ref()),
        kernels: kernels.collect(),
        sites: whole.watch.sites.clone(),
        selftests,
        seconds: (whole.base.build.seconds, made.sum()),
        inputs: whole.inputs.clone(),
    };
    whole.directory.write(PREPARED, &data)?;
    Prepared::of(home, data)
}

/// Copies the programs of the guest: a trace that differs is shortened with other images.
fn keep_programs(guest: &Programs, home: &Utf8Path) -> Result<Vec<String>, Error> {
    let dir = home.join(GUEST);
    std::fs::create_dir_all(&dir).map_err(Error::io("make directory", &dir))?;
    std::fs::copy(&guest.init, dir.join("init")).map_err(Error::io("copy", &guest.init))?;
    let mut names = Vec::new();
    for program in &guest.selftests {
        let name = program.file_name().unwrap_or_default();
        std::fs::copy(program, dir.join(name)).map_err(Error::io("copy", program))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

impl Prepared {
    /// The prepared run in `home`.
    ///
    /// # Errors
    /// [`Error::Resume`] where it is not, or was prepared by another version.
    pub fn read(home: &Utf8Path) -> Result<Prepared, Error> {
        let refuse = |why: String| Error::Resume {
            run: home.to_string(),
            why,
        };
        let bytes = std::fs::read(home.join(PREPARED))
            .map_err(|_| refuse(format!("nothing is prepared there (no {PREPARED})")))?;
        let data: Data = serde_json::from_slice(&bytes).map_err(|error| {
            refuse(format!(
                "{PREPARED} was written by another version: {error}"
            ))
        })?;
        if data.schema != SCHEMA {
            return Err(refuse(format!(
                "{PREPARED} is {} and not {SCHEMA}",
                data.schema
            )));
        }
        Prepared::of(home.to_owned(), data)
    }

    fn of(home: Utf8PathBuf, data: Data) -> Result<Prepared, Error> {
        let mut targets = select(&data.inputs.targets)?;
        let source = Source::at("no directory".into(), &data.inputs.tree);
        let version = source.kernel_version()?;
        for target in &mut targets {
            target.at(version);
        }
        let variants = variants(&data.variants)?;
        let mut options = KtestOptions::new(home.join(HOSTS), home.join(SHARDS));
        options.memory_mib = data.memory_mib;
        options.cpus = data.inputs.machine.1;
        options.boot_seconds = data.boot_seconds;
        options.boot_all = data.inputs.boot_all;
        options.accelerator = data.inputs.accelerator;
        let options = on(&variants, &mut targets, &options);
        Ok(Prepared {
            home,
            data,
            targets,
            options,
        })
    }

    /// Keeps others from going on with it.
    ///
    /// # Errors
    /// [`Error::Locked`] where somebody does.
    pub(crate) fn hold(&self) -> Result<Held, Error> {
        Ok(Held {
            _lock: lock(&self.home)?,
        })
    }

    /// What the shards that were booted so far have cost, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn costs(&self) -> Result<Vec<Cost>, Error> {
        let runs = self.runs()?;
        let costs = runs.iter().filter_map(|run| {
            let bytes = std::fs::read(run.join(COST)).ok()?;
            serde_json::from_slice(&bytes).ok()
        });
        Ok(costs.collect())
    }

    /// The directories of all attempts at all shards, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn runs(&self) -> Result<Vec<Utf8PathBuf>, Error> {
        let dir = self.shards();
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = dir.read_dir_utf8().map_err(Error::io("read", &dir))?;
        let mut runs: Vec<Utf8PathBuf> = entries.flatten().map(|e| e.into_path()).collect();
        runs.sort();
        Ok(runs)
    }

    /// Which shard an attempt in this directory is at; `None` where that is not known.
    pub(crate) fn shard_of(&self, run: &Utf8Path) -> Option<Shard> {
        let bytes = std::fs::read(run.join("run.json")).ok()?;
        let (shard, inputs) = begun(&bytes)?;
        (inputs == self.inputs()).then_some(shard)
    }

    /// Patched kernels that are booted.
    pub(crate) fn kernels(&self) -> usize {
        let booted = self.data.kernels.iter().filter(|(_, _, boots)| *boots);
        booted.count()
    }

    /// Where the runs of its shards are.
    pub fn shards(&self) -> Utf8PathBuf {
        self.home.join(SHARDS)
    }

    /// What all shards of it have in common.
    pub(crate) fn inputs(&self) -> String {
        self.data.inputs.hash()
    }

    /// For each kernel, the base first, the targets that the shard boots it with.
    pub(super) fn plan(&self, shard: Option<Shard>) -> Vec<Vec<usize>> {
        let booted = |index: &&usize| self.targets[**index].guest().is_some();
        let order: Vec<usize> = self.data.order.iter().filter(booted).copied().collect();
        let kernels = self.data.kernels.iter().filter(|(_, _, boots)| *boots);
        let kernels: Vec<usize> = kernels.map(|(number, _, _)| *number).collect();
        // Where no patch is booted, there is nothing to share out but the base.
        in_order(&order, self.data.kernels.len(), &kernels, shard)
    }

    /// How many jobs there are to share out.
    pub(crate) fn jobs(&self) -> usize {
        jobs(&self.plan(None))
    }

    /// How many guests one kernel is booted in: targets that want other devices are booted apart.
    pub(crate) fn guests(&self) -> usize {
        let mut apart = std::collections::BTreeSet::new();
        let guests = self.targets.iter().filter_map(TargetSpec::guest);
        apart.extend(guests.map(|guest| (guest.probe, guest.machine.clone())));
        apart.len()
    }

    /// How large it is.
    pub(crate) fn size(&self) -> Size {
        let all = 0..=self.data.kernels.len();
        let bytes = all.map(|number| weigh(&self.home.join(format!("{number:02}"))).0);
        Size {
            kernels: 1 + self.kernels(),
            jobs: self.jobs(),
            seconds: self.data.seconds,
            bytes: bytes.sum(),
        }
    }

    /// What the longest of `count` shards may use: the deadlines of its guests one after the other.
    pub(crate) fn limits(&self, count: usize) -> Limits {
        let longest = (1..=count).map(|index| {
            let plan = self.plan(Some(Shard { index, count }));
            seconds(&plan, &self.targets, &self.options)
        });
        limits(longest.max().unwrap_or(0), &self.options)
    }

    /// What each shard would boot, in words, for those that lack a verdict.
    pub(crate) fn told(&self, shard: Shard) -> String {
        let plan = self.plan(Some(shard));
        let patched = plan.iter().skip(1).filter(|targets| !targets.is_empty());
        format!(
            "{} on {}",
            counted(jobs(&plan), "job"),
            counted(patched.count(), "patched kernel")
        )
    }

    /// What is decided without a boot.
    ///
    /// # Errors
    /// [`Error::Resume`] where a file of it is missing or damaged.
    pub(crate) fn decided(&self) -> Result<Vec<Stage>, Error> {
        (0..=self.data.kernels.len())
            .filter(|number| self.home.join(format!("{number:02}")).is_dir())
            .map(|number| self.json(&format!("{number:02}/stage.json")))
            .collect()
    }

    /// The stages of a shard that has no verdict: each of its jobs is skipped with the reason, so that none vanishes. The base is
    /// in it only where its own jobs are what is shared out.
    pub(crate) fn lost(&self, shard: Shard, why: &str) -> Vec<Stage> {
        let plan = self.plan(Some(shard));
        let patched = plan.iter().skip(1).any(|targets| !targets.is_empty());
        let mut stages = Vec::new();
        for (number, targets) in plan.iter().enumerate() {
            if targets.is_empty() || (number == 0 && patched) {
                continue;
            }
            let known = self.data.kernels.iter().find(|(of, _, _)| *of == number);
            let subject = known.map_or("", |(_, subject, _)| subject);
            let specs: Vec<&TargetSpec> = targets.iter().map(|i| &self.targets[*i]).collect();
            stages.push(left_out(number, subject, &specs, why));
        }
        stages
    }

    /// One verdict of what is known of its kernels, with the targets of each in the order in which they were asked for; `runs` are the
    /// directories of the shards that it is known from, `missing` those of which nothing is known.
    ///
    /// # Errors
    /// [`Error::Internal`] without a base, [`Error::Resume`] where a kernel's description is missing or damaged.
    pub(crate) fn put_together(
        &self,
        run: &str,
        mut parts: Vec<Stage>,
        runs: &[Utf8PathBuf],
        missing: &[String],
    ) -> Result<Verdict, Error> {
        self.exercise(&mut parts, runs)?;
        let merged = together(run, parts, missing);
        let mut verdict = merged.map_err(|error| Error::Internal(error.to_string()))?;
        verdict.inputs = Some(self.inputs());
        let order = &self.data.inputs.targets;
        for stage in std::iter::once(&mut verdict.base).chain(&mut verdict.patches) {
            stage
                .targets
                .sort_by_key(|target| order.iter().position(|name| *name == target.name));
        }
        Ok(verdict)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let damaged = |why: String| Error::Resume {
            run: self.home.to_string(),
            why: format!("{name} is damaged: {why}"),
        };
        let bytes = std::fs::read(self.home.join(name)).map_err(|e| damaged(e.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }
}

#[cfg(test)]
impl Prepared {
    /// A prepared run in `home` whose kernels are files of a few bytes, for emulators that are stand-ins.
    pub(crate) fn stand_in(home: &Utf8Path, target: &str, patches: &[&str]) -> Prepared {
        use super::kernel::{IMAGE, INITRD, Kernel};
        use crate::build::stage::hash;
        use crate::verdict::{Build, Outcome};
        let inputs = Inputs {
            schema: "run/1".into(),
            tree: "6.12".into(),
            patches: patches
                .iter()
                .map(|p| ((*p).to_owned(), String::new()))
                .collect(),
            targets: vec![target.to_owned()],
            config: String::new(),
            kbuild: Vec::new(),
            image: None,
            machine: (512, 2),
            conf: None,
            accelerator: Some(crate::boot::Accelerator::Tcg),
            boot_all: false,
            tools: Vec::new(),
            shard: None,
            reproduce: String::new(),
        };
        let directory = super::directory::RunDirectory::at(home, &inputs);
        let subjects = std::iter::once(&"Linux 6.12").chain(patches);
        for (number, subject) in subjects.enumerate() {
            let dir = directory.stage(number).unwrap();
            std::fs::write(dir.join(IMAGE), format!("image {number}")).unwrap();
            std::fs::write(dir.join(INITRD), "initrd").unwrap();
            let build = Build {
                image_hash: Some(hash(&dir.join(IMAGE)).unwrap()),
                ..Build::of(Outcome::Pass, None)
            };
            let kernel = Kernel {
                initrd_hash: Some(hash(&dir.join(INITRD)).unwrap()),
                ..Kernel::new(number, subject, build)
            };
            directory
                .write(&format!("{number:02}/{KERNEL}"), &kernel)
                .unwrap();
            directory.record(number, &kernel.stage()).unwrap();
        }
        let kernels = (1..).zip(patches);
        let data = Data {
            schema: SCHEMA.into(),
            inputs,
            variants: Vec::new(),
            memory_mib: 512,
            boot_seconds: 20,
            order: vec![0],
            kernels: kernels.map(|(n, s)| (n, (*s).to_owned(), true)).collect(),
            sites: Vec::new(),
            selftests: Vec::new(),
            seconds: (1.0, 1.0),
        };
        directory.write(PREPARED, &data).unwrap();
        Prepared::read(home).unwrap()
    }
}
