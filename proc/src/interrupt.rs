// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C as a flag that every waiting loop reads.

use std::sync::atomic::{AtomicUsize, Ordering};

static PRESSED: AtomicUsize = AtomicUsize::new(0);

/// Makes SIGINT, SIGTERM and SIGHUP set the flag instead of ending the process; the second one ends it at once with 130.
///
/// Children of the first are stopped by the loop that waits for them; on the second the kernel kills them, because
/// each has asked for SIGKILL at its parent's death. Calling it twice does no harm.
///
/// A signal that is ignored stays ignored: a shell without job control starts `command &` with SIGINT ignored, and
/// nohup(1) ignores SIGHUP. SIGTERM stops such a run as it stops every other.
pub fn install() {
    let handler = || {
        if PRESSED.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(130);
        }
    };
    let ignored = ignored();
    // It must displace what is there: to ignore a signal counts as a handler, and then none would be set for the others.
    // The only error is a handler of ours that is there already, which is what was wanted.
    drop(ctrlc::set_handler(handler));
    for signal in [libc::SIGINT, libc::SIGHUP] {
        if ignored & (1 << (signal - 1)) != 0 {
            // SAFETY: to ignore a signal runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
    }
}

/// The signals that this process ignores, a bit each from signal 1 on. proc(5): SigIgn of /proc/PID/status.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0)
}

/// Whether the user has asked to stop.
pub fn interrupted() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}
