// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits for whoever opens it.

use camino::Utf8Path;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Makes a FIFO that nobody writes to.
///
/// # Errors
/// Where there is something of that name, or the directory cannot be written.
pub fn fifo(path: &Utf8Path) -> std::io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(mknodat(CWD, path.as_std_path(), FileType::Fifo, mode, 0)?)
}
