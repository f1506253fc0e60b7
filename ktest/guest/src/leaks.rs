// SPDX-License-Identifier: MIT OR Apache-2.0
//! kmemleak, where the kernel has it: memory that nothing points to any more after a target is the target's leak.
//!
//! Documentation/dev-tools/kmemleak.rst: `clear` forgets what was suspected before, `scan` looks. An object counts when it was found
//! lost in a scan and is older than five seconds (mm/kmemleak.c: MSECS_MIN_AGE, 6.12), so that two scans are made.

use crate::port::Port;
use std::time::Duration;

const FILE: &str = "/sys/kernel/debug/kmemleak";
/// A little more than the least age, which the kernel measures in ticks.
const AGE: Duration = Duration::from_millis(5200);
/// A report has some twenty lines; the first leaks tell the kind.
const LINES: usize = 120;

/// Forgets what was suspected before.
pub(crate) fn clear() {
    let _not_there = std::fs::write(FILE, "clear");
}

/// Scans, so that the kernel says on its console what it found, and passes the traces on.
pub(crate) fn scan(name: &str, port: &mut Port) {
    if std::fs::write(FILE, "scan").is_err() {
        return;
    }
    std::thread::sleep(AGE);
    let _gone_off = std::fs::write(FILE, "scan");
    let report = std::fs::read(FILE).unwrap_or_default();
    for line in String::from_utf8_lossy(&report).lines().take(LINES) {
        port.line(&format!("# leak {name} {}", line.trim()));
    }
}
