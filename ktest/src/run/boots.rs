// SPDX-License-Identifier: MIT OR Apache-2.0
//! One kernel booted, its targets judged, and what is known of the callsites that they reach.

use super::stages::Session;
use crate::boot::{Choice, Machine, QEMU, Seen, boot, choose, distrust};
use crate::build::{Call, Kbuild, machine_failed};
use crate::error::Error;
use crate::judge::{Converted, against, judge};
use crate::target::{Guest, TargetSpec};
use crate::verdict::{Accelerator, CallsiteEvidence, Evidence, Target};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// What the boots of one kernel came to.
pub(super) struct Booted {
    pub(super) targets: Vec<Target>,
    pub(super) seen: Vec<Seen>,
}

/// What is known of the objects of the kernel that is booted.
#[derive(Clone, Copy)]
pub(super) struct Objects<'a> {
    /// The files of watched callsites that have an object.
    pub(super) compiled: &'a BTreeSet<Utf8PathBuf>,
    pub(super) calls: &'a BTreeMap<Utf8PathBuf, Vec<Call>>,
}

impl Session<'_> {
    /// Boots `kernel` (image and initramfs) with those of `specs` that are booted, once for all that ask for the same devices: a device of one
    /// target may stand in another's way (an IOMMU, say). Those named in `converted` ought to ask for pins.
    pub(super) fn boot(
        &self,
        specs: &[&TargetSpec],
        kernel: (&Utf8Path, &Utf8Path),
        converted: &BTreeSet<String>,
        objects: Option<Objects<'_>>,
        dir: &Utf8Path,
    ) -> Result<Booted, Error> {
        // Counts of single pages are compared where no memory is set aside as movable: there a pin may move its page first.
        let mut groups: BTreeMap<(bool, &[String]), Vec<&TargetSpec>> = BTreeMap::new();
        for spec in specs {
            if let Some(guest) = spec.guest() {
                let apart = (guest.probe, guest.machine.as_slice());
                groups.entry(apart).or_default().push(spec);
            }
        }
        let alone = groups.len() == 1;
        let groups: Vec<(Vec<&TargetSpec>, Utf8PathBuf)> = groups
            .into_iter()
            .map(|(apart, group)| {
                let dir = match (apart, group.first()) {
                    ((false, &[]), _) | (_, None) => dir.to_owned(),
                    ((true, &[]), _) if alone => dir.to_owned(),
                    (_, Some(first)) => dir.join(&first.name),
                };
                (group, dir)
            })
            .collect();
        let at_once = self.options.at_once.unwrap_or_else(|| {
            at_once(
                crate::options::processors(),
                self.options.cpus,
                free_mib(),
                self.options.memory_mib,
            )
        });
        let base = self.directory.finished(0);
        let of_base = |name: &str| {
            base.iter()
                .flat_map(|b| &b.targets)
                .find(|t| t.name == name)
        };
        let (mut targets, mut all_seen) = (Vec::new(), Vec::new());
        if !groups.is_empty() {
            self.choose(kernel, dir)?;
        }
        for wave in groups.chunks(at_once) {
            for ((group, _), ended) in wave.iter().zip(self.boot_wave(wave, kernel)) {
                let (seen, accelerator) = ended?;
                targets.extend(group.iter().map(|spec| {
                    let asks = match converted.contains(&spec.name) {
                        true => Converted::Yes,
                        false => Converted::No,
                    };
                    let mut target = judge(spec, asks, &seen);
                    target.accelerator = Some(accelerator);
                    if let Some(of_base) = of_base(&spec.name) {
                        against(of_base, &mut target);
                    }
                    target.callsites = self.evidence(spec, Some(&seen), objects);
                    target
                }));
                all_seen.push(seen);
            }
        }
        Ok(Booted {
            targets,
            seen: all_seen,
        })
    }

    /// Several guests side by side, each in a directory of its own.
    fn boot_wave(
        &self,
        wave: &[(Vec<&TargetSpec>, Utf8PathBuf)],
        kernel: (&Utf8Path, &Utf8Path),
    ) -> Vec<Result<(Seen, Accelerator), Error>> {
        std::thread::scope(|scope| {
            let boots: Vec<_> = wave
                .iter()
                .map(|(group, dir)| scope.spawn(move || self.boot_again(group, kernel, dir)))
                .collect();
            let lost = || Error::Internal("a boot ended without a word".into());
            boots
                .into_iter()
                .map(|boot| boot.join().unwrap_or_else(|_| Err(lost())))
                .collect()
        })
    }

    /// Once more where the machine was at fault: an emulator that somebody killed says nothing of the kernel, and a guest that
    /// fell silent under KVM says little. What a kernel does is never tried again.
    fn boot_again(
        &self,
        specs: &[&TargetSpec],
        kernel: (&Utf8Path, &Utf8Path),
        dir: &Utf8Path,
    ) -> Result<(Seen, Accelerator), Error> {
        let with = self.accelerator();
        let why = match self.boot_once(specs, kernel, dir) {
            Ok(seen) if with == Accelerator::Kvm && seen.is_silent() => {
                "under KVM the guest ended without a verdict".to_owned()
            }
            Err(error) if error.may_pass() => error.to_string(),
            done => return Ok((done?, with)),
        };
        self.options
            .progress
            .say(&format!("booting once more: {why}"));
        if with == Accelerator::Kvm {
            distrust(&self.machine_of(&[], kernel), &self.options.cache, &why)?;
            self.set_accelerator(Accelerator::Tcg);
        }
        let seen = self.boot_once(specs, kernel, dir)?;
        Ok((seen, Accelerator::Tcg))
    }

    /// Finds out before the first boot what executes the guests' instructions.
    fn choose(&self, kernel: (&Utf8Path, &Utf8Path), dir: &Utf8Path) -> Result<(), Error> {
        if self.chosen().is_some() {
            return Ok(());
        }
        let progress = &self.options.progress;
        let machine = self.machine_of(&[], kernel);
        let say = |sentence: &str| progress.say(sentence);
        let Choice { accelerator, why } = choose(&machine, &self.options.cache, dir, &say)?;
        progress.say(&format!("booting with {accelerator}: {why}"));
        self.set_accelerator(accelerator);
        Ok(())
    }

    fn chosen(&self) -> Option<Accelerator> {
        *self
            .accelerator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Software emulation until something else was chosen.
    fn accelerator(&self) -> Accelerator {
        self.chosen().unwrap_or(Accelerator::Tcg)
    }

    fn set_accelerator(&self, accelerator: Accelerator) {
        *self
            .accelerator
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(accelerator);
    }

    pub(super) fn boot_once(
        &self,
        specs: &[&TargetSpec],
        kernel: (&Utf8Path, &Utf8Path),
        dir: &Utf8Path,
    ) -> Result<Seen, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io("make directory", dir))?;
        let guests: Vec<Guest> = specs.iter().filter_map(|t| t.guest()).cloned().collect();
        let disk = disk(&guests, dir)?;
        let machine = Machine {
            disk: disk.clone(),
            ..self.machine_of(&guests, kernel)
        };
        let seen = boot(&machine, dir)?;
        // What the guest said may have had no place to go: that is no verdict.
        if seen.results.verdicts.is_empty() {
            machine_failed("boot a kernel", "", dir)?;
        }
        if let Some(disk) = disk {
            // What the guest left on it says nothing that the results do not say.
            std::fs::remove_file(&disk).map_err(Error::io("remove", &disk))?;
        }
        Ok(seen)
    }

    fn machine_of(&self, guests: &[Guest], (image, initrd): (&Utf8Path, &Utf8Path)) -> Machine {
        Machine {
            qemu: self.options.qemu.clone().unwrap_or_else(|| QEMU.into()),
            accelerator: self.accelerator(),
            kernel: image.to_owned(),
            initrd: initrd.to_owned(),
            guests: guests.to_vec(),
            memory_mib: self.options.memory_mib,
            cpus: self.options.cpus,
            boot_seconds: self.options.boot_seconds,
            disk: None,
        }
    }

    /// The files of watched callsites that have an object in this output directory.
    pub(super) fn compiled(&self, kbuild: &Kbuild) -> BTreeSet<Utf8PathBuf> {
        let files = self.watch.sites.iter().map(|site| &site.path);
        let compiled = |file: &&Utf8PathBuf| kbuild.output.join(file.with_extension("o")).is_file();
        files.filter(compiled).cloned().collect()
    }

    /// Of the callsites in files that the target exercises, and of all whose function ran in it.
    pub(super) fn evidence(
        &self,
        spec: &TargetSpec,
        seen: Option<&Seen>,
        objects: Option<Objects<'_>>,
    ) -> Vec<CallsiteEvidence> {
        let report = seen.and_then(|seen| seen.results.target(&spec.name));
        let came_up = seen.is_some_and(|seen| !seen.results.targets.is_empty());
        let hits = |name: &str| report.and_then(|report| report.hits.get(name)).copied();
        let of_target = seen.into_iter().flat_map(|seen| &seen.scan.found);
        let of_target = of_target.filter(|f| f.target.as_deref() == Some(spec.name.as_str()));
        let traced: BTreeSet<&str> = of_target
            .flat_map(|f| f.splat.function.iter().chain(&f.splat.trace))
            .map(String::as_str)
            .collect();
        let mut evidence = Vec::new();
        for site in &self.watch.sites {
            let ran =
                hits(&site.function).unwrap_or(0) > 0 || traced.contains(site.function.as_str());
            if !ran && !spec.reaches(site.path.as_str()) {
                continue;
            }
            // Of several calls of the same function only those together are known.
            let calls = objects.and_then(|objects| objects.calls.get(&site.path));
            let all_made = calls.into_iter().flatten().all(|call| {
                let same =
                    call.function == site.function && Some(&call.callee) == site.callee.as_ref();
                !same || hits(&call.place) != Some(0)
            });
            let built = objects.is_some_and(|objects| objects.compiled.contains(&site.path));
            let evidence_of = match (built, came_up) {
                (true, _) if ran && all_made => Evidence::Executed,
                (true, true) => Evidence::Booted,
                (true, false) => Evidence::Built,
                (false, _) => Evidence::None,
            };
            evidence.push(CallsiteEvidence {
                id: site.id.clone(),
                evidence: evidence_of,
            });
        }
        evidence
    }
}

