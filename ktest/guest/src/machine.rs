// SPDX-License-Identifier: MIT OR Apache-2.0
//! The targets on a machine that somebody else brought up, by way of ktest.pl: an ordinary process of root.
//!
//! What the host is told besides the targets' results is what it cannot know of a machine that it did not start: which
//! kernel runs, whether other programs take pins, and the kernel's own log (a console may be told to show little of it).
//!
//! Nothing stays on the machine: mounts are made in a name space of our own, and end with it.

use crate::port::Port;
use crate::{init, mounts, pins, plan};
use std::time::Duration;

/// How long the pin counters are watched while nothing of ours runs.
const QUIET: Duration = Duration::from_secs(2);

/// Runs the targets that `words` names; 0 when all of them passed.
pub(crate) fn run(words: &str) -> i32 {
    // The console then shows everything: of a kernel that dies it is all there is.
    let _stays_quiet = std::fs::write("/proc/sys/kernel/printk", "8");
    let mut port = Port::numbered();
    port.line("KTAP version 1");
    let name = rustix::system::uname();
    port.line(&format!(
        "# kernel {} {}",
        name.release().to_string_lossy(),
        name.version().to_string_lossy()
    ));
    let result = prepare().and_then(|()| plan::jobs(words));
    let passed = match result.map(|jobs| {
        watch(&mut port);
        init::everything(&mut port, &jobs)
    }) {
        Ok(passed) => passed,
        Err(why) => {
            port.line(&format!("# init {why}"));
            false
        }
    };
    port.kernel_messages();
    init::verdict(&mut port, passed);
    i32::from(!passed)
}

fn prepare() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("the user that ktest.pl logs in as is not root".into());
    }
    mounts::apart()
}

/// The counters are the whole machine's: where another program moves them, ours prove nothing.
fn watch(port: &mut Port) {
    let Some(before) = pins::read() else { return };
    std::thread::sleep(QUIET);
    let Some(after) = pins::read() else { return };
    let moved = after.since(before);
    if moved.acquired != 0 || moved.released != 0 {
        port.line(&format!(
            "# noise machine acquired={} released={}",
            moved.acquired, moved.released
        ));
    }
}
