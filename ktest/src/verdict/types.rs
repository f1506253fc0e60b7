// SPDX-License-Identifier: MIT OR Apache-2.0
//! verdict.json. The field names are a contract: scripts read them. Add to them freely, never change them.

use super::accelerator::Accelerator;
use super::changes::Changes;
use super::exercise::Exercise;
use super::shard::Shard;
use failure::Exit;
use serde::{Deserialize, Serialize};

/// The schema this crate writes.
pub const SCHEMA: &str = "verdict/1";

/// How many functions of a trace are told in a sentence: the helper that noticed, and its nearest callers.
const TOLD: usize = 5;

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should, and that was seen.
    Pass,
    /// It was not done, for a reason that is given. Never counts as passed.
    Skip,
    /// It did something else.
    Fail,
    /// What was seen does not suffice for a verdict.
    Inconclusive,
    /// The kernel panicked, oopsed or rebooted by itself.
    Crash,
    /// It did not end in its time.
    Timeout,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Pass only when every chosen target passed on every patch; never [`Outcome::Skip`], `Crash` or `Timeout`.
    pub result: Outcome,
    /// One sentence.
    pub reason: String,
    /// Name of the run's directory.
    pub run: String,
    /// The part of a run that this is, where it is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// A hash of what decides the outcome; shards of one run have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Subject of the first patch that is not as good as the base.
    pub first_bad: Option<String>,
    /// The kernel without patches.
    pub base: Stage,
    /// One kernel a patch, in the order of the series.
    pub patches: Vec<Stage>,
}

/// One kernel: how it was built, and what every target said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its place in the series; the base is 0.
    #[serde(default)]
    pub number: usize,
    /// Subject of the last patch in it; of the base its version.
    pub subject: String,
    /// How it was built.
    pub build: Build,
    /// What its console showed before the first target, where it was booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// Which of the functions that the patch changes ran, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<Exercise>,
    /// In the order in which they were asked for.
    pub targets: Vec<Target>,
}

/// How a kernel was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Pass, fail (it does not compile), or skip (an image was given).
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// Warnings that the base does not have, normalised.
    pub new_warnings: Vec<String>,
    /// Warnings of objects that an earlier run compiled for the base, and of which it left no record: they may be old or new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncompared_warnings: Vec<String>,
    /// Which functions' code it changed since the kernel before it.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub changes: Changes,
    /// blake3 of the image.
    pub image_hash: Option<String>,
    /// Seconds that make took.
    pub seconds: f64,
}

/// How a kernel came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Pass, fail (it complains of something that the base does not), or crash.
    pub result: Outcome,
    /// One sentence where there is something to say.
    pub reason: Option<String>,
    /// Bits of /proc/sys/kernel/tainted before the first target that say that something went wrong.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub taint: u64,
    /// What it complained about before the first target.
    pub splats: Vec<Splat>,
}

/// One target on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// What it consists of.
    pub subtests: Vec<Subtest>,
    /// The pin counters over the whole target; `None` when the kernel has none or the target did not get that far.
    pub pins: Option<Pins>,
    /// Pages that went missing over all repetitions, where that was measured.
    pub drift_pages: Option<i64>,
    /// What executed the kernel's instructions, where a guest of ours was booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// What the kernel complained about while it ran.
    pub splats: Vec<Splat>,
    /// Whether the callsites ran.
    pub callsites: Vec<CallsiteEvidence>,
}

/// One step of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtest {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub result: Outcome,
    /// One sentence where it did not pass.
    pub reason: Option<String>,
    /// Seconds it took, by the guest's clock.
    pub seconds: f64,
    /// The pin counters over it.
    pub pins: Option<Pins>,
    /// Free pages that went missing, where it repeats what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What it reported of its own tests, where it is a program of the tree's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<Inner>,
}

/// Tests within a subtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// How many it says passed.
    pub passed: u64,
    /// How many it says it skipped.
    pub skipped: u64,
}

/// Free pages gone over repetitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// How often each round did it.
    pub repetitions: u64,
    /// Pages gone in each round.
    pub rounds: Vec<i64>,
}

/// nr_foll_pin_acquired and nr_foll_pin_released, as differences, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pins {
    /// Pins taken.
    pub acquired: u64,
    /// Pins given back.
    pub released: u64,
    /// The two are equal.
    pub balanced: bool,
    /// Pins that were seen held at once, where a subtest looked.
    pub held: Option<u64>,
}

impl Pins {
    /// With `balanced` computed.
    pub fn new(acquired: u64, released: u64) -> Pins {
        Pins {
            acquired,
            released,
            balanced: acquired == released,
            held: None,
        }
    }
}

