// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process's memory: areas, page table entries, faults, and the files behind them.
//!
//! Addresses are counted in pages ([`PageIndex`]). Faults follow mm/memory.c as far as references go: a read of untouched
//! anonymous memory maps the zero page, a write gives it a page of its own, and the first write to a file page goes
//! through page_mkwrite() and leaves it dirty.

mod fork;
mod hugetlb;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::page::{FolioId, Kind, Memory, Misuse, Pfn};

/// A user address divided by the page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageIndex(pub u64);

/// What an area maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// Anonymous memory.
    Anon,
    /// A shared mapping of a file; `tracked` when its file system tracks dirty pages (not shmem, not hugetlb).
    File {
        /// Which file.
        file: usize,
        /// Dirty pages are tracked.
        tracked: bool,
    },
    /// A file on DAX storage.
    FsDax {
        /// Which file.
        file: usize,
    },
    /// VM_IO or VM_PFNMAP: no struct page.
    Io,
    /// memfd_secret().
    Secret,
    /// Private memory of the huge page pool.
    Hugetlb,
    /// Pages that a driver put there with vm_insert_page(): all present, nothing comes by a fault.
    Inserted,
}

/// Folios of this order are mapped as a whole, by one entry of the level above (x86-64: 2 MiB).
pub(crate) const PMD_ORDER: u32 = 9;

/// fault_around_bytes of mm/memory.c, in pages.
const FAULT_AROUND_PAGES: u64 = 16;

/// A stretch of a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vma {
    /// First page.
    pub start: PageIndex,
    /// Number of pages.
    pub pages: u64,
    /// What it maps; the first page is the first of the file.
    pub area: Area,
    /// Its owner may write.
    pub writable: bool,
    /// Faults bring folios of 2^order pages.
    pub order: u32,
}

/// A page table entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pte {
    /// The page mapped.
    pub pfn: Pfn,
    /// Writes go through without a fault.
    pub writable: bool,
    /// Written through since it was made; the folio learns of it when the entry goes.
    pub dirty: bool,
}

impl Pte {
    /// The entry that a write fault leaves.
    fn written(pfn: Pfn) -> Pte {
        Pte {
            pfn,
            writable: true,
            dirty: true,
        }
    }
}

/// A process's memory.
#[derive(Debug, Clone, Default)]
pub struct Mm {
    vmas: Vec<Vma>,
    ptes: BTreeMap<PageIndex, Pte>,
    /// Page cache by (file, page of the file).
    cache: BTreeMap<(usize, u64), Pfn>,
    /// MMF_HAS_PINNED
    has_pinned: bool,
    /// What a living child maps.
    child: Option<Vec<Pfn>>,
}

/// SIGBUS, SIGSEGV and their kin: the access is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

impl Mm {
    /// Adds an area; areas do not overlap.
    pub fn mmap(&mut self, vma: Vma) {
        self.vmas.push(vma);
    }

    /// The area of a page.
    pub(crate) fn vma(&self, at: PageIndex) -> Option<Vma> {
        self.vmas
            .iter()
            .copied()
            .find(|vma| (vma.start.0..vma.start.0 + vma.pages).contains(&at.0))
    }

    /// The entry that maps a page now.
    pub(crate) fn pte(&self, at: PageIndex) -> Option<Pte> {
        self.ptes.get(&at).copied()
    }

    /// handle_mm_fault(): brings the page in, writable where `write`.
    pub fn fault(&mut self, memory: &mut Memory, at: PageIndex, write: bool) -> Result<Pte, Fault> {
        let vma = self.vma(at).ok_or(Fault)?;
        if vma.area == Area::Io || (write && !vma.writable) {
            return Err(Fault);
        }
        let present = self.pte(at);
        if let Some(pte) = present.filter(|pte| pte.writable || !write) {
            return Ok(pte);
        }
        match vma.area {
            Area::Anon | Area::Secret => Ok(self.fault_anon(memory, vma, at, write, present)),
            Area::File { file, tracked } => {
                Ok(self.fault_file(memory, vma, (file, tracked), at, write))
            }
            Area::Hugetlb => Ok(self.fault_hugetlb(memory, vma, at, write)),
            Area::FsDax { file } => Ok(self.fault_file(memory, vma, (file, true), at, write)),
            Area::Io | Area::Inserted => Err(Fault),
        }
    }

    /// A load or a store of the program itself: a store leaves the entry dirty.
    ///
    /// # Errors
    /// [`Fault`] where a signal would come.
    pub fn access(&mut self, memory: &mut Memory, at: PageIndex, write: bool) -> Result<(), Fault> {
        let pte = self.fault(memory, at, write)?;
        if write {
            self.set(at, Pte { dirty: true, ..pte });
        }
        Ok(())
    }

