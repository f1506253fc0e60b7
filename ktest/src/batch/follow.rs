// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows a batch to its end.
//!
//! A shard whose machine was at fault (its node was lost, it was killed, it ended without leaving what it says it has) is submitted again,
//! alone, and goes on behind the kernels that are finished. One that ran out of time is submitted again as long as each attempt finishes
//! something. What was cancelled, wanted more memory than it may have, or ended with an error of its own is given up, with the reason, and
//! is taken up by whoever resumes the batch.

use super::collect::{Found, found};
use super::script::LOGS;
use super::state::{Seen, State, Task, of_sacct, of_scontrol, of_squeue};
use super::{Batch, indices};
use crate::error::Error;
use crate::verdict::Verdict;
use failure::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often a shard is submitted in all. A node that fails is seen once in thousands of jobs; a shard that loses three is what fails them.
const ATTEMPTS: usize = 3;
/// The first pause between two looks; each is twice the one before, up to the pace.
const FIRST: Duration = Duration::from_millis(100);
/// MiB below which the shared directory is held to be full: less than one kernel with its initramfs takes.
const FULL_MIB: u64 = 16;
/// Exit codes with which a shard has left a verdict.
const JUDGED: [Exit; 5] = [
    Exit::Clean,
    Exit::Findings,
    Exit::Build,
    Exit::Crash,
    Exit::Timeout,
];

/// What is done about a shard whose task is over and that has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Again(String),
    GiveUp(String),
}

/// What a batch has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Everything put together.
    pub verdict: Verdict,
    /// The shards without a verdict, each with why.
    pub given_up: BTreeMap<usize, String>,
}

impl Outcome {
    /// That of the verdict; where nothing bad was found and shards are missing, the machines are at fault.
    pub fn exit(&self) -> Exit {
        match self.verdict.exit() {
            Exit::Findings if !self.given_up.is_empty() && self.verdict.first_bad.is_none() => {
                Exit::Infrastructure
            }
            exit => exit,
        }
    }
}

impl Batch {
    /// Waits until every shard has a verdict or is given up, and puts them together in `verdict.json`.
    ///
    /// # Errors
    /// [`Error::Child`] after ctrl-C, and where Slurm does not take a shard again; the jobs go on without us. [`Error::Io`].
    pub fn follow(&mut self) -> Result<Outcome, Error> {
        let mut over: BTreeMap<Task, Instant> = BTreeMap::new();
        let mut given_up: BTreeMap<usize, String> = BTreeMap::new();
        let mut pause = FIRST;
        let mut told = String::new();
        let mut silent = false;
        self.take_up()?;
        let found = loop {
            let found = found(&self.prepared, self.data.shards)?;
            let lacks = |shard: &usize| {
                !found.verdicts.contains_key(shard) && !given_up.contains_key(shard)
            };
            let missing: Vec<usize> = (1..=self.data.shards).filter(lacks).collect();
            if missing.is_empty() {
                break found;
            }
            let tasks: BTreeMap<Task, usize> = missing
                .iter()
                .filter_map(|shard| Some((self.task(*shard)?, *shard)))
                .collect();
            let seen = match self.look(&tasks) {
                Ok(seen) => seen,
                Err(error) if interrupted(&error) => return Err(error),
                Err(error) => {
                    // Nothing is decided while nobody answers.
                    if !silent {
                        let said = format!("Slurm does not answer, and is asked again: {error}");
                        self.options.progress.say(&said);
                    }
                    silent = true;
                    over.clear();
                    self.pause(&mut pause)?;
                    continue;
                }
            };
            silent = false;
            let now = tell(&found, self.data.shards, &seen, &given_up);
            if now != told {
                self.options.progress.say(&now);
                told = now;
                pause = FIRST;
            }
            let ended: Vec<(Task, usize)> = tasks
                .iter()
                .filter(|(task, _)| !seen.get(task).is_some_and(|seen| seen.state.is_live()))
                .map(|(task, shard)| (*task, *shard))
                .collect();
            over.retain(|task, _| ended.iter().any(|(of, _)| of == task));
            let mut ripe = Vec::new();
            for (task, shard) in ended {
                let since = over.entry(task).or_insert_with(Instant::now);
                if since.elapsed() >= self.options.grace {
                    ripe.push((task, shard));
                }
            }
            if !ripe.is_empty() {
                self.decide(&ripe, &seen, &mut given_up)?;
                continue;
            }
            if !over.is_empty() {
                pause = pause.min(self.options.grace / 4);
            }
            self.pause(&mut pause)?;
        };
        let verdict = self.put_together(&found, &given_up)?;
        let mut bytes = serde_json::to_vec_pretty(&verdict)
            .map_err(|error| Error::Internal(format!("write the verdict as JSON: {error}")))?;
        bytes.push(b'\n');
        crate::build::Shadow::write_beside(&self.prepared.home.join("verdict.json"), &bytes)?;
        Ok(Outcome { verdict, given_up })
    }

