// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one world that a process's driver lives in: memory, user mappings, devices, and the ledger.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::ledger::{Call, Given, Ledger, Taken};
use super::report::{Class, Run, SCHEMA, Site, UnseenWrite};
use crate::mapping::{Area, Mm, PageIndex, Vma};
use crate::page::{Consequence, Context, FolioId, Kind, Memory, Misuse, Pfn, What};
use crate::version::Version;

/// log2 of a page's size.
pub(super) const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub(super) const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Where user memory begins, in pages. A number of our own: user addresses are looked up, never dereferenced.
const USER: u64 = 0x7000_0000_0000 >> PAGE_SHIFT;
/// Where the addresses that devices use begin: above 4 GiB, so that a driver that keeps one in 32 bits is found out.
const DMA: u64 = 0x1_0000_0000;

pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) mm: Mm,
    pub(super) ledger: Ledger,
    pub(super) site: Site,
    /// What the driver called, where a header made another call of it.
    pub(super) called: Option<String>,
    pub(super) notifiers: i32,
    pub(super) atomic: u32,
    pub(super) fail_dma: u32,
    pub(super) fail_alloc: u32,
    next_user: u64,
    next_file: usize,
    next_dma: u64,
    dma: BTreeMap<u64, Mapping>,
    device_writes: u64,
    unseen: BTreeMap<(Site, Option<Site>), u64>,
}

/// What a device has an address for.
#[derive(Clone)]
struct Mapping {
    pfn: Pfn,
    /// Of its first byte in the page.
    offset: u64,
    size: u64,
    site: Site,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Runs `work` on the world, which begins as a 6.12 where nobody said otherwise.
pub(super) fn with<R>(work: impl FnOnce(&mut World) -> R) -> R {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    work(world.get_or_insert_with(|| World::new(Version::V6_12)))
}

/// Begins anew.
pub(super) fn start(version: Version) {
    *WORLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(World::new(version));
}

/// Ends the world and says what happened in it.
pub(super) fn finish(module: &str) -> Option<Run> {
    let world = WORLD.lock().unwrap_or_else(PoisonError::into_inner).take();
    world.map(|world| world.close(module))
}

impl World {
    fn new(version: Version) -> Self {
        World {
            memory: Memory::new(version),
            mm: Mm::default(),
            ledger: Ledger::default(),
            site: Site {
                path: "unknown".to_owned(),
                line: 0,
                function: "unknown".to_owned(),
            },
            called: None,
            notifiers: 0,
            atomic: 0,
            fail_dma: 0,
            fail_alloc: 0,
            next_user: USER,
            next_file: 0,
            next_dma: DMA,
            dma: BTreeMap::new(),
            device_writes: 0,
            unseen: BTreeMap::new(),
        }
    }

    fn close(self, module: &str) -> Run {
        let stat = self.memory.stat();
        let closed = self.ledger.close();
        Run {
            schema: SCHEMA.to_owned(),
            version: self.memory.version().name().to_owned(),
            module: module.to_owned(),
            totals: closed.totals,
            vmstat_acquired: stat.acquired,
            vmstat_released: stat.released,
            device_writes: self.device_writes,
            unseen_writes: self
                .unseen
                .into_iter()
                .map(|((site, acquired), count)| UnseenWrite {
                    site,
                    acquired,
                    count,
                })
                .collect(),
            acquires: closed.acquires,
            releases: closed.releases,
            problems: closed.problems,
        }
    }

    /// Maps user memory, with a page behind it that never is; returns its address.
    pub(super) fn user_map(
        &mut self,
        pages: u64,
        of_file: bool,
        writable: bool,
        order: u32,
    ) -> u64 {
        let start = PageIndex(self.next_user);
        self.next_user += pages + 16;
        let area = if of_file {
            Area::File {
                file: self.new_file(),
                tracked: false,
            }
        } else {
            Area::Anon
        };
        self.mm.mmap(Vma {
            start,
            pages,
            area,
            writable,
            order,
        });
        start.0 << PAGE_SHIFT
    }

    /// A file number that is not in use.
    pub(super) fn new_file(&mut self) -> usize {
        self.next_file += 1;
        self.next_file
    }

