// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocations that fail, one after the other: what a call has taken before the one that fails must be given back.
//!
//! Documentation/fault-injection/fault-injection.rst: /proc/thread-self/fail-nth counts the allocations of a thread (lib/fault-inject.c:
//! should_fail_ex(), mm/failslab.c, mm/fail_page_alloc.c).

use crate::check::{Check, Test, attempt, ensure};
use crate::sys::open;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const COUNTDOWN: &str = "/proc/thread-self/fail-nth";
const KINDS: [&str; 2] = ["failslab", "fail_page_alloc"];
/// No call of ours makes so many allocations; one that does is not tested to its end, and says so.
const MOST: u32 = 400;
/// Repetitions of all of it, of which each leaks a page at least if it leaks.
const TIMES: u64 = 4;

/// Which allocation of a call fails.
pub(crate) struct Failing {
    number: u32,
    countdown: File,
    /// How many more allocations the call would have had to make.
    left: Cell<Option<u32>>,
}

impl Failing {
    fn new(number: u32) -> Test<Failing> {
        Ok(Failing {
            number,
            countdown: attempt("open the countdown", open(COUNTDOWN))?,
            left: Cell::new(None),
        })
    }

    /// Makes `call` with that allocation failing.
    pub(crate) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        // The descriptor is open already: to open it would be an allocation too.
        let armed = self
            .countdown
            .write_at(self.number.to_string().as_bytes(), 0);
        let made = call();
        let mut said = [0u8; 16];
        let read = self.countdown.read_at(&mut said, 0).unwrap_or(0);
        let disarmed = self.countdown.write_at(b"0", 0);
        if armed.is_ok() && disarmed.is_ok() {
            let text = String::from_utf8_lossy(&said[..read]).into_owned();
            self.left.set(text.trim().parse().ok());
        }
        made
    }
}

/// One subtest: `body` makes one call by [`Failing::during`] and gives back all that it took, whether the call failed or not. It is done
/// with every allocation of the call failing in turn.
pub(crate) fn run(check: &mut Check, title: &str, mut body: impl FnMut(&Failing) -> Test) {
    let name = format!("{title}, each allocation failing");
    if let Err(why) = prepare() {
        check.skip(&name, &why);
        return;
    }
    let mut failed = 0;
    check.repeat(&name, TIMES, 1, || {
        for number in 1..=MOST {
            let failing = Failing::new(number)?;
            body(&failing)?;
            match failing.left.get() {
                None => return ensure(false, "nothing was counted"),
                Some(0) => failed = failed.max(number),
                Some(_) => return Ok(()),
            }
        }
        ensure(false, format!("after {MOST} allocations there are more"))
    });
    println!("# failed {} allocations={failed}", name.replace(' ', "-"));
}

/// Every allocation may fail, whatever it may wait for, and none is reported on the console.
fn prepare() -> Result<(), String> {
    for kind in KINDS {
        let directory = format!("/sys/kernel/debug/{kind}");
        if !Path::new(&directory).exists() {
            return Err(format!("the kernel has no {kind}"));
        }
        for (file, value) in [
            ("verbose", "0"),
            ("ignore-gfp-wait", "N"),
            ("min-order", "0"),
        ] {
            let path = format!("{directory}/{file}");
            if Path::new(&path).exists() {
                std::fs::write(&path, value).map_err(|error| format!("set {path}: {error}"))?;
            }
        }
    }
    match Path::new(COUNTDOWN).exists() {
        true => Ok(()),
        false => Err(format!("no {COUNTDOWN}")),
    }
}
