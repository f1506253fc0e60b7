// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps that take references.

use super::step::fatal;
use super::{Ground, Refused, STRIDE, World, start};
use crate::conformance::trace::{Acquire, Op};
use crate::gup::{self, Errno, Flags, Hold};
use crate::mapping::PageIndex;
use crate::page::{FolioId, Pfn};
use crate::version::Version;

impl World {
    /// get_user_pages*(), pin_user_pages*() and the functions upon them, for `nr` pages from `at` on.
    pub(super) fn acquire(
        &mut self,
        op: &Op,
        call: Acquire,
        (at, nr): (PageIndex, u32),
        flags: Flags,
        slot: u32,
    ) -> Result<i64, Refused> {
        let misfit = || Refused::Misfit(op.to_string());
        let (path, hold) = call.way();
        let unchecked = path == gup::Path::FastOnly && self.version() < Version::V6_12;
        let fits = call.exists_in(self.version())
            && (nr == 1 || !call.is_single())
            && !(flags.longterm && (call.is_iterator() || unchecked));
        if !fits {
            return Err(misfit());
        }
        // Flags that do not go together: a warning and EINVAL, before anything is looked at.
        let unlocked = call == Acquire::PinUserPagesUnlocked;
        let refused = hold == Hold::Get || (unlocked && !self.version().unlocked_takes_longterm());
        if refused && flags.longterm {
            self.warns = true;
            // It says whether there is a page, and nothing else.
            let says = call != Acquire::GetUserPageFastOnly;
            return Ok(if says {
                -i64::from(Errno::EINVAL.number())
            } else {
                0
            });
        }
        self.grabs_spoilt(op, at, u64::from(nr), flags, hold)?;
        let got = self.pages_of(call, at, u64::from(nr), flags);
        let got = match got {
            Ok(pages) if call == Acquire::ExtractIterToSg && (pages.len() as u64) < nr.into() => {
                Err(self.rest_fails(op, call, (at, nr), flags, &pages)?)
            }
            got => got,
        };
        self.acquired(slot, got).ok_or_else(misfit)
    }

    fn pages_of(
        &mut self,
        call: Acquire,
        at: PageIndex,
        nr: u64,
        flags: Flags,
    ) -> Result<Vec<Pfn>, Errno> {
        let ((path, hold), memory, mm) = (call.way(), &mut self.memory, &mut self.mm);
        match hold {
            Hold::Get => gup::get_user_pages(memory, mm, at, nr, flags, path),
            Hold::Pin => gup::pin_user_pages(memory, mm, at, nr, flags, path),
        }
    }

    /// extract_iter_to_sg() goes on until it has all, and gives back what it has when it cannot.
    fn rest_fails(
        &mut self,
        op: &Op,
        call: Acquire,
        (at, nr): (PageIndex, u32),
        flags: Flags,
        pages: &[Pfn],
    ) -> Result<Errno, Refused> {
        let rest = PageIndex(at.0 + pages.len() as u64);
        let left = u64::from(nr) - pages.len() as u64;
        let Err(errno) = self.pages_of(call, rest, left, flags) else {
            return Err(Refused::Misfit(op.to_string()));
        };
        for pfn in pages {
            let done = self.memory.unpin_user_page(Some(*pfn));
            done.map_err(|misuse| fatal(op, misuse))?;
        }
        Ok(errno)
    }

    /// memfd_pin_folios() of the pages `first` to `last` of an area.
    pub(super) fn memfd(
        &mut self,
        op: &Op,
        area: u32,
        (first, last): (u32, u32),
        slot: u32,
    ) -> Result<i64, Refused> {
        let misfit = || Refused::Misfit(op.to_string());
        let place = self.areas.get(&area).ok_or_else(misfit)?;
        if place.ground != Ground::Shmem
            || last >= place.pages
            || !self.version().has_folio_unpins()
        {
            return Err(misfit());
        }
        let at = PageIndex(start(area).0 + u64::from(first));
        self.not_spoilt(op, at, u64::from(last - first) + 1)?;
        let range = u64::from(first)..=u64::from(last);
        let (memory, mm) = (&mut self.memory, &mut self.mm);
        let got = gup::memfd_pin_folios(memory, mm, area as usize, range, 64);
        self.acquired(slot, got).ok_or_else(misfit)
    }

    /// Folios with a count that is not positive, mapped in a range or in the cache of its area.
    fn spoilt_folios(&self, at: PageIndex, nr: u64) -> (Vec<FolioId>, bool) {
        let spoilt = |pfn: Pfn| {
            let id = self.memory.page_folio(pfn)?;
            (self.memory.folio(id).refcount <= 0).then_some(id)
        };
        let mapped = (at.0..at.0 + nr).filter_map(|page| self.mm.pte(PageIndex(page)));
        let area = (at.0 / STRIDE) as usize;
        let mut cached = self.mm.cache().range((area, 0)..(area + 1, 0));
        let in_cache = cached.any(|(_, pfn)| spoilt(*pfn).is_some());
        (mapped.filter_map(|pte| spoilt(pte.pfn)).collect(), in_cache)
    }

    /// Refuses to touch what has a count that is not positive.
    pub(super) fn not_spoilt(&self, op: &Op, at: PageIndex, nr: u64) -> Result<(), Refused> {
        let (mapped, cached) = self.spoilt_folios(at, nr);
        if cached || !mapped.is_empty() {
            return Err(Refused::Spoilt(op.to_string()));
        }
        Ok(())
    }

    /// A reference on a folio whose count is negative: the kernel warns and refuses, if it finds the page mapped as it wants
    /// it. A fault on the way would not be survived.
    fn grabs_spoilt(
        &mut self,
        op: &Op,
        at: PageIndex,
        nr: u64,
        flags: Flags,
        hold: Hold,
    ) -> Result<(), Refused> {
        let (mapped, cached) = self.spoilt_folios(at, nr);
        if mapped.is_empty() && !cached {
            return Ok(());
        }
        let as_wanted = |page: u64| {
            let pte = self.mm.pte(PageIndex(page));
            pte.is_some_and(|pte| {
                let shared = self.mm.is_shared_anon(&self.memory, pte.pfn);
                let zero = pte.pfn == crate::page::Memory::ZERO;
                let unshares = shared && hold == Hold::Pin;
                !zero && !unshares && (pte.writable || !flags.write)
            })
        };
        let negative = |id: &FolioId| self.memory.folio(*id).refcount < 0;
        if (at.0..at.0 + nr).all(as_wanted) && mapped.iter().all(negative) {
            self.warns = !mapped.is_empty();
            return Ok(());
        }
        Err(Refused::Spoilt(op.to_string()))
    }

    fn acquired(&mut self, slot: u32, got: Result<Vec<Pfn>, Errno>) -> Option<i64> {
        match got {
            Ok(pages) => {
                self.note(slot, &pages)?;
                Some(pages.len() as i64)
            }
            Err(errno) => Some(-i64::from(errno.number())),
        }
    }

    pub(super) fn note(&mut self, slot: u32, pages: &[Pfn]) -> Option<()> {
        for (offset, pfn) in pages.iter().enumerate() {
            let slot = slot + u32::try_from(offset).ok()?;
            if self.slots.insert(slot, *pfn).is_some() {
                return None;
            }
        }
        Some(())
    }
}