    /// FAULT_FLAG_UNSHARE: a private page in place of the zero page, or of one shared with a child, as read-only as that was.
    pub(crate) fn unshare(&mut self, memory: &mut Memory, at: PageIndex) -> Result<Pte, Fault> {
        let vma = self.vma(at).ok_or(Fault)?;
        let present = self.pte(at);
        let pte = self.fault_anon(memory, vma, at, true, present);
        let pte = Pte {
            writable: false,
            dirty: false,
            ..pte
        };
        Ok(self.set(at, pte))
    }

    /// vm_insert_page(): maps a page that its caller owns, with a reference of its own.
    pub(crate) fn insert_page(&mut self, memory: &mut Memory, at: PageIndex, pfn: Pfn) {
        self.map(memory, at, pfn, true);
    }

    fn fault_anon(
        &mut self,
        memory: &mut Memory,
        vma: Vma,
        at: PageIndex,
        write: bool,
        present: Option<Pte>,
    ) -> Pte {
        if !write {
            return self.map(memory, at, Memory::ZERO, false);
        }
        if let Some(pte) = present.filter(|pte| pte.pfn != Memory::ZERO) {
            return self.own_or_copy(memory, vma, at, pte);
        }
        if present.is_some() {
            self.zap(memory, at);
        }
        let (first, count) = aligned(vma, at);
        let head = memory.alloc(count.ilog2(), Kind::Anon);
        for offset in 0..count {
            let (at, pfn) = (PageIndex(first + offset), Pfn(head.0 + offset));
            if offset == 0 || count < 1 << PMD_ORDER {
                self.map(memory, at, pfn, true);
            }
            self.set(at, Pte::written(pfn));
        }
        self.drop_ref(memory, head);
        Pte::written(Pfn(head.0 + at.0 - first))
    }

    fn fault_file(
        &mut self,
        memory: &mut Memory,
        vma: Vma,
        (file, tracked): (usize, bool),
        at: PageIndex,
        write: bool,
    ) -> Pte {
        let pfn = self.cached(memory, vma, file, at);
        // Without dirty tracking nobody wants to hear of the first write (mm/mmap.c: vma_wants_writenotify()).
        let unnoticed = !tracked && vma.writable;
        if self.pte(at).is_none() {
            self.map(memory, at, pfn, unnoticed);
            if !write {
                self.fault_around(memory, vma, file, at, unnoticed);
            }
        }
        if write {
            if let Some(id) = memory.page_folio(pfn) {
                let folio = memory.folio_mut(id);
                folio.dirty = true;
            }
            return self.set(at, Pte::written(pfn));
        }
        Pte {
            pfn,
            writable: unnoticed,
            dirty: false,
        }
    }

    /// do_fault_around(): a read maps the neighbours too that are in the page cache, up to 16 pages, from a border of
    /// addresses on (which is here one of the area).
    fn fault_around(
        &mut self,
        memory: &mut Memory,
        vma: Vma,
        file: usize,
        at: PageIndex,
        writable: bool,
    ) {
        let index = at.0 - vma.start.0;
        let first = index - index % FAULT_AROUND_PAGES;
        for index in first..(first + FAULT_AROUND_PAGES).min(vma.pages) {
            let at = PageIndex(vma.start.0 + index);
            let cached = self.cache.get(&(file, index)).copied();
            if let (None, Some(pfn)) = (self.pte(at), cached) {
                self.map(memory, at, pfn, writable);
            }
        }
    }

    /// The page cache's page, read in where it is not there yet; the cache holds one reference for each page.
    fn cached(&mut self, memory: &mut Memory, vma: Vma, file: usize, at: PageIndex) -> Pfn {
        let (first, count) = aligned(vma, at);
        let key = |page: u64| (file, page - vma.start.0);
        if let Some(pfn) = self.cache.get(&key(at.0)) {
            return *pfn;
        }
        let head = memory.alloc(count.ilog2(), Kind::File { attached: true });
        if let Some(id) = memory.page_folio(head) {
            memory.folio_ref_add(id, count as i32 - 1);
        }
        // A file on a disk has buffers from the read that brought it in (fs/buffer.c: block_read_full_folio()).
        if let (Area::File { tracked: true, .. }, Some(id)) = (vma.area, memory.page_folio(head)) {
            memory.folio_ref_add(id, 1);
            memory.folio_mut(id).buffers = true;
        }
        for offset in 0..count {
            self.cache.insert(key(first + offset), Pfn(head.0 + offset));
        }
        Pfn(head.0 + at.0 - first)
    }

    fn map(&mut self, memory: &mut Memory, at: PageIndex, pfn: Pfn, writable: bool) -> Pte {
        let counted = (pfn != Memory::ZERO).then(|| memory.page_folio(pfn));
        if let Some(Some(id)) = counted {
            memory.folio_ref_add(id, 1);
            memory.folio_mut(id).mapcount += 1;
        }
        let dirty = false;
        self.set(
            at,
            Pte {
                pfn,
                writable,
                dirty,
            },
        )
    }

