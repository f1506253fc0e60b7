// SPDX-License-Identifier: MIT OR Apache-2.0
//! `target/runs/<id>/`: what went in, one directory a kernel with one log a child, and verdict.json at the end.
//!
//! The id is a number that counts up and the beginning of the inputs' hash. A run is locked while it is written; every
//! result is written beside and renamed, so that what is there is whole, and a resumed run does not do it again.

use super::lines::RanBefore;
use crate::build::Shadow;
use crate::error::Error;
use crate::judge::Ran;
use crate::verdict::{Accelerator, Shard, Stage, Verdict};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;

/// Which of the lines that later patches take away ran in a kernel, in its directory.
const LINES: &str = "lines.json";

/// What ran in a kernel, there.
const RAN: &str = "ran.json";

/// A program that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ToolVersion {
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub version: Option<String>,
}

/// What decides a run's outcome. Two runs with equal inputs may share results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// Always `run/1`.
    pub schema: String,
    /// Version of the tree.
    pub tree: String,
    /// Subject of each patch and blake3 of what the tree becomes with it.
    pub patches: Vec<(String, String)>,
    /// Names of the targets.
    pub targets: Vec<String>,
    /// blake3 of the merged fragments.
    pub config: String,
    /// Variables of make.
    pub kbuild: Vec<(String, String)>,
    /// blake3 of a given image.
    pub image: Option<String>,
    /// Memory in MiB and processors of the guest.
    pub machine: (u32, u32),
    /// blake3 of what a user's configuration of ktest.pl says of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conf: Option<String>,
    /// What the user asked the guests to be executed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// Kernels whose images are equal are booted all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boot_all: bool,
    /// Programs that took part.
    pub tools: Vec<ToolVersion>,
    /// The part of the run, where it is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The command that does it again.
    pub reproduce: String,
}

/// A run's directory, locked.
#[derive(Debug)]
pub(super) struct RunDirectory {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub path: Utf8PathBuf,
    _lock: File,
}

