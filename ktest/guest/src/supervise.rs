// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one program with a deadline and passes on what it says, whole lines only.
//!
//! The deadline begins anew with each line: on a busy host the guest's clock goes on while its processors wait, and a program that
//! gets on is slow, not stuck.

use crate::pins;
use crate::plan::Job;
use crate::port::Port;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A line longer than this is cut; a program that writes more lines than this is stopped.
const LINE_BYTES: usize = 1000;
const LINES: usize = 20_000;
/// So many deadlines a program may take that goes on speaking; the host waits as long: ktest/src/boot/mod.rs: SLACK.
const DEADLINES: u32 = 3;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// `pass`, `fail`, `skip`, `timeout` or `died`.
    pub word: &'static str,
    /// Why.
    pub reason: String,
}

/// Runs it. The program has failed until it says otherwise: it counts as passed only when it wrote its result last and
/// ended with 0.
pub(crate) fn run(job: &Job, port: &mut Port) -> End {
    let before = pins::read();
    #[expect(
        clippy::disallowed_methods,
        reason = "in the guest there is no `proc`: this is process 1"
    )]
    let child = std::process::Command::new("/proc/self/exe")
        .args(["target", &job.name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => return failed(format!("start the program: {error}")),
    };
    // What a program held that was killed is given back from a work queue, and would be counted as what the next one gives back.
    let settle = || {
        let _as_far_as_it_goes = pins::settled(before);
    };
    supervised(child, job, port, settle)
}

fn failed(reason: String) -> End {
    End {
        word: "fail",
        reason,
    }
}

/// The same of a program that runs already; once it was killed, `settle` waits for what it leaves behind.
fn supervised(mut child: Child, job: &Job, port: &mut Port, settle: impl FnOnce()) -> End {
    let mut result = None;
    let in_time = pass_on(&mut child, job, port, &mut result);
    if let Err(reason) = in_time {
        let family = family(child.id());
        let _gone = child.kill();
        // A task that hangs in the kernel does not end; it must not take init with it.
        for _ in 0..50 {
            if !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        settle();
        // The kernel will complain of them when another program runs: ktest/src/console/scan.rs knows whose they are.
        for stuck in family.into_iter().filter(|pid| is_there(*pid)) {
            port.mark(&format!("stuck {} {stuck}", job.name));
        }
        return End {
            word: "timeout",
            reason,
        };
    }
    let status = match child.wait() {
        Ok(status) => status,
        Err(error) => return failed(format!("wait for the program: {error}")),
    };
    match result {
        Some(End {
            word: "pass" | "skip",
            ..
        }) if !status.success() => failed(format!(
            "the program said that it passed, then ended with {status}"
        )),
        Some(end) => end,
        None => failed(format!("the program ended with {status} and no result")),
    }
}

/// When a program is late: it has said nothing for its deadline, or spoken for several of them.
struct Patience {
    deadline: Duration,
    begun: Instant,
    spoke: Instant,
}

impl Patience {
    /// How long it may still take to say the next line, `now`.
    fn left(&self, now: Instant) -> Result<Duration, String> {
        let silent = now.duration_since(self.spoke);
        let taken = now.duration_since(self.begun);
        let left = self.deadline.saturating_sub(silent);
        let left = left.min((self.deadline * DEADLINES).saturating_sub(taken));
        match left.is_zero() {
            true => Err(format!(
                "not finished after {} s, silent for the last {} s",
                taken.as_secs(),
                silent.as_secs()
            )),
            false => Ok(left),
        }
    }
}

/// A process, and all that descend from it.
fn family(first: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, stat(pid)?.1))
        })
        .collect();
    let mut family = vec![first];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        let children = all.iter().filter(|(_, of)| *of == parent);
        family.extend(children.map(|(pid, _)| *pid));
        at += 1;
    }
    family
}

/// Whether a process has not ended; one that waits for its parent to ask has.
fn is_there(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// State and parent of a process. fs/proc/array.c: do_task_stat(); the name stands in parentheses and may have some itself.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = text.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?.chars().next()?;
    Some((state, words.next()?.parse().ok()?))
}

