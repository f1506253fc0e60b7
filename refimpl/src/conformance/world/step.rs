// SPDX-License-Identifier: MIT OR Apache-2.0
//! One step of a trace.

use super::{Ground, Place, Refused, STRIDE, World, start};
use crate::conformance::trace::{ErrorAsCount, Op, Release};
use crate::page::{Consequence, Kind, Misuse, Pfn};

impl World {
    /// What the call returns.
    pub(super) fn step(&mut self, op: &Op) -> Result<i64, Refused> {
        let misfit = || Refused::Misfit(op.to_string());
        let survived = |done: Result<(), Misuse>| survivable(op, done);
        match op {
            Op::Map {
                area,
                ground,
                pages,
            } => {
                let fits = *pages > 0 && u64::from(*pages) <= STRIDE / 2;
                if self.areas.contains_key(area) || !fits {
                    return Err(misfit());
                }
                self.map(*area, *ground, *pages);
            }
            Op::Touch { area, page, write } => {
                let at = self.at(*area, *page).ok_or_else(misfit)?;
                self.not_spoilt(op, at, 1)?;
                let done = self.mm.access(&mut self.memory, at, *write);
                done.map_err(|_| misfit())?;
            }
            Op::Peek { area, page, slot } => {
                let at = self.at(*area, *page).ok_or_else(misfit)?;
                self.not_spoilt(op, at, 1)?;
                let pte = self.mm.pte(at).ok_or_else(misfit)?;
                self.note(*slot, &[pte.pfn]).ok_or_else(misfit)?;
            }
            Op::Acquire {
                call,
                area,
                page,
                nr,
                flags,
                slot,
            } => {
                let at = self.at(*area, *page).ok_or_else(misfit)?;
                return self.acquire(op, *call, (at, *nr), *flags, *slot);
            }
            Op::Memfd {
                area,
                first,
                last,
                slot,
            } => return self.memfd(op, *area, (*first, *last), *slot),
            Op::GetPage { slot, times } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                for _ in 0..*times {
                    let done = self.memory.folio_get(id);
                    done.map_err(|misuse| fatal(op, misuse))?;
                }
            }
            Op::PutPages { slot, times } => {
                let page = self.page(*slot).ok_or_else(misfit)?;
                for _ in 0..*times {
                    let done = self.memory.put_page(Some(page));
                    done.map_err(|misuse| fatal(op, misuse))?;
                }
            }
            Op::Release { call, slots } => {
                if !call.exists_in(self.version()) {
                    return Err(misfit());
                }
                let pages = self.pages(slots).ok_or_else(misfit)?;
                if call.name().starts_with("unpin") {
                    self.not_shared(op, &pages)?;
                }
                let (memory, n) = (&mut self.memory, pages.len() as u64);
                survived(match call {
                    Release::PutPage | Release::FolioPut => memory.put_page(pages[0]),
                    Release::ReleasePages | Release::FoliosPut | Release::FolioBatchRelease => {
                        memory.release_pages(&pages, n as i32)
                    }
                    Release::UnpinUserPage => memory.unpin_user_page(pages[0]),
                    Release::UnpinUserPages => memory.unpin_user_pages(&pages, n),
                    Release::UnpinFolio => memory.unpin_user_folio(pages[0], 1),
                    Release::UnpinFolios => memory.unpin_folios(&pages, n),
                })?;
            }
            Op::DirtyLock { dirty, slots } => {
                let pages = self.pages(slots).ok_or_else(misfit)?;
                self.not_shared(op, &pages)?;
                let n = pages.len() as u64;
                survived(self.memory.unpin_user_pages_dirty_lock(&pages, n, *dirty))?;
            }
            Op::Range { dirty, slot, nr } => {
                let page = Some(self.page(*slot).ok_or_else(misfit)?);
                let one_folio = self.folio(*slot).is_some_and(|id| {
                    let folio = self.memory.folio(id);
                    page.is_some_and(|pfn| {
                        pfn.0 + u64::from(*nr) <= folio.head.0 + (1 << folio.order)
                    })
                });
                if !one_folio {
                    return Err(misfit());
                }
                self.not_shared(op, &[page])?;
                let (memory, n) = (&mut self.memory, u64::from(*nr));
                survived(memory.unpin_user_page_range_dirty_lock(page, n, *dirty))?;
            }
            Op::FolioPutRefs { slot, nr } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                survived(self.memory.folio_put_refs("folio_put_refs", id, *nr as i32))?;
            }
            Op::FolioAddPins { slot, nr } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let pinned = self.memory.folio_maybe_dma_pinned(id);
                let counted = pinned && self.memory.folio(id).refcount > 0;
                if !self.version().has_folio_add_pins() || !counted {
                    return Err(misfit());
                }
                self.memory.pin_refs(id, *nr as i32);
            }
            Op::ErrorAsCount { call, errno } => {
                if !call.exists_in(self.version()) || !(1..=4095).contains(errno) {
                    return Err(misfit());
                }
                let (memory, count) = (&mut self.memory, -i64::from(*errno) as u64);
                let done = match call {
                    ErrorAsCount::Pages => memory.unpin_user_pages(&[], count),
                    ErrorAsCount::PagesDirtyLock => {
                        memory.unpin_user_pages_dirty_lock(&[], count, false)
                    }
                    ErrorAsCount::Folios => memory.unpin_folios(&[], count),
                };
                match done {
                    Err(misuse) if misuse.consequence == Consequence::Warn => self.warns = true,
                    done => survived(done)?,
                }
            }
            Op::Fork => {
                let whole = |place: &Place| {
                    place.mapped && matches!(place.ground, Ground::Huge | Ground::Hugetlb)
                };
                if self.areas.values().any(whole) {
                    return Err(misfit());
                }
                let mapped: Vec<u32> = self.areas().map(|(area, ..)| area).collect();
                for area in mapped {
                    let pages = self.areas.get(&area).map_or(0, |place| place.pages);
                    self.not_spoilt(op, start(area), u64::from(pages))?;
                }
                if !self.mm.fork(&mut self.memory) {
                    return Err(misfit());
                }
                for place in self.areas.values_mut() {
                    place.in_child = place.mapped;
                }
            }
            Op::Reap => {
                let found = self.mm.reap(&mut self.memory).ok_or_else(misfit)?;
                found.into_iter().try_for_each(|one| survived(Err(one)))?;
                let had = self.areas.iter_mut().filter(|(_, place)| place.in_child);
                let had: Vec<u32> = had
                    .map(|(area, place)| {
                        place.in_child = false;
                        *area
                    })
                    .collect();
                had.into_iter()
                    .try_for_each(|area| self.close_file(op, area))?;
            }
            Op::UnpinUserFolio { slot, nr } => {
                let page = Some(self.page(*slot).ok_or_else(misfit)?);
                if !self.version().has_folio_unpins() {
                    return Err(misfit());
                }
                self.not_shared(op, &[page])?;
                survived(self.memory.unpin_user_folio(page, *nr as i32))?;
            }
            Op::SetPageDirty { slot }
            | Op::FolioMarkDirty { slot }
            | Op::SetPageDirtyLock { slot } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let done = match op {
                    Op::SetPageDirtyLock { .. } => self.memory.set_page_dirty_lock(id),
                    _ => self.memory.folio_mark_dirty(id),
                };
                return done.map(i64::from).map_err(|misuse| fatal(op, misuse));
            }
            Op::Clean { slot } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let was = self.memory.folio(id).dirty;
                if self.memory.folio(id).buffers {
                    return Ok(i64::from(self.mm.write_back(&mut self.memory, id)));
                }
                self.memory.clean(id);
                return Ok(i64::from(was));
            }
            Op::Munmap { area } => {
                let place = self.areas.get_mut(area).filter(|place| place.mapped);
                place.ok_or_else(misfit)?.mapped = false;
                let found = self.mm.munmap(&mut self.memory, start(*area));
                found.into_iter().try_for_each(|one| survived(Err(one)))?;
                self.close_file(op, *area)?;
            }
            Op::Truncate { area } => {
                let place = self.areas.get(area).filter(|place| place.mapped);
                if place.is_none_or(|place| place.ground != Ground::Shmem) {
                    return Err(misfit());
                }
                self.drop_cache(op, *area)?;
            }
            Op::Close { area } => {
                let place = self.areas.get_mut(area).ok_or_else(misfit)?;
                for pfn in std::mem::take(&mut place.own) {
                    survived(self.memory.put_page(Some(pfn)))?;
                }
            }
            Op::Repair { slot, base } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let zero = i32::from(self.memory.folio(id).kind == Kind::Zero);
                survived(self.memory.repair(id, base + zero))?;
            }
        }
        Ok(0)
    }

    /// Kernels with DEBUG_VM insist that a private page which is unpinned is nobody else's.
    fn not_shared(&self, op: &Op, pages: &[Option<Pfn>]) -> Result<(), Refused> {
        let mut pages = pages.iter().flatten();
        if pages.any(|pfn| self.mm.is_shared_anon(&self.memory, *pfn)) {
            return Err(Refused::Shared(op.to_string()));
        }
        Ok(())
    }
}

pub(super) fn fatal(op: &Op, misuse: Misuse) -> Refused {
    Refused::Fatal {
        op: op.to_string(),
        misuse,
    }
}

/// Wrong counts are survived until somebody acts on them.
pub(super) fn survivable(op: &Op, done: Result<(), Misuse>) -> Result<(), Refused> {
    match done {
        Err(misuse) if !misuse.consequence.spoils_counts() => Err(fatal(op, misuse)),
        _ => Ok(()),
    }
}
