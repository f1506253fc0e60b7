// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C and SIGTERM: a flag that every waiting loop reads, and a watchdog for whoever does not read it.
//!
//! A run that is asked to stop gets a moment to wind up: children are stopped, what was measured so far is recorded.
//! It does not get more than that. A loop that never looks at the flag, whatever it does, is ended by the watchdog, and
//! so are the process groups of all children.

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a run without children may wind up: a person who pressed ctrl-C waits for a second, and no
/// longer; the end of a process with 300 MB was seen to take a tenth of that.
const WIND_UP: Duration = Duration::from_millis(750);
/// The same where a child runs; an emulator needs the better part of a second to end.
const WIND_UP_CHILDREN: Duration = Duration::from_millis(1900);

/// The first signal that came; 0 before.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The process groups of children that run, by their leaders' process ids.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Makes SIGINT, SIGTERM and SIGHUP set the flag instead of ending the process at once. Calling it twice does no harm.
///
/// The process ends by itself, or is ended: 0.75 s after the signal, 1.9 s where children run, and at once on a second
/// signal. `last_words` is called before it is ended, and its children are killed. The exit code is 143 for SIGTERM and
/// 130 for the others.
///
/// A signal that is ignored stays ignored: a shell without job control starts `command &` with SIGINT ignored, and
/// nohup(1) ignores SIGHUP. SIGTERM stops such a run as it stops every other.
pub fn install(last_words: fn()) {
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP];
    let wanted = wanted
        .iter()
        .filter(|signal| ignored & (1 << (**signal - 1)) == 0);
    // The only error is a signal that may not be caught, and none of these is.
    let Ok(mut signals) = Signals::new(wanted) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if SIGNAL
                .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst)
                .is_err()
            {
                end(last_words);
            }
            std::thread::spawn(move || watch(last_words));
        }
    });
}

/// Ends the process when its time is up.
fn watch(last_words: fn()) -> ! {
    let signalled = Instant::now();
    loop {
        let time = match running() {
            true => WIND_UP_CHILDREN,
            false => WIND_UP,
        };
        match time.checked_sub(signalled.elapsed()) {
            Some(left) => std::thread::sleep(left.min(Duration::from_millis(50))),
            None => end(last_words),
        }
    }
}

/// Kills the children and ends the process.
fn end(last_words: fn()) -> ! {
    last_words();
    for group in groups().iter().filter_map(|group| Pid::from_raw(*group)) {
        // The only error is that the group is gone, which is what is wanted.
        let _gone = kill_process_group(group, Signal::KILL);
    }
    std::process::exit(code().unwrap_or(130));
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
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// What the process exits with once it was asked to stop, as shells count: 128 and the signal. Ctrl-C and a terminal
/// that was closed both mean 130.
pub fn code() -> Option<i32> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => None,
        SIGTERM => Some(143),
        _ => Some(130),
    }
}

/// A child was started as the leader of its own group.
pub(crate) fn began(group: i32) {
    groups().insert(group);
}

/// A child has ended and was reaped.
pub(crate) fn ended(group: i32) {
    groups().remove(&group);
}

fn running() -> bool {
    !groups().is_empty()
}

fn groups() -> std::sync::MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
