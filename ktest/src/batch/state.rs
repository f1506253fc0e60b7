// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Slurm says of the tasks of an array, read. It is never a verdict: it says whether a task may still bring one, and why one
//! that is over has brought none.

use std::collections::BTreeMap;
use std::fmt;

/// A task: number of the array's job, index in the array.
pub(super) type Task = (u64, usize);

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) state: State,
    /// Exit code and signal, where the task ended and that was said.
    pub(super) ended: Option<(u32, u32)>,
    /// The nodes that it ran on, where that was said.
    pub(super) nodes: Option<String>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for a reason in Slurm's word.
    Waits(String),
    /// It runs, or is about to begin or to end.
    Runs,
    /// It ended by itself, with an exit code.
    Ended,
    /// The machine lost it: its node failed or did not boot, or somebody with more rights took the node.
    Lost(String),
    /// It was killed when its time was up.
    OutOfTime,
    /// It was killed when it wanted more memory.
    OutOfMemory,
    /// Somebody cancelled it.
    Cancelled,
    /// A word that is not known here.
    Other(String),
}

impl State {
    /// The state of Slurm's word (JOB STATE CODES in squeue(1) and sacct(1)).
    fn of(word: &str, reason: &str) -> State {
        // sacct says "CANCELLED by 1000".
        let word = word.split_whitespace().next().unwrap_or_default();
        match word {
            "PENDING" | "REQUEUE_HOLD" | "REQUEUED" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => {
                State::Waits(reason.to_owned())
            }
            "RUNNING" | "COMPLETING" | "CONFIGURING" | "RESIZING" | "SIGNALING" | "STAGE_OUT"
            | "STOPPED" | "SUSPENDED" | "REQUEUE_FED" => State::Runs,
            // The script did not begin, or was killed with its shell.
            "FAILED" if reason == "JobLaunchFailure" => State::Lost(reason.to_owned()),
            "COMPLETED" | "FAILED" => State::Ended,
            "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "REVOKED" | "LAUNCH_FAILED"
            | "RECONFIG_FAIL" => State::Lost(word.to_owned()),
            "TIMEOUT" | "DEADLINE" => State::OutOfTime,
            "OUT_OF_MEMORY" => State::OutOfMemory,
            "CANCELLED" => State::Cancelled,
            other => State::Other(other.to_owned()),
        }
    }

    /// Whether it may still bring a verdict.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, State::Waits(_) | State::Runs)
    }
}

impl Seen {
    fn new(state: State) -> Seen {
        Seen {
            state,
            ended: None,
            nodes: None,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.state, self.ended) {
            (State::Waits(reason), _) => write!(f, "it waits ({reason})"),
            (State::Runs, _) => f.write_str("it runs"),
            (State::Ended, Some((_, signal))) if signal != 0 => {
                write!(f, "it was killed by signal {signal}")
            }
            (State::Ended, Some((code, _))) => write!(f, "it ended with exit code {code}"),
            (State::Ended, None) => f.write_str("it ended"),
            (State::Lost(word), _) => write!(f, "the machine lost it ({word})"),
            (State::OutOfTime, _) => f.write_str("it ran out of time"),
            (State::OutOfMemory, _) => f.write_str("it ran out of memory"),
            (State::Cancelled, _) => f.write_str("it was cancelled"),
            (State::Other(word), _) => write!(f, "Slurm says {word}"),
        }?;
        match &self.nodes {
            Some(nodes) => write!(f, " on {nodes}"),
            None => Ok(()),
        }
    }
}

/// What [`proc::slurm::Slurm::squeue`] says. A line that does not read is left out: nothing is known of that task then.
pub(super) fn of_squeue(text: &str) -> BTreeMap<Task, Seen> {
    let read = |line: &str| {
        let mut words = line.split('|').map(str::trim);
        let task = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let word = words.next()?;
        Some((
            task,
            Seen::new(State::of(word, words.next().unwrap_or_default())),
        ))
    };
    text.lines().filter_map(read).collect()
}

/// What [`proc::slurm::Slurm::sacct`] says; of several attempts at a task the last.
pub(super) fn of_sacct(text: &str) -> BTreeMap<Task, Seen> {
    let read = |line: &str| {
        let mut words = line.split('|').map(str::trim);
        let (job, index) = words.next()?.split_once('_')?;
        // A task that is not begun stands in a list: 17_[4-8].
        let task = (job.parse().ok()?, index.parse().ok()?);
        let mut seen = Seen::new(State::of(words.next()?, ""));
        seen.ended = words.next().and_then(exit_code);
        seen.nodes = words.next().and_then(nodes);
        Some((task, seen))
    };
    text.lines().filter_map(read).collect()
}

