// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run by way of the tree's ktest.pl.

use super::boots::{Booted, Objects};
use super::compiled::not_done;
use super::evidence::converted;
use super::stages::Session;
use crate::boot::{Ended, Machine, QEMU, seen};
use crate::build::stage::hash;
use crate::build::{Prepared, forget};
use crate::error::Error;
use crate::host;
use crate::judge::{exercise, judge};
use crate::perl::{
    Conf, Remote, Repository, SCRIPT, Said, User, WAITS, boots, by_lines, end_logins, names,
    not_better, passages, power_switch, read,
};
use crate::series::{Overlay, Staged};
use crate::target::{Guest, TargetSpec};
use crate::verdict::{Accelerator, Build, Changes, Outcome, Stage, Target};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Twelve hours: a series of fifty patches, built and booted on a slow machine.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);

/// Why a target is not done on a guest of ours that ktest.pl drives.
fn lacks(target: &TargetSpec) -> Option<&str> {
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

/// Why a target is not done on a machine of the user's.
fn lacks_there(target: &TargetSpec) -> Option<&str> {
    let guest = target.guest().map(|guest| guest.cmdline.is_empty());
    match (lacks(target), target.alone.as_deref(), guest) {
        (Some(why), _, _) | (None, Some(why), _) => Some(why),
        (None, None, Some(false)) => Some(
            "it needs words on the kernel's command line, which the machine's boot loader gives",
        ),
        (None, None, _) => None,
    }
}

impl Session<'_> {
    /// Boot and test of the base, patchcheck over the series.
    pub(super) fn by_ktest_pl(
        &self,
        prepared: &Prepared,
        staged: &[Staged],
    ) -> Result<(Stage, Vec<Stage>), Error> {
        let script = self.source.root.join(SCRIPT);
        for (program, purpose) in [
            ("perl", "the tree's ktest.pl"),
            ("diffstat", "patchcheck of the tree's ktest.pl"),
        ] {
            host::require(program, purpose)?;
        }
        let dir = self.directory.path.join("ktest.pl");
        // What a run that was cut off has left there is not this one's.
        let old = dir.join("boots");
        if old.is_dir() {
            std::fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        }
        std::fs::create_dir_all(&old).map_err(Error::io("make directory", &dir))?;
        let dir = camino::absolute_utf8(&dir).map_err(Error::io("find", &dir))?;
        let repository = Repository::make(&prepared.shadow, &self.source.root, staged)?;
        let (name, image) = prepared.kbuild.image();
        let run = &self.directory.id;
        let version = match self.user {
            Some(_) => names(run, &prepared.kbuild.source),
            None => "1".into(),
        };
        let conf = Conf {
            dir: &dir,
            source: &prepared.kbuild.source,
            output: &prepared.kbuild.output,
            variables: &prepared.kbuild.variables,
            make: "make",
            goals: if self.user.is_some() { "" } else { name },
            version: &version,
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
        let mut disk = None;
        let scripts = match &self.user {
            Some(user) => self.remote(user, &dir, conf.source, &image)?,
            None => {
                let machine = self.machine(&dir)?;
                let seconds = machine.seconds();
                let switch = power_switch(&machine, &dir, conf.source, &image, seconds);
                disk = machine.disk;
                vec![("machine", switch)]
            }
        };
        let text = match &self.user {
            Some(user) => conf.text_for(user),
            None => conf.text(),
        };
        for (name, text) in &scripts {
            put(name, text.as_bytes())?;
            let executable = std::fs::Permissions::from_mode(0o755);
            let file = dir.join(name);
            std::fs::set_permissions(&file, executable).map_err(Error::io("write", &file))?;
        }
        for (name, text) in [
            ("config", config.as_slice()),
            ("console", b""),
            ("count", b"0\n"),
            ("state", b"test\n"),
            ("ktest.conf", text.as_bytes()),
        ] {
            put(name, text)?;
        }
        self.options
            .progress
            .say("ktest.pl: boot, test and patchcheck");
        let ran = proc::Command::new("perl")
            .args(["-e", WAITS])
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
        if self.user.is_some() {
            end_logins(&boots(&dir, "commit"));
        }
        let printed = by_lines(&ran?.stdout_text(), &dir.join("machine"));
        if let Some(disk) = &disk {
            std::fs::remove_file(disk).map_err(Error::io("remove", disk))?;
        }
        if self.user.is_some() {
            let passages = passages(&printed);
            return self.of_machine(prepared, &dir, &repository, staged, (&passages, &printed));
        }
        let log = std::fs::read(dir.join("ktest.log")).unwrap_or_default();
        let said = read(&String::from_utf8_lossy(&log));
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
        let initrd = self.initrd(&specs, None, &[], dir)?;
        let disk = super::boots::disk(&guests, &self.directory.path)?;
        let disk = disk.map(|disk| camino::absolute_utf8(&disk).unwrap_or(disk));
        Ok(Machine {
            qemu: self.options.qemu.clone().unwrap_or_else(|| QEMU.into()),
            // ktest.pl has one power switch for all kernels: nothing could be done once more another way.
            accelerator: self.options.accelerator.unwrap_or(Accelerator::Tcg),
            kernel: "$b/bzImage".into(),
            initrd,
            guests,
            memory_mib: self.options.memory_mib,
            cpus: self.options.cpus,
            boot_seconds: self.options.boot_seconds,
            disk,
        })
    }

    /// The scripts that have a machine of the user's run the targets.
    fn remote(
        &self,
        user: &User,
        dir: &Utf8Path,
        source: &Utf8Path,
        image: &Utf8Path,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let guests: Vec<&Guest> = self.booted().filter_map(|t| t.guest()).collect();
        if guests.is_empty() {
            return Err(Error::Usage(
                "run ktest.pl: none of the targets can be run on a machine of yours".into(),
            ));
        }
        let probes = dir.join("probes");
        let lines: String = self.functions.iter().map(|f| format!("{f}\n")).collect();
        std::fs::write(&probes, lines).map_err(Error::io("write", &probes))?;
        let mut files = vec![self.guest.init.clone(), probes];
        files.extend(self.guest.selftests.iter().cloned());
        for file in &mut files {
            *file = camino::absolute_utf8(&*file).map_err(Error::io("find", file))?;
        }
        let jobs: Vec<String> = guests
            .iter()
            .map(|guest| format!("{}:{}", guest.program, guest.deadline_seconds))
            .collect();
        let remote = Remote {
            dir,
            source,
            image,
            run: &self.directory.id,
            files: &files,
            targets: &jobs.join(","),
            seconds: crate::boot::seconds(guests.iter().copied(), self.options.boot_seconds),
        };
        let scripts = remote.scripts(user).ok_or_else(|| {
            Error::Internal("a login that was checked has no place for its command".into())
        })?;
        Ok(scripts.into())
    }

    /// Why a target is not done on the one machine that there is.
    pub(super) fn lacking<'t>(&self, target: &'t TargetSpec) -> Option<&'t str> {
        match self.user {
            Some(_) => lacks_there(target),
            None => lacks(target),
        }
    }

    /// Those that its one machine can run.
    pub(super) fn booted(&self) -> impl Iterator<Item = &TargetSpec> {
        self.targets(0)
            .into_iter()
            .filter(|target| self.lacking(target).is_none())
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
        let boots = boots(dir, "waited");
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
            let result = match boot {
                Some(_) => Outcome::Pass,
                None => Outcome::Fail,
            };
            let mut build = Build::of(result, why.clone().filter(|_| boot.is_none()));
            let mut booted = Booted {
                targets: Vec::new(),
                seen: Vec::new(),
            };
            if let Some(boot) = boot {
                let seen = seen(
                    Ended::Exited,
                    &boot.dir.join("console.log"),
                    &boot.dir.join("results.ktap"),
                )?;
                build.image_hash = Some(hash(&boot.dir.join("bzImage"))?);
                let objects = Objects {
                    compiled: &self.compiled(&prepared.kbuild),
                    calls: &BTreeMap::new(),
                };
                for spec in self.booted() {
                    let converted = converted(&self.source.root, &overlay, spec);
                    let mut target = judge(spec, converted, &seen);
                    target.callsites = self.evidence(spec, Some(&seen), Some(objects));
                    booted.targets.push(target);
                }
                not_better(&mut booted.targets, &seen, why.as_deref());
                let others = self.targets(0).into_iter();
                let others = others.filter_map(|t| Some(not_done(t, self.lacking(t)?)));
                booted.targets.extend(others);
                booted.seen.push(seen);
            }
            let mut stage = self.stage_of(number, &subject, build, &booted);
            if boot.is_some() {
                let seen: Vec<_> = booted.seen.iter().collect();
                let changed = self.changed(number, &Changes::default(), &BTreeMap::new());
                stage.exercise = exercise(&changed, &seen);
            }
            stage.targets = booted.targets;
            self.directory.record(number, &stage)?;
            stages.push(stage);
        }
        let failed = said.tests.iter().find_map(|test| test.as_ref().err());
        let why = said.died.as_ref().or(failed).map(String::as_str);
        self.rest(&mut stages, staged, why)?;
        let base = stages.remove(0);
        Ok((base, stages))
    }

    /// Where every kernel was good and ktest.pl did not come to all of them, the next is not known: it must not look as if
    /// there were none.
    pub(super) fn rest(
        &self,
        stages: &mut Vec<Stage>,
        staged: &[Staged],
        why: Option<&str>,
    ) -> Result<(), Error> {
        let all_good = stages
            .iter()
            .all(|s| s.build.result == Outcome::Pass && s.is_good());
        let number = stages.len();
        let Some(patch) = number.checked_sub(1).and_then(|index| staged.get(index)) else {
            return Ok(());
        };
        if !all_good {
            return Ok(());
        }
        let why = match why {
            Some(why) => format!("ktest.pl ended before it came to this patch; it says: {why}"),
            None => "ktest.pl ended before it came to this patch".into(),
        };
        let stage = self.unknown(number, patch.subject.clone(), &why);
        self.directory.record(number, &stage)?;
        stages.push(stage);
        Ok(())
    }

    /// A kernel of which nothing is known.
    pub(super) fn unknown(&self, number: usize, subject: String, why: &str) -> Stage {
        let targets = self.booted().map(|target| Target {
            result: Outcome::Inconclusive,
            ..not_done(target, why)
        });
        Stage {
            subject,
            targets: targets.collect(),
            ..Stage::new(
                number,
                Build::of(Outcome::Inconclusive, Some(why.to_owned())),
            )
        }
    }
}
