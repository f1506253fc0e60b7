// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results port: the second serial line, raw, so that the kernel's own messages never stand between two of ours.

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::Write;

/// Where results go, and where the console gets its marks.
pub struct Port {
    results: Option<File>,
    kernel_log: Option<File>,
}

impl Port {
    /// Opens both. What cannot be opened stays silent: the host then misses the verdict, and says so.
    pub fn open() -> Port {
        let open = |path| OpenOptions::new().write(true).open(path).ok();
        let results = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/ttyS1")
            .ok();
        if let Some(file) = &results
            && let Ok(mut settings) = tcgetattr(file)
        {
            settings.make_raw();
            let _stays_cooked = tcsetattr(file, OptionalActions::Now, &settings);
        }
        Port {
            results,
            kernel_log: open("/dev/kmsg"),
        }
    }

    /// Writes one line of results.
    pub fn line(&mut self, text: &str) {
        if let Some(file) = &mut self.results {
            let _lost = file.write_all(format!("{text}\n").as_bytes());
        }
    }

    /// Writes one line into the kernel's log, from where it reaches the console in order with the kernel's own.
    pub fn mark(&mut self, text: &str) {
        if let Some(file) = &mut self.kernel_log {
            let _lost = file.write_all(format!("<5>ktest: {text}\n").as_bytes());
        }
    }

    /// Waits until the last byte has left the line.
    pub fn drain(&mut self) {
        if let Some(file) = &self.results {
            let _lost = rustix::termios::tcdrain(file);
        }
    }
}
