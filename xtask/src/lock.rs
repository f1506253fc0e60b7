// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that one process at a time may hold.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;

/// Takes the lock of an open file without waiting; it is given back when the file is closed.
///
/// # Errors
/// Another process holds it.
pub(crate) fn take(file: &File) -> std::io::Result<()> {
    Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
}
