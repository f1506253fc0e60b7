// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own test of the pinning calls, through its ioctls, and through the tree's selftest programs where the
//! image has them.
//!
//! Interface: mm/gup_test.h (6.12). The selftest tools/testing/selftests/mm/gup_test.c ends with 0 whatever happens,
//! so printed lines are read, and the counters decide.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl, ioctl_value, iorw, open};
use std::fs::File;

const FILE: &str = "/sys/kernel/debug/gup_test";
const OLD_FILE: &str = "/sys/kernel/debug/gup_benchmark";
/// Two pages of pointers, so that the kernel walks more than one table of page entries.
const COUNT: usize = 1024;

#[repr(C)]
#[derive(Default)]
struct GupTest {
    get_usec: u64,
    put_usec: u64,
    address: u64,
    size: u64,
    pages_per_call: u32,
    gup_flags: u32,
    test_flags: u32,
    which_pages: [u32; 8],
}

/// mm/gup_benchmark.c from 5.4 to 5.10.
#[repr(C)]
#[derive(Default)]
struct GupBenchmark {
    get_usec: u64,
    put_usec: u64,
    address: u64,
    size: u64,
    pages_per_call: u32,
    flags: u32,
    expansion: [u64; 10],
}

/// The same of 4.19, which knows get_user_pages_fast() alone.
#[repr(C)]
#[derive(Default)]
struct OldestBenchmark {
    usec: u64,
    address: u64,
    size: u64,
    pages_per_call: u32,
    flags: u32,
}

#[repr(C)]
struct LongtermTest {
    address: u64,
    size: u64,
    flags: u32,
}

const fn command(number: u8) -> u64 {
    iorw(3, b'g', number, size_of::<GupTest>())
}

const OLDEST: u64 = iorw(3, b'g', 1, size_of::<OldestBenchmark>());
const LONGTERM_START: u64 = iorw(1, b'g', 7, size_of::<LongtermTest>());
const LONGTERM_STOP: u64 = io(b'g', 8);
const FOLL_WRITE: u32 = 1;
const LONGTERM_WRITE: u32 = 1;
const LONGTERM_FAST: u32 = 2;

/// (name, ioctl number, takes pins)
const COMMANDS: &[(&str, u8, bool)] = &[
    ("get_user_pages_fast", 1, false),
    ("pin_user_pages_fast", 2, true),
    ("pin_user_pages longterm", 3, true),
    ("get_user_pages", 4, false),
    ("pin_user_pages", 5, true),
];

/// The number of the one that pins for long.
const LONGTERM: u8 = 3;

/// How gup_test is called.
const GUP_TEST_RUNS: &[&[&str]] = &[
    &["-u", "-m", "4"],
    &["-a", "-m", "4"],
    &["-L", "-m", "4"],
    &["-b", "-m", "4"],
    &["-U", "-m", "4"],
    &["-u", "-S", "-m", "4"],
    &["-a", "-w", "-S", "-m", "4"],
];

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if std::path::Path::new(OLD_FILE).exists() {
        benchmark(check);
        return;
    }
    if !std::path::Path::new(FILE).exists() {
        check.skip("interface", "no gup_test in debugfs");
        return;
    }
    for (name, number, pins) in COMMANDS {
        for (kind, write) in [("read", 0), ("write", FOLL_WRITE)] {
            let expected = if *pins { COUNT as u64 } else { 0 };
            let name = format!("{name} {kind}");
            let body = || {
                let pages = attempt("map pages", Pages::new(COUNT))?;
                once(*number, write, &pages, 1)
            };
            match *number == LONGTERM {
                true => check.run_pinning_for_long(&name, expected, body),
                false => check.run_pinning(&name, expected, body),
            }
        }
    }
    check.run_pinning("pin_user_pages_fast many at once", COUNT as u64, || {
        let pages = attempt("map pages", Pages::new(COUNT))?;
        once(2, FOLL_WRITE, &pages, 512)
    });
    check.run_pinning("pin_user_pages_fast shared", COUNT as u64, || {
        let pages = attempt("map pages", Pages::shared(COUNT))?;
        once(2, FOLL_WRITE, &pages, 64)
    });
    for (name, flags) in [
        ("longterm", LONGTERM_WRITE),
        ("longterm fast", LONGTERM_WRITE | LONGTERM_FAST),
    ] {
        check.hold(
            &format!("{name} held, stopped"),
            COUNT as u64,
            || longterm(flags),
            |(file, _pages)| attempt("stop", ioctl_value(&file, LONGTERM_STOP, 0)).map(drop),
        );
        check.hold(
            &format!("{name} held, closed"),
            COUNT as u64,
            || longterm(flags),
            |(file, _pages)| {
                drop(file);
                Ok(())
            },
        );
    }
    check.repeat("get_user_pages_fast many times", 64, 64, || {
        let pages = attempt("map pages", Pages::new(64))?;
        once(1, FOLL_WRITE, &pages, 64)
    });
    selftests(check);
}

