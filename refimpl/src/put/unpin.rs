// SPDX-License-Identifier: MIT OR Apache-2.0
//! unpin_user_page*(): pins.

use super::{Worst, is_err_value};
use crate::page::{FolioId, Memory, Misuse, Pfn, What};
use crate::version::NullRule;

impl Memory {
    fn has_pins(&self, call: &'static str) -> Result<(), Misuse> {
        self.has(call, self.version().counts_pins())
    }

    /// unpin_user_page(): one pin less.
    pub fn unpin_user_page(&mut self, page: Option<Pfn>) -> Result<(), Misuse> {
        self.has_pins("unpin_user_page")?;
        let id = self.passed("unpin_user_page", page)?;
        self.unpin_refs("unpin_user_page", id, 1)
    }

    /// unpin_user_pages(): one pin less on each entry. A count that is an error number is warned about and nothing is done
    /// (since 5.10; before, the array is walked until it faults). NULL entries: [`NullRule`].
    pub fn unpin_user_pages(&mut self, pages: &[Option<Pfn>], npages: u64) -> Result<(), Misuse> {
        const CALL: &str = "unpin_user_pages";
        self.has_pins(CALL)?;
        if self.version().checks_count() && is_err_value(npages) {
            return Err(Misuse::new(CALL, What::ErrorAsCount));
        }
        let skips_null = self.version().null_rule() == NullRule::PrefixOnly;
        let mut index = 0;
        let mut worst = Worst::default();
        while index < npages {
            if skips_null && self.entry(CALL, pages, index)?.is_none() {
                index += 1;
                continue;
            }
            let (id, nr) = self.gup_folio_next(CALL, pages, npages, index)?;
            worst.note(self.unpin_refs(CALL, id, nr as i32))?;
            index += nr;
        }
        worst.result()
    }

    /// gup_folio_next(): the run of entries from `index` that share a folio. It looks at the first entry of the next run,
    /// and so at a NULL that follows a page. Kernels before 6.1 go page by page, which the model does not tell apart but
    /// for that look.
    fn gup_folio_next(
        &self,
        call: &'static str,
        pages: &[Option<Pfn>],
        npages: u64,
        index: u64,
    ) -> Result<(FolioId, u64), Misuse> {
        let id = self.passed(call, self.entry(call, pages, index)?)?;
        let mut end = index + 1;
        while end < npages {
            if self.passed(call, self.entry(call, pages, end)?)? != id {
                break;
            }
            end += 1;
        }
        Ok((id, end - index))
    }

    /// unpin_user_pages_dirty_lock(): each folio that is clean is dirtied under its lock before its pins go; may sleep.
    /// With `make_dirty` no version looks at the count or at NULL entries.
    pub fn unpin_user_pages_dirty_lock(
        &mut self,
        pages: &[Option<Pfn>],
        npages: u64,
        make_dirty: bool,
    ) -> Result<(), Misuse> {
        const CALL: &str = "unpin_user_pages_dirty_lock";
        self.has_pins(CALL)?;
        if !make_dirty {
            return self.unpin_user_pages(pages, npages);
        }
        let mut index = 0;
        let mut worst = Worst::default();
        while index < npages {
            let (id, nr) = self.gup_folio_next(CALL, pages, npages, index)?;
            self.dirty_if_clean_lock(id)?;
            worst.note(self.unpin_refs(CALL, id, nr as i32))?;
            index += nr;
        }
        worst.result()
    }

    /// unpin_user_page_range_dirty_lock(): `npages` neighbours from `page` on, folio by folio (since 5.14).
    pub fn unpin_user_page_range_dirty_lock(
        &mut self,
        page: Option<Pfn>,
        npages: u64,
        make_dirty: bool,
    ) -> Result<(), Misuse> {
        const CALL: &str = "unpin_user_page_range_dirty_lock";
        self.has_pins(CALL)?;
        let mut index = 0;
        let mut worst = Worst::default();
        while index < npages {
            let pfn = page.map(|first| Pfn(first.0.wrapping_add(index)));
            let id = self.passed(CALL, pfn)?;
            let folio = self.folio(id);
            let end = folio.head.0 + (1 << folio.order);
            let left = pfn.map_or(1, |pfn| end - pfn.0).min(npages - index);
            if make_dirty {
                self.dirty_if_clean_lock(id)?;
            }
            worst.note(self.unpin_refs(CALL, id, left as i32))?;
            index += left;
        }
        worst.result()
    }

    fn has_folios(&self, call: &'static str) -> Result<(), Misuse> {
        self.has(call, self.version().has_folio_unpins())
    }

    /// unpin_user_folio(): `npages` pins less on one folio (since 6.12); with 1, unpin_folio() (since 6.11).
    pub fn unpin_user_folio(&mut self, page: Option<Pfn>, npages: i32) -> Result<(), Misuse> {
        const CALL: &str = "unpin_user_folio";
        self.has_folios(CALL)?;
        let id = self.passed(CALL, page)?;
        self.unpin_refs(CALL, id, npages)
    }

    /// unpin_folios(): one pin less on each entry (since 6.11). It compares pointers before it looks behind them, so that a
    /// NULL entry is passed over wherever it stands.
    pub fn unpin_folios(&mut self, folios: &[Option<Pfn>], count: u64) -> Result<(), Misuse> {
        const CALL: &str = "unpin_folios";
        self.has_folios(CALL)?;
        if is_err_value(count) {
            return Err(Misuse::new(CALL, What::ErrorAsCount));
        }
        let mut worst = Worst::default();
        for index in 0..count {
            let page = self.entry(CALL, folios, index)?;
            if page.is_some() {
                let id = self.passed(CALL, page)?;
                worst.note(self.unpin_refs(CALL, id, 1))?;
            }
        }
        worst.result()
    }
}