    /// Of a batch that was left: what it had given up is submitted again, as nothing that was cancelled or lost then runs now.
    fn take_up(&mut self) -> Result<(), Error> {
        if self.data.jobs.is_empty() {
            let all: Vec<usize> = (1..=self.data.shards).collect();
            return self.send(&all);
        }
        if !self.resumed {
            return Ok(());
        }
        let found = found(&self.prepared, self.data.shards)?;
        let missing: BTreeSet<usize> = (1..=self.data.shards)
            .filter(|shard| !found.verdicts.contains_key(shard))
            .collect();
        let tasks = missing
            .iter()
            .filter_map(|shard| Some((self.task(*shard)?, *shard)))
            .collect();
        let seen = self.look(&tasks)?;
        let live = |task: &Task| seen.get(task).is_some_and(|seen| seen.state.is_live());
        let dead: Vec<usize> = tasks
            .iter()
            .filter(|(task, _)| !live(task))
            .map(|(_, shard)| *shard)
            .collect();
        self.before = self.data.jobs.len();
        self.options.progress.queued(&self.jobs());
        match dead.is_empty() {
            true => Ok(()),
            false => self.send(&dead),
        }
    }

    /// The task that a shard was submitted as last.
    fn task(&self, shard: usize) -> Option<Task> {
        let of = self.data.jobs.iter().rev();
        let submitted = of.into_iter().find(|s| s.shards.contains(&shard))?;
        Some((submitted.job, shard))
    }

    /// What Slurm says of these tasks; what it knows nothing of is left out.
    fn look(&self, tasks: &BTreeMap<Task, usize>) -> Result<BTreeMap<Task, Seen>, Error> {
        let jobs: BTreeSet<u64> = tasks.keys().map(|(job, _)| *job).collect();
        let jobs: Vec<u64> = jobs.into_iter().collect();
        match self.options.slurm.squeue(&jobs) {
            Ok(text) => Ok(of_squeue(&text)),
            // squeue(1): what ended more than MinJobAge ago is forgotten.
            Err(proc::Error::Failed { stderr, .. }) if stderr.contains("Invalid job id") => {
                Ok(BTreeMap::new())
            }
            Err(error) => Err(Error::child("ask Slurm")(error)),
        }
    }

    /// The same with exit codes and nodes: from the accounting, or what the controller remembers.
    fn details(&self, tasks: &[(Task, usize)]) -> BTreeMap<Task, Seen> {
        let jobs: BTreeSet<u64> = tasks.iter().map(|((job, _), _)| *job).collect();
        let jobs: Vec<u64> = jobs.into_iter().collect();
        let mut known = BTreeMap::new();
        for job in &jobs {
            // It is the younger knowledge: a database may lag.
            known.extend(of_scontrol(
                &self.options.slurm.show_job(*job).unwrap_or_default(),
            ));
        }
        let wanted = |task: &Task| tasks.iter().any(|(of, _)| of == task);
        if tasks.iter().any(|(task, _)| !known.contains_key(task)) {
            let kept = of_sacct(&self.options.slurm.sacct(&jobs).unwrap_or_default());
            for (task, seen) in kept {
                known.entry(task).or_insert(seen);
            }
        }
        known.retain(|task, _| wanted(task));
        known
    }