/// A complaint on the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splat {
    /// Name of the pattern: "panic", "oops", "warning", …
    pub kind: String,
    /// The line that matched, without its time stamp.
    pub first_line: String,
    /// 1-based line of the console log.
    pub console_line: usize,
    /// The function that it is about: the one that the line names, else the one that the processor was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Its callers, the nearest first, as far as the console has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// How many times it was printed, where that was more than once.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_nothing(bits: &u64) -> bool {
    *bits == 0
}

fn once() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_once(times: &u64) -> bool {
    *times == 1
}

impl Splat {
    /// Its first line, and the way that led there where that is known.
    pub fn told(&self) -> String {
        let names: Vec<&str> = self
            .function
            .iter()
            .chain(&self.trace)
            .map(String::as_str)
            .collect();
        let way: Vec<&str> = names.iter().take(TOLD).copied().collect();
        let times = match self.times {
            1 => String::new(),
            times => format!(" ({times} times)"),
        };
        match way.as_slice() {
            [] => format!("{}{times}", self.first_line),
            [only] if self.first_line.contains(&format!("{only}+")) => {
                format!("{}{times}", self.first_line)
            }
            way => format!("{}{times}, in {}", self.first_line, way.join(" < ")),
        }
    }
}

/// How far a callsite got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Nothing is known of it.
    None,
    /// Its object was compiled.
    Built,
    /// The kernel that holds it came up; its function was not seen running.
    Booted,
    /// Its function ran during the target.
    Executed,
}

/// How far one callsite got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsiteEvidence {
    /// The audit's id, or `path:function` where no audit was given.
    pub id: String,
    /// How far it got.
    pub evidence: Evidence,
}

impl Build {
    /// One that came to `result`, of which nothing else is known.
    pub fn of(result: Outcome, reason: Option<String>) -> Build {
        Build {
            result,
            reason,
            new_warnings: Vec::new(),
            uncompared_warnings: Vec::new(),
            changes: Changes::default(),
            image_hash: None,
            seconds: 0.0,
        }
    }
}

impl Target {
    /// One of which nothing is known.
    pub fn named(name: &str) -> Target {
        Target {
            name: name.to_owned(),
            result: Outcome::Inconclusive,
            reason: None,
            subtests: Vec::new(),
            pins: None,
            drift_pages: None,
            accelerator: None,
            splats: Vec::new(),
            callsites: Vec::new(),
        }
    }
}

impl Stage {
    /// One that was built, and of which nothing else is known.
    pub fn new(number: usize, build: Build) -> Stage {
        Stage {
            number,
            subject: String::new(),
            build,
            boot: None,
            exercise: None,
            targets: Vec::new(),
        }
    }

    /// Whether it was built, and nothing in it did worse than being skipped.
    pub fn is_good(&self) -> bool {
        let good = |result| matches!(result, Outcome::Pass | Outcome::Skip);
        let came_up = self.boot.as_ref().is_none_or(|boot| good(boot.result));
        came_up && good(self.build.result) && self.targets.iter().all(|t| good(t.result))
    }
}

impl Stage {
    /// Whether anything in it failed for certain.
    fn has_failed(&self) -> bool {
        let failed = |result| matches!(result, Outcome::Fail | Outcome::Crash | Outcome::Timeout);
        let came_up = self.boot.as_ref().is_none_or(|boot| !failed(boot.result));
        !came_up || failed(self.build.result) || self.targets.iter().any(|t| failed(t.result))
    }
}

impl Verdict {
    /// Which exit code it means.
    ///
    /// The first bad patch decides; a base that fails is infrastructure.
    pub fn exit(&self) -> Exit {
        let stage_exit = |stage: &Stage| {
            let booted = |result| stage.boot.as_ref().is_some_and(|b| b.result == result);
            let has = |result| booted(result) || stage.targets.iter().any(|t| t.result == result);
            if stage.build.result == Outcome::Fail {
                Some(Exit::Build)
            } else if has(Outcome::Crash) {
                Some(Exit::Crash)
            } else if has(Outcome::Timeout) {
                Some(Exit::Timeout)
            } else {
                None
            }
        };
        if self.result == Outcome::Pass {
            return Exit::Clean;
        }
        if !self.base.is_good() && !self.patches.is_empty() {
            return Exit::Infrastructure;
        }
        if self.patches.is_empty() {
            return stage_exit(&self.base).unwrap_or(Exit::Findings);
        }
        let first = self.patches.iter().find(|stage| stage.has_failed());
        first.and_then(stage_exit).unwrap_or(Exit::Findings)
    }
}