    /// The folio behind a page that a driver names; naming none is a misuse.
    pub(super) fn folio(&mut self, call: &'static str, page: Option<Pfn>) -> Option<FolioId> {
        let id = page.and_then(|pfn| self.memory.page_folio(pfn));
        if id.is_none() {
            self.note(call, "is given a NULL page; a kernel would oops");
        }
        id
    }

    fn note(&mut self, name: &str, message: &str) {
        let (site, called) = (self.site.clone(), self.called.clone());
        let name = called.as_deref().unwrap_or(name);
        let call = Call { name, site: &site };
        self.ledger
            .problem(Class::Misuse, call, message.to_owned(), None);
    }

    /// Books references that were taken.
    pub(super) fn took(&mut self, call: &str, taken: Taken, pages: &[Pfn]) {
        let (site, called) = (self.site.clone(), self.called.clone());
        let name = called.as_deref().unwrap_or(call);
        let call = Call { name, site: &site };
        for pfn in pages {
            self.ledger.acquire(*pfn, taken, call);
        }
    }

    /// Books a release: what the counts said of it, and what the ledger says of each page. Where a kernel would not have
    /// come to the pages at all, only the former.
    pub(super) fn gave(
        &mut self,
        call: &str,
        given: Given,
        pages: &[Option<Pfn>],
        dirty: bool,
        done: Result<(), Misuse>,
    ) {
        let (site, called) = (self.site.clone(), self.called.clone());
        let name = called.as_deref().unwrap_or(call);
        let call = Call { name, site: &site };
        if let Err(misuse) = done {
            let by_count = matches!(
                misuse.what,
                What::Freed | What::NotPinned | What::Underflow | What::FreedPinned
            );
            if !by_count {
                self.misused(call, misuse);
                return;
            }
        }
        for pfn in pages.iter().flatten() {
            let folio = self.frames_of(*pfn);
            if dirty {
                self.ledger.dirtied(*pfn, folio.clone(), call);
            }
            self.ledger.release(*pfn, folio, given, call);
            self.still_mapped(*pfn, call);
        }
    }

    /// A device that has an address for a page which nobody holds any more may write it at any time.
    fn still_mapped(&mut self, pfn: Pfn, call: Call<'_>) {
        let mut mapped = self.dma.values().filter(|mapping| mapping.pfn == pfn);
        let site = mapped.next().map(|mapping| mapping.site.clone());
        if site.is_some() && self.notifiers == 0 && !self.ledger.holds(pfn) {
            let message = "gives back a page that a device still has an address for".to_owned();
            self.ledger.problem(Class::StillMapped, call, message, site);
        }
    }

    /// Notes it where a call that may sleep is made where nothing may.
    pub(super) fn might_sleep(&mut self, call: &'static str) {
        if self.memory.context == Context::Atomic {
            self.warned_here(call, What::SleepsInAtomic, Consequence::Warn);
        }
    }

    /// Notes a misuse of no page at the present place.
    pub(super) fn warned_here(&mut self, call: &'static str, what: What, consequence: Consequence) {
        self.misused_here(call, Misuse::new(call, what).but(consequence));
    }

    /// The frames of a page's folio.
    fn frames_of(&self, pfn: Pfn) -> Range<u64> {
        let folio = self.memory.page_folio(pfn).map(|id| self.memory.folio(id));
        folio.map_or(pfn.0..pfn.0 + 1, |folio| {
            folio.head.0..folio.head.0 + (1 << folio.order)
        })
    }

    /// Notes a misuse at the present place.
    pub(super) fn misused_here(&mut self, call: &str, misuse: Misuse) {
        let (site, called) = (self.site.clone(), self.called.clone());
        let name = called.as_deref().unwrap_or(call);
        self.misused(Call { name, site: &site }, misuse);
    }

    fn misused(&mut self, call: Call<'_>, misuse: Misuse) {
        let class = match misuse.what {
            What::SleepsInAtomic => Class::SleepsInAtomic,
            _ => Class::Misuse,
        };
        let message = match class {
            Class::SleepsInAtomic => "may sleep, and a spinlock is held".to_owned(),
            _ => format!(
                "wrong: {}; a kernel would {}",
                misuse.what, misuse.consequence
            ),
        };
        self.ledger.problem(class, call, message, None);
    }

