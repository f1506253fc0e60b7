// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stretch of user memory that begins and ends anywhere in a page, with memory of ours on both sides of it.
//!
//! Every byte depends on its place, so that a page, an offset or a length that is wrong by one shows; and what lies
//! beside the stretch must stay as it was.

use crate::check::{Check, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};

/// Sizes in pages: one, two, around the 64 pages of a word and the 512 of an array of pointers in one page.
pub(crate) const SIZES: [usize; 7] = [1, 2, 63, 64, 65, 512, 513];
/// What the bytes beside a stretch are made of; no stretch is filled with the same.
const BESIDE: u64 = 0x5eed;

/// The byte at `index` of what is made of `seed`.
pub(crate) fn byte(seed: u64, index: usize) -> u8 {
    // Fibonacci hashing: neighbours differ, and so do the same places of neighbouring pages.
    let mixed = (index as u64 ^ (seed << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Bytes made of `seed`.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    (0..length).map(|index| byte(seed, index)).collect()
}

/// Fails unless `found` is what [`bytes()`] makes of `seed`, and says where it first is not.
pub(crate) fn compare(found: &[u8], seed: u64) -> Test {
    let wrong = |(index, found): (usize, &u8)| *found != byte(seed, index);
    let Some(first) = found.iter().enumerate().position(wrong) else {
        return Ok(());
    };
    let many = found.iter().enumerate().filter(|at| wrong(*at)).count();
    ensure(
        false,
        format!(
            "{many} of {} bytes are wrong, the first at {first}: {:#04x} and not {:#04x}",
            found.len(),
            found[first],
            byte(seed, first)
        ),
    )
}

/// How many bytes of `found` are not those that are `expected`.
pub(crate) fn differing(found: &[u8], expected: &[u8]) -> usize {
    found.iter().zip(expected).filter(|(a, b)| a != b).count()
}

/// The stretch, within a mapping of its own.
pub(crate) struct Window {
    pages: Pages,
    start: usize,
    length: usize,
}

impl Window {
    /// `length` bytes that begin `offset` bytes behind the beginning of a page. No page of it is part of a larger folio,
    /// nor beside its neighbour.
    pub(crate) fn new(offset: usize, length: usize) -> Test<Window> {
        // A page of ours before it, and one behind it.
        let count = (offset + length).div_ceil(PAGE) + 2;
        let mut pages = attempt("map pages", Pages::scattered(count))?;
        pages.bytes().copy_from_slice(&bytes(BESIDE, count * PAGE));
        Ok(Window {
            pages,
            start: PAGE + offset,
            length,
        })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> u64 {
        self.pages.address() + self.start as u64
    }

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// How many pages it lies in.
    pub(crate) fn spans(&self) -> u64 {
        (self.start % PAGE + self.length).div_ceil(PAGE) as u64
    }

    /// Its bytes.
    pub(crate) fn inside(&mut self) -> &mut [u8] {
        let range = self.start..self.start + self.length;
        &mut self.pages.bytes()[range]
    }

    /// Fills it with what is made of `seed`.
    pub(crate) fn fill(&mut self, seed: u64) {
        let length = self.length;
        self.inside().copy_from_slice(&bytes(seed, length));
    }

    /// Fails unless it holds what is made of `seed`, and everything beside it what it held before.
    pub(crate) fn holds(&mut self, seed: u64) -> Test {
        self.begins_with(seed, self.length)
    }

    /// The same of its first `length` bytes; what lies behind them must be as at first.
    pub(crate) fn begins_with(&mut self, seed: u64, length: usize) -> Test {
        let (start, end) = (self.start, self.start + length);
        let all = self.pages.bytes();
        compare(&all[start..end], seed)?;
        beside(all, start, end)
    }

    /// Fails unless everything beside it is as at first.
    pub(crate) fn nothing_beside(&mut self) -> Test {
        self.nothing_behind(self.length)
    }

    /// The same, and of what lies behind its first `length` bytes.
    pub(crate) fn nothing_behind(&mut self, length: usize) -> Test {
        let (start, end) = (self.start, self.start + length);
        beside(self.pages.bytes(), start, end)
    }

    /// How many of the pages that it lies in the kernel has marked dirty itself.
    pub(crate) fn marked_dirty(&self) -> Test<u64> {
        let first = self.start / PAGE;
        let count = self.spans() as usize;
        let marked = self.pages.marked_dirty_in(first..first + count);
        Ok(attempt("read page flags", marked)? as u64)
    }
}

impl Window {
    /// Fails unless the kernel has marked all of its pages dirty, which were read into since `before` of them were.
    pub(crate) fn written_since(&self, before: u64) -> Test {
        let (dirty, spans) = (self.marked_dirty()?, self.spans());
        ensure(
            before > 0 || dirty == spans,
            format!("{dirty} of {spans} pages that were read into were marked dirty"),
        )
    }

    /// Fails if the kernel has marked one of its pages dirty, which were only read since `before` of them were: nobody who asks
    /// for pages to read them has told their file that they change.
    pub(crate) fn only_read_since(&self, before: u64) -> Test {
        only_read(before, self.marked_dirty()?, self.spans())
    }
}

/// Fails if `dirty` of `all` pages are marked dirty that were only read since `before` of them were.
pub(crate) fn only_read(before: u64, dirty: u64, all: u64) -> Test {
    ensure(
        before > 0 || dirty == 0,
        format!("{dirty} of {all} pages that were only read were marked dirty"),
    )
}

/// One subtest: `count` pages that `take` maps for a device which may only read them, and `unmap` takes from it again, are
/// not marked dirty.
pub(crate) fn mapped_to_be_read<S>(
    check: &mut Check,
    count: usize,
    take: impl Fn(&Pages) -> Test<S>,
    unmap: impl Fn(&S, u64) -> Test,
) {
    check.hold(
        "memory, which the device may only read",
        count as u64,
        || {
            let pages = attempt("map", Pages::small(count))?;
            Ok((take(&pages)?, pages))
        },
        |(space, pages)| {
            unmap(&space, pages.len() as u64)?;
            let dirty = attempt("read page flags", pages.marked_dirty())?;
            only_read(0, dirty as u64, count as u64)
        },
    );
}

/// Fails unless what lies before `start` and from `end` on is as at first.
fn beside(all: &[u8], start: usize, end: usize) -> Test {
    let mut places = (0..start).chain(end..all.len());
    match places.find(|index| all[*index] != byte(BESIDE, *index)) {
        None => Ok(()),
        Some(index) => ensure(
            false,
            format!(
                "a byte beside was overwritten, {} from the end",
                index as i64 - end as i64
            ),
        ),
    }
}

/// Whole pages of every size: (offset, length).
pub(crate) fn whole() -> Vec<(usize, usize)> {
    SIZES.iter().map(|pages| (0, pages * PAGE)).collect()
}

/// Stretches of every size, with even and odd beginnings and ends: (offset, length).
pub(crate) fn shapes() -> Vec<(usize, usize)> {
    let mut shapes = whole();
    // One byte; within a page; over the edge of one; just short of whole pages; a byte on either side of them.
    shapes.extend([
        (PAGE - 1, 1),
        (17, 100),
        (PAGE - 3, 6),
        (1, 64 * PAGE - 2),
        (PAGE - 1, 63 * PAGE + 2),
    ]);
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_window_is_watched_too() {
        let mut window = Window::new(PAGE - 3, 6).ok().unwrap();
        assert_eq!((window.spans(), window.len()), (2, 6));
        assert!(window.holds(1).is_err(), "nothing was put there");
        window.fill(1);
        assert!(window.holds(1).is_ok());
        assert!(window.holds(2).is_err());
        assert!(
            window.begins_with(1, 5).is_err(),
            "the sixth is not as it was"
        );
        let end = window.start + window.length;
        window.pages.bytes()[end] ^= 1;
        assert!(window.holds(1).is_err());
    }

    #[test]
    fn pages_that_were_only_read_are_not_marked_dirty_unless_one_was_before() {
        assert!(only_read(0, 0, 4).is_ok());
        assert!(only_read(0, 1, 4).is_err());
        assert!(only_read(1, 4, 4).is_ok());
    }

    #[test]
    fn no_two_pages_of_a_pattern_are_alike() {
        let all = bytes(3, 520 * PAGE);
        let pages: std::collections::BTreeSet<&[u8]> = all.chunks(PAGE).collect();
        assert_eq!(pages.len(), 520);
        assert!(compare(&all, 3).is_ok() && compare(&all, 4).is_err());
        let shifted: Vec<u8> = all[1..].to_vec();
        assert!(compare(&shifted, 3).is_err());
    }
}
