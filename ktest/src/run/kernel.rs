// SPDX-License-Identifier: MIT OR Apache-2.0
//! One kernel that was made: its image, its initramfs, and what the verdict on its boots needs to know besides.
//!
//! A run boots it at once. A prepared run keeps it in a directory, and another process, on another machine, boots it from
//! there by the same function: it needs neither the tree nor a compiler.

use super::boots::Objects;
use super::directory::lines;
use super::lines::{Places, RanBefore, known, ran};
use super::prepared::KERNEL;
use super::stages::Session;
use crate::boot::Seen;
use crate::build::stage::hash;
use crate::build::{Call, Kbuild};
use crate::error::Error;
use crate::judge::{Changed, Ran, exercised};
use crate::target::TargetSpec;
use crate::verdict::{Build, Stage};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the image in a kernel's directory.
pub(super) const IMAGE: &str = "bzImage";
/// Name of the initramfs there.
pub(super) const INITRD: &str = "initrd";

/// What becomes of a kernel once it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It is booted, and judged.
    Boot,
    /// It is kept, for others to boot.
    Keep,
}

/// A kernel that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kernel {
    /// Its place in the series; the base is 0.
    pub(super) number: usize,
    /// Subject of the last patch in it.
    pub(super) subject: String,
    /// How it was built.
    pub(super) build: Build,
    /// The functions that it changes.
    pub(super) changed: Vec<Changed>,
    /// Where the lines stand in it that later patches take away, by the number of the patch.
    pub(super) later: BTreeMap<usize, Places>,
    /// The files of watched callsites that have an object.
    pub(super) compiled: BTreeSet<Utf8PathBuf>,
    /// The watched calls of each touched file.
    pub(super) calls: BTreeMap<Utf8PathBuf, Vec<Call>>,
    /// Names of the targets that ought to ask for pins.
    pub(super) converted: BTreeSet<String>,
    /// blake3 of the initramfs, once there is one.
    pub(super) initrd_hash: Option<String>,
}

impl Kernel {
    /// One of which nothing but its making is known.
    pub(super) fn new(number: usize, subject: &str, build: Build) -> Kernel {
        Kernel {
            number,
            subject: subject.to_owned(),
            build,
            changed: Vec::new(),
            later: BTreeMap::new(),
            compiled: BTreeSet::new(),
            calls: BTreeMap::new(),
            converted: BTreeSet::new(),
            initrd_hash: None,
        }
    }

    /// What is known of it before it is booted.
    pub(super) fn stage(&self) -> Stage {
        Stage {
            subject: self.subject.clone(),
            ..Stage::new(self.number, self.build.clone())
        }
    }

    /// What it changes, with what the kernels before it say of the lines that it takes away. One of them suffices: kernels with the
    /// same image are booted once, and a shard boots some with a part of its targets.
    pub(super) fn changed_after(&self, earlier: &[RanBefore]) -> Vec<Changed> {
        let of = |changed: &Changed| {
            let name = format!("{}:{}", changed.path, changed.function);
            let known = earlier
                .iter()
                .filter_map(|ran| ran.get(&self.number)?.get(&name));
            Changed {
                ran_before: known.copied().reduce(|one, other| one || other),
                ..changed.clone()
            }
        };
        self.changed.iter().map(of).collect()
    }

    fn watched(&self) -> Vec<String> {
        let calls = self.calls.values().flatten().map(|call| &call.place);
        let changed = self.changed.iter();
        let changed = changed.flat_map(|c| c.within.iter().chain([&c.function]).chain(&c.lines));
        let later = self.later.values().flat_map(Places::values).flatten();
        changed.chain(calls).chain(later).cloned().collect()
    }
}

impl Session<'_> {
    /// Puts the image `built` and the initramfs for `specs` into `dir`.
    pub(super) fn pack(
        &self,
        kernel: &mut Kernel,
        built: &Utf8Path,
        specs: &[&TargetSpec],
        kbuild: Option<&Kbuild>,
        dir: &Utf8Path,
    ) -> Result<(), Error> {
        std::fs::copy(built, dir.join(IMAGE)).map_err(Error::io("copy", built))?;
        let initrd = self.initrd(specs, kbuild, &kernel.watched(), dir)?;
        if self.then == Then::Keep {
            kernel.initrd_hash = Some(hash(&initrd)?);
            self.directory
                .write(&format!("{:02}/{KERNEL}", kernel.number), kernel)?;
        }
        Ok(())
    }

    /// Boots the kernel that lies in `home` with the targets that are booted, leaving in `dir` what they leave, and judges
    /// it. Targets that are compiled only are not in the stage.
    pub(super) fn boot_kernel(
        &self,
        kernel: &Kernel,
        specs: &[&TargetSpec],
        home: &Utf8Path,
        dir: &Utf8Path,
    ) -> Result<Stage, Error> {
        let subject = &kernel.subject;
        self.options.progress.say(&format!("booting {subject}"));
        let (image, initrd) = (home.join(IMAGE), home.join(INITRD));
        let objects = Objects {
            compiled: &kernel.compiled,
            calls: &kernel.calls,
        };
        let files = (image.as_path(), initrd.as_path());
        let mut booted = self.boot(specs, files, &kernel.converted, Some(objects), dir)?;
        self.shorten(specs, home, dir, &mut booted.targets)?;
        let mut stage = self.stage_of(kernel.number, subject, kernel.build.clone(), &booted);
        let seen: Vec<&Seen> = booted.seen.iter().collect();
        let of_all = Ran::of(&seen);
        let run = &self.directory.path;
        let earlier: Vec<RanBefore> = (0..kernel.number)
            .map(|number| lines(run, number))
            .collect();
        stage.exercise = exercised(&kernel.changed_after(&earlier), &of_all);
        let later = kernel.later.iter();
        let later = later.map(|(patch, places)| (*patch, ran(places, |place| of_all.hits(place))));
        let later = known(later.collect(), &booted.targets);
        self.directory.record_lines(kernel.number, &later)?;
        self.directory.record_ran(kernel.number, &of_all)?;
        stage.targets = booted.targets;
        Ok(stage)
    }
}
