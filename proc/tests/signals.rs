// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of a child when whoever started it is signalled. The one who starts is this test program again.

use proc::{Child, Command};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

const PLACE: &str = "SIGNALS_TEST_PID_FILE";
/// What takes a second on a machine that does nothing else.
const LATE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "started by the other tests, waits for a child that sleeps"]
fn starts_a_child_and_waits() {
    let file = std::env::var(PLACE).unwrap();
    proc::interrupt::install(|| {});
    let stopped = Command::new("sh")
        .args(["-c", "echo $$ >$0.new; mv $0.new $0; exec sleep 600"])
        .arg(file)
        .run();
    assert!(matches!(stopped, Err(proc::Error::Interrupted { .. })));
    std::process::exit(proc::interrupt::code().unwrap());
}

/// Starts the program above with `ignored` signals ignored; returns it and the process id of its child.
fn started(ignored: &str, dir: &Path) -> (Child, i32) {
    started_as("starts_a_child_and_waits", ignored, dir)
}

/// The same with another of the programs above.
fn started_as(program: &str, ignored: &str, dir: &Path) -> (Child, i32) {
    // Whoever started the tests may ignore these, as nohup(1) and a shell's background do, and children inherit that.
    for signal in [libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the default action runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let file = dir.join("pid");
    let run = format!("exec \"$0\" --ignored --exact --nocapture {program}");
    let trap = format!("trap '' {ignored}; {run}");
    let child = Command::new("sh")
        .args(["-c", if ignored.is_empty() { &run } else { &trap }])
        .arg(std::env::current_exe().unwrap())
        .env(PLACE, &file)
        .spawn()
        .unwrap();
    let pid = within(|| std::fs::read_to_string(&file).ok()?.trim().parse().ok());
    (child, pid.expect("the child says its process id"))
}

fn within<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + LATE;
    while Instant::now() < until {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn send(signal: Signal, to: i32) {
    kill_process(Pid::from_raw(to).unwrap(), signal).unwrap();
}

/// Whether process `pid` is gone, or a corpse that nobody has looked at yet.
fn gone(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty()
        || stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
}

#[test]
fn sigterm_stops_a_run_that_ignores_sigint() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, child) = started("INT HUP", dir.path());
    send(Signal::INT, run.id());
    send(Signal::HUP, run.id());
    let early = run.wait_for(Duration::from_millis(500)).unwrap();
    assert!(early.is_none() && !gone(child));
    send(Signal::TERM, run.id());
    let ended = run.wait_for(LATE).unwrap().expect("it ends");
    assert_eq!(ended.code, Some(143));
    assert!(gone(child));
}

#[test]
fn sigint_stops_a_run_that_does_not_ignore_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, child) = started("", dir.path());
    send(Signal::INT, run.id());
    let ended = run.wait_for(LATE).unwrap().expect("it ends");
    assert_eq!(ended.code, Some(130));
    assert!(gone(child));
}

#[test]
#[ignore = "started by the next test, never looks at the flag"]
fn works_for_ever() {
    let file = std::env::var(PLACE).unwrap();
    proc::interrupt::install(|| eprintln!("last words"));
    let child = Command::new("sh")
        .args([
            "-c",
            "trap '' TERM; echo $$ >$0.new; mv $0.new $0; sleep 600",
        ])
        .arg(file)
        .spawn()
        .unwrap();
    let until = Instant::now() + LATE;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    drop(child);
}

#[test]
fn a_loop_that_never_looks_is_ended_with_its_children() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut run, child) = started_as("works_for_ever", "", dir.path());
        let signalled = Instant::now();
        send(signal, run.id());
        let ended = run.wait_for(LATE).unwrap().expect("it ends");
        assert!(signalled.elapsed() < Duration::from_secs(10));
        assert_eq!(ended.code, Some(code), "{}", ended.stderr_text());
        assert!(ended.stderr_text().contains("last words"));
        assert!(within(|| gone(child).then_some(())).is_some());
    }
}

#[test]
fn a_run_that_is_killed_leaves_no_child() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, child) = started("", dir.path());
    send(Signal::KILL, run.id());
    let ended = run.wait_for(LATE).unwrap().expect("it ends");
    assert_eq!(ended.code, None);
    assert!(within(|| gone(child).then_some(())).is_some());
}
