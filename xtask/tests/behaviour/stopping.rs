// SPDX-License-Identifier: MIT OR Apache-2.0
//! ctrl-C while a child works: the child and its children end too, nothing half-done is left, and the exit code says so.

use crate::sandbox::Sandbox;
use std::time::{Duration, Instant};

#[test]
fn ctrl_c_ends_the_children_and_leaves_nothing_half_done() {
    listen();
    let sandbox = Sandbox::new();
    // A clone that never ends, with a child of its own that would outlive it.
    sandbox.script(
        "bin/git",
        "#!/bin/sh\n/bin/sleep 600 &\necho $! > \"$HOME/pid\"\nwait\n",
    );
    let mut child = sandbox
        .xtask(&["kernel", "get", "9.8", "--from", "file:///nowhere"])
        .env("PATH", format!("{}:/usr/bin:/bin", sandbox.path("bin")))
        .spawn()
        .unwrap();
    let pid = wait_for(&sandbox, "home/pid");
    // SAFETY: a signal to a child of ours; a bare machine has no kill(1).
    assert_eq!(unsafe { libc::kill(child.id(), libc::SIGINT) }, 0);
    let output = child
        .wait_for(Duration::from_secs(20))
        .unwrap()
        .expect("it ends after ctrl-C");
    assert_eq!(output.code, Some(130), "{}", output.stderr_text());
    assert!(output.stderr_text().contains("error: interrupted"));
    assert!(gone(&pid), "process {pid} is still there");
    let left = std::fs::read_dir(sandbox.path("home/.cache/gup-toolkit/kernels")).unwrap();
    assert!(left.flatten().all(|entry| entry.file_name() == ".lock"));
}

/// Whoever started the tests may ignore ctrl-C, as nohup(1) and a shell's background do, and children inherit that.
pub(crate) fn listen() {
    for signal in [libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the default action runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

pub(crate) fn wait_for(sandbox: &Sandbox, name: &str) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match std::fs::read_to_string(sandbox.path(name)) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(Instant::now() < until, "the child never started"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn gone(pid: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        // A process that has ended but that nobody has asked for yet is gone as well.
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => std::thread::sleep(Duration::from_millis(20)),
            _ => return true,
        }
    }
    false
}
