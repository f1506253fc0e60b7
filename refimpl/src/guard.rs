// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pins as values: taken once, given back once, by the right name.
//!
//! [`PinnedPages`] cannot be copied, and giving it back consumes it, so that a second release does not compile. Forgetting
//! it is a bug that the compiler cannot see: it is counted as a leak when the value is dropped, as a kernel would leak the
//! pages. A plain reference is another type ([`HeldPages`]), whose only way back is put_page().
//!
//! ```
//! use refimpl::guard::{Leaks, pin_user_pages};
//! use refimpl::gup::{Flags, Path};
//! use refimpl::mapping::{Area, Mm, PageIndex, Vma};
//! use refimpl::page::Memory;
//! use refimpl::version::Version;
//!
//! let mut memory = Memory::new(Version::V6_12);
//! let mut mm = Mm::default();
//! let start = PageIndex(16);
//! mm.mmap(Vma { start, pages: 4, area: Area::Anon, writable: true, order: 0 });
//! let leaks = Leaks::default();
//! let write = Flags { write: true, ..Flags::default() };
//!
//! let pins = pin_user_pages(&mut memory, &mut mm, start, 4, write, Path::Fast, &leaks)?;
//! assert_eq!(pins.pages().len(), 4);
//! pins.unpin_dirty_lock(&mut memory)?;
//! assert_eq!(leaks.count(), 0);
//! # Ok::<(), refimpl::guard::Error>(())
//! ```
//!
//! Neighbours in memory go back as a range ([`PinnedRange`]), the folios of a memfd as folios ([`PinnedFolios`]); `refimpl/examples/guards.rs`
//! uses all of them.
//!
//! ```compile_fail,E0382
//! # fn twice(pins: refimpl::guard::PinnedPages, memory: &mut refimpl::page::Memory) {
//! let _ = pins.unpin(memory);
//! let _ = pins.unpin(memory);
//! # }
//! ```

use std::cell::Cell;
use std::rc::Rc;

use crate::gup::{self, Errno, Flags, Path};
use crate::mapping::{Mm, PageIndex};
use crate::page::{Memory, Misuse, Pfn};

