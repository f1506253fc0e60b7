// SPDX-License-Identifier: MIT OR Apache-2.0
//! One pass over a console log.

use super::line::{Step, identity_of_place, step, text};
use super::patterns::Patterns;
use crate::results::clean;
use crate::verdict::Splat;
use std::collections::HashMap;

/// A kernel that complains of so many different things says nothing new any more; repetitions of one are counted, not kept.
const MOST: usize = 200;
/// No line of the kernel is longer (include/linux/printk.h: PRINTK_MESSAGE_MAX is 2,048); what is, is cut.
const LONGEST: usize = 2048;
/// A trace stands within so many lines of its complaint: registers, code and a few lines of modules come first.
const TRACE_LINES: usize = 120;
/// The nearest callers of a complaint; a system call's entry is some twenty deep.
const CALLERS: usize = 24;

/// A complaint and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The complaint.
    pub splat: Splat,
    /// The kernel does not go on as if nothing had happened.
    pub fatal: bool,
    /// The target that it belongs to: the one that ran, between two the one that had ended. `None` before the first. That a task
    /// hangs is of the target that left it behind.
    pub target: Option<String>,
}

/// What a console log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Complaints, in order. Of those of one target that differ in numbers only, the first.
    pub found: Vec<Found>,
    /// The target that was running when the log ended.
    pub running: Option<String>,
}

impl Patterns {
    /// Reads a whole log.
    pub(crate) fn scan(&self, console: &str) -> Scan {
        let mut reader = Reader::default();
        for (index, raw) in console.split('\n').enumerate() {
            let cut = raw
                .char_indices()
                .nth(LONGEST)
                .map_or(raw.len(), |(at, _)| at);
            reader.line(self, index + 1, text(&raw[..cut]));
        }
        Scan {
            found: reader.found,
            running: reader.running,
        }
    }
}

/// The number of the task that a line says hangs. kernel/hung_task.c: check_hung_task() (4.19 to 7.3).
fn hung(text: &str) -> Option<&str> {
    let (task, _) = text.strip_prefix("INFO: task ")?.split_once(" blocked ")?;
    Some(task.trim_end_matches(" is").rsplit_once(':')?.1)
}

#[derive(Default)]
struct Reader {
    found: Vec<Found>,
    /// Place in `found` by target, kind and text without numbers.
    known: HashMap<(Option<String>, String), usize>,
    running: Option<String>,
    last: Option<String>,
    /// The targets of which a process could not be killed, by its number.
    stuck: HashMap<String, String>,
    /// The complaints whose trace may come: one report may have several lines that name it (`kernel BUG at …`, then `Oops: …`).
    open: Vec<usize>,
    /// Until which line.
    until: usize,
    /// Their trace has begun: the next complaint is another report's.
    traced: bool,
}

impl Reader {
    fn line(&mut self, patterns: &Patterns, number: usize, text: &str) {
        if let Some(name) = text.strip_prefix("ktest: begin ") {
            self.running = Some(clean(name));
            self.last = self.running.clone();
            self.open.clear();
        } else if let Some((name, pid)) = text
            .strip_prefix("ktest: stuck ")
            .and_then(|rest| rest.split_once(' '))
        {
            self.stuck.insert(pid.to_owned(), clean(name));
        } else if text.starts_with("ktest: end ") {
            self.running = None;
        } else if let Some((kind, fatal)) = patterns.kind(text) {
            self.complaint(kind, fatal, number, text);
        } else if !self.open.is_empty() {
            match number <= self.until {
                true => self.trace(text),
                false => self.open.clear(),
            }
        }
    }

    fn complaint(&mut self, kind: &str, fatal: bool, number: usize, text: &str) {
        if std::mem::take(&mut self.traced) {
            self.open.clear();
        }
        let of_stuck = hung(text).and_then(|pid| self.stuck.get(pid));
        let target = of_stuck.or(self.last.as_ref()).cloned();
        let key = (target.clone(), identity_of_place(text));
        if let Some(index) = self.known.get(&key) {
            if let Some(found) = self.found.get_mut(*index) {
                found.splat.times = found.splat.times.saturating_add(1);
            }
            // Its trace is the one that it had.
            return;
        }
        if self.found.len() >= MOST {
            return;
        }
        self.known.insert(key, self.found.len());
        self.open.push(self.found.len());
        self.until = number + TRACE_LINES;
        self.found.push(Found {
            splat: Splat {
                kind: kind.to_owned(),
                first_line: clean(text),
                console_line: number,
                function: super::line::function(text),
                trace: Vec::new(),
                times: 1,
            },
            fatal,
            target,
        });
    }

    fn trace(&mut self, text: &str) {
        let step = step(text);
        self.traced |= step != Step::Other;
        for index in &self.open {
            let Some(splat) = self.found.get_mut(*index).map(|f| &mut f.splat) else {
                continue;
            };
            match &step {
                Step::At(name) if splat.function.is_none() => splat.function = Some(name.clone()),
                // The first line of a dump is the function itself, below the one that prints it.
                Step::Caller(name)
                    if splat.trace.len() < CALLERS && splat.function.as_ref() != Some(name) =>
                {
                    splat.trace.push(name.clone());
                }
                _ => {}
            }
        }
        if text.starts_with("---[ end ") {
            self.open.clear();
        }
    }
}
