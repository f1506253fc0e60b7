// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results go. As process 1 that is the second serial line, raw, so that the kernel's own messages never stand
//! between two of ours. On a machine that somebody else brought up it is standard output, which reaches the host through a
//! login: there each line has a mark and a number, so that a greeting is no result and a lost line is missed.

use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;

/// Where results go, and where the console gets its marks.
pub(crate) struct Port {
    results: Option<File>,
    /// How many lines were written, where they are numbered.
    count: Option<u64>,
    kernel_log: Option<File>,
    /// The kernel's own log, read from its beginning.
    messages: Option<OwnedFd>,
}

impl Port {
    /// Opens the serial line and the kernel's log. What cannot be opened stays silent: the host then misses the verdict, and
    /// says so.
    pub(crate) fn open() -> Port {
        let results = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/ttyS1")
            .ok();
        if let Some((file, Ok(mut settings))) = results.as_ref().map(|file| (file, tcgetattr(file)))
        {
            settings.make_raw();
            let _stays_cooked = tcsetattr(file, OptionalActions::Now, &settings);
        }
        Port {
            results,
            count: None,
            kernel_log: kernel_log(),
            messages: None,
        }
    }

    /// Standard output, numbered, and the kernel's log both ways.
    pub(crate) fn numbered() -> Port {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Port {
            results: rustix::io::dup(rustix::stdio::stdout())
                .ok()
                .map(File::from),
            count: Some(0),
            kernel_log: kernel_log(),
            messages: rustix::fs::open("/dev/kmsg", flags, Mode::empty()).ok(),
        }
    }

    /// One that nobody listens to.
    #[cfg(test)]
    pub(crate) fn closed() -> Port {
        Port {
            results: None,
            count: None,
            kernel_log: None,
            messages: None,
        }
    }

    /// Writes one line of results.
    pub(crate) fn line(&mut self, text: &str) {
        self.put("ktest", text);
    }

    fn put(&mut self, mark: &str, text: &str) {
        let line = match &mut self.count {
            None => format!("{text}\n"),
            Some(count) => {
                *count += 1;
                format!("{mark} {count}: {text}\n")
            }
        };
        if let Some(file) = &mut self.results {
            let _lost = file.write_all(line.as_bytes());
        }
    }

    /// Passes on what the kernel has said since the last time, where lines are numbered: a `kernel` line each.
    pub(crate) fn kernel_messages(&mut self) {
        let Some(messages) = self.messages.take() else {
            return;
        };
        // One record a read; Documentation/ABI/testing/dev-kmsg.
        let mut record = [0u8; 8192];
        loop {
            match rustix::io::read(&messages, &mut record) {
                Ok(0) => break,
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&record[..bytes]).into_owned();
                    if let Some((number, message)) = message(&text) {
                        self.put("kernel", &format!("{number} {message}"));
                    }
                }
                // Records were overwritten before they were read: the next has a higher number, which the host sees.
                Err(rustix::io::Errno::PIPE) => {}
                Err(_) => break,
            }
        }
        self.messages = Some(messages);
    }

    /// Writes one line into the kernel's log, from where it reaches the console in order with the kernel's own.
    pub(crate) fn mark(&mut self, text: &str) {
        if let Some(file) = &mut self.kernel_log {
            let _lost = file.write_all(format!("<5>ktest: {text}\n").as_bytes());
        }
    }

    /// Waits until the last byte has left the line.
    pub(crate) fn drain(&mut self) {
        if let Some(file) = &self.results {
            let _lost = rustix::termios::tcdrain(file);
        }
    }
}

fn kernel_log() -> Option<File> {
    OpenOptions::new().write(true).open("/dev/kmsg").ok()
}

/// Number and text of a record `LEVEL,NUMBER,MICROSECONDS,FLAGS;TEXT`; lines after the first are properties.
fn message(record: &str) -> Option<(u64, &str)> {
    let (head, text) = record.split_once(';')?;
    let number = head.split(',').nth(1)?.parse().ok()?;
    Some((number, text.lines().next().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_number_and_its_first_line() {
        let record = "4,17,123456,-;WARNING: CPU: 0 at mm/gup.c:1\n SUBSYSTEM=x\n";
        assert_eq!(message(record), Some((17, "WARNING: CPU: 0 at mm/gup.c:1")));
        assert_eq!(message("rubbish"), None);
    }
}