impl RunDirectory {
    /// A new one below `runs`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn create(runs: &Utf8Path, inputs: &Inputs) -> Result<RunDirectory, Error> {
        std::fs::create_dir_all(runs).map_err(Error::io("make directory", runs))?;
        let mut number = 1 + highest(runs)?;
        let (id, path) = loop {
            let id = name(number, inputs);
            let path = runs.join(&id);
            match std::fs::create_dir(&path) {
                Ok(()) => break (id, path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io("make directory", &path)(error)),
            }
        };
        let lock = lock(&path)?;
        let directory = RunDirectory {
            id,
            path,
            _lock: lock,
        };
        directory.write("run.json", inputs)?;
        Ok(directory)
    }

    /// The name that the next one below `runs` gets.
    pub(super) fn next(runs: &Utf8Path, inputs: &Inputs) -> Result<String, Error> {
        let number = match runs.is_dir() {
            true => 1 + highest(runs)?,
            false => 1,
        };
        Ok(name(number, inputs))
    }

    /// One that is there already, made from the same inputs.
    ///
    /// # Errors
    /// [`Error::Resume`] when there is none or it was made from others, [`Error::Locked`].
    pub(super) fn resume(
        runs: &Utf8Path,
        id: &str,
        inputs: &Inputs,
    ) -> Result<RunDirectory, Error> {
        let path = runs.join(id);
        let refuse = |why: &str| Error::Resume {
            run: id.to_owned(),
            why: why.to_owned(),
        };
        let text =
            std::fs::read(path.join("run.json")).map_err(|_| refuse("there is no such run"))?;
        let theirs: Inputs = serde_json::from_slice(&text).map_err(|e| refuse(&e.to_string()))?;
        if theirs.identity() != inputs.identity() {
            return Err(refuse("it was made from other inputs"));
        }
        let lock = lock(&path)?;
        Ok(RunDirectory {
            id: id.to_owned(),
            path,
            _lock: lock,
        })
    }

    /// Takes over what earlier attempts at the same shard, below `runs`, have finished of the series; how many kernels. The base is
    /// not taken over: what is booted now is compared with a base on the same machine. An attempt that is still being made is read
    /// like the others, as what is there is whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn take_over(&self, runs: &Utf8Path, inputs: &Inputs) -> Result<usize, Error> {
        let entries = runs.read_dir_utf8().map_err(Error::io("read", runs))?;
        let mut earlier: Vec<Utf8PathBuf> = entries
            .flatten()
            .map(|entry| entry.into_path())
            .filter(|path| *path != self.path)
            .filter(|path| is_of(path, inputs))
            .collect();
        earlier.sort();
        let mut taken = 0;
        for number in 1..=inputs.patches.len() {
            let name = format!("{number:02}/stage.json");
            let whole = |dir: &&Utf8PathBuf| {
                let bytes = std::fs::read(dir.join(&name)).unwrap_or_default();
                serde_json::from_slice::<Stage>(&bytes).is_ok()
            };
            let Some(dir) = earlier.iter().find(whole) else {
                continue;
            };
            self.stage(number)?;
            for beside in ["console.log", LINES, RAN] {
                let beside = format!("{number:02}/{beside}");
                if dir.join(&beside).is_file() {
                    copy(&dir.join(&beside), &self.path.join(&beside))?;
                }
            }
            copy(&dir.join(&name), &self.path.join(&name))?;
            taken += 1;
        }
        Ok(taken)
    }

    /// This very directory.
    #[cfg(test)]
    pub(super) fn at(path: &Utf8Path, inputs: &Inputs) -> RunDirectory {
        std::fs::create_dir_all(path).unwrap();
        let directory = RunDirectory {
            id: path.file_name().unwrap_or("run").to_owned(),
            path: path.to_owned(),
            _lock: lock(path).unwrap(),
        };
        directory.write("run.json", inputs).unwrap();
        directory
    }

    /// The directory of stage `number` (0 is the base), made.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn stage(&self, number: usize) -> Result<Utf8PathBuf, Error> {
        let path = self.path.join(format!("{number:02}"));
        std::fs::create_dir_all(&path).map_err(Error::io("make directory", &path))?;
        Ok(path)
    }

    /// The result of stage `number`, where it is finished.
    pub(super) fn finished(&self, number: usize) -> Option<Stage> {
        let file = self.path.join(format!("{number:02}/stage.json"));
        // Written whole or not at all; one that does not parse is done again.
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Records the result of stage `number`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn record(&self, number: usize, stage: &Stage) -> Result<(), Error> {
        self.write(&format!("{number:02}/stage.json"), stage)
    }

    /// Records which of the lines that later patches take away ran in stage `number`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn record_lines(&self, number: usize, ran: &RanBefore) -> Result<(), Error> {
        if ran.is_empty() {
            return Ok(());
        }
        self.write(&format!("{number:02}/{LINES}"), ran)
    }

    /// Records what ran in stage `number`, for who puts shards together.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn record_ran(&self, number: usize, ran: &Ran) -> Result<(), Error> {
        self.write(&format!("{number:02}/{RAN}"), ran)
    }

    /// Records the verdict.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn conclude(&self, verdict: &Verdict) -> Result<(), Error> {
        self.write("verdict.json", verdict)
    }

    /// Takes it away where it holds nothing but what every run begins with.
    pub(super) fn forget_unless_used(&self) {
        let begins_with = |path: &Utf8Path| {
            let name = path.strip_prefix(&self.path).unwrap_or(path);
            name == "run.json" || name == "lock" || name.starts_with("selftests")
        };
        let files = walkdir::WalkDir::new(&self.path).into_iter().flatten();
        let mut files = files.filter(|entry| !entry.file_type().is_dir());
        let unused = files.all(|file| Utf8Path::from_path(file.path()).is_some_and(begins_with));
        if unused {
            // What cannot be removed is an empty run, and harms nobody.
            let _stays = std::fs::remove_dir_all(&self.path);
        }
    }

    /// Writes `value` as JSON, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::Internal(format!("write {name} as JSON: {error}")))?;
        bytes.push(b'\n');
        Shadow::write_beside(&self.path.join(name), &bytes)
    }
}

