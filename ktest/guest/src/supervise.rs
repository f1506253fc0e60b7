// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one program with a deadline and passes on what it says, whole lines only.

use crate::pins;
use crate::plan::Job;
use crate::port::Port;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::time::Instant;

/// A line longer than this is cut; a program that writes more lines than this is stopped.
const LINE_BYTES: usize = 1000;
const LINES: usize = 20_000;

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
    let failed = |reason: String| End {
        word: "fail",
        reason,
    };
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
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return failed(format!("start the program: {error}")),
    };
    let before = pins::read();
    let mut result = None;
    let in_time = pass_on(&mut child, job, port, &mut result);
    if let Err(reason) = in_time {
        let _gone = child.kill();
        // A task that hangs in the kernel does not end; it must not take init with it.
        for _ in 0..50 {
            if !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // What it held is given back from a work queue, and would be counted as what the next program gives back.
        let _as_far_as_it_goes = pins::settled(before);
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
    let until = Instant::now() + job.deadline;
    let (mut pending, mut chunk, mut lines) = (Vec::new(), [0u8; 4096], 0);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("not finished after {} s", job.deadline.as_secs()));
        }
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

fn readable(output: &impl AsFd, left: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(output, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    matches!(poll(&mut fds, Some(&timeout)), Ok(1..))
}
