// SPDX-License-Identifier: MIT OR Apache-2.0
//! A prepared run's shards as a job array of Slurm: written, submitted, followed, put together.
//!
//! The directory of the prepared run is what all nodes see. It gets `job.sbatch`, a copy of this program, `batch.json` (what
//! was submitted), `logs/` (what the tasks say), `shards/` (an ordinary run directory for each attempt at a shard), and at the end
//! `verdict.json`.
//!
//! What counts is the verdict that a shard has left, whole and of this very run. What Slurm says of a task only decides whether a shard
//! without one is still waited for, submitted again, or given up with the reason.

mod collect;
mod follow;
mod growth;
mod script;
mod state;
#[cfg(test)]
mod tests;

pub use follow::Outcome;
pub use growth::growth;

use crate::error::Error;
use crate::options::KtestOptions;
use crate::progress::Progress;
use crate::run::{Held, Limits, Prepared, foresee};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use proc::slurm::Slurm;
use script::{LOGS, PROGRAM, SCRIPT, indices, logs, script};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A shard boots the base besides: with four patched kernels to a shard that is a fifth of its boots.
const KERNELS_A_SHARD: usize = 4;
/// What was submitted.
const BATCH: &str = "batch.json";
const SCHEMA: &str = "batch/1";

/// How to use the engine.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// Its programs.
    pub slurm: Slurm,
    /// The partition; the cluster's own choice when `None`.
    pub partition: Option<String>,
    /// How many shards; one for every four patched kernels when `None`.
    pub shards: Option<usize>,
    /// The program that boots a shard on a node when it is called as `xtask ktest --prepared DIR --shard K/N`.
    pub program: Utf8PathBuf,
    /// How often Slurm and the directory are looked at, at most.
    pub pace: Duration,
    /// How long a task must have been over before its shard is held to have left nothing.
    pub grace: Duration,
    /// Told what is going on.
    pub progress: Progress,
}

/// A client of a network file system asks anew when a directory is opened, and at the latest three seconds after it last did where a file
/// has just changed (acregmin of nfs(5)).
const GRACE: Duration = Duration::from_secs(4);

impl BatchOptions {
    /// The programs on PATH, and a look every ten seconds: a task takes minutes, and the controller of a large cluster is asked by many.
    pub fn new(program: impl Into<Utf8PathBuf>) -> BatchOptions {
        BatchOptions {
            slurm: Slurm::default(),
            partition: None,
            shards: None,
            program: program.into(),
            pace: Duration::from_secs(10),
            grace: GRACE,
            progress: Progress::silent(),
        }
    }
}

/// batch.json
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Data {
    schema: String,
    /// How many shards the run is cut into.
    shards: usize,
    partition: Option<String>,
    limits: Limits,
    /// In the order in which they were submitted.
    jobs: Vec<Submitted>,
}

/// A job array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Submitted {
    job: u64,
    shards: Vec<usize>,
    /// For each shard, how many kernels its attempts had finished by then.
    finished: Vec<usize>,
}

/// A prepared run on an engine.
#[derive(Debug)]
pub struct Batch {
    prepared: Prepared,
    data: Data,
    options: BatchOptions,
    /// The pattern of the names of what the tasks say.
    logs: String,
    /// It was submitted by an earlier process.
    resumed: bool,
    /// How many arrays that one had submitted.
    before: usize,
    _held: Held,
}

/// Refuses where there is no engine, before anything is prepared.
///
/// # Errors
/// [`Error::NoEngine`].
pub fn ready(options: &BatchOptions) -> Result<(), Error> {
    match options.slurm.is_there() {
        true => Ok(()),
        false => Err(Error::NoEngine),
    }
}

/// The file that would be submitted, of a run that is not prepared yet.
///
/// # Errors
/// Those of [`crate::prepare`] up to the first make.
pub fn dry_run(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
    batch: &BatchOptions,
) -> Result<String, Error> {
    let foreseen = foresee(tree, series, options)?;
    let most = most(&batch.slurm);
    let count = shards(foreseen.kernels(), foreseen.jobs(), batch.shards, most);
    let runs = std::path::absolute(&options.runs).map_err(Error::io("find", &options.runs))?;
    let runs = Utf8PathBuf::from_path_buf(runs)
        .map_err(|path| Error::Usage(format!("use {}: its name is not UTF-8", path.display())))?;
    let limits = foreseen.limits(count);
    Ok(script(
        &runs.join(&foreseen.id),
        &foreseen.id,
        count,
        limits,
    ))
}

