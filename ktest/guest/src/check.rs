// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a program reports: subtests with the pin counters around each, as KTAP on its standard output.
//!
//! ```text
//! check.hold("notify page", || take(), |held| give_back(held));
//! ```
//!
//! reads the counters before, while the pages are held, and after; an imbalance fails the subtest whatever the calls
//! returned. [`Check::repeat`] watches free memory instead, which is all that a leaked plain reference moves.

use crate::memory::PAGE;
use crate::pins::{self, Charged, Counters};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// How many rounds a repetition has: three, so that the middle one is no outlier.
const ROUNDS: usize = 3;
/// Repetitions in which an object of some hundred bytes that is kept each time comes to a number of pages that shows.
pub(crate) const OFTEN: u64 = 1000;
/// Pages that are taken each time: an array of pointers to them is such an object too.
pub(crate) const ARRAY: usize = 64;
/// Pages whose loss in one round is no accident: the lists of free pages that each processor keeps hold back some 200.
const MUCH: i64 = 400;
/// How long what follows a leak is waited for: the target has failed, and each of its subtests may leak the same again.
const AFTER_A_LEAK: Duration = Duration::from_millis(100);
/// Pages whose loss in every round is none.
const FEW: i64 = 48;

/// Why a subtest did not pass.
pub(crate) enum Stop {
    /// It cannot be done here.
    Skip(String),
    /// It went wrong.
    Fail(String),
}

/// What a subtest returns.
pub(crate) type Test<T = ()> = Result<T, Stop>;

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
pub(crate) fn attempt<T>(what: &str, result: Result<T, impl Display>) -> Test<T> {
    result.map_err(|error| Stop::Fail(format!("{what}: {error}")))
}

/// Fails with `why` unless `condition` holds.
pub(crate) fn ensure(condition: bool, why: impl Into<String>) -> Test {
    if condition {
        return Ok(());
    }
    Err(Stop::Fail(why.into()))
}

/// A program's report in the making.
pub(crate) struct Check {
    name: String,
    count: u32,
    failed: Option<String>,
    skipped: Option<String>,
    passed: u32,
    start: Option<Counters>,
    /// How long a subtest is waited for to give everything back.
    patience: Duration,
    /// What is done before each subtest.
    before_each: fn(),
}

impl Check {
    /// Begins the report of program `name`.
    pub(crate) fn new(name: &str) -> Check {
        println!("KTAP version 1");
        Check {
            name: name.to_owned(),
            count: 0,
            failed: None,
            skipped: None,
            passed: 0,
            start: pins::read(),
            patience: pins::SETTLE,
            before_each: || {},
        }
    }

    /// Does `act` before each subtest.
    pub(crate) fn before_each(&mut self, act: fn()) {
        self.before_each = act;
    }

    /// Leaves the counters of the whole program out of the report: its subtests compare them step by step.
    pub(crate) fn without_total(&mut self) {
        self.start = None;
    }

    /// One subtest that gives back all it takes.
    pub(crate) fn run(&mut self, name: &str, body: impl FnOnce() -> Test) {
        self.counted(name, |_| body(), None);
    }

    /// One subtest that must take exactly `pages` pins in all.
    pub(crate) fn run_pinning(&mut self, name: &str, pages: u64, body: impl FnOnce() -> Test) {
        self.counted(name, |_| body(), Some(pages));
    }

    /// The same of pins that are for long: pages of movable memory are pinned, given back, moved, and pinned again, at most twice.
    pub(crate) fn run_pinning_for_long(
        &mut self,
        name: &str,
        pages: u64,
        body: impl FnOnce() -> Test,
    ) {
        let before = pins::read();
        let body = |_: &mut Option<u64>| {
            body()?;
            let (Some(before), Some(now)) = (before, pins::settled(before)) else {
                return Ok(());
            };
            let taken = now.since(before).acquired;
            ensure(
                (pages..=3 * pages).contains(&taken),
                format!("pins acquired {taken}, not {pages}"),
            )
        };
        self.counted(name, body, None);
    }

    /// One subtest in two halves: take and hold, then give back. Reports how many pins are held in between, which must be `pages` or,
    /// where the kernel takes plain references, none. The process is charged for as many, or not at all.
    pub(crate) fn hold<H>(
        &mut self,
        name: &str,
        pages: u64,
        take: impl FnOnce() -> Test<H>,
        give_back: impl FnOnce(H) -> Test,
    ) {
        let body = |held: &mut Option<u64>| {
            let (before, charged) = (pins::read(), pins::charged());
            let holder = take()?;
            let mut as_many = Ok(());
            if let (Some(before), Some(now)) = (before, pins::read()) {
                let moved = now.since(before);
                let holds = moved.acquired.saturating_sub(moved.released);
                *held = Some(holds);
                as_many = ensure(
                    holds == 0 || holds == pages,
                    format!("{holds} pins held, not {pages}"),
                );
            }
            let as_charged = as_charged(charged, pins::charged(), pages);
            give_back(holder)?;
            as_many.and(as_charged)
        };
        self.counted(name, body, None);
    }

