// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace replayed on the model.

use super::trace::{Acquire, Ground, Op, Release};
use crate::gup::{self, Errno, Hold};
use crate::mapping::{Area, Mm, PMD_ORDER, PageIndex, Vma};
use crate::page::{FolioId, Kind, Memory, Misuse, Pfn, VmStat};
use crate::version::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Areas are this many pages apart.
const STRIDE: u64 = 4 << PMD_ORDER;

/// What is to be seen after an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the call returned: pages, a boolean, or a negative error number.
    pub returned: i64,
    /// Pins since the trace began.
    pub stat: VmStat,
    /// Each folio that a slot holds and that is not free.
    pub seen: Vec<Seen>,
}

/// A folio as a probe sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first slot that holds a page of it.
    pub slot: u32,
    /// `_refcount`; of the zero page only what the trace has added.
    pub refcount: i32,
    /// `_pincount`, 0 where it has none.
    pub pincount: i32,
    /// Page table entries.
    pub mapcount: i32,
    /// PG_dirty
    pub dirty: bool,
    /// PG_locked
    pub locked: bool,
    /// folio_maybe_dma_pinned()
    pub pinned: bool,
}

/// Why an operation is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A slot or an area that is not there, or is there already.
    #[error("`{0}` does not fit what came before")]
    Misfit(String),
    /// A kernel would not survive it.
    #[error("`{op}` is not survived: {misuse}")]
    Fatal {
        /// The line.
        op: String,
        /// What is wrong.
        misuse: Misuse,
    },
    /// A kernel would print a warning.
    #[error("`{0}` takes a reference on a folio whose count is not positive")]
    Spoilt(String),
    /// A kernel would print a warning.
    #[error("`{0}` passes flags that do not go together")]
    Warns(String),
    /// The last reference went although somebody else still counts on his.
    #[error("`{0}` frees a folio that the page cache or a driver still has")]
    Robbed(String),
}

#[derive(Debug, Clone)]
struct Place {
    ground: Ground,
    pages: u32,
    mapped: bool,
    /// Folios whose own reference the driver still has.
    own: Vec<Pfn>,
}

/// The state between two operations.
#[derive(Debug, Clone)]
pub struct World {
    memory: Memory,
    mm: Mm,
    areas: BTreeMap<u32, Place>,
    slots: BTreeMap<u32, Pfn>,
}

impl World {
    /// A process with no memory.
    pub fn new(version: Version, bias: i32) -> Self {
        Self {
            memory: Memory::with_bias(version, bias),
            mm: Mm::default(),
            areas: BTreeMap::new(),
            slots: BTreeMap::new(),
        }
    }

    /// The kernel it follows.
    pub fn version(&self) -> Version {
        self.memory.version()
    }

