// SPDX-License-Identifier: MIT OR Apache-2.0
//! Private memory of the huge page pool: a folio of 2 MiB for any access, a read included, mapped by one entry.
//!
//! Kernel source mirrored: mm/hugetlb.c (hugetlb_no_page(), hugetlb_wp(), __unmap_hugepage_range()).

use super::{Mm, PMD_ORDER, PageIndex, Pte, Vma};
use crate::page::{Kind, Memory, Pfn};

impl Mm {
    /// A read maps the folio without write permission; a write then makes it writable where it is.
    pub(super) fn fault_hugetlb(
        &mut self,
        memory: &mut Memory,
        vma: Vma,
        at: PageIndex,
        write: bool,
    ) -> Pte {
        let (pages, offset) = (1_u64 << PMD_ORDER, at.0 - vma.start.0);
        let first = PageIndex(vma.start.0 + offset / pages * pages);
        let head = match self.pte(first) {
            Some(pte) => pte.pfn,
            None => {
                let head = memory.alloc(PMD_ORDER, Kind::Hugetlb);
                if let Some(id) = memory.page_folio(head) {
                    memory.folio_mut(id).mapcount += 1;
                }
                head
            }
        };
        let pte = |page: u64| Pte {
            pfn: Pfn(head.0 + page),
            writable: write,
            dirty: write,
        };
        for page in 0..pages {
            self.set(PageIndex(first.0 + page), pte(page));
        }
        pte(at.0 - first.0)
    }
}
