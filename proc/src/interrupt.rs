// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C as a flag that every waiting loop reads.

use std::sync::atomic::{AtomicUsize, Ordering};

static PRESSED: AtomicUsize = AtomicUsize::new(0);

/// Makes SIGINT, SIGTERM and SIGHUP set the flag instead of ending the process; the second one ends it at once with 130.
///
/// Children of the first are stopped by the loop that waits for them; on the second the kernel kills them, because
/// each has asked for SIGKILL at its parent's death. Calling it twice does no harm.
pub fn install() {
    let handler = || {
        if PRESSED.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(130);
        }
    };
    // The only error is a handler that is there already, which is what was wanted.
    drop(ctrlc::try_set_handler(handler));
}

/// Whether the user has asked to stop.
pub fn interrupted() -> bool {
    PRESSED.load(Ordering::SeqCst) > 0
}