/// What a guard's function can say: an acquire that got nothing, or a release that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No page could be had.
    #[error("take pages: {0}")]
    Take(#[from] Errno),
    /// The counts are spoilt, by somebody who has no guard, or the call may not be made here.
    #[error("give pages back: {0}")]
    GiveBack(#[from] Misuse),
}

/// Counts pages whose guard was dropped.
#[derive(Debug, Clone, Default)]
pub struct Leaks(Rc<Cell<usize>>);

impl Leaks {
    /// Pages leaked until now.
    pub fn count(&self) -> usize {
        self.0.get()
    }
}

#[derive(Debug)]
struct Held {
    pages: Vec<Option<Pfn>>,
    leaks: Leaks,
}

impl Held {
    fn new(pages: Vec<Pfn>, leaks: &Leaks) -> Self {
        Held {
            pages: pages.into_iter().map(Some).collect(),
            leaks: leaks.clone(),
        }
    }

    fn take(&mut self) -> Vec<Option<Pfn>> {
        std::mem::take(&mut self.pages)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leaks.0.set(self.leaks.0.get() + self.pages.len());
    }
}

/// Pages of pin_user_pages*().
#[derive(Debug)]
#[must_use = "a pin that is not given back leaks its pages"]
pub struct PinnedPages(Held);

/// Pages of get_user_pages*().
#[derive(Debug)]
#[must_use = "a reference that is not given back leaks its pages"]
pub struct HeldPages(Held);

/// [`gup::pin_user_pages`], guarded.
///
/// # Errors
/// As there.
pub fn pin_user_pages(
    memory: &mut Memory,
    mm: &mut Mm,
    start: PageIndex,
    nr: u64,
    flags: Flags,
    path: Path,
    leaks: &Leaks,
) -> Result<PinnedPages, Error> {
    let pages = gup::pin_user_pages(memory, mm, start, nr, flags, path)?;
    Ok(PinnedPages(Held::new(pages, leaks)))
}

/// [`gup::get_user_pages`], guarded.
///
/// # Errors
/// As there.
pub fn get_user_pages(
    memory: &mut Memory,
    mm: &mut Mm,
    start: PageIndex,
    nr: u64,
    flags: Flags,
    path: Path,
    leaks: &Leaks,
) -> Result<HeldPages, Error> {
    let pages = gup::get_user_pages(memory, mm, start, nr, flags, path)?;
    Ok(HeldPages(Held::new(pages, leaks)))
}

/// Pages of pin_user_pages*() that are neighbours in memory.
#[derive(Debug)]
#[must_use = "a pin that is not given back leaks its pages"]
pub struct PinnedRange(Held);

/// Folios of memfd_pin_folios().
#[derive(Debug)]
#[must_use = "a pin that is not given back leaks its pages"]
pub struct PinnedFolios(Held);

/// [`gup::memfd_pin_folios`], guarded.
///
/// # Errors
/// As there.
pub fn memfd_pin_folios(
    memory: &mut Memory,
    mm: &mut Mm,
    file: usize,
    range: std::ops::RangeInclusive<u64>,
    max: usize,
    leaks: &Leaks,
) -> Result<PinnedFolios, Error> {
    let folios = gup::memfd_pin_folios(memory, mm, file, range, max)?;
    Ok(PinnedFolios(Held::new(folios, leaks)))
}

impl PinnedRange {
    /// unpin_user_page_range_dirty_lock(): may sleep where it is to mark dirty.
    ///
    /// # Errors
    /// As [`PinnedPages::unpin_dirty_lock`].
    pub fn unpin(mut self, memory: &mut Memory, make_dirty: bool) -> Result<(), Error> {
        let pages = self.0.take();
        let first = pages.first().copied().flatten();
        Ok(memory.unpin_user_page_range_dirty_lock(first, pages.len() as u64, make_dirty)?)
    }
}

impl PinnedFolios {
    /// The first page of each folio, none of them NULL.
    pub fn folios(&self) -> &[Option<Pfn>] {
        &self.0.pages
    }

    /// unpin_folios(). Does not sleep.
    ///
    /// # Errors
    /// As [`PinnedPages::unpin`].
    pub fn unpin(mut self, memory: &mut Memory) -> Result<(), Error> {
        let folios = self.0.take();
        Ok(memory.unpin_folios(&folios, folios.len() as u64)?)
    }
}

impl PinnedPages {
    /// The same pins as a range, where the pages are neighbours in memory; else the pins themselves.
    ///
    /// # Errors
    /// The pins, so that they can be given back page by page.
    pub fn into_range(mut self) -> Result<PinnedRange, PinnedPages> {
        let next = |pair: &[Option<Pfn>]| match (pair[0], pair[1]) {
            (Some(one), Some(other)) => one.0 + 1 == other.0,
            _ => false,
        };
        if !self.0.pages.windows(2).all(next) {
            return Err(self);
        }
        let (pages, leaks) = (self.0.take(), self.0.leaks.clone());
        Ok(PinnedRange(Held { pages, leaks }))
    }

    /// The pages, none of them NULL.
    pub fn pages(&self) -> &[Option<Pfn>] {
        &self.0.pages
    }

    /// unpin_user_pages(): for pages that no device wrote. Does not sleep.
    ///
    /// # Errors
    /// What the counts say, where somebody else has spoilt them.
    pub fn unpin(mut self, memory: &mut Memory) -> Result<(), Error> {
        let pages = self.0.take();
        Ok(memory.unpin_user_pages(&pages, pages.len() as u64)?)
    }

    /// unpin_user_pages_dirty_lock(): for pages that a device wrote. May sleep.
    ///
    /// # Errors
    /// As [`PinnedPages::unpin`]; in atomic context too, and then the pages have leaked.
    pub fn unpin_dirty_lock(mut self, memory: &mut Memory) -> Result<(), Error> {
        let pages = self.0.take();
        Ok(memory.unpin_user_pages_dirty_lock(&pages, pages.len() as u64, true)?)
    }
}

impl HeldPages {
    /// The pages, none of them NULL.
    pub fn pages(&self) -> &[Option<Pfn>] {
        &self.0.pages
    }

    /// put_page() on each.
    ///
    /// # Errors
    /// What the counts say, where somebody else has spoilt them.
    pub fn put(mut self, memory: &mut Memory) -> Result<(), Error> {
        let pages = self.0.take();
        Ok(memory.release_pages(&pages, i32::try_from(pages.len()).unwrap_or(i32::MAX))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Area, Vma};
    use crate::version::Version;

    const START: PageIndex = PageIndex(16);
    const WRITE: Flags = Flags {
        write: true,
        longterm: false,
    };

    fn world() -> (Memory, Mm) {
        let mut mm = Mm::default();
        mm.mmap(Vma {
            start: START,
            pages: 3,
            area: Area::Anon,
            writable: true,
            order: 0,
        });
        (Memory::new(Version::V6_12), mm)
    }

    #[test]
    fn a_guard_that_is_dropped_is_counted_as_a_leak() {
        let (mut memory, mut mm) = world();
        let leaks = Leaks::default();
        let pins =
            pin_user_pages(&mut memory, &mut mm, START, 5, WRITE, Path::Fast, &leaks).unwrap();
        let held =
            get_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow, &leaks).unwrap();
        held.put(&mut memory).unwrap();
        assert_eq!(leaks.count(), 0);
        drop(pins);
        assert_eq!(leaks.count(), 3);
        assert_eq!(memory.stat().acquired - memory.stat().released, 3);
    }

    #[test]
    fn a_guard_gives_back_exactly_what_was_returned() {
        let (mut memory, mut mm) = world();
        let leaks = Leaks::default();
        let pins =
            pin_user_pages(&mut memory, &mut mm, START, 5, WRITE, Path::Fast, &leaks).unwrap();
        assert_eq!(pins.pages().len(), 3);
        pins.unpin(&mut memory).unwrap();
        assert_eq!((memory.stat().released, leaks.count()), (3, 0));
        assert!(memory.folios().all(|folio| !memory.folio_maybe_dma_pinned(memory.page_folio(folio.head).unwrap())));
    }

    #[test]
    fn neighbours_go_back_as_a_range_and_others_page_by_page() {
        let (mut memory, mut mm) = world();
        let leaks = Leaks::default();
        let pin = |memory: &mut Memory, mm: &mut Mm| {
            pin_user_pages(memory, mm, START, 3, WRITE, Path::Slow, &leaks).unwrap()
        };
        let range = pin(&mut memory, &mut mm).into_range().unwrap();
        assert_eq!(leaks.count(), 0, "what became a range has not leaked");
        range.unpin(&mut memory, true).unwrap();
        let ids: Vec<_> = (0..3)
            .filter_map(|page| memory.page_folio(mm.pte(PageIndex(START.0 + page))?.pfn))
            .collect();
        for make_dirty in [false, true] {
            ids.iter().for_each(|id| memory.clean(*id));
            let range = pin(&mut memory, &mut mm).into_range().unwrap();
            ids.iter().for_each(|id| memory.clean(*id));
            range.unpin(&mut memory, make_dirty).unwrap();
            let dirty = ids.iter().filter(|id| memory.folio(**id).dirty).count();
            assert_eq!(dirty, if make_dirty { 3 } else { 0 });
        }
        drop(pin(&mut memory, &mut mm).into_range().unwrap());
        assert_eq!(leaks.count(), 3, "what is dropped as a range has leaked");
        // The middle page is another one now.
        assert_eq!(mm.zap_range(&mut memory, PageIndex(START.0 + 1), 1), vec![]);
        let pages = pin(&mut memory, &mut mm).into_range().unwrap_err();
        assert_eq!(pages.pages().len(), 3);
        pages.unpin(&mut memory).unwrap();
        assert_eq!((memory.stat().acquired, memory.stat().released), (15, 12));
        drop(pin(&mut memory, &mut mm).into_range().unwrap_err());
        assert_eq!(leaks.count(), 6);
    }

    #[test]
    fn a_guard_says_what_went_wrong_in_one_type() {
        let (mut memory, mut mm) = world();
        let leaks = Leaks::default();
        let nothing = memfd_pin_folios(&mut memory, &mut mm, 0, 0..=3, 0, &leaks);
        assert_eq!(nothing.unwrap_err().to_string(), "take pages: EINVAL");
        let folios = memfd_pin_folios(&mut memory, &mut mm, 0, 0..=3, 8, &leaks).unwrap();
        assert_eq!(folios.folios().len(), 4);
        folios.unpin(&mut memory).unwrap();
        let pins =
            pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow, &leaks).unwrap();
        memory.context = crate::page::Context::Atomic;
        let id = memory.page_folio(pins.pages()[0].unwrap()).unwrap();
        mm.write_back(&mut memory, id);
        let slept = pins.unpin_dirty_lock(&mut memory).unwrap_err();
        assert!(matches!(slept, Error::GiveBack(_)), "{slept}");
    }
}
