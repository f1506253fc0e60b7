// SPDX-License-Identifier: MIT OR Apache-2.0
//! What FOLL_LONGTERM does besides pinning: pages leave memory that must stay movable, and pages of a file whose dirty
//! pages are tracked are refused. And what FOLL_WRITE does. A caller that forgot the flag pins as many pages, and nothing
//! else would tell.
//!
//! mm/gup.c: check_and_migrate_movable_pages() (of ZONE_MOVABLE since 5.13), writable_file_mapping_allowed() (6.5).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::pins;
use crate::sys::open;
use crate::window::{bytes, compare};
use std::cell::RefCell;
use std::ops::Range;

/// Pages that are taken at once of the movable memory: half a MiB, so that some MiB take few calls and less than that is left.
const CHUNK: usize = 128;

thread_local! {
    /// What [`fill`] holds.
    static FILLED: RefCell<Vec<Pages>> = const { RefCell::new(Vec::new()) };
}

/// Few enough for any limit, more than one word of flags.
pub(crate) const COUNT: usize = 72;
/// What is in memory that nobody may write to.
const SEED: u64 = 77;
/// A disk, whose mapping tracks which of its pages are dirty.
const DISK: &str = "/dev/ram0";
/// Since when pages of ZONE_MOVABLE are migrated first: commit d1e153fea2a8.
const MIGRATES: (u32, u32) = (5, 13);
/// The first release of which the numbers of all targets were looked at.
const SAYS_WHY: (u32, u32) = (6, 12);
/// Since when writable pins of such files are refused: commit 8ac268436e6d.
const REFUSES: (u32, u32) = (6, 5);

/// Takes what there is of movable memory, so that what follows has pages that need not move: those that are migrated
/// before a pin are marked dirty by that, and pinned twice. Done before each subtest, because memory that others gave
/// back may be movable again; kept until [`leaves_movable`] wants it, and as long as the program runs.
pub(crate) fn fill() {
    let Ok(zone) = movable_zone() else {
        return;
    };
    for _ in 0..=(zone.end - zone.start) / CHUNK as u64 {
        let Ok(pages) = Pages::small(CHUNK) else {
            break;
        };
        let frames = pages.frames().unwrap_or_default();
        // What is left of the zone is the kernel's reserve.
        if !frames.iter().any(|frame| zone.contains(frame)) {
            break;
        }
        let _forked_or_not = pages.keep_from_children();
        FILLED.with(|filled| filled.borrow_mut().push(pages));
    }
}

/// Asks all of `take`, which must pin the pages that it is given for writing until what it returns is dropped.
pub(crate) fn run<H>(check: &mut Check, title: &str, mut take: impl FnMut(&Pages) -> Test<H>) {
    run_of(check, title, COUNT, &mut take);
    // A page alone may go a way of its own.
    run_of(check, &format!("{title} of one page"), 1, take);
}

/// The same with `count` pages.
pub(crate) fn run_of<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    mut take: impl FnMut(&Pages) -> Test<H>,
) {
    leaves_movable(check, title, count, &mut take);
    refuses_files(check, title, count, &mut take);
    refuses_read_only(check, title, count, &mut take);
}

/// Asks the first of `take`, which may pin for reading only.
pub(crate) fn leaves_movable<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    mut take: impl FnMut(&Pages) -> Test<H>,
) {
    check.run(&format!("{title}, pages leave movable memory"), || {
        let zone = movable_zone()?;
        // Room for the pages, and for what else is allocated first.
        FILLED.with(|filled| filled.borrow_mut().clear());
        let pages = attempt("map", Pages::small(count))?;
        let within = |pages: &Pages| -> Test<usize> {
            let frames = attempt("read frames", pages.frames())?;
            Ok(frames.iter().filter(|frame| zone.contains(frame)).count())
        };
        if within(&pages)? == 0 {
            return Err(Stop::Skip("none of the pages was in movable memory".into()));
        }
        let held = take(&pages)?;
        let left = within(&pages)?;
        drop(held);
        ensure(
            left == 0,
            format!(
                "{left} of {count} pages stayed in movable memory although they are held for long"
            ),
        )
    });
}

/// Asks the second of `take`.
pub(crate) fn refuses_files<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    mut take: impl FnMut(&Pages) -> Test<H>,
) {
    check.run(&format!("{title}, pages of a file refused"), || {
        since(REFUSES, "pages of such files may be held for long")?;
        let disk = match open(DISK) {
            Ok(disk) => disk,
            Err(error) => return Err(Stop::Skip(format!("no {DISK}: {error}"))),
        };
        let pages = attempt("map the disk", Pages::of_file(&disk, count))?;
        pages.touch();
        match take(&pages) {
            Err(Stop::Fail(_)) => Ok(()),
            Err(skip) => Err(skip),
            Ok(_) => ensure(
                false,
                "pages of a file, whose writeback they would disturb, were taken for long",
            ),
        }
    });
}