/// How many guests fit: each has its processors and its memory for itself, and a quarter of the memory is left alone. Never fewer
/// than one.
fn at_once(processors: usize, cpus: u32, free_mib: u64, memory_mib: u32) -> usize {
    let by_processors = processors / (cpus.max(1) as usize);
    let by_memory = free_mib / 4 * 3 / u64::from(memory_mib.max(1));
    by_processors
        .min(usize::try_from(by_memory).unwrap_or(usize::MAX))
        .max(1)
}

/// MemAvailable of /proc/meminfo: proc(5).
fn free_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// A file with no bytes of its own, as large as the largest disk that is asked for.
pub(super) fn disk(guests: &[Guest], dir: &Utf8Path) -> Result<Option<Utf8PathBuf>, Error> {
    let Some(mib) = guests.iter().filter_map(|guest| guest.disk_mib).max() else {
        return Ok(None);
    };
    let path = dir.join("disk.img");
    std::fs::File::create(&path)
        .and_then(|file| file.set_len(mib << 20))
        .map_err(Error::io("make a disk for the guest", &path))?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_guests_run_as_processors_and_memory_allow() {
        assert_eq!(at_once(2, 2, 16_000, 512), 1);
        assert_eq!(at_once(8, 2, 16_000, 512), 4);
        assert_eq!(at_once(8, 2, 1_500, 512), 2);
        assert_eq!(at_once(1, 2, 0, 512), 1);
    }
}
