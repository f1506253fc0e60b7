// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a program reports: subtests with the pin counters around each, as KTAP on its standard output.
//!
//! ```text
//! check.hold("notify page", || take(), |held| give_back(held));
//! ```
//!
//! reads the counters before, while the pages are held, and after; an imbalance fails the subtest whatever the calls
//! returned. [`Check::repeat`] watches free memory instead, which is all that a leaked plain reference moves.

use crate::pins::{self, Counters};
use std::fmt::Display;
use std::time::Instant;

/// Why a subtest did not pass.
pub enum Stop {
    /// It cannot be done here.
    Skip(String),
    /// It went wrong.
    Fail(String),
}

/// What a subtest returns.
pub type Test<T = ()> = Result<T, Stop>;

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Fail(error.to_string())
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(error: rustix::io::Errno) -> Stop {
        Stop::Fail(error.to_string())
    }
}

/// Fails with what was attempted.
pub fn attempt<T>(what: &str, result: Result<T, impl Display>) -> Test<T> {
    result.map_err(|error| Stop::Fail(format!("{what}: {error}")))
}

/// Fails with `why` unless `condition` holds.
pub fn ensure(condition: bool, why: impl Into<String>) -> Test {
    if condition {
        return Ok(());
    }
    Err(Stop::Fail(why.into()))
}

/// A program's report in the making.
pub struct Check {
    name: String,
    count: u32,
    failed: Option<String>,
    skipped: Option<String>,
    passed: u32,
    start: Option<Counters>,
}

impl Check {
    /// Begins the report of program `name`.
    pub fn new(name: &str) -> Check {
        println!("KTAP version 1");
        Check {
            name: name.to_owned(),
            count: 0,
            failed: None,
            skipped: None,
            passed: 0,
            start: pins::read(),
        }
    }

    /// Leaves the counters of the whole program out of the report: its subtests compare them step by step.
    pub fn without_total(&mut self) {
        self.start = None;
    }

    /// One subtest that gives back all it takes.
    pub fn run(&mut self, name: &str, body: impl FnOnce() -> Test) {
        self.counted(name, |_| body(), None);
    }

    /// One subtest that must take exactly `pages` pins in all.
    pub fn run_pinning(&mut self, name: &str, pages: u64, body: impl FnOnce() -> Test) {
        self.counted(name, |_| body(), Some(pages));
    }

    /// One subtest in two halves: take and hold, then give back. Reports how many pins are held in between.
    pub fn hold<H>(
        &mut self,
        name: &str,
        take: impl FnOnce() -> Test<H>,
        give_back: impl FnOnce(H) -> Test,
    ) {
        let body = |held: &mut Option<u64>| {
            let before = pins::read();
            let holder = take()?;
            if let (Some(before), Some(now)) = (before, pins::read()) {
                let moved = now.since(before);
                *held = Some(moved.acquired.saturating_sub(moved.released));
            }
            give_back(holder)
        };
        self.counted(name, body, None);
    }

    /// Does `body` `times` times and measures how many free pages are gone afterwards. `times * pages_each` must be well
    /// above what the per-processor lists of free pages hold back (some 200). One run leaks at least
    /// `pages_each` pages if it leaks at all.
    pub fn repeat(
        &mut self,
        name: &str,
        times: u64,
        pages_each: u64,
        mut body: impl FnMut() -> Test,
    ) {
        let program = self.name.clone();
        let measured = |_: &mut Option<u64>| {
            // Caches of the allocators fill up at first; that is no leak.
            for _ in 0..times.min(32) {
                body()?;
            }
            let before = pins::free_pages();
            for _ in 0..times {
                body()?;
            }
            let leak = i64::try_from(times * pages_each).unwrap_or(i64::MAX);
            let gone = pins::gone_pages(before, leak / 8);
            println!("# drift {program} pages={gone} repetitions={times}");
            ensure(
                gone < leak / 2,
                format!("{gone} free pages gone after {times} repetitions"),
            )
        };
        self.counted(name, measured, None);
    }

    /// How many tests of its own the subtest `name`, which is a program, reported; said after its result.
    pub fn inner(&self, name: &str, passed: u32, skipped: u32) {
        println!("# inner {} passed={passed} skipped={skipped}", word(name));
    }

    /// A subtest that is not done.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.report(name, &Err(Stop::Skip(why.to_owned())));
    }

    /// A subtest whose outcome was found out elsewhere.
    pub fn report(&mut self, name: &str, result: &Test) {
        self.count += 1;
        let name = word(name);
        match result {
            Ok(()) => {
                self.passed += 1;
                println!("ok {} {name}", self.count);
            }
            Err(Stop::Skip(why)) => {
                println!("ok {} {name} # SKIP {}", self.count, line(why));
                self.skipped.get_or_insert_with(|| why.clone());
            }
            Err(Stop::Fail(why)) => {
                println!("not ok {} {name} # {}", self.count, line(why));
                self.failed.get_or_insert_with(|| format!("{name}: {why}"));
            }
        }
    }

    /// Ends the report; the exit status of the program.
    pub fn finish(self) -> i32 {
        println!("1..{}", self.count);
        if let (Some(start), Some(now)) = (self.start, pins::settled(self.start)) {
            let moved = now.since(start);
            println!(
                "# total {} acquired={} released={}",
                self.name, moved.acquired, moved.released
            );
        }
        match &self.failed {
            Some(why) => println!("# result fail {}", line(why)),
            None if self.passed == 0 => {
                let why = self.skipped.as_deref().unwrap_or("nothing could be done");
                println!("# result skip {}", line(why));
            }
            None => println!("# result pass"),
        }
        i32::from(self.failed.is_some())
    }

    fn counted(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Option<u64>) -> Test,
        expected: Option<u64>,
    ) {
        let (before, started) = (pins::read(), Instant::now());
        let mut held = None;
        let mut result = body(&mut held);
        let seconds = started.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, pins::settled(before)) {
            let moved = after.since(before);
            let held = held.map_or(String::new(), |held| format!(" held={held}"));
            println!(
                "# pins {}{held} acquired={} released={}",
                word(name),
                moved.acquired,
                moved.released
            );
            if result.is_ok() && moved.acquired != moved.released {
                result = Err(Stop::Fail(format!(
                    "pins acquired {}, released {}",
                    moved.acquired, moved.released
                )));
            }
            let expected = expected.filter(|expected| moved.acquired != *expected);
            if let (Ok(()), Some(expected)) = (&result, expected) {
                result = Err(Stop::Fail(format!(
                    "pins acquired {}, not {expected}",
                    moved.acquired
                )));
            }
        }
        println!("# seconds {} {seconds:.3}", word(name));
        self.report(name, &result);
    }
}

/// A name as KTAP and our own lines take it: one word.
fn word(name: &str) -> String {
    name.replace(", ", ":").replace(' ', "-")
}

fn line(text: &str) -> String {
    text.replace('\n', " ").replace('#', "no.")
}
