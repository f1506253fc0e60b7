// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that outlive the mapping that they were taken from. While somebody holds them their frames are anonymous memory that nobody maps;
//! once they were given back their frames are free. So each page is asked for by itself, whoever holds it and however: a page that
//! is held in place of another, one that was given back too early, and one plain reference that is kept, each shows.
//!
//! fs/proc/page.c: stable_page_flags() and kpagecount_read() (6.12). A folio keeps the mark of anonymous memory until it is freed.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::pins;
use std::fs::File;
use std::time::{Duration, Instant};

/// KPF_ANON of include/uapi/linux/kernel-page-flags.h.
const ANONYMOUS: u64 = 1 << 12;
/// More than a batch of pages on a processor (15 or 31), few enough for any limit.
pub(crate) const COUNT: usize = 40;

/// One subtest: `take` holds all of the pages that it is given until what it returns is dropped.
pub(crate) fn run<H>(check: &mut Check, title: &str, take: impl FnMut(&Pages) -> Test<H>) {
    run_of(check, title, COUNT, take);
}

/// The same with `count` pages.
pub(crate) fn run_of<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    mut take: impl FnMut(&Pages) -> Test<H>,
) {
    check.run(&format!("{title}, pages outlive their mapping"), || {
        let pages = attempt("map", Pages::small(count))?;
        let held = take(&pages)?;
        let frames = attempt("read frames", pages.frames())?;
        if frames.contains(&0) {
            return Err(Stop::Skip(
                "the kernel does not say which frames they are".into(),
            ));
        }
        drop(pages);
        let kept = unmapped(&frames)?;
        drop(held);
        let until = Instant::now() + pins::SETTLE;
        let mut left = unmapped(&frames)?;
        while left > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            left = unmapped(&frames)?;
        }
        ensure(
            kept == count,
            format!(
                "{} of {count} pages were freed with their mapping while they were held",
                count - kept
            ),
        )?;
        ensure(
            left == 0,
            format!("{left} of {count} pages are still held after they were given back"),
        )
    });
}

/// How many of `frames` are anonymous memory that no process maps.
fn unmapped(frames: &[u64]) -> Test<usize> {
    // What a processor keeps to put it on a list later has a reference too; compaction begins with lru_add_drain_all().
    let _no_compaction = std::fs::write("/proc/sys/vm/compact_memory", "1");
    let flags = attempt("open page flags", File::open("/proc/kpageflags"))?;
    let counts = attempt("open page counts", File::open("/proc/kpagecount"))?;
    let mut found = 0;
    for frame in frames {
        let flags = attempt("read page flags", crate::memory::word(&flags, *frame))?;
        let mapped = attempt("read page counts", crate::memory::word(&counts, *frame))?;
        found += usize::from(flags & ANONYMOUS != 0 && mapped == 0);
    }
    Ok(found)
}