impl Inputs {
    /// All that decides the outcome; versions of tools and the command line are recorded, not compared.
    fn identity(&self) -> String {
        format!("{} {:?}", self.of_the_run(), self.shard)
    }

    /// What all shards of a run have in common, as verdict.json has it.
    pub(super) fn hash(&self) -> String {
        blake3::hash(self.of_the_run().as_bytes()).to_hex()[..16].to_owned()
    }

    /// The same for all shards of a run.
    fn of_the_run(&self) -> String {
        let inputs = (
            &self.tree,
            &self.patches,
            &self.targets,
            &self.config,
            &self.kbuild,
        );
        let conf = self
            .conf
            .as_ref()
            .map_or(String::new(), |c| format!(" {c}"));
        let with = self
            .accelerator
            .map_or(String::new(), |with| format!(" {with}"));
        let all = if self.boot_all { " all" } else { "" };
        format!(
            "{inputs:?} {:?} {:?}{conf}{with}{all}",
            self.image, self.machine
        )
    }
}

/// What [`RunDirectory::record_lines`] recorded in the directory of a run; nothing where it did not.
pub(super) fn lines(run: &Utf8Path, number: usize) -> RanBefore {
    let bytes = std::fs::read(run.join(format!("{number:02}/{LINES}"))).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// What [`RunDirectory::record_ran`] recorded there; `None` where it did not.
pub(super) fn ran(run: &Utf8Path, number: usize) -> Option<Ran> {
    let bytes = std::fs::read(run.join(format!("{number:02}/{RAN}"))).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<(), Error> {
    std::fs::copy(from, to).map_err(Error::io("copy", from))?;
    Ok(())
}

/// The shard that a run was begun for, by its run.json, and what the verdict's `inputs` will be; `None` of a run that is no shard.
pub fn begun(run: &[u8]) -> Option<(Shard, String)> {
    let inputs: Inputs = serde_json::from_slice(run).ok()?;
    Some((inputs.shard?, inputs.hash()))
}

/// Names count up, and end in the beginning of the inputs' hash.
fn name(number: usize, inputs: &Inputs) -> String {
    let hash = blake3::hash(inputs.identity().as_bytes()).to_hex();
    format!("{number:04}-{}", &hash[..8])
}

/// Whether a run was made from these inputs.
fn is_of(path: &Utf8Path, inputs: &Inputs) -> bool {
    let bytes = std::fs::read(path.join("run.json")).unwrap_or_default();
    let theirs = serde_json::from_slice::<Inputs>(&bytes);
    theirs.is_ok_and(|theirs| theirs.identity() == inputs.identity())
}

fn highest(runs: &Utf8Path) -> Result<usize, Error> {
    let entries = runs.read_dir_utf8().map_err(Error::io("read", runs))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().split('-').next()?.parse().ok())
        .max()
        .unwrap_or(0))
}

pub(super) fn lock(path: &Utf8Path) -> Result<File, Error> {
    let file = path.join("lock");
    let lock = File::create(&file).map_err(Error::io("open", &file))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(Error::Locked(path.to_owned())),
        // A shared file system may know no locks (Lustre without its option `flock`); no two shards write to one directory.
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => Ok(lock),
        Err(error) => Err(Error::io("lock", &file)(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_refused_leaves_nothing_and_one_with_a_log_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let inputs = Inputs {
            schema: "run/1".into(),
            tree: "6.12".into(),
            patches: Vec::new(),
            targets: Vec::new(),
            config: String::new(),
            kbuild: Vec::new(),
            image: None,
            machine: (512, 2),
            conf: None,
            accelerator: None,
            boot_all: false,
            tools: Vec::new(),
            shard: None,
            reproduce: String::new(),
        };
        let refused = RunDirectory::create(root, &inputs).unwrap();
        refused.stage(0).unwrap();
        refused.forget_unless_used();
        assert!(!refused.path.exists());
        let built = RunDirectory::create(root, &inputs).unwrap();
        std::fs::write(built.stage(0).unwrap().join("make.log"), "make").unwrap();
        built.forget_unless_used();
        assert!(built.path.join("00/make.log").exists());
    }
}