/// What there was before 5.11: mm/gup_benchmark.c. Which call a number stands for changed with 5.10; of 5.9 and 5.10 the last
/// two pin, and the first two take plain references.
fn benchmark(check: &mut Check) {
    check.repeat("get_user_pages_fast many times", 64, 64, || {
        let pages = attempt("map pages", Pages::new(64))?;
        old_once(1, &pages)
    });
    for number in 1..=5 {
        let name = format!("gup_benchmark command {number}");
        let body = || {
            let pages = attempt("map pages", Pages::new(COUNT))?;
            old_once(number, &pages)
        };
        match number {
            1 | 2 => check.run_pinning(&name, 0, body),
            3 => check.run(&name, body),
            _ => check.run_pinning(&name, COUNT as u64, body),
        }
    }
}

fn old_once(number: u8, pages: &Pages) -> Test {
    let file = attempt("open gup_benchmark", open(OLD_FILE))?;
    let (address, bytes) = (pages.address(), pages.len() as u64);
    let mut test = GupBenchmark {
        address,
        size: bytes,
        pages_per_call: 64,
        flags: FOLL_WRITE,
        ..GupBenchmark::default()
    };
    let command = iorw(3, b'g', number, size_of::<GupBenchmark>());
    let reached = match ioctl(&file, command, &mut test) {
        Ok(_) => test.size,
        Err(error) if error.raw_os_error() != Some(libc::EINVAL) => {
            return Err(Stop::Fail(format!("get pages: {error}")));
        }
        Err(_) if number == 1 => {
            let mut test = OldestBenchmark {
                address,
                size: bytes,
                pages_per_call: 64,
                flags: FOLL_WRITE,
                ..OldestBenchmark::default()
            };
            attempt("get pages", ioctl(&file, OLDEST, &mut test))?;
            test.size
        }
        Err(_) => {
            let why = format!("gup_benchmark of this release has no command {number}");
            return Err(Stop::Skip(why));
        }
    };
    ensure(
        reached == bytes,
        format!("{reached} of {bytes} bytes were reached"),
    )
}

fn once(number: u8, flags: u32, pages: &Pages, per_call: u32) -> Test {
    let file = attempt("open gup_test", open(FILE))?;
    let mut test = GupTest {
        address: pages.address(),
        size: pages.len() as u64,
        pages_per_call: per_call,
        gup_flags: flags,
        ..GupTest::default()
    };
    attempt("gup_test", ioctl(&file, command(number), &mut test))?;
    ensure(
        test.size == pages.len() as u64,
        format!(
            "only {} of {} pages were taken",
            test.size as usize / PAGE,
            COUNT
        ),
    )
}

fn longterm(flags: u32) -> Test<(File, Pages)> {
    let file = attempt("open gup_test", open(FILE))?;
    let pages = attempt("map pages", Pages::new(COUNT))?;
    let mut test = LongtermTest {
        address: pages.address(),
        size: pages.len() as u64,
        flags,
    };
    match ioctl(&file, LONGTERM_START, &mut test) {
        Ok(_) => Ok((file, pages)),
        // Before 6.2 the interface does not have it (mm/gup_test.c).
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Err(Stop::Skip("this kernel has no long-term test".into()))
        }
        Err(error) => Err(Stop::Fail(format!("start: {error}"))),
    }
}

