// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a console log: which line is a complaint of the kernel, and which target ran at that time.
//!
//! Patterns are data (`config/splats.toml`), each with the place in the kernel that prints it. The guest writes
//! `ktest: begin NAME` and `ktest: end NAME` into the kernel's own log, so that a complaint can be set against a target.

use crate::error::Error;
use crate::verdict::Splat;
use regex::Regex;
use serde::Deserialize;

const DATA: &str = include_str!("../config/splats.toml");
const DATA_PATH: &str = "ktest/config/splats.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    splat: Vec<PatternData>,
    #[serde(default)]
    exception: Vec<ExceptionData>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternData {
    kind: String,
    pattern: String,
    fatal: bool,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionData {
    pattern: String,
    reason: String,
}

/// The patterns, compiled.
#[derive(Debug)]
pub struct Patterns {
    splats: Vec<(String, Regex, bool)>,
    exceptions: Vec<Regex>,
}

/// A complaint and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The complaint.
    pub splat: Splat,
    /// The kernel does not go on as if nothing had happened.
    pub fatal: bool,
    /// The target that ran; `None` before the first and between two.
    pub target: Option<String>,
}

/// What a console log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Complaints, in order. Of one run of equal first lines only the first.
    pub found: Vec<Found>,
    /// The target that was running when the log ended.
    pub running: Option<String>,
}

impl Patterns {
    /// The built-in ones.
    ///
    /// # Errors
    /// When the data does not parse, which a test rules out.
    pub fn built_in() -> Result<Patterns, Error> {
        Patterns::parse(DATA)
    }

    fn parse(text: &str) -> Result<Patterns, Error> {
        let bad = |why: String| Error::Data {
            path: DATA_PATH.into(),
            why,
        };
        let data: Data = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        let compile = |pattern: &str| Regex::new(pattern).map_err(|e| bad(e.to_string()));
        let mut splats = Vec::new();
        for splat in data.splat {
            if splat.source.is_empty() {
                return Err(bad(format!("pattern `{}` has no source", splat.kind)));
            }
            splats.push((splat.kind, compile(&splat.pattern)?, splat.fatal));
        }
        let mut exceptions = Vec::new();
        for exception in data.exception {
            if exception.reason.is_empty() {
                return Err(bad(format!(
                    "exception `{}` has no reason",
                    exception.pattern
                )));
            }
            exceptions.push(compile(&exception.pattern)?);
        }
        Ok(Patterns { splats, exceptions })
    }

    /// Reads a whole log.
    pub fn scan(&self, console: &str) -> Scan {
        let mut scan = Scan::default();
        for (number, raw) in console.lines().enumerate() {
            let line = without_stamp(raw.trim_end_matches('\r'));
            if let Some(name) = line.strip_prefix("ktest: begin ") {
                scan.running = Some(name.to_owned());
                continue;
            }
            if line.starts_with("ktest: end ") {
                scan.running = None;
                continue;
            }
            let Some((kind, _, fatal)) = self.splats.iter().find(|(_, re, _)| re.is_match(line))
            else {
                continue;
            };
            if self.exceptions.iter().any(|re| re.is_match(line)) {
                continue;
            }
            let again = |f: &Found| f.splat.first_line == line && f.target == scan.running;
            if scan.found.last().is_some_and(again) {
                continue;
            }
            scan.found.push(Found {
                splat: Splat {
                    kind: kind.clone(),
                    first_line: line.to_owned(),
                    console_line: number + 1,
                },
                fatal: *fatal,
                target: scan.running.clone(),
            });
        }
        scan
    }
}

/// `[    1.234567] text` and `[    1.234567][  T123] text` without what printk puts before the text.
fn without_stamp(line: &str) -> &str {
    let mut rest = line.trim_start_matches('\0');
    if let Some(tail) = rest.strip_prefix('<')
        && let Some((level, text)) = tail.split_once('>')
        && level.bytes().all(|b| b.is_ascii_digit())
    {
        rest = text;
    }
    while let Some(tail) = rest.strip_prefix('[') {
        let Some((stamp, text)) = tail.split_once(']') else {
            break;
        };
        let stamp_like = |b: u8| b.is_ascii_digit() || matches!(b, b' ' | b'.' | b'T' | b'C');
        if !stamp.bytes().all(stamp_like) {
            break;
        }
        rest = text.trim_start_matches(' ');
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(console: &str) -> Vec<(String, Option<String>)> {
        Patterns::built_in()
            .unwrap()
            .scan(console)
            .found
            .into_iter()
            .map(|f| (f.splat.kind, f.target))
            .collect()
    }

    #[test]
    fn a_warning_belongs_to_the_target_that_ran() {
        let console = "[    0.1] booting\n[    1.0] ktest: begin vmci\n[    1.1] ------------[ cut here ]------------\n\
                       [    1.1] WARNING: CPU: 0 PID: 41 at mm/gup.c:84 try_grab_folio+0x1/0x2\n[    1.2] ktest: end vmci\n";
        assert_eq!(kinds(console), [("warning".into(), Some("vmci".into()))]);
    }

    #[test]
    fn every_kind_of_complaint_is_recognised() {
        let lines = [
            ("Kernel panic - not syncing: Fatal exception", "panic"),
            ("BUG: unable to handle page fault for address: ffff", "oops"),
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000000",
                "oops",
            ),
            (
                "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
                "oops",
            ),
            ("kernel BUG at mm/gup.c:99!", "kernel-bug"),
            ("BUG: KASAN: use-after-free in f+0x1/0x2", "kasan"),
            (
                "BUG: Bad page state in process gup_test  pfn:04c3a",
                "bad-page",
            ),
            (
                "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]",
                "lockup",
            ),
            (
                "BUG: sleeping function called from invalid context at mm/x.c:1",
                "atomic-sleep",
            ),
            (
                "WARNING: possible circular locking dependency detected",
                "lockdep",
            ),
            (
                "rcu: INFO: rcu_sched self-detected stall on CPU",
                "rcu-stall",
            ),
            (
                "INFO: task vmci:41 blocked for more than 20 seconds.",
                "hung-task",
            ),
            ("BUG: something new", "bug"),
            (
                "WARNING: CPU: 1 PID: 2 at mm/gup.c:149 f+0x1/0x2",
                "warning",
            ),
            ("refcount_t: underflow; use-after-free.", "refcount"),
        ];
        for (line, kind) in lines {
            let found = kinds(&format!("[    1.234567][   T41] {line}\n"));
            assert_eq!(found, [(kind.to_owned(), None)], "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_complaint() {
        let console = "[    0.0] Linux version 6.12.117\n[    0.1] pid_max: default: 32768\n\
                       [    0.2] debug: BUG: is quoted here\n[    0.3] Speculative Store Bypass: Vulnerable\n";
        assert_eq!(kinds(console), []);
    }

    #[test]
    fn the_running_target_is_known_when_the_log_ends_early() {
        let scan = Patterns::built_in()
            .unwrap()
            .scan("[ 1.0] ktest: begin a\n[ 1.1] ktest: end a\n[ 1.2] ktest: begin b\n[ 1.3] ");
        assert_eq!(scan.running.as_deref(), Some("b"));
    }
}
