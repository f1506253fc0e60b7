// SPDX-License-Identifier: MIT OR Apache-2.0
//! Slurm, one typed function a command, with its words pinned: no setting of the user's changes what is asked or how it is answered.
//!
//! What the answers mean is for the caller to say.

use crate::command::{Command, on_path};
use crate::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a command of Slurm may take: its own time-out for one message (MessageTimeout) is 10 s, and it tries again.
const DEADLINE: Duration = Duration::from_secs(90);

/// Variables that say what the options of our commands say.
const OVERRULED: [&str; 17] = [
    "SBATCH_ARRAY_INX",
    "SBATCH_EXPORT",
    "SBATCH_IGNORE_PBS",
    "SBATCH_JOB_NAME",
    "SBATCH_MEM_PER_CPU",
    "SBATCH_MEM_PER_NODE",
    "SBATCH_NO_REQUEUE",
    "SBATCH_OPEN_MODE",
    "SBATCH_OUTPUT",
    "SBATCH_REQUEUE",
    "SBATCH_TIMELIMIT",
    "SBATCH_WAIT",
    "SLURM_TIME_FORMAT",
    "SQUEUE_FORMAT",
    "SQUEUE_FORMAT2",
    "SQUEUE_STATES",
    "SACCT_FORMAT",
];

/// Where the programs are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slurm {
    directory: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Slurm {
    /// Those in this directory instead of those on PATH.
    pub fn at(directory: impl Into<PathBuf>) -> Slurm {
        Slurm {
            directory: Some(directory.into()),
            config: None,
        }
    }

    /// Those on PATH, with this file in place of the machine's slurm.conf.
    pub fn with_config(file: impl Into<PathBuf>) -> Slurm {
        Slurm {
            directory: None,
            config: Some(file.into()),
        }
    }

    /// Whether there is a program to submit with.
    pub fn is_there(&self) -> bool {
        on_path(self.program("sbatch")).is_some()
    }

    fn program(&self, name: &str) -> PathBuf {
        match &self.directory {
            Some(directory) => directory.join(name),
            None => name.into(),
        }
    }

    fn command(&self, name: &str) -> Command {
        let command = Command::new(self.program(name))
            .env("LC_ALL", "C")
            .deadline(DEADLINE);
        let command = match &self.config {
            Some(file) => command.env("SLURM_CONF", file),
            None => command,
        };
        OVERRULED
            .iter()
            .fold(command, |command, name| command.env_remove(name))
    }

    /// `sbatch --parsable SCRIPT` in `directory`, which becomes the working directory of the jobs; `array`, `output` (a file name pattern of
    /// sbatch(1)) and `partition` overrule what the script says. What it prints: the job's number, perhaps with a semicolon and the
    /// cluster's name.
    ///
    /// # Errors
    /// When Slurm does not take the job.
    pub fn sbatch(
        &self,
        directory: &Path,
        script: &str,
        array: &str,
        output: &str,
        partition: Option<&str>,
    ) -> Result<String, Error> {
        let mut command = self
            .command("sbatch")
            .arg("--parsable")
            .arg(format!("--array={array}"))
            .arg(format!("--output={output}"));
        if let Some(partition) = partition {
            command = command.arg(format!("--partition={partition}"));
        }
        let command = command.arg(script).current_dir(directory);
        Ok(command.run()?.stdout_text())
    }

    /// `squeue` of every task of these jobs, those included that ended a short while ago: number of the array's job, index in the array, state and
    /// reason, with bars between.
    ///
    /// # Errors
    /// When the controller does not answer, or knows none of the jobs any more.
    pub fn squeue(&self, jobs: &[u64]) -> Result<String, Error> {
        let command = self
            .command("squeue")
            .args(["--noheader", "--array", "--states=all"])
            .arg("--format=%F|%K|%T|%r")
            .arg(format!("--jobs={}", list(jobs)));
        Ok(command.run()?.stdout_text())
    }

    /// `sacct` of these jobs: number with index, state, exit code and nodes, with bars between; a task that was requeued has a line for each attempt.
    ///
    /// # Errors
    /// When there is no accounting.
    pub fn sacct(&self, jobs: &[u64]) -> Result<String, Error> {
        let command = self
            .command("sacct")
            .args(["--noheader", "--parsable2", "--allocations", "--duplicates"])
            .arg("--format=JobID,State,ExitCode,NodeList")
            .arg(format!("--jobs={}", list(jobs)));
        Ok(command.run()?.stdout_text())
    }

    /// `scontrol show job`: a line of `Key=value` for each task that the controller remembers.
    ///
    /// # Errors
    /// When it knows the job no more.
    pub fn show_job(&self, job: u64) -> Result<String, Error> {
        let command = self
            .command("scontrol")
            .args(["--oneliner", "show", "job"])
            .arg(job.to_string());
        Ok(command.run()?.stdout_text())
    }

    /// `scontrol show config`: a line of `Key = value` for each setting.
    ///
    /// # Errors
    /// When the controller does not answer.
    pub fn show_config(&self) -> Result<String, Error> {
        let command = self.command("scontrol").args(["show", "config"]);
        Ok(command.run()?.stdout_text())
    }
}

fn list(jobs: &[u64]) -> String {
    let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
    jobs.join(",")
}