    /// Does `body` `times` times in each of several rounds and measures how many free pages are gone after each. One run leaks at
    /// least `pages_each` pages if it leaks what it takes; that is judged here. A smaller leak grows by the same in every round, and is
    /// judged by who knows how much free memory the kernel without the patches loses (ktest/src/judge/drift.rs).
    pub(crate) fn repeat(
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
            let leak = i64::try_from(times * pages_each).unwrap_or(i64::MAX);
            let bar = (leak / 2).max(FEW);
            let mut rounds: Vec<i64> = Vec::new();
            let mut before = pins::free_pages();
            while rounds.len() < ROUNDS {
                for _ in 0..times {
                    body()?;
                }
                let gone = pins::gone_pages(before, bar / 4);
                before = before.saturating_add_signed(-gone);
                rounds.push(gone);
                // A kernel that loses so much would have nothing left for the next round.
                if gone >= bar.max(MUCH) {
                    break;
                }
            }
            let (all, count) = (rounds.iter().sum::<i64>(), times * rounds.len() as u64);
            let said: Vec<String> = rounds.iter().map(i64::to_string).collect();
            println!(
                "# drift {program} pages={all} repetitions={count} subtest={} rounds={}",
                word(name),
                said.join(",")
            );
            ensure(
                rounds.iter().any(|gone| *gone < bar),
                format!("{all} free pages gone after {count} repetitions"),
            )
        };
        self.counted(name, measured, None);
    }

    /// How many tests of its own the subtest `name`, which is a program, reported; said after its result.
    pub(crate) fn inner(&self, name: &str, passed: u32, skipped: u32) {
        println!("# inner {} passed={passed} skipped={skipped}", word(name));
    }

    /// A subtest that is not done.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.report(name, &Err(Stop::Skip(why.to_owned())));
    }

    /// A subtest whose outcome was found out elsewhere.
    pub(crate) fn report(&mut self, name: &str, result: &Test) {
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
    pub(crate) fn finish(self) -> i32 {
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
        (self.before_each)();
        let (before, started) = (pins::read(), Instant::now());
        let charged = pins::charged();
        let mut held = None;
        let mut result = body(&mut held);
        let seconds = started.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, pins::settled_within(before, self.patience)) {
            let moved = after.since(before);
            let held = held.map_or(String::new(), |held| format!(" held={held}"));
            println!(
                "# pins {}{held} acquired={} released={}",
                word(name),
                moved.acquired,
                moved.released
            );
            if moved.acquired != moved.released {
                self.patience = AFTER_A_LEAK;
            }
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
        if let (Ok(()), Some(before), Some(after)) = (
            &result,
            charged,
            pins::charged_settled(charged, self.patience),
        ) {
            if before != after {
                self.patience = AFTER_A_LEAK;
            }
            result = ensure(
                before == after,
                format!(
                    "the process is charged for {} KiB pinned and {} KiB locked, {} and {} before",
                    after.pinned, after.locked, before.pinned, before.locked
                ),
            );
        }
        println!("# seconds {} {seconds:.3}", word(name));
        self.report(name, &result);
    }
}

/// Fails unless `pages` pins are held that were not when `before` was read, where the kernel counts them.
pub(crate) fn held_since(before: Option<Counters>, pages: u64) -> Test {
    let (Some(before), Some(now)) = (before, pins::read()) else {
        return Ok(());
    };
    let moved = now.since(before);
    let held = moved.acquired.wrapping_sub(moved.released);
    ensure(held == pages, format!("{held} pins held, not {pages}"))
}

/// Fails unless one of the counters has gained what `pages` pages are, or neither anything. Where pages are charged as pinned, memory of
/// the kernel's own may be charged as locked (io_uring of 5.10).
fn as_charged(before: Option<Charged>, now: Option<Charged>, pages: u64) -> Test {
    let (Some(before), Some(now)) = (before, now) else {
        return Ok(());
    };
    let bytes = pages * PAGE as u64;
    let (pinned, locked) = (
        now.pinned as i64 - before.pinned as i64,
        now.locked as i64 - before.locked as i64,
    );
    let all = (bytes / 1024) as i64;
    ensure(
        pinned == all || (pinned == 0 && (locked == 0 || locked == all)),
        format!(
            "the process is charged for {pinned} KiB pinned and {locked} KiB locked, where {all} KiB are held"
        ),
    )
}

/// A name as KTAP and our own lines take it: one word.
fn word(name: &str) -> String {
    name.replace(", ", ":").replace(' ', "-")
}

fn line(text: &str) -> String {
    text.replace('\n', " ").replace('#', "no.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_for_exactly_what_is_held_or_there_is_none() {
        let of = |pinned, locked| Some(Charged { pinned, locked });
        let right =
            |pinned: u64, locked: u64| as_charged(of(8, 4), of(8 + pinned, 4 + locked), 65).is_ok();
        assert!(right(260, 0) && right(0, 260) && right(0, 0));
        // Rings of old kernels beside pinned buffers.
        assert!(right(260, 12));
        for (pinned, locked) in [(256, 0), (264, 0), (0, 256), (0, 264), (0, 4), (4, 260)] {
            assert!(!right(pinned, locked), "{pinned} {locked}");
        }
        assert!(
            as_charged(of(8, 0), of(4, 0), 1).is_err(),
            "given back while held"
        );
        assert!(as_charged(None, of(4, 0), 2).is_ok(), "not to be seen");
    }
}
