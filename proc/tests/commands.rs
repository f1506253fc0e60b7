// SPDX-License-Identifier: MIT OR Apache-2.0
//! Children that end well, badly, late, or not at all.

use failure::Failure;
use proc::{Command, Error};
use std::time::{Duration, Instant};

#[test]
fn output_and_exit_code_are_returned() {
    let output = Command::new("sh")
        .args(["-c", "echo out; echo err >&2; exit 3"])
        .run_unchecked()
        .unwrap();
    assert_eq!(
        (
            output.code,
            output.stdout_text().as_str(),
            output.stderr_text().as_str()
        ),
        (Some(3), "out", "err")
    );
}

#[test]
fn a_failed_command_carries_its_line_and_what_it_said() {
    let error = Command::new("sh")
        .args(["-c", "echo broken pipe dream >&2; exit 7"])
        .run()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `sh -c 'echo broken pipe dream >&2; exit 7'`: exit code 7\nbroken pipe dream"
    );
}

#[test]
fn a_missing_program_is_told_apart_from_a_failing_one() {
    let error = Command::new("no-such-program-here").run().unwrap_err();
    assert!(
        matches!(error, Error::NotFound { .. }) && error.hint().is_some(),
        "{error}"
    );
}

#[test]
fn a_missing_working_directory_is_not_a_missing_program() {
    let error = Command::new("true")
        .current_dir("/no/such/directory")
        .run()
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn past_its_deadline_the_whole_group_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let script = format!("sleep 60 & echo $! > {}; wait", pid_file.display());
    let started = Instant::now();
    let error = Command::new("sh")
        .args(["-c", &script])
        .deadline(Duration::from_millis(500))
        .run()
        .unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    let grandchild = std::fs::read_to_string(&pid_file).unwrap();
    let gone = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !is_running(grandchild.trim())
    });
    assert!(gone, "the sleeping grandchild must be gone");
}

#[test]
fn a_child_that_ignores_sigterm_is_killed() {
    let error = Command::new("sh")
        .args(["-c", "trap '' TERM; while :; do sleep 0.1; done"])
        .deadline(Duration::from_millis(300))
        .run()
        .unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn standard_input_is_given_and_the_log_begins_with_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("cat.log");
    let output = Command::new("cat")
        .stdin("hello\n")
        .log(&log)
        .run()
        .unwrap();
    assert_eq!(output.stdout_text(), "hello");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "$ cat\nhello\n");
}

#[test]
fn what_a_child_costs_is_counted() {
    let output = Command::new("sh")
        .args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
        .run()
        .unwrap();
    assert!(
        output.usage.cpu() > Duration::from_millis(5) && output.usage.peak_kib > 100,
        "{:?}",
        output.usage
    );
}

#[test]
fn a_daemon_that_keeps_the_pipe_does_not_hold_up_its_parent() {
    let started = Instant::now();
    let output = Command::new("sh")
        .args(["-c", "sleep 30 & echo done"])
        .run()
        .unwrap();
    assert_eq!(output.stdout_text(), "done");
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// Whether `pid` is there and no zombie.
fn is_running(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim_start().starts_with('Z'))
    })
}

#[test]
fn whole_lines_are_told_as_they_come() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = std::sync::Arc::clone(&told);
    let output = Command::new("sh")
        .args([
            "-c",
            "printf 'one\ntw'; sleep 0.1; printf 'o\n\nrest'; echo no >&2",
        ])
        .each_line(move |line| to.lock().unwrap().push(line.to_owned()))
        .run()
        .unwrap();
    assert_eq!(*told.lock().unwrap(), ["one", "two", ""]);
    assert_eq!(output.stdout_text(), "one\ntwo\n\nrest");
}

#[test]
fn both_outputs_come_in_the_order_of_writing() {
    let output = Command::new("sh")
        .args(["-c", "echo one; echo two >&2; echo three"])
        .together()
        .run()
        .unwrap();
    assert_eq!(output.stdout_text(), "one\ntwo\nthree");
    assert_eq!(output.stderr_text(), "");
}

#[test]
fn a_child_is_told_more_while_it_runs_until_all_is_told() {
    let mut child = Command::new("cat").told_more().spawn().unwrap();
    let begun = Instant::now();
    for words in ["one\n", "two\n"] {
        child.tell(words.as_bytes()).unwrap();
        while !child.stdout_so_far().ends_with(words.as_bytes()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "cat is silent");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    child.told_all();
    assert!(child.tell(b"three\n").is_err());
    let output = child.wait().unwrap();
    assert_eq!(
        (output.code, output.stdout_text().as_str()),
        (Some(0), "one\ntwo")
    );
}
