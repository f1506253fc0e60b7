// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that outlive the mapping, or the file, that they were taken from. While somebody holds them their frames are memory that nobody maps;
//! once they were given back their frames are free. So each page is asked for by itself, whoever holds it and however: a page that
//! is held in place of another, one that was given back too early, and one plain reference that is kept, each shows.
//!
//! fs/proc/page.c: stable_page_flags() and kpagecount_read() (6.12). A folio keeps its mark of anonymous or swap-backed memory until it is freed.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::pins;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// KPF_ANON of include/uapi/linux/kernel-page-flags.h.
const ANONYMOUS: u64 = 1 << 12;
/// KPF_SWAPBACKED, which pages of a memory file have too. Like the other one it stays until the frame is freed.
const SWAP_BACKED: u64 = 1 << 14;
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
        let frames = frames(&pages)?;
        drop(pages);
        held_alone(&frames, ANONYMOUS, held)
    });
}

/// The same of the `count` pages of a memory file: `take` returns it with what holds them. They outlive it too.
pub(crate) fn run_of_file<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    take: impl FnOnce() -> Test<(H, OwnedFd)>,
) {
    check.run(&format!("{title}, pages outlive their file"), || {
        let (held, memory) = take()?;
        let pages = attempt("map", Pages::of_file(&memory, count))?;
        pages.touch();
        let frames = frames(&pages)?;
        drop(pages);
        drop(memory);
        held_alone(&frames, SWAP_BACKED, held)
    });
}

fn frames(pages: &Pages) -> Test<Vec<u64>> {
    let frames = attempt("read frames", pages.frames())?;
    match frames.contains(&0) {
        true => Err(Stop::Skip(
            "the kernel does not say which frames they are".into(),
        )),
        false => Ok(frames),
    }
}

/// Fails unless each of `frames`, which bear `mark`, is held while `held` is, and none of them any longer.
fn held_alone<H>(frames: &[u64], mark: u64, held: H) -> Test {
    let count = frames.len();
    let kept = unmapped(frames, mark)?;
    drop(held);
    let until = Instant::now() + pins::SETTLE;
    let mut left = unmapped(frames, mark)?;
    while left > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        left = unmapped(frames, mark)?;
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
}

/// How many of `frames` bear `mark` and are mapped by no process.
fn unmapped(frames: &[u64], mark: u64) -> Test<usize> {
    // What a processor keeps to put it on a list later has a reference too; compaction begins with lru_add_drain_all().
    let _no_compaction = std::fs::write("/proc/sys/vm/compact_memory", "1");
    let flags = attempt("open page flags", File::open("/proc/kpageflags"))?;
    let counts = attempt("open page counts", File::open("/proc/kpagecount"))?;
    let mut found = 0;
    for frame in frames {
        let flags = attempt("read page flags", crate::memory::word(&flags, *frame))?;
        let mapped = attempt("read page counts", crate::memory::word(&counts, *frame))?;
        found += usize::from(flags & mark != 0 && mapped == 0);
    }
    Ok(found)
}
