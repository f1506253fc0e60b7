// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run by way of the tree's ktest.pl.

use super::compiled::not_done;
use super::evidence::converted;
use super::stages::Session;
use crate::boot::{Machine, QEMU, seen};
use crate::build::stage::hash;
use crate::build::{Overlay, Prepared};
use crate::error::Error;
use crate::host;
use crate::perl::{Conf, Repository, Said, boots, forget, power_switch, read};
use crate::series::Staged;
use crate::target::{Guest, TargetSpec};
use crate::verdict::{Build, Ended, Outcome, Stage, Target, judge};
use camino::Utf8Path;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Twelve hours: a series of fifty patches, built and booted on a slow machine.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);

/// Why a target is not done this way.
fn lacks(target: &TargetSpec) -> Option<&'static str> {
    match target.guest() {
        None => Some("compiled only, and ktest.pl compiles whole kernels"),
        Some(guest) if !guest.machine.is_empty() => {
            Some("it needs a machine with other devices, and ktest.pl has one machine")
        }
        Some(guest) if guest.probe => Some(
            "it needs a module built beside each kernel, and ktest.pl has one initramfs for all",
        ),
        Some(_) => None,
    }
}

impl Session<'_> {
    /// Boot and test of the base, patchcheck over the series.
    pub(super) fn by_ktest_pl(
        &self,
        prepared: &Prepared,
        staged: &[Staged],
    ) -> Result<(Stage, Vec<Stage>), Error> {
        let script = self.source.root.join("tools/testing/ktest/ktest.pl");
        for (program, purpose) in [
            ("perl", "the tree's ktest.pl"),
            ("diffstat", "patchcheck of the tree's ktest.pl"),
        ] {
            host::require(program, purpose)?;
        }
        let dir = self.directory.path.join("ktest.pl");
        std::fs::create_dir_all(dir.join("boots")).map_err(Error::io("make directory", &dir))?;
        let dir = camino::absolute_utf8(&dir).map_err(Error::io("find", &dir))?;
        let repository = Repository::make(&prepared.shadow, &self.source.root, staged)?;
        let (name, image) = prepared.kbuild.image();
        let conf = Conf {
            dir: &dir,
            source: &prepared.kbuild.source,
            output: &prepared.kbuild.output,
            variables: &prepared.kbuild.variables,
            jobs: prepared.kbuild.jobs,
            image: image
                .strip_prefix(&prepared.kbuild.output)
                .map_or(name, Utf8Path::as_str),
            commits: &repository.commits,
            timeout: self.options.boot_seconds,
        };
        let put = |name: &str, text: &[u8]| {
            let file = dir.join(name);
            std::fs::write(&file, text).map_err(Error::io("write", &file))
        };
        let config = prepared.kbuild.output.join(".config");
        let config = std::fs::read(&config).map_err(Error::io("read", &config))?;
        let machine = self.machine(&dir)?;
        let switch = power_switch(&machine, &dir, conf.source, &image, machine.seconds());
        for (name, text) in [
            ("config", config.as_slice()),
            ("console", b""),
            ("count", b"0\n"),
            ("state", b"test\n"),
            ("machine", switch.as_bytes()),
            ("ktest.conf", conf.text().as_bytes()),
        ] {
            put(name, text)?;
        }
        let executable = std::fs::Permissions::from_mode(0o755);
        let switch = dir.join("machine");
        std::fs::set_permissions(&switch, executable).map_err(Error::io("write", &switch))?;
        self.options
            .progress
            .say("ktest.pl: boot, test and patchcheck");
        let ran = proc::Command::new("perl")
            .arg(&script)
            .arg(conf.path())
            .current_dir(&dir)
            .log(dir.join("ktest.pl.log"))
            .deadline(DEADLINE)
            .run_unchecked()
            .map_err(Error::child("run ktest.pl"));
        // Neither the repository nor its version's name is for other runs.
        forget(conf.source)?;
        prepared.shadow.set(&Overlay::new())?;
        let version = prepared.kbuild.output.join("localversion");
        let _never_made = std::fs::remove_file(version);
        ran?;
        let log = std::fs::read(dir.join("ktest.log")).unwrap_or_default();
        let said = read(&String::from_utf8_lossy(&log));
        if let Some(disk) = &machine.disk {
            std::fs::remove_file(disk).map_err(Error::io("remove", disk))?;
        }
        self.of_perl(prepared, &dir, &repository, staged, &said)
    }

    fn machine(&self, dir: &Utf8Path) -> Result<Machine, Error> {
        let guests: Vec<Guest> = self.booted().filter_map(|t| t.guest()).cloned().collect();
        if guests.is_empty() {
            return Err(Error::Usage(
                "run ktest.pl: none of the targets is booted on its one machine".into(),
            ));
        }
        let specs: Vec<&TargetSpec> = self.booted().collect();
        let initrd = self.initrd(&specs, None, dir)?;
        let disk = super::boots::disk(&guests, &self.directory.path)?;
        let disk = disk.map(|disk| camino::absolute_utf8(&disk).unwrap_or(disk));
        Ok(Machine {
            qemu: self.options.qemu.clone().unwrap_or_else(|| QEMU.into()),
            kernel: "$b/bzImage".into(),
            initrd,
            guests,
            memory_mib: self.options.memory_mib,
            cpus: self.options.cpus,
            boot_seconds: self.options.boot_seconds,
            disk,
        })
    }

    /// Those that its one machine can run.
    fn booted(&self) -> impl Iterator<Item = &TargetSpec> {
        self.targets(0)
            .into_iter()
            .filter(|target| lacks(target).is_none())
    }

    /// The boots, judged; what ktest.pl says where there is none.
    fn of_perl(
        &self,
        prepared: &Prepared,
        dir: &Utf8Path,
        repository: &Repository,
        staged: &[Staged],
        said: &Said,
    ) -> Result<(Stage, Vec<Stage>), Error> {
        let boots = boots(dir);
        let mut stages: Vec<Stage> = Vec::new();
        for (number, commit) in repository.commits.iter().enumerate() {
            let boot = boots.iter().rfind(|boot| &boot.commit == commit);
            let reached = boot.is_some() || said.last.as_ref() == Some(commit) || number == 0;
            if !reached {
                // It stops at the first commit that is not good.
                break;
            }
            let (subject, overlay) = match number.checked_sub(1).and_then(|i| staged.get(i)) {
                Some(patch) => (patch.subject.clone(), patch.overlay.clone()),
                None => (format!("Linux {}", self.source.version), Overlay::new()),
            };
            let failed = said.tests.iter().find_map(|test| test.as_ref().err());
            let why = said.died.as_ref().or(failed);
            let is_last =
                said.last.as_ref() == Some(commit) || (number == 0 && said.last.is_none());
            let why = why
                .filter(|_| is_last)
                .map(|why| format!("ktest.pl says: {why}"));
            let mut targets: Vec<Target> = Vec::new();
            let mut image_hash = None;
            if let Some(boot) = boot {
                let seen = seen(
                    Ended::Exited,
                    &boot.dir.join("console.log"),
                    &boot.dir.join("results.ktap"),
                )?;
                image_hash = Some(hash(&boot.dir.join("bzImage"))?);
                for spec in self.booted() {
                    let converted = converted(&self.source.root, &overlay, spec);
                    let mut target = judge(spec, converted, &seen);
                    if let (Some(why), Outcome::Pass) = (&why, target.result) {
                        target.result = Outcome::Inconclusive;
                        target.reason = Some(why.clone());
                    }
                    target.callsites = self.evidence(spec, Some(&seen), Some(&prepared.kbuild));
                    targets.push(target);
                }
                let others = self.targets(0).into_iter();
                targets.extend(others.filter_map(|t| Some(not_done(t, lacks(t)?))));
            }
            let build = Build {
                result: if boot.is_some() {
                    Outcome::Pass
                } else {
                    Outcome::Fail
                },
                reason: why.filter(|_| boot.is_none()),
                new_warnings: Vec::new(),
                changes: Default::default(),
                image_hash,
                seconds: 0.0,
            };
            let stage = Stage {
                number,
                subject,
                build,
                targets,
            };
            self.directory.record(number, &stage)?;
            stages.push(stage);
        }
        let base = stages.remove(0);
        Ok((base, stages))
    }
}