/// Writes and submits the array of a prepared run; of one that was submitted before, takes up where that was left.
///
/// # Errors
/// [`Error::NoEngine`], [`Error::Locked`] where another process follows it, [`Error::Child`] where Slurm does not take it,
/// [`Error::Io`].
pub fn submit(prepared: Prepared, options: BatchOptions) -> Result<Batch, Error> {
    ready(&options)?;
    let held = prepared.hold()?;
    let home = prepared.home.canonicalize_utf8();
    let home = home.map_err(Error::io("find", &prepared.home))?;
    let logs = logs(&home)?;
    let file = prepared.home.join(BATCH);
    if file.is_file() {
        let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
        let data: Result<Data, _> = serde_json::from_slice(&bytes);
        let refuse = |why: String| Error::Resume {
            run: prepared.home.to_string(),
            why,
        };
        let data = data.map_err(|error| refuse(format!("{BATCH} is damaged: {error}")))?;
        if options.shards.is_some_and(|shards| shards != data.shards) {
            return Err(refuse(format!("it is cut into {} shards", data.shards)));
        }
        let mut batch = Batch {
            prepared,
            data,
            options,
            logs,
            resumed: true,
            before: 0,
            _held: held,
        };
        if batch.options.partition.is_some() {
            batch.data.partition.clone_from(&batch.options.partition);
        }
        return Ok(batch);
    }
    let said = home.join(LOGS);
    std::fs::create_dir_all(&said).map_err(Error::io("make directory", &said))?;
    // What is built anew meanwhile is another program.
    std::fs::copy(&options.program, home.join(PROGRAM))
        .map_err(Error::io("copy", &options.program))?;
    let most = most(&options.slurm);
    let count = shards(prepared.kernels(), prepared.jobs(), options.shards, most);
    let limits = prepared.limits(count);
    let id = home.file_name().unwrap_or("run").to_owned();
    let text = script(&home, &id, count, limits);
    let path = home.join(SCRIPT);
    std::fs::write(&path, text).map_err(Error::io("write", &path))?;
    let mut batch = Batch {
        prepared,
        data: Data {
            schema: SCHEMA.into(),
            shards: count,
            partition: options.partition.clone(),
            limits,
            jobs: Vec::new(),
        },
        options,
        logs,
        resumed: false,
        before: 0,
        _held: held,
    };
    let all: Vec<usize> = (1..=count).collect();
    batch.send(&all)?;
    Ok(batch)
}

impl Batch {
    /// Submits these shards.
    fn send(&mut self, shards: &[usize]) -> Result<(), Error> {
        let home = &self.prepared.home;
        let said = self
            .options
            .slurm
            .sbatch(
                home.as_std_path(),
                SCRIPT,
                &indices(shards),
                &self.logs,
                self.data.partition.as_deref(),
            )
            .map_err(Error::child("submit the job array"))?;
        let job = state::of_sbatch(&said).ok_or_else(|| Error::Child {
            what: "submit the job array".into(),
            source: Box::new(proc::Error::Failed {
                argv: "sbatch --parsable".into(),
                status: "no number of a job".into(),
                code: Some(0),
                stderr: said.clone(),
            }),
        })?;
        self.data.jobs.push(Submitted {
            job,
            shards: shards.to_vec(),
            finished: shards.iter().map(|shard| self.finished(*shard)).collect(),
        });
        self.write()?;
        let told = format!(
            "job {job}: shards {} of {}, at most {} minutes, {} MiB and {} processors each",
            indices(shards),
            self.data.shards,
            self.data.limits.seconds.div_ceil(60),
            self.data.limits.memory_mib,
            self.data.limits.cpus,
        );
        self.options.progress.say(&told);
        self.options.progress.queued(&self.jobs());
        Ok(())
    }

    /// The numbers of all job arrays of it, in the order in which they were submitted.
    pub fn jobs(&self) -> Vec<u64> {
        self.data
            .jobs
            .iter()
            .map(|submitted| submitted.job)
            .collect()
    }

    /// The directory that all nodes see.
    pub fn home(&self) -> &Utf8Path {
        &self.prepared.home
    }

    fn write(&self) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(&self.data)
            .map_err(|error| Error::Internal(format!("write {BATCH} as JSON: {error}")))?;
        bytes.push(b'\n');
        crate::build::Shadow::write_beside(&self.prepared.home.join(BATCH), &bytes)
    }
}

/// Into how many shards a run is cut.
fn shards(kernels: usize, jobs: usize, asked: Option<usize>, most: usize) -> usize {
    let default = kernels.div_ceil(KERNELS_A_SHARD);
    asked.unwrap_or(default).min(jobs).min(most).max(1)
}

/// The longest array that the cluster takes: the highest index is one less than MaxArraySize (slurm.conf(5)), whose default is 1001.
fn most(slurm: &Slurm) -> usize {
    let config = slurm.show_config().unwrap_or_default();
    let size = state::setting(&config, "MaxArraySize").and_then(|size| size.parse().ok());
    size.unwrap_or(1001_usize).saturating_sub(1)
}
