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
//! pins.unpin_dirty_lock(&mut memory).expect("they are pins");
//! assert_eq!(leaks.count(), 0);
//! # Ok::<(), refimpl::gup::Errno>(())
//! ```
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
) -> Result<PinnedPages, Errno> {
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
) -> Result<HeldPages, Errno> {
    let pages = gup::get_user_pages(memory, mm, start, nr, flags, path)?;
    Ok(HeldPages(Held::new(pages, leaks)))
}

impl PinnedPages {
    /// The pages, none of them NULL.
    pub fn pages(&self) -> &[Option<Pfn>] {
        &self.0.pages
    }

    /// unpin_user_pages(): for pages that no device wrote. Does not sleep.
    ///
    /// # Errors
    /// What the counts say, where somebody else has spoilt them.
    pub fn unpin(mut self, memory: &mut Memory) -> Result<(), Misuse> {
        let pages = self.0.take();
        memory.unpin_user_pages(&pages, pages.len() as u64)
    }

    /// unpin_user_pages_dirty_lock(): for pages that a device wrote. May sleep.
    ///
    /// # Errors
    /// As [`PinnedPages::unpin`]; in atomic context too, and then the pages have leaked.
    pub fn unpin_dirty_lock(mut self, memory: &mut Memory) -> Result<(), Misuse> {
        let pages = self.0.take();
        memory.unpin_user_pages_dirty_lock(&pages, pages.len() as u64, true)
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
    pub fn put(mut self, memory: &mut Memory) -> Result<(), Misuse> {
        let pages = self.0.take();
        memory.release_pages(&pages, i32::try_from(pages.len()).unwrap_or(i32::MAX))
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
}