    fn set(&mut self, at: PageIndex, pte: Pte) -> Pte {
        self.ptes.insert(at, pte);
        pte
    }

    fn drop_ref(&mut self, memory: &mut Memory, pfn: Pfn) {
        if let Some(id) = memory.page_folio(pfn) {
            memory.folio_ref_add(id, -1);
        }
    }

    /// Takes one entry away, with the reference and the mapcount it stood for. A file's page becomes dirty if the entry was
    /// (mm/memory.c: zap_present_ptes()). A folio that is mapped as a whole goes with its first entry.
    pub(crate) fn zap(&mut self, memory: &mut Memory, at: PageIndex) -> Option<Misuse> {
        let pte = self.ptes.remove(&at)?;
        if pte.pfn == Memory::ZERO {
            return None;
        }
        let id = memory.page_folio(pte.pfn)?;
        let folio = memory.folio(id);
        let whole = matches!(folio.kind, Kind::Anon | Kind::Hugetlb);
        if folio.order == PMD_ORDER && whole && pte.pfn != folio.head {
            return None;
        }
        if pte.dirty && folio.kind != Kind::Anon {
            memory.folio_mark_dirty(id).ok();
        }
        memory.folio_mut(id).mapcount -= 1;
        memory.folio_put_refs("zap", id, 1).err()
    }

    /// munmap(): takes the entries of `pages` pages away; what they map stays with whoever holds it. The area itself stays
    /// too, so that a later access is that of a page that was never touched.
    pub(crate) fn zap_range(
        &mut self,
        memory: &mut Memory,
        from: PageIndex,
        pages: u64,
    ) -> Vec<Misuse> {
        (from.0..from.0 + pages)
            .filter_map(|at| self.zap(memory, PageIndex(at)))
            .collect()
    }

    /// munmap(): forgets the area as well.
    pub fn munmap(&mut self, memory: &mut Memory, from: PageIndex) -> Vec<Misuse> {
        let Some(vma) = self.vma(from) else {
            return Vec::new();
        };
        let found = self.zap_range(memory, vma.start, vma.pages);
        self.vmas.retain(|other| other.start != vma.start);
        found
    }

    /// clear_page_dirty_for_io() of a file on a disk: clean, and the next write faults (page_mkclean()). Whether there was
    /// anything to write.
    pub(crate) fn write_back(&mut self, memory: &mut Memory, id: FolioId) -> bool {
        let mut cleaned = memory.folio(id).dirty;
        for pte in self.ptes.values_mut() {
            if memory.page_folio(pte.pfn) == Some(id) {
                cleaned |= pte.writable || pte.dirty;
                pte.writable = false;
                pte.dirty = false;
            }
        }
        memory.clean(id);
        cleaned
    }

    /// truncate(): the file's pages leave the page tables and the cache. Pages that somebody holds live on without a
    /// mapping.
    pub fn truncate(&mut self, memory: &mut Memory, file: usize) -> Vec<Misuse> {
        let mut misuses = Vec::new();
        let pages: Vec<((usize, u64), Pfn)> = self
            .cache
            .iter()
            .filter(|(key, _)| key.0 == file)
            .map(|(key, pfn)| (*key, *pfn))
            .collect();
        for (key, pfn) in pages {
            let mapped: Vec<PageIndex> = self
                .ptes
                .iter()
                .filter(|(_, pte)| pte.pfn == pfn)
                .map(|(at, _)| *at)
                .collect();
            misuses.extend(mapped.into_iter().filter_map(|at| self.zap(memory, at)));
            self.cache.remove(&key);
            if let Some(id) = memory.page_folio(pfn) {
                let folio = memory.folio_mut(id);
                folio.kind = Kind::File { attached: false };
                folio.dirty = false;
                let refs = 1 + i32::from(std::mem::take(&mut folio.buffers));
                misuses.extend(memory.folio_put_refs("truncate", id, refs).err());
            }
        }
        misuses
    }

    /// find_or_create_page() without the lock and the caller's reference: the cache's page, made where there is none.
    pub(crate) fn cache_page(&mut self, memory: &mut Memory, file: usize, index: u64) -> Pfn {
        *self
            .cache
            .entry((file, index))
            .or_insert_with(|| memory.alloc(0, Kind::File { attached: true }))
    }

    /// The page cache's pages, by file and page.
    pub fn cache(&self) -> &BTreeMap<(usize, u64), Pfn> {
        &self.cache
    }
}

/// First page and number of pages of the folio that a fault at `at` brings: naturally aligned within the area, a single
/// page where a whole one does not fit.
fn aligned(vma: Vma, at: PageIndex) -> (u64, u64) {
    let count = 1_u64 << vma.order;
    let first = vma.start.0 + (at.0 - vma.start.0) / count * count;
    if first + count <= vma.start.0 + vma.pages {
        (first, count)
    } else {
        (at.0, 1)
    }
}
