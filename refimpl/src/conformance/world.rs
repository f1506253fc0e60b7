// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace replayed on the model.

mod acquire;
mod step;

use super::trace::{Ground, Op};
use crate::mapping::{Area, Mm, PMD_ORDER, PageIndex, Vma};
use crate::page::{FolioId, Kind, Memory, Misuse, Pfn, VmStat};
use crate::version::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Areas are this many pages apart: a large folio fits into each, aligned, and no two areas are merged.
const STRIDE: u64 = 4 << PMD_ORDER;

/// What is to be seen after an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the call returned: pages, a boolean, or a negative error number.
    pub returned: i64,
    /// Pins since the trace began.
    pub stat: VmStat,
    /// The kernel prints a warning.
    pub warns: bool,
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
    /// Kernels with DEBUG_VM stop.
    #[error("`{0}` faults for a folio whose count is not positive")]
    Spoilt(String),
    /// Kernels with DEBUG_VM stop (before 7.3) or warn.
    #[error("`{0}` unpins a private page that is shared with a child")]
    Shared(String),
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
    /// The child that lives has it too: of a file, the descriptor and the mapping.
    in_child: bool,
}

/// The state between two operations.
#[derive(Debug, Clone)]
pub struct World {
    memory: Memory,
    mm: Mm,
    areas: BTreeMap<u32, Place>,
    slots: BTreeMap<u32, Pfn>,
    /// The step in hand makes the kernel warn.
    warns: bool,
}

impl World {
    /// A process with no memory.
    pub fn new(version: Version, bias: i32) -> Self {
        Self {
            memory: Memory::with_bias(version, bias),
            mm: Mm::default(),
            areas: BTreeMap::new(),
            slots: BTreeMap::new(),
            warns: false,
        }
    }

    /// A child lives.
    pub(crate) fn has_child(&self) -> bool {
        self.mm.has_child()
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
    pub(crate) fn owned(&self) -> impl Iterator<Item = u32> + '_ {
        let owns = self.areas.iter().filter(|(_, place)| !place.own.is_empty());
        owns.map(|(area, _)| *area)
    }

    /// The next free slot.
    pub(crate) fn next_slot(&self) -> u32 {
        self.slots.last_key_value().map_or(0, |(slot, _)| slot + 1)
    }

    /// Slots whose folio is not free.
    pub(crate) fn live_slots(&self) -> Vec<u32> {
        let slots = self.slots.keys().copied();
        slots.filter(|slot| self.folio(*slot).is_some()).collect()
    }

    /// Slots of folios that are not free and have other counts than page tables, page cache and driver explain, with the
    /// number of references that these do explain.
    pub(crate) fn spoilt(&self) -> Vec<(u32, i32)> {
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
        let mut own = self.areas.values().flat_map(|place| &place.own);
        let own = own.any(|pfn| self.memory.page_folio(*pfn) == Some(id));
        folio.mapcount + cache + i32::from(folio.buffers) + i32::from(own)
    }

    fn robbed(&self) -> bool {
        let own = self.areas.values().flat_map(|place| &place.own);
        own.chain(self.mm.cache().values()).any(|pfn| {
            let id = self.memory.page_folio(*pfn);
            id.is_some_and(|id| self.memory.folio(id).freed)
        })
    }

    /// The first slot of each folio that is not free.
    fn watched(&self) -> impl Iterator<Item = (u32, FolioId)> + '_ {
        let mut known = BTreeSet::new();
        self.slots.iter().filter_map(move |(slot, pfn)| {
            let id = self.memory.page_folio(*pfn)?;
            let new = known.insert(id) && !self.memory.folio(id).freed;
            new.then_some((*slot, id))
        })
    }

    /// Does it, and says what is to be seen.
    ///
    /// # Errors
    /// [`Refused`]; the world is then of no more use.
    pub fn apply(&mut self, op: &Op) -> Result<Answer, Refused> {
        self.warns = false;
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
            warns: self.warns,
            seen,
        })
    }

    /// A file that nobody has any more goes; a child keeps what was there when it was made.
    fn close_file(&mut self, op: &Op, area: u32) -> Result<(), Refused> {
        let held = |place: &Place| place.mapped || place.in_child;
        match self.areas.get(&area).is_some_and(held) {
            true => Ok(()),
            false => self.drop_cache(op, area),
        }
    }

    /// A memfd goes with its last mapping; a truncate takes its pages as well. A disk that nobody has open any more is written
    /// and loses its cache (block/bdev.c: blkdev_flush_mapping()).
    fn drop_cache(&mut self, op: &Op, area: u32) -> Result<(), Refused> {
        let file = |place: &Place| matches!(place.ground, Ground::Shmem | Ground::Disk);
        if !self.areas.get(&area).is_some_and(file) {
            return Ok(());
        }
        let found = self.mm.truncate(&mut self.memory, area as usize);
        found
            .into_iter()
            .try_for_each(|misuse| step::survivable(op, Err(misuse)))
    }

    fn map(&mut self, area: u32, ground: Ground, pages: u32) {
        let (kind, order) = match ground {
            Ground::Anon => (Area::Anon, 0),
            Ground::Huge => (Area::Anon, PMD_ORDER),
            Ground::Hugetlb => (Area::Hugetlb, PMD_ORDER),
            Ground::Shmem | Ground::Disk => {
                let (file, tracked) = (area as usize, ground == Ground::Disk);
                (Area::File { file, tracked }, 0)
            }
            Ground::Driver(order) => (Area::Inserted, order),
        };
        let pages = match ground {
            Ground::Huge | Ground::Hugetlb => 1 << PMD_ORDER,
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
            in_child: false,
        };
        self.areas.insert(area, place);
    }

    fn at(&self, area: u32, page: u32) -> Option<PageIndex> {
        let place = self.areas.get(&area)?;
        (page < place.pages).then(|| PageIndex(start(area).0 + u64::from(page)))
    }

    fn page(&self, slot: u32) -> Option<Pfn> {
        self.slots.get(&slot).copied()
    }

    fn folio(&self, slot: u32) -> Option<FolioId> {
        let id = self.memory.page_folio(self.page(slot)?)?;
        (!self.memory.folio(id).freed).then_some(id)
    }

    fn pages(&self, slots: &[Option<u32>]) -> Option<Vec<Option<Pfn>>> {
        let pages = slots.iter().map(|slot| match slot {
            None => Some(None),
            Some(slot) => self.page(*slot).map(Some),
        });
        pages.collect()
    }
}

fn start(area: u32) -> PageIndex {
    PageIndex(u64::from(area) * STRIDE)
}