/// Memory that may only be read is refused by who takes it for writing: a caller that forgot FOLL_WRITE writes to pages
/// that others share.
pub(crate) fn refuses_read_only<H>(
    check: &mut Check,
    title: &str,
    count: usize,
    mut take: impl FnMut(&Pages) -> Test<H>,
) {
    let name = format!("{title}, pages that may only be read refused");
    check.run(&name, || {
        // The first, the last, and one in the middle may each be taken by a call of its own.
        let one = |page: usize| page..page + 1;
        let mut ranges = vec![0..count, one(0), one(count / 2), one(count - 1)];
        ranges.dedup();
        for range in ranges {
            let pages = attempt("map", Pages::small(count))?;
            attempt("protect", pages.read_only_in(range))?;
            match take(&pages) {
                Err(Stop::Fail(_)) => {}
                Err(skip) => return Err(skip),
                Ok(_) => {
                    let why = "pages that may only be read were taken for writing";
                    return Err(Stop::Fail(why.into()));
                }
            }
        }
        Ok(())
    });
}

/// The same where the call that takes the pages ends before it returns, with whatever outcome: `write_to`, which makes the
/// kernel write to the memory that it is given, must neither take a page that may only be read nor change one.
pub(crate) fn leaves_read_only(
    check: &mut Check,
    title: &str,
    count: usize,
    mut write_to: impl FnMut(&mut Pages) -> Test,
) {
    let name = format!("{title}, pages that may only be read are not taken");
    check.run(&name, || {
        let mut pages = attempt("map", Pages::small(count))?;
        let length = pages.len();
        pages.bytes().copy_from_slice(&bytes(SEED, length));
        attempt("protect", pages.read_only())?;
        let before = pins::read();
        write_to(&mut pages)?;
        compare(pages.bytes(), SEED)?;
        let (Some(before), Some(now)) = (before, pins::read()) else {
            return Ok(());
        };
        let taken = now.since(before).acquired;
        ensure(
            taken == 0,
            format!("{taken} pins of pages that may only be read were taken for writing"),
        )
    });
}

/// Fails unless `made`, which takes memory of which a part is not there, was refused with the number that says so. Another
/// number tells the caller of another mistake, and none of a success.
pub(crate) fn not_there<T>(made: std::io::Result<T>, what: &str) -> Test {
    let Err(error) = made else {
        return Err(Stop::Fail(format!("memory that is not there was {what}")));
    };
    // rxe of 4.19 says EINVAL of all that it cannot register.
    let right = error.raw_os_error() == Some(libc::EFAULT) || !is_since(SAYS_WHY);
    ensure(
        right,
        format!("memory that is not there was refused, but not as such: {error}"),
    )
}

/// Whether the kernel is of `release` or a later one.
pub(crate) fn is_since(release: (u32, u32)) -> bool {
    since(release, "").is_ok()
}

/// Skips on kernels before `release`, of which `what` holds.
fn since(release: (u32, u32), what: &str) -> Test {
    let said = rustix::system::uname();
    let running = version(&said.release().to_string_lossy());
    if running < release {
        let (major, minor) = release;
        return Err(Stop::Skip(format!("before {major}.{minor} {what}")));
    }
    Ok(())
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(['.', '-'])
        .map(|word| word.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Frames of ZONE_MOVABLE, which exists where the command line has `movablecore=`.
fn movable_zone() -> Test<Range<u64>> {
    since(MIGRATES, "pages of movable memory stay there")?;
    let text = attempt("read zones", std::fs::read_to_string("/proc/zoneinfo"))?;
    zone(&text).ok_or_else(|| Stop::Skip("no memory is set aside as movable".into()))
}

/// mm/vmstat.c: zoneinfo_show_print(). One node.
fn zone(text: &str) -> Option<Range<u64>> {
    let (_, rest) = text.split_once("zone  Movable")?;
    let rest = rest.split("\nNode ").next()?;
    let number = |name: &str| {
        let mut lines = rest.lines().map(str::trim);
        let value = lines.find_map(|line| line.strip_prefix(name))?;
        value.trim_start_matches(':').trim().parse::<u64>().ok()
    };
    let (start, spanned) = (number("start_pfn")?, number("spanned")?);
    (number("present")? > 0).then(|| start..start + spanned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_where_the_kernel_says() {
        let text = "Node 0, zone    DMA32\n        spanned  4\n        present  4\n  start_pfn:           1\n\
            Node 0, zone  Movable\n  pages free     5\n        spanned  16384\n        present  16384\n        managed  16384\n\
              start_pfn:           114688\nNode 0, zone   Device\n        spanned  0\n        present  0\n";
        assert_eq!(zone(text), Some(114_688..131_072));
        assert_eq!(
            zone("Node 0, zone  Movable\n spanned 0\n present 0\n start_pfn: 0\n"),
            None
        );
        assert_eq!(zone(""), None);
    }

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("6.12.117"), (6, 12));
        assert!(version("5.10.262-x") < MIGRATES && version("7.3.4") > REFUSES);
    }
}
