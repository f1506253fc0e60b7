// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run that was asked to stop says, and how it can be gone on with.

use callsites::formats::visible::visible;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// The command that goes on with what is being done, once there is one.
static RESUME: Mutex<Option<String>> = Mutex::new(None);

/// From now on the run can be gone on with by this command.
pub(crate) fn resumable(command: String) {
    *RESUME.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
}

/// What has been finished all the same, once there is something.
static LEFT: Mutex<Option<String>> = Mutex::new(None);

/// From now on something is there, whole, whatever comes: a sentence that says what.
pub(crate) fn left(sentence: String) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(sentence);
}

/// Says "interrupted", what is there all the same, and how to resume. It may be the last thing that a process does, whatever
/// its other threads do.
pub(crate) fn last_words() {
    let said = |what: &Mutex<Option<String>>| what.try_lock().ok().and_then(|said| said.clone());
    let left = said(&LEFT).map_or(String::new(), |sentence| format!("; {sentence}"));
    let hint = said(&RESUME).map_or(String::new(), |command| format!("hint: {command}\n"));
    let words = format!("error: interrupted{left}\n{hint}");
    // Standard error is gone: there is nobody left to tell.
    let _ = std::io::stderr().write_all(visible(&words, &[]).as_bytes());
}
