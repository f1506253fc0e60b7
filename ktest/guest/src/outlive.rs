// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages that outlive the mapping, or the file, that they were taken from. While somebody holds them their frames are memory that nobody maps;
//! once they were given back their frames are free. So each page is asked for by itself, whoever holds it and however: a page that
//! is held in place of another, one that was given back too early, and one plain reference that is kept, each shows.
//!
//! fs/proc/page.c: stable_page_flags() and kpagecount_read() (6.12). A folio keeps its mark of anonymous or swap-backed memory until it is freed.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::{charge, longterm, pins};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// KPF_ANON of include/uapi/linux/kernel-page-flags.h.
const ANONYMOUS: u64 = 1 << 12;
/// KPF_SWAPBACKED, which pages of a memory file have too. Like the other one it stays until the frame is freed.
const SWAP_BACKED: u64 = 1 << 14;
/// Since when a page that is pinned, also for reading only, is copied by fork(): commits 6c287605fd56 (5.19) and 84209e87c696 (6.2).
const COPIED_AT_FORK: (u32, u32) = (6, 2);
/// More than a batch of pages on a processor (15 or 31), few enough for any limit.
pub(crate) const COUNT: usize = 40;

/// One subtest: `take` holds all of the pages that it is given until what it returns is dropped.
pub(crate) fn run<H>(check: &mut Check, title: &str, mut take: impl FnMut(&Pages) -> Test<H>) {
    run_of(check, title, COUNT, &mut take);
    stay(check, title, take);
}

/// One subtest: pages that are pinned stay those of the process that was there first, when there is a second. If the two
/// shared them, the first to write would get a copy, and who holds them would go on with pages that are no longer its own.
/// A plain reference does not see to that.
fn stay<H>(check: &mut Check, title: &str, mut take: impl FnMut(&Pages) -> Test<H>) {
    let name = format!("{title}, pages stay the caller's after a fork");
    check.run(&name, || {
        if !longterm::is_since(COPIED_AT_FORK) {
            return Err(Stop::Skip("pinned pages may be shared by a fork".into()));
        }
        // A process that has once pinned pages is marked for good (mm/gup.c: mm_set_has_pinned_flag(), 6.12): a new one shows
        // whether this pin does it.
        charge::in_child(|| stays(&mut take))
    });
}

/// The same, in a process that has pinned nothing yet.
fn stays<H>(take: &mut impl FnMut(&Pages) -> Test<H>) -> Test {
    let pages = attempt("map", Pages::small(COUNT))?;
    let held = take(&pages)?;
    let before = frames(&pages)?;
    let (wait, go) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        drop(go);
        let _parent_says = rustix::io::read(&wait, &mut [0u8]);
        // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
        unsafe { libc::_exit(0) }
    }
    drop(wait);
    pages.touch();
    let now = frames(&pages);
    drop(go);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    drop(held);
    let moved = before.iter().zip(&now?).filter(|(a, b)| a != b).count();
    ensure(
        moved == 0,
        format!(
            "{moved} of {COUNT} pages that are held were copied when they were written to after a fork"
        ),
    )
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
