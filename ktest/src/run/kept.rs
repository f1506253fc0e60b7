// SPDX-License-Identifier: MIT OR Apache-2.0
//! A shard of a prepared run, booted from where its kernels are kept.

use super::directory::{Inputs, RunDirectory};
use super::evidence::Watch;
use super::kernel::{IMAGE, INITRD, Kernel, Then};
use super::lines::SeriesLines;
use super::prepared::{GUEST, KERNEL, Prepared};
use super::stages::Session;
use super::whole::{NOT_JUDGED, left_out};
use crate::build::stage::hash;
use crate::error::Error;
use crate::image::Programs;
use crate::options::KtestOptions;
use crate::source::Source;
use crate::verdict::{Shard, Stage, Verdict, summarise};
use camino::Utf8Path;
use failure::counted;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Instant;

/// What a shard has cost, in its run's directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// The machine's name.
    pub(crate) host: String,
    /// From its start to its verdict.
    pub(crate) wall_seconds: f64,
    /// User and system time of it and its guests.
    pub(crate) cpu_seconds: f64,
    /// The largest process, in KiB.
    pub(crate) peak_kib: u64,
    /// Guests that were booted.
    pub(crate) boots: usize,
    /// Bytes of its directory.
    pub(crate) bytes: u64,
}

/// Name of the file with a shard's cost.
pub(super) const COST: &str = "cost.json";

impl Prepared {
    /// Boots the jobs of `shard`, or all of them, in a run directory of its own below [`Prepared::shards`]. What an earlier attempt at
    /// the same shard has finished is taken over; two attempts never write to one directory, so that one that was given up for lost
    /// and still runs does no harm.
    ///
    /// # Errors
    /// As [`crate::run()`]; [`Error::Machine`] where a kernel is not the one that was prepared.
    pub fn boot(&self, shard: Option<Shard>, options: &KtestOptions) -> Result<Verdict, Error> {
        let started = Instant::now();
        let mut own = self.options.clone();
        own.qemu.clone_from(&options.qemu);
        own.accelerator = options.accelerator.or(own.accelerator);
        own.at_once = options.at_once;
        own.progress = options.progress.clone();
        own.cache = own.cache.join(host());
        std::fs::create_dir_all(&own.cache).map_err(Error::io("make directory", &own.cache))?;
        let inputs = Inputs {
            shard,
            accelerator: own.accelerator,
            reproduce: match shard {
                Some(shard) => format!("cargo xtask ktest --prepared DIR --shard {shard}"),
                None => "cargo xtask ktest --prepared DIR".into(),
            },
            ..self.data.inputs.clone()
        };
        let directory = RunDirectory::create(&self.shards(), &inputs)?;
        let taken = directory.take_over(&self.shards(), &inputs)?;
        own.progress.say(&format!("run {}", directory.id));
        if taken > 0 {
            let said = format!("an earlier attempt finished {}", counted(taken, "kernel"));
            own.progress.say(&said);
        }
        let source = Source::at("no directory".into(), &self.data.inputs.tree);
        let guest = self.home.join(GUEST);
        let session = Session {
            source: &source,
            options: &own,
            targets: self.targets.clone(),
            plan: self.plan(shard),
            directory: &directory,
            guest: Programs {
                init: guest.join("init"),
                selftests: self.data.selftests.iter().map(|n| guest.join(n)).collect(),
            },
            variants: Vec::new(),
            functions: Vec::new(),
            user: None,
            watch: Watch::of_sites(self.data.sites.clone()),
            // What of them is watched in a kernel is kept with it.
            lines: SeriesLines::default(),
            then: Then::Boot,
            accelerator: Mutex::new(own.accelerator),
        };
        let (base, patches) = session.kept(self)?;
        let mut verdict = match shard {
            Some(shard) if shard.index > 1 => summarise(&directory.id, base, patches),
            // What is decided without a boot is in one of the shards: who puts them together need not know of it.
            _ => {
                let mut parts = self.decided()?;
                parts.push(base);
                parts.extend(patches);
                self.put_together(&directory.id, parts, &[], &[])?
            }
        };
        verdict.shard = shard;
        verdict.inputs = Some(self.data.inputs.hash());
        if verdict.base.targets.is_empty() {
            verdict.reason = "there is no job for this shard".into();
        }
        let (bytes, boots) = weigh(&directory.path);
        let spent = proc::spent();
        let cost = Cost {
            host: host(),
            wall_seconds: started.elapsed().as_secs_f64(),
            cpu_seconds: spent.cpu().as_secs_f64(),
            peak_kib: spent.peak_kib,
            boots,
            bytes,
        };
        directory.write(COST, &cost)?;
        directory.conclude(&verdict)?;
        Ok(verdict)
    }
}

/// The bytes below a directory, and how many guests have left a log of their emulator there.
pub(super) fn weigh(dir: &Utf8Path) -> (u64, usize) {
    let files = walkdir::WalkDir::new(dir).into_iter().flatten();
    files.fold((0, 0), |(bytes, boots), file| {
        let length = file.metadata().map_or(0, |file| file.len());
        let boot = usize::from(file.file_name() == "qemu.log");
        (bytes + length, boots + boot)
    })
}

impl Session<'_> {
    /// The base and the kernels of this shard, booted from where they are kept.
    fn kept(&self, prepared: &Prepared) -> Result<(Stage, Vec<Stage>), Error> {
        let base = self.of_kept(prepared, 0)?;
        let mut patches = Vec::new();
        for (number, subject, _) in &prepared.data.kernels {
            let specs = self.targets(*number);
            if specs.is_empty() {
                continue;
            }
            patches.push(match base.is_good() {
                true => self.of_kept(prepared, *number)?,
                false => left_out(*number, subject, &specs, NOT_JUDGED),
            });
        }
        Ok((base, patches))
    }

    fn of_kept(&self, prepared: &Prepared, number: usize) -> Result<Stage, Error> {
        if let Some(stage) = self.directory.finished(number) {
            return Ok(stage);
        }
        let home = prepared.home.join(format!("{number:02}"));
        let kernel: Kernel = prepared.json(&format!("{number:02}/{KERNEL}"))?;
        let specs = self.targets(number);
        if specs.is_empty() {
            return Ok(kernel.stage());
        }
        let whole = [
            (IMAGE, &kernel.build.image_hash),
            (INITRD, &kernel.initrd_hash),
        ];
        for (name, expected) in whole {
            let file = home.join(name);
            if expected.as_ref() != Some(&hash(&file)?) {
                return Err(Error::Machine {
                    what: format!("boot \"{}\"", kernel.subject),
                    line: format!("{file} is not the file that was prepared"),
                });
            }
        }
        let dir = self.directory.stage(number)?;
        let stage = self.boot_kernel(&kernel, &specs, &home, &dir)?;
        self.finish(stage)
    }
}

/// This machine's name, as far as it can be a file's.
fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let name: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    match name.is_empty() {
        true => "host".into(),
        false => name,
    }
}