fn selftests(check: &mut Check) {
    for arguments in GUP_TEST_RUNS {
        selftest(check, "gup_test", arguments);
    }
    // Without huge pages of their own a third of these tests is skipped.
    let huge = |count: &str| std::fs::write("/proc/sys/vm/nr_hugepages", count);
    let _old_kernel = huge("8");
    // Both test what a long-term pin may take, and what fork() and copy-on-write make of pinned pages.
    selftest(check, "gup_longterm", &[]);
    selftest(check, "cow", &[]);
    let _old_kernel = huge("0");
}

/// Runs one and reads what it prints.
fn selftest(check: &mut Check, program: &str, arguments: &[&str]) {
    let words: Vec<&str> = std::iter::once(program)
        .chain(arguments.iter().copied())
        .collect();
    let name = format!("selftest {}", words.join(" "));
    let path = format!("{}/{program}", crate::plan::files());
    if !std::path::Path::new(&path).exists() {
        check.skip(
            &name,
            "this tree does not have it, or it does not compile statically",
        );
        return;
    }
    let mut inner = Inner::default();
    check.run(&name, || {
        #[expect(
            clippy::disallowed_methods,
            reason = "in the guest there is no `proc`; init's deadline holds for this too"
        )]
        let output = std::process::Command::new(&path)
            .args(arguments)
            // Some make a file where they are.
            .current_dir("/tmp")
            .output();
        let output = attempt("run it", output)?;
        inner = Inner::read(&String::from_utf8_lossy(&output.stdout));
        inner.judge(output.status.success())
    });
    check.inner(&name, inner.passed, inner.skipped);
}

/// What a selftest printed of its own tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Inner {
    passed: u32,
    skipped: u32,
    failed: Option<String>,
}

impl Inner {
    /// Its own "ok" lines count; the timed runs of gup_test have a line of their own.
    fn read(said: &str) -> Inner {
        let mut inner = Inner::default();
        for line in said.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            if line.starts_with("not ok") {
                inner.failed.get_or_insert_with(|| line.to_owned());
            } else if line.starts_with("ok ") && line.contains("# SKIP") {
                inner.skipped += 1;
            } else if line.starts_with("ok ")
                || line.contains(": Time: get:")
                || line.starts_with("PIN_BASIC_TEST: done")
                || line.starts_with("GUP_BASIC_TEST: done")
            {
                inner.passed += 1;
            }
        }
        inner
    }

    /// There must be a test that passed: "all skipped" and silence are no pass.
    fn judge(&self, ended_well: bool) -> Test {
        if let Some(line) = &self.failed {
            return Err(Stop::Fail(format!("it says: {line}")));
        }
        ensure(ended_well, "it ended with an error")?;
        if self.passed == 0 && self.skipped > 0 {
            return Err(Stop::Skip("it skipped everything".into()));
        }
        ensure(self.passed > 0, "it printed no result")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(said: &str, ended_well: bool) -> Test {
        Inner::read(said).judge(ended_well)
    }

    #[test]
    fn a_selftest_that_prints_a_failure_or_nothing_has_not_passed() {
        assert!(judge("TAP version 13\n1..1\nok 1 ioctl\n", true).is_ok());
        assert!(judge("not ok 1 ioctl\n", true).is_err());
        assert!(judge("", true).is_err());
        assert!(matches!(
            judge("ok 1 x # SKIP no\n", true),
            Err(Stop::Skip(_))
        ));
        assert!(judge("ok 1 ioctl\n", false).is_err());
    }

    #[test]
    fn what_a_selftest_skipped_is_counted_apart() {
        let inner = Inner::read("1..3\nok 1 a\n# [RUN] b\nok 2 b # SKIP no THP\nok 3 c\n");
        assert_eq!((inner.passed, inner.skipped), (2, 1));
    }

    #[test]
    fn structures_have_the_sizes_that_the_kernel_expects() {
        assert_eq!(size_of::<GupTest>(), 80);
        assert_eq!(size_of::<LongtermTest>(), 24);
    }
}