    /// Mapped areas: number, what they map, pages.
    pub fn areas(&self) -> impl Iterator<Item = (u32, Ground, u32)> + '_ {
        self.areas
            .iter()
            .filter(|(_, place)| place.mapped)
            .map(|(area, place)| (*area, place.ground, place.pages))
    }

    /// Areas whose driver still has references of its own.
    pub fn owned(&self) -> impl Iterator<Item = u32> + '_ {
        let owns = |place: &Place| !place.own.is_empty();
        self.areas
            .iter()
            .filter(move |(_, place)| owns(place))
            .map(|(area, _)| *area)
    }

    /// The next free slot.
    pub fn next_slot(&self) -> u32 {
        self.slots.last_key_value().map_or(0, |(slot, _)| slot + 1)
    }

    /// Slots whose folio is not free.
    pub fn live_slots(&self) -> Vec<u32> {
        let live = |pfn: &Pfn| {
            self.memory
                .page_folio(*pfn)
                .is_some_and(|id| !self.memory.folio(id).freed)
        };
        self.slots
            .iter()
            .filter(|(_, pfn)| live(pfn))
            .map(|(slot, _)| *slot)
            .collect()
    }

    /// Slots of folios that are not free and have other counts than page tables, page cache and driver explain, with the
    /// number of references that these do explain.
    pub fn spoilt(&self) -> Vec<(u32, i32)> {
        self.watched()
            .filter_map(|(slot, id)| {
                let (folio, base) = (self.memory.folio(id), self.base(id));
                let zero = i32::from(folio.kind == Kind::Zero);
                (folio.refcount != base || folio.pincount != 0).then_some((slot, base - zero))
            })
            .collect()
    }

    fn base(&self, id: FolioId) -> i32 {
        let folio = self.memory.folio(id);
        let cache = match folio.kind {
            Kind::File { attached: true } | Kind::Zero => 1,
            _ => 0,
        };
        let own = self
            .areas
            .values()
            .flat_map(|place| &place.own)
            .any(|pfn| self.memory.page_folio(*pfn) == Some(id));
        folio.mapcount + cache + i32::from(own)
    }

    fn robbed(&self) -> bool {
        let own = self.areas.values().flat_map(|place| &place.own);
        own.chain(self.mm.cache().values()).any(|pfn| {
            let id = self.memory.page_folio(*pfn);
            id.is_some_and(|id| self.memory.folio(id).freed)
        })
    }

    /// The first slot of each folio that is not free; files on disk are not looked at.
    fn watched(&self) -> impl Iterator<Item = (u32, FolioId)> + '_ {
        let disks: BTreeSet<FolioId> = self
            .mm
            .cache()
            .iter()
            .filter(|((file, _), _)| self.is_disk(*file))
            .filter_map(|(_, pfn)| self.memory.page_folio(*pfn))
            .collect();
        let mut known = BTreeSet::new();
        self.slots.iter().filter_map(move |(slot, pfn)| {
            let id = self.memory.page_folio(*pfn)?;
            let new = known.insert(id) && !disks.contains(&id) && !self.memory.folio(id).freed;
            new.then_some((*slot, id))
        })
    }

    fn is_disk(&self, file: usize) -> bool {
        let place = u32::try_from(file).ok().and_then(|n| self.areas.get(&n));
        place.is_some_and(|place| place.ground == Ground::Disk)
    }

    /// Does it, and says what is to be seen.
    ///
    /// # Errors
    /// [`Refused`]; the world is then of no more use.
    pub fn apply(&mut self, op: &Op) -> Result<Answer, Refused> {
        let returned = self.step(op)?;
        if self.robbed() {
            return Err(Refused::Robbed(op.to_string()));
        }
        let seen = self
            .watched()
            .map(|(slot, id)| {
                let folio = self.memory.folio(id);
                Seen {
                    slot,
                    refcount: folio.refcount - i32::from(folio.kind == Kind::Zero),
                    pincount: folio.pincount,
                    mapcount: folio.mapcount,
                    dirty: folio.dirty,
                    locked: folio.locked,
                    pinned: self.memory.folio_maybe_dma_pinned(id),
                }
            })
            .collect();
        Ok(Answer {
            returned,
            stat: self.memory.stat(),
            seen,
        })
    }

    fn step(&mut self, op: &Op) -> Result<i64, Refused> {
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
                self.not_spoilt(op, at, u64::from(*nr))?;
                let (path, hold) = call.way();
                let unlocked = *call == Acquire::PinUserPagesUnlocked;
                let warns =
                    hold == Hold::Get || (unlocked && !self.version().unlocked_takes_longterm());
                if warns && flags.longterm {
                    return Err(Refused::Warns(op.to_string()));
                }
                let (memory, mm, nr) = (&mut self.memory, &mut self.mm, u64::from(*nr));
                let got = match hold {
                    Hold::Get => gup::get_user_pages(memory, mm, at, nr, *flags, path),
                    Hold::Pin => gup::pin_user_pages(memory, mm, at, nr, *flags, path),
                };
                return self.acquired(*slot, got).ok_or_else(misfit);
            }
            Op::Memfd {
                area,
                first,
                last,
                slot,
            } => {
                let place = self.areas.get(area).ok_or_else(misfit)?;
                if place.ground != Ground::Shmem
                    || *last >= place.pages
                    || !self.version().has_folio_unpins()
                {
                    return Err(misfit());
                }
                let at = PageIndex(start(*area).0 + u64::from(*first));
                self.not_spoilt(op, at, u64::from(last - first) + 1)?;
                let range = u64::from(*first)..=u64::from(*last);
                let (memory, mm) = (&mut self.memory, &mut self.mm);
                let got = gup::memfd_pin_folios(memory, mm, *area as usize, range, 64);
                return self.acquired(*slot, got).ok_or_else(misfit);
            }
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
                let (memory, n) = (&mut self.memory, pages.len() as u64);
                survived(match call {
                    Release::PutPage => memory.put_page(pages[0]),
                    Release::ReleasePages => memory.release_pages(&pages, n as i32),
                    Release::UnpinUserPage => memory.unpin_user_page(pages[0]),
                    Release::UnpinUserPages => memory.unpin_user_pages(&pages, n),
                    Release::UnpinFolio => memory.unpin_user_folio(pages[0], 1),
                    Release::UnpinFolios => memory.unpin_folios(&pages, n),
                })?;
            }
            Op::DirtyLock { dirty, slots } => {
                let pages = self.pages(slots).ok_or_else(misfit)?;
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
                let (memory, n) = (&mut self.memory, u64::from(*nr));
                survived(memory.unpin_user_page_range_dirty_lock(page, n, *dirty))?;
            }
            Op::UnpinUserFolio { slot, nr } => {
                let page = Some(self.page(*slot).ok_or_else(misfit)?);
                if !self.version().has_folio_unpins() {
                    return Err(misfit());
                }
                survived(self.memory.unpin_user_folio(page, *nr as i32))?;
            }
            Op::SetPageDirty { slot } | Op::SetPageDirtyLock { slot } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let done = match op {
                    Op::SetPageDirty { .. } => self.memory.folio_mark_dirty(id),
                    _ => self.memory.set_page_dirty_lock(id),
                };
                return done.map(i64::from).map_err(|misuse| fatal(op, misuse));
            }
            Op::Clean { slot } => {
                let id = self.folio(*slot).ok_or_else(misfit)?;
                let was = self.memory.folio(id).dirty;
                self.memory.clean(id);
                return Ok(i64::from(was));
            }
            Op::Munmap { area } => {
                let place = self.areas.get_mut(area).filter(|place| place.mapped);
                place.ok_or_else(misfit)?.mapped = false;
                let found = self.mm.munmap(&mut self.memory, start(*area));
                found.into_iter().try_for_each(|one| survived(Err(one)))?;
                self.drop_cache(op, *area)?;
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

    /// A memfd goes with its only mapping; a truncate takes its pages as well. The disk stays.
    fn drop_cache(&mut self, op: &Op, area: u32) -> Result<(), Refused> {
        let shmem = |place: &Place| place.ground == Ground::Shmem;
        if !self.areas.get(&area).is_some_and(shmem) {
            return Ok(());
        }
        let found = self.mm.truncate(&mut self.memory, area as usize);
        found
            .into_iter()
            .try_for_each(|misuse| survivable(op, Err(misuse)))
    }

    fn map(&mut self, area: u32, ground: Ground, pages: u32) {
        let (kind, order) = match ground {
            Ground::Anon => (Area::Anon, 0),
            Ground::Huge => (Area::Anon, PMD_ORDER),
            Ground::Shmem | Ground::Disk => {
                let (file, tracked) = (area as usize, ground == Ground::Disk);
                (Area::File { file, tracked }, 0)
            }
            Ground::Driver(order) => (Area::Inserted, order),
        };
        let pages = match ground {
            Ground::Huge => 1 << PMD_ORDER,
            Ground::Driver(order) => pages.next_multiple_of(1 << order),
            _ => pages,
        };
        self.mm.mmap(Vma {
            start: start(area),
            pages: u64::from(pages),
            area: kind,
            writable: true,
            order,
        });
        let mut own = Vec::new();
        if let Ground::Driver(order) = ground {
            for first in (0..pages).step_by(1 << order) {
                let head = self.memory.alloc(order, Kind::Kernel);
                own.push(head);
                for offset in 0..1 << order {
                    let at = PageIndex(start(area).0 + u64::from(first + offset));
                    let pfn = Pfn(head.0 + u64::from(offset));
                    self.mm.insert_page(&mut self.memory, at, pfn);
                }
            }
        }
        let place = Place {
            ground,
            pages,
            mapped: true,
            own,
        };
        self.areas.insert(area, place);
    }

    fn at(&self, area: u32, page: u32) -> Option<PageIndex> {
        let place = self.areas.get(&area)?;
        (page < place.pages).then(|| PageIndex(start(area).0 + u64::from(page)))
    }

    /// Refuses to take references on what has a count that is not positive: a kernel warns, once.
    fn not_spoilt(&self, op: &Op, at: PageIndex, nr: u64) -> Result<(), Refused> {
        let mapped = (at.0..at.0 + nr).filter_map(|page| self.mm.pte(PageIndex(page)));
        let area = (at.0 / STRIDE) as usize;
        let cached = self
            .mm
            .cache()
            .range((area, 0)..(area + 1, 0))
            .map(|(_, pfn)| *pfn);
        let spoilt = |pfn: Pfn| {
            self.memory
                .page_folio(pfn)
                .is_some_and(|id| self.memory.folio(id).refcount <= 0)
        };
        let mut pfns = mapped.map(|pte| pte.pfn).chain(cached);
        if pfns.any(spoilt) {
            return Err(Refused::Spoilt(op.to_string()));
        }
        Ok(())
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

    fn note(&mut self, slot: u32, pages: &[Pfn]) -> Option<()> {
        for (offset, pfn) in pages.iter().enumerate() {
            let slot = slot + u32::try_from(offset).ok()?;
            if self.slots.insert(slot, *pfn).is_some() {
                return None;
            }
        }
        Some(())
    }

    fn page(&self, slot: u32) -> Option<Pfn> {
        self.slots.get(&slot).copied()
    }

    fn folio(&self, slot: u32) -> Option<FolioId> {
        let id = self.memory.page_folio(self.page(slot)?)?;
        (!self.memory.folio(id).freed).then_some(id)
    }

    fn pages(&self, slots: &[Option<u32>]) -> Option<Vec<Option<Pfn>>> {
        slots
            .iter()
            .map(|slot| match slot {
                None => Some(None),
                Some(slot) => self.page(*slot).map(Some),
            })
            .collect()
    }
}

fn start(area: u32) -> PageIndex {
    PageIndex(u64::from(area) * STRIDE)
}

fn fatal(op: &Op, misuse: Misuse) -> Refused {
    Refused::Fatal {
        op: op.to_string(),
        misuse,
    }
}

/// Wrong counts are survived until somebody acts on them.
fn survivable(op: &Op, done: Result<(), Misuse>) -> Result<(), Refused> {
    match done {
        Err(misuse) if !misuse.consequence.spoils_counts() => Err(fatal(op, misuse)),
        _ => Ok(()),
    }
}
