// SPDX-License-Identifier: MIT OR Apache-2.0
//! One kernel that was made: its image, its initramfs, and what the verdict on its boots needs to know besides.
//!
//! A run boots it at once. A prepared run keeps it in a directory, and another process, on another machine, boots it from
//! there by the same function: it needs neither the tree nor a compiler.

use super::boots::Objects;
use super::prepared::KERNEL;
use super::stages::Session;
use crate::boot::Seen;
use crate::build::stage::hash;
use crate::build::{Call, Kbuild};
use crate::error::Error;
use crate::judge::{Changed, exercise};
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

    fn watched(&self) -> Vec<String> {
        let calls = self.calls.values().flatten().map(|call| &call.place);
        let changed = self.changed.iter();
        let changed = changed.flat_map(|c| c.within.iter().chain([&c.function]));
        changed.chain(calls).cloned().collect()
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
        stage.exercise = exercise(&kernel.changed, &seen);
        stage.targets = booted.targets;
        Ok(stage)
    }
}