    /// set_page_dirty() and set_page_dirty_lock(): whether the page became dirty.
    pub(super) fn dirty(&mut self, call: &'static str, page: Option<Pfn>, lock: bool) -> bool {
        let (Some(pfn), Some(id)) = (page, self.folio(call, page)) else {
            return false;
        };
        let (site, called, folio) = (self.site.clone(), self.called.clone(), self.frames_of(pfn));
        let name = called.as_deref().unwrap_or(call);
        self.ledger.dirtied(pfn, folio, Call { name, site: &site });
        let done = if lock {
            self.memory.set_page_dirty_lock(id)
        } else {
            self.memory.folio_mark_dirty(id)
        };
        match done {
            Ok(dirtied) => dirtied,
            // A page dirtied after it was freed is in the ledger already, with the place that gave it back.
            Err(misuse) if misuse.what == What::Freed => false,
            Err(misuse) => {
                self.misused_here(call, misuse);
                false
            }
        }
    }

    /// Enters (1) or leaves (-1) a stretch in which nothing may sleep.
    pub(super) fn preempt(&mut self, more: i32) {
        self.atomic = self.atomic.saturating_add_signed(more);
        self.memory.context = if self.atomic > 0 {
            Context::Atomic
        } else {
            Context::Process
        };
    }

    /// Gives a device an address for a page; None where a failure was asked for.
    pub(super) fn dma_map(&mut self, page: Option<Pfn>, offset: u64, size: u64) -> Option<u64> {
        self.folio("dma_map_page", page)?;
        if count_down(&mut self.fail_dma) {
            return None;
        }
        let (addr, pfn, site) = (self.next_dma + offset, page?, self.site.clone());
        // Two mappings never touch, so that a device that goes beyond one does not meet another.
        self.next_dma = (addr + size + 1).next_multiple_of(PAGE_SIZE as u64);
        let mapping = Mapping {
            pfn,
            offset,
            size,
            site,
        };
        self.dma.insert(addr, mapping);
        Some(addr)
    }

    /// Takes an address away again.
    pub(super) fn dma_unmap(&mut self, addr: u64) {
        if self.dma.remove(&addr).is_none() {
            self.note("dma_unmap_page", "unmaps an address that is not mapped");
        }
    }

    /// A device works on a stretch of what was mapped. Returns the frame that it wrote and where in it, if it wrote one, and whether it
    /// could work at all.
    pub(super) fn dma_run(
        &mut self,
        addr: u64,
        size: u64,
        writes: bool,
    ) -> Result<Option<(Pfn, u64)>, ()> {
        let site = self.site.clone();
        let call = Call {
            name: "dma_run",
            site: &site,
        };
        let below = self.dma.range(..=addr).next_back();
        let Some((pfn, offset)) = below
            .filter(|(start, mapping)| {
                let end = addr.checked_add(size);
                end.is_some_and(|end| end <= *start + mapping.size)
            })
            .map(|(start, mapping)| (mapping.pfn, mapping.offset + addr - start))
        else {
            let message = "lets a device use an address that is not mapped for it".to_owned();
            self.ledger.problem(Class::DmaUnmapped, call, message, None);
            return Err(());
        };
        if !writes {
            return Ok(None);
        }
        let Some(id) = self.memory.page_folio(pfn) else {
            return Err(());
        };
        let kind = self.memory.folio(id).kind;
        if matches!(kind, Kind::Anon | Kind::File { .. }) {
            let revocable = self.notifiers > 0;
            let seen = self.memory.folio_maybe_dma_pinned(id);
            self.device_writes += 1;
            if !seen && !revocable {
                let acquired = self.ledger.acquired_at(pfn).cloned();
                *self.unseen.entry((site.clone(), acquired)).or_default() += 1;
            }
            if !seen {
                // Nothing keeps the flusher from having been here just before.
                self.mm.write_back(&mut self.memory, id);
            }
            self.ledger.device_wrote(pfn, call, revocable);
        } else if kind == Kind::Zero {
            // What was taken for reading of memory that nobody had touched.
            self.ledger.device_wrote(pfn, call, true);
        }
        Ok(Some((pfn, offset)))
    }
}

/// The nth call from now fails: true on that one.
pub(super) fn count_down(left: &mut u32) -> bool {
    let hit = *left == 1;
    *left = left.saturating_sub(1);
    hit
}