/// Reads until the program closes its output.
fn pass_on(
    child: &mut Child,
    job: &Job,
    port: &mut Port,
    result: &mut Option<End>,
) -> Result<(), String> {
    let Some(mut output) = child.stdout.take() else {
        return Ok(());
    };
    let mut patience = Patience {
        deadline: job.deadline,
        begun: Instant::now(),
        spoke: Instant::now(),
    };
    let (mut pending, mut chunk, mut lines) = (Vec::new(), [0u8; 4096], 0);
    loop {
        let left = patience.left(Instant::now())?;
        if !readable(&output, left) {
            continue;
        }
        let count = output.read(&mut chunk).unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        pending.extend_from_slice(&chunk[..count]);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            patience.spoke = Instant::now();
            handle(
                &String::from_utf8_lossy(&line[..end.min(LINE_BYTES)]),
                port,
                result,
            );
            lines += 1;
            if lines > LINES {
                return Err(format!("stopped after {LINES} lines of output"));
            }
        }
        if pending.len() > LINE_BYTES * 16 {
            pending.truncate(LINE_BYTES);
        }
    }
}

fn handle(line: &str, port: &mut Port, result: &mut Option<End>) {
    if let Some(total) = line.strip_prefix("# total ") {
        port.line(&format!("# pins {total}"));
    } else if line.starts_with("# drift ") {
        port.line(line);
    } else if let Some(rest) = line.strip_prefix("# result ") {
        let (word, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let word = match word {
            "pass" => "pass",
            "skip" => "skip",
            _ => "fail",
        };
        *result = Some(End {
            word,
            reason: reason.to_owned(),
        });
    } else {
        port.line(&format!("    {line}"));
    }
}

fn readable(output: &impl AsFd, left: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(output, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    matches!(poll(&mut fds, Some(&timeout)), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str, deadline: Duration) -> (End, bool) {
        let job = Job {
            name: "vmci".into(),
            deadline,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "`proc` has a deadline of its own, and this is the test of one"
        )]
        let child = std::process::Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let program = std::path::PathBuf::from(format!("/proc/{}", child.id()));
        let mut gone_first = false;
        let settle = || gone_first = !program.exists();
        let end = supervised(child, &job, &mut Port::closed(), settle);
        (end, gone_first)
    }

    #[test]
    fn what_a_late_program_held_is_waited_for_once_it_is_gone() {
        let (end, gone_first) = ended("exec sleep 60", Duration::from_millis(50));
        assert_eq!(end.word, "timeout");
        assert!(gone_first, "it settles after the program was killed");
        let (end, settled) = ended("echo '# result pass'", Duration::from_secs(60));
        assert_eq!((end.word, settled), ("pass", false), "{}", end.reason);
    }

    #[test]
    fn the_processes_of_a_program_are_known_until_they_end() {
        let spawn = |script| {
            #[expect(
                clippy::disallowed_methods,
                reason = "a process and its child, which end with the test"
            )]
            std::process::Command::new("/bin/sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut parent = spawn("exec 3<&0; cat <&3 & echo up; wait");
        let mut up = [0; 3];
        parent.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
        let all = family(parent.id());
        assert_eq!((all.len(), all[0]), (2, parent.id()), "{all:?}");
        assert!(all.iter().all(|pid| is_there(*pid)));
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert!(!is_there(all[0]));
    }

    #[test]
    fn a_program_that_gets_on_is_not_late_until_it_has_taken_several_deadlines() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let spoke = |seconds| Patience {
            deadline: Duration::from_secs(90),
            begun,
            spoke: after(seconds),
        };
        assert_eq!(spoke(0).left(after(60)), Ok(Duration::from_secs(30)));
        let silent = "not finished after 90 s, silent for the last 90 s";
        assert_eq!(spoke(0).left(after(90)), Err(silent.to_owned()));
        assert_eq!(spoke(80).left(after(90)), Ok(Duration::from_secs(80)));
        assert_eq!(spoke(240).left(after(250)), Ok(Duration::from_secs(20)));
        let slow = "not finished after 270 s, silent for the last 1 s";
        assert_eq!(spoke(269).left(after(270)), Err(slow.to_owned()));
    }
}
