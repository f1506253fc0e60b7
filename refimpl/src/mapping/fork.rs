// SPDX-License-Identifier: MIT OR Apache-2.0
//! fork(), and what writing and pinning do to the pages that it leaves shared.
//!
//! Until 5.8 fork() shares every page, and a write fault keeps one that is mapped once; then `Version::copies_early`;
//! since 5.19 PG_anon_exclusive says whose a page is. Kernel sources mirrored: mm/memory.c (copy_present_page(),
//! do_wp_page()), include/linux/mm.h (folio_needs_cow_for_dma()), kernel/fork.c. Areas of single pages only: folios that
//! are mapped as a whole are split or copied by other rules.

use super::{Area, Mm, PageIndex, Pte, Vma};
use crate::page::{FolioId, Kind, Memory, Misuse, Pfn};

impl Mm {
    /// pin_user_pages*() was called by this process once (MMF_HAS_PINNED).
    pub(crate) fn note_pinned(&mut self) {
        self.has_pinned = true;
    }

    /// A child lives.
    pub(crate) fn has_child(&self) -> bool {
        self.child.is_some()
    }

    /// fork(): the child maps what its parent maps of anonymous memory and of what drivers inserted; the pages of files come
    /// by faults of its own. A page that may be pinned is copied for the child and stays the parent's own; any other is
    /// shared, and neither may write it any more without a fault. False when a child lives already.
    pub fn fork(&mut self, memory: &mut Memory) -> bool {
        if self.has_child() {
            return false;
        }
        let copied: Vec<(PageIndex, Area)> = self
            .ptes
            .keys()
            .filter_map(|at| Some((*at, self.vma(*at)?.area)))
            .filter(|(_, area)| matches!(area, Area::Anon | Area::Inserted))
            .collect();
        let mut child = Vec::new();
        for (at, area) in copied {
            let Some(pte) = self.pte(at).filter(|pte| pte.pfn != Memory::ZERO) else {
                continue;
            };
            let Some(id) = memory.page_folio(pte.pfn) else {
                continue;
            };
            if area == Area::Anon {
                let version = memory.version();
                let pinned = self.has_pinned && looks_pinned(memory, id);
                let own = memory.folio(id).exclusive || !version.knows_exclusive();
                if own && pinned && version.copies_early() {
                    continue;
                }
                memory.folio_mut(id).exclusive = false;
                let writable = false;
                self.set(at, Pte { writable, ..pte });
            }
            memory.folio_ref_add(id, 1);
            memory.folio_mut(id).mapcount += 1;
            child.push(pte.pfn);
        }
        self.child = Some(child);
        true
    }

    /// The child exits. None when there is none.
    pub fn reap(&mut self, memory: &mut Memory) -> Option<Vec<Misuse>> {
        let mut misuses = Vec::new();
        for pfn in self.child.take()? {
            if let Some(id) = memory.page_folio(pfn) {
                memory.folio_mut(id).mapcount -= 1;
                misuses.extend(memory.folio_put_refs("exit", id, 1).err());
            }
        }
        Some(misuses)
    }

    /// Whether a page of private memory is shared with a child, or was and nobody has looked since.
    pub(crate) fn is_shared_anon(&self, memory: &Memory, pfn: Pfn) -> bool {
        let id = memory.page_folio(pfn).filter(|_| pfn != Memory::ZERO);
        id.is_some_and(|id| {
            let folio = memory.folio(id);
            folio.kind == Kind::Anon && folio.order == 0 && !folio.exclusive
        })
    }

    /// do_wp_page() on a page of private memory: the one that is left with it keeps it, anybody else gets a copy.
    pub(super) fn own_or_copy(
        &mut self,
        memory: &mut Memory,
        vma: Vma,
        at: PageIndex,
        present: Pte,
    ) -> Pte {
        let version = memory.version();
        let kept = memory.page_folio(present.pfn).filter(|id| {
            let folio = memory.folio(*id);
            if !version.copies_early() {
                return folio.mapcount == 1;
            }
            version.knows_exclusive() && folio.exclusive || folio.refcount == 1
        });
        if let Some(id) = kept {
            memory.folio_mut(id).exclusive = true;
            return self.set(at, Pte::written(present.pfn));
        }
        self.zap(memory, at);
        self.fault_anon(memory, vma, at, true, None)
    }
}

/// folio_needs_cow_for_dma() as fork() asks it: since 5.19 with the reference of the child taken already, so that a page
/// with one reference less than looks pinned is copied too (mm/memory.c: copy_present_ptes() of 6.12, copy_present_pte()
/// of 6.1).
fn looks_pinned(memory: &mut Memory, id: FolioId) -> bool {
    let childs = i32::from(memory.version().knows_exclusive());
    memory.folio_ref_add(id, childs);
    let pinned = memory.folio_maybe_dma_pinned(id);
    memory.folio_ref_add(id, -childs);
    pinned
}
