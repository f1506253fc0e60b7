// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernels on a machine of the user's that ktest.pl drove, judged.

use super::boots::{Booted, Objects};
use super::compiled::not_done;
use super::evidence::converted;
use super::stages::Session;
use crate::boot::Seen;
use crate::build::stage::hash;
use crate::build::{Prepared, machine_failed};
use crate::error::Error;
use crate::judge::{exercise, judge};
use crate::perl::{Came, Passage, Repository, boots, came, name, not_better};
use crate::series::{Overlay, Staged};
use crate::verdict::{Build, Changes, Outcome, Stage, Target};
use camino::Utf8Path;
use std::collections::BTreeMap;

/// What one kernel's stage is made of.
struct Kernel<'a> {
    number: usize,
    subject: String,
    overlay: Overlay,
    prepared: &'a Prepared,
}

impl Session<'_> {
    /// The base and the patches that ktest.pl came to.
    pub(super) fn of_machine(
        &self,
        prepared: &Prepared,
        dir: &Utf8Path,
        repository: &Repository,
        staged: &[Staged],
        (passages, printed): (&[Passage], &str),
    ) -> Result<(Stage, Vec<Stage>), Error> {
        let boots = boots(dir, "commit");
        let mut stages = Vec::new();
        for (number, commit) in repository.commits.iter().enumerate() {
            let Some(passage) = passage(passages, number, commit) else {
                break;
            };
            let patch = number.checked_sub(1).and_then(|index| staged.get(index));
            let kernel = Kernel {
                number,
                subject: match patch {
                    Some(patch) => patch.subject.clone(),
                    None => format!("Linux {}", self.source.version),
                },
                overlay: patch.map(|p| p.overlay.clone()).unwrap_or_default(),
                prepared,
            };
            let boot = boots.iter().rfind(|boot| &boot.commit == commit);
            let called = name(&self.directory.id, commit);
            let came = came(passage, printed, boot, &called)?;
            if let Came::NotBuilt(_) = &came {
                self.compiler_or_machine(dir, prepared)?;
            }
            let mut stage = self.kernel(kernel, came);
            if let Some(boot) = boot.filter(|_| stage.build.result == Outcome::Pass) {
                stage.build.image_hash = Some(hash(&boot.dir.join("bzImage"))?);
            }
            self.directory.record(number, &stage)?;
            stages.push(stage);
        }
        if stages.is_empty() {
            let why = "ktest.pl ended before it came to the base";
            let base = self.unknown(0, format!("Linux {}", self.source.version), why);
            self.directory.record(0, &base)?;
            stages.push(base);
        }
        let why = passages.iter().rev().find_map(Passage::why);
        self.rest(&mut stages, staged, why)?;
        let base = stages.remove(0);
        Ok((base, stages))
    }

    /// The log of the last build, which is the one that failed: nothing is held against a patch where the disk was full.
    fn compiler_or_machine(&self, dir: &Utf8Path, prepared: &Prepared) -> Result<(), Error> {
        let tmp = dir.join("tmp");
        let entries = tmp.read_dir_utf8().map_err(Error::io("read", &tmp))?;
        for entry in entries.flatten() {
            if entry.file_name().starts_with("buildlog-") {
                let said = std::fs::read(entry.path()).unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                machine_failed("build the image", &said, &prepared.kbuild.output)?;
            }
        }
        Ok(())
    }

    fn kernel(&self, kernel: Kernel<'_>, came: Came) -> Stage {
        let Kernel {
            number, subject, ..
        } = &kernel;
        let mut stage = match came {
            Came::Unknown(why) => self.unknown(*number, subject.clone(), &why),
            Came::NotBuilt(why) => Stage {
                subject: subject.clone(),
                ..Stage::new(*number, Build::of(Outcome::Fail, Some(why)))
            },
            Came::Started(outcome, why, splats) => {
                let mut stage = self.unknown(*number, subject.clone(), &why);
                for target in &mut stage.targets {
                    target.result = outcome;
                    target.splats.clone_from(&splats);
                }
                built(&mut stage);
                stage
            }
            Came::Tested(seen, why) => {
                let booted = Booted {
                    targets: self.tested(&kernel, &seen, why.as_deref()),
                    seen: vec![*seen],
                };
                let build = Build::of(Outcome::Pass, None);
                let mut stage = self.stage_of(*number, subject, build, &booted);
                let seen: Vec<&Seen> = booted.seen.iter().collect();
                let changed = self.changed(*number, &Changes::default(), &BTreeMap::new());
                stage.exercise = exercise(&changed, &seen);
                stage.targets = booted.targets;
                stage
            }
        };
        if stage.build.result != Outcome::Fail {
            let others = self.targets(0).into_iter();
            let others = others.filter_map(|t| Some(not_done(t, self.lacking(t)?)));
            stage.targets.extend(others);
        }
        stage
    }

    fn tested(&self, kernel: &Kernel<'_>, seen: &Seen, why: Option<&str>) -> Vec<Target> {
        let mut targets: Vec<Target> = self
            .booted()
            .map(|spec| {
                let converted = converted(&self.source.root, &kernel.overlay, spec);
                let mut target = judge(spec, converted, seen);
                let objects = Objects {
                    compiled: &self.compiled(&kernel.prepared.kbuild),
                    calls: &BTreeMap::new(),
                };
                target.callsites = self.evidence(spec, Some(seen), Some(objects));
                target
            })
            .collect();
        not_better(&mut targets, seen, why);
        targets
    }
}

/// The base is booted, then tested; what failed first is what is known of it.
fn passage<'p>(passages: &'p [Passage], number: usize, commit: &str) -> Option<&'p Passage> {
    if number > 0 {
        let of = |p: &&Passage| p.commit.as_deref() == Some(commit);
        return passages.iter().rfind(of);
    }
    let mut of_base = passages
        .iter()
        .filter(|p| p.commit.is_none() && (1..=2).contains(&p.test));
    let first = of_base.next()?;
    if first.why().is_some() {
        return Some(first);
    }
    of_base.next().or(Some(first))
}

fn built(stage: &mut Stage) {
    stage.build.result = Outcome::Pass;
    stage.build.reason = None;
}
