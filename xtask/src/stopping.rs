// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run that was asked to stop says, and how it can be gone on with.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// The command that goes on with what is being done, once there is one.
static RESUME: Mutex<Option<String>> = Mutex::new(None);

/// From now on the run can be gone on with by this command.
pub fn resumable(command: String) {
    *RESUME.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
}

/// Says "interrupted", and how to resume. It may be the last thing that a process does, whatever its other threads do.
pub fn last_words() {
    let resume = RESUME.try_lock().ok().and_then(|resume| resume.clone());
    let hint = resume.map_or(String::new(), |command| format!("hint: {command}\n"));
    // Standard error is gone: there is nobody left to tell.
    let _ = std::io::stderr().write_all(format!("error: interrupted\n{hint}").as_bytes());
}