/// What [`proc::slurm::Slurm::show_job`] says.
pub(super) fn of_scontrol(text: &str) -> BTreeMap<Task, Seen> {
    let read = |line: &str| {
        // A key may come once more inside of a value, a path with blanks: what Slurm itself writes comes first.
        let mut words: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
        {
            words.entry(key).or_insert(value);
        }
        let task = (
            words.get("ArrayJobId")?.parse().ok()?,
            words.get("ArrayTaskId")?.parse().ok()?,
        );
        let reason = words.get("Reason").copied().unwrap_or_default();
        let mut seen = Seen::new(State::of(words.get("JobState")?, reason));
        seen.ended = words.get("ExitCode").copied().and_then(exit_code);
        seen.nodes = words.get("NodeList").copied().and_then(nodes);
        Some((task, seen))
    };
    text.lines().filter_map(read).collect()
}

/// The number that `sbatch --parsable` prints, perhaps before a cluster's name.
pub(super) fn of_sbatch(text: &str) -> Option<u64> {
    text.lines().last()?.split(';').next()?.trim().parse().ok()
}

/// A setting of `scontrol show config`.
pub(super) fn setting(config: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    };
    config.lines().find_map(value)
}

/// "CODE:SIGNAL".
fn exit_code(word: &str) -> Option<(u32, u32)> {
    let (code, signal) = word.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

fn nodes(word: &str) -> Option<String> {
    let none = word.is_empty() || word == "(null)" || word.starts_with("None");
    (!none).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeue_tells_how_far_each_task_is_and_garbage_tells_nothing() {
        let text = "17|1|RUNNING|None\n17|2|PENDING|Resources\n17|3|NODE_FAIL|None\n18|1|CANCELLED|None\n\
            17|N/A|PENDING|None\nslurm_load_jobs error\n17|4\n17|5|COMPLETED|None\n17|6|SURPRISE|None\n\
            17|7|FAILED|JobLaunchFailure\n17|8|FAILED|NonZeroExitCode\n";
        let seen = of_squeue(text);
        let state = |task: Task| seen.get(&task).map(|seen| seen.state.clone());
        assert_eq!(state((17, 1)), Some(State::Runs));
        assert_eq!(state((17, 2)), Some(State::Waits("Resources".into())));
        assert_eq!(state((17, 3)), Some(State::Lost("NODE_FAIL".into())));
        assert_eq!(state((18, 1)), Some(State::Cancelled));
        assert_eq!(state((17, 5)), Some(State::Ended));
        assert_eq!(state((17, 6)), Some(State::Other("SURPRISE".into())));
        assert_eq!(state((17, 7)), Some(State::Lost("JobLaunchFailure".into())));
        assert_eq!(state((17, 8)), Some(State::Ended));
        assert_eq!(seen.len(), 8);
        let live: Vec<Task> = seen
            .iter()
            .filter(|(_, s)| s.state.is_live())
            .map(|(t, _)| *t)
            .collect();
        assert_eq!(live, [(17, 1), (17, 2)]);
    }

    #[test]
    fn sacct_tells_why_a_task_ended_and_the_last_attempt_counts() {
        let text = "17_1|NODE_FAIL|0:0|n1\n17_1|COMPLETED|0:0|n2\n17_2|CANCELLED by 1000|0:0|n1\n17_3|FAILED|69:0|n2\n\
            17_4|FAILED|0:9|n2\n17_5|OUT_OF_MEMORY|0:125|n1\n17_6|TIMEOUT|0:0|n1\n17_[7-9]|PENDING|0:0|None assigned\n";
        let seen = of_sacct(text);
        let told = |index| seen[&(17, index)].to_string();
        assert_eq!(told(1), "it ended with exit code 0 on n2");
        assert_eq!(told(2), "it was cancelled on n1");
        assert_eq!(told(3), "it ended with exit code 69 on n2");
        assert_eq!(told(4), "it was killed by signal 9 on n2");
        assert_eq!(told(5), "it ran out of memory on n1");
        assert_eq!(told(6), "it ran out of time on n1");
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn scontrol_stands_in_where_there_is_no_accounting() {
        let text = "JobId=18 ArrayJobId=17 ArrayTaskId=2 JobName=a JobState=NODE_FAIL Reason=NodeDown Dependency=(null) \
            ExitCode=0:1 NodeList=n2 Command=/a JobState=COMPLETED b/job.sbatch\n\
            JobId=17 ArrayJobId=17 ArrayTaskId=3-8%2 JobName=a JobState=PENDING Reason=Resources ExitCode=0:0 NodeList=(null)\n";
        let seen = of_scontrol(text);
        assert_eq!(seen.len(), 1);
        assert_eq!(
            seen[&(17, 2)].to_string(),
            "the machine lost it (NODE_FAIL) on n2"
        );
    }

    #[test]
    fn the_number_of_a_job_is_read_with_and_without_a_cluster() {
        assert_eq!(of_sbatch("17"), Some(17));
        assert_eq!(of_sbatch("17;great"), Some(17));
        assert_eq!(of_sbatch("sbatch: warning\n17"), Some(17));
        assert_eq!(of_sbatch(""), None);
        assert_eq!(of_sbatch("Submitted"), None);
        let config = "MaxArraySize            = 1001\nMaxJobCount = 10000\n";
        assert_eq!(setting(config, "MaxArraySize"), Some("1001".into()));
        assert_eq!(setting(config, "ArraySize"), None);
    }
}