    /// Submits again, or gives up, the shards of tasks that are over.
    fn decide(
        &mut self,
        tasks: &[(Task, usize)],
        seen: &BTreeMap<Task, Seen>,
        given_up: &mut BTreeMap<usize, String>,
    ) -> Result<(), Error> {
        let details = self.details(tasks);
        let found = found(&self.prepared, self.data.shards)?;
        let mut again = Vec::new();
        for (task, shard) in tasks {
            if found.verdicts.contains_key(shard) {
                continue;
            }
            let known = details.get(task).or(seen.get(task));
            if known.is_some_and(|known| known.state.is_live()) {
                continue;
            }
            match self.next(*task, known, &found) {
                Next::Again(why) => {
                    let said =
                        format!("shard {shard}/{}: {why}: submitted again", self.data.shards);
                    self.options.progress.say(&said);
                    again.push(*shard);
                }
                Next::GiveUp(why) => {
                    let said = format!("shard {shard}/{}: {why}", self.data.shards);
                    self.options.progress.say(&said);
                    given_up.insert(*shard, why);
                }
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        self.send(&again)
    }

    fn next(&self, (job, shard): Task, known: Option<&Seen>, found: &Found) -> Next {
        let since = &self.data.jobs[self.before.min(self.data.jobs.len())..];
        let attempts = since.iter().filter(|s| s.shards.contains(&shard)).count();
        let last = self.data.jobs.iter().rfind(|s| s.shards.contains(&shard));
        let before = last.and_then(|submitted| {
            let at = submitted.shards.iter().position(|of| *of == shard)?;
            submitted.finished.get(at).copied()
        });
        let finished = found.finished.get(&shard).copied().unwrap_or(0);
        let damaged = found.damaged.get(&shard).map(|why| format!(", and {why}"));
        let damaged = damaged.unwrap_or_default();
        let Some(known) = known else {
            let why = format!("job {job}_{shard} is not known to Slurm any more{damaged}");
            return again_or_not(attempts, why);
        };
        let why = format!("job {job}_{shard}: {known}{damaged}");
        match (&known.state, known.ended) {
            (State::OutOfTime, _) => {
                let minutes = self.data.limits.seconds.div_ceil(60);
                match before.is_some_and(|before| finished > before) {
                    true => Next::Again(why),
                    false => Next::GiveUp(format!(
                        "{why}: in its {minutes} minutes it finished no kernel"
                    )),
                }
            }
            (State::OutOfMemory, _) => {
                let may = self.data.limits.memory_mib;
                Next::GiveUp(format!("{why}: it may have {may} MiB"))
            }
            (State::Cancelled, _) => Next::GiveUp(why),
            (State::Ended, Some((code, 0))) if !killed(code) && !judged(code) => {
                Next::GiveUp(format!("{why}{}", self.last_words((job, shard))))
            }
            (State::Ended, Some((code, 0))) if judged(code) && damaged.is_empty() => {
                again_or_not(attempts, format!("{why}, and left no verdict"))
            }
            _ => again_or_not(attempts, why),
        }
    }

    /// What a task said of its end, and whether there is room for it to say more.
    fn last_words(&self, (job, shard): Task) -> String {
        let home = &self.prepared.home;
        let log = home.join(LOGS).join(format!("{job}_{shard}.log"));
        let text = std::fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let errors: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("error:"))
            .take_while(|line| !line.starts_with("hint:"))
            .map(str::trim)
            .collect();
        let said = match errors.is_empty() {
            true => String::new(),
            false => format!(": {}", errors.join("; ")),
        };
        let room = rustix::fs::statvfs(home.as_std_path());
        let room = room.map_or(u64::MAX, |room| room.f_bavail * room.f_frsize / (1 << 20));
        match room < FULL_MIB {
            true => format!("{said}; the shared directory is full: {room} MiB are left"),
            false => said,
        }
    }

    fn pause(&self, pause: &mut Duration) -> Result<(), Error> {
        let until = Instant::now() + *pause;
        while Instant::now() < until {
            if proc::interrupted() {
                return Err(Error::Child {
                    what: "follow the job array".into(),
                    source: Box::new(proc::Error::Interrupted {
                        argv: "squeue".into(),
                    }),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        *pause = (*pause * 2).min(self.options.pace);
        Ok(())
    }
}

fn again_or_not(attempts: usize, why: String) -> Next {
    match attempts < ATTEMPTS {
        true => Next::Again(why),
        false => Next::GiveUp(format!("{why}, in the last of {attempts} attempts")),
    }
}

/// Shells count so: 128 and the signal.
fn killed(code: u32) -> bool {
    code > 128
}

fn judged(code: u32) -> bool {
    JUDGED.iter().any(|exit| u32::from(exit.code()) == code)
}

fn interrupted(error: &Error) -> bool {
    let Error::Child { source, .. } = error else {
        return false;
    };
    matches!(**source, proc::Error::Interrupted { .. })
}

/// How far the batch is, in one sentence.
fn tell(
    found: &Found,
    count: usize,
    seen: &BTreeMap<Task, Seen>,
    given_up: &BTreeMap<usize, String>,
) -> String {
    let runs = seen.values().filter(|seen| seen.state == State::Runs);
    let mut told = format!(
        "{} of {count} shards have a verdict, {} run",
        found.verdicts.len(),
        runs.count()
    );
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    for seen in seen.values() {
        if let State::Waits(reason) = &seen.state {
            *waits.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in waits {
        told += &format!(", {count} wait ({reason})");
    }
    if !given_up.is_empty() {
        let given_up: Vec<usize> = given_up.keys().copied().collect();
        told += &format!(", given up: {}", indices(&given_up));
    }
    told
}
