// SPDX-License-Identifier: MIT OR Apache-2.0
//! put_page() and release_pages(): plain references.

use super::Worst;
use crate::page::{Memory, Misuse, Pfn};

impl Memory {
    /// get_page(): one plain reference more.
    pub fn get_page(&mut self, page: Option<Pfn>) -> Result<(), Misuse> {
        let id = self.passed("get_page", page)?;
        self.folio_get(id)
    }

    /// put_page(): one plain reference less (include/linux/mm.h). On a pin it drops one of the 1024 and leaves 1023; the
    /// kernel does not notice, and neither does this function.
    pub fn put_page(&mut self, page: Option<Pfn>) -> Result<(), Misuse> {
        self.put_as("put_page", page)
    }

    pub(super) fn put_as(&mut self, call: &'static str, page: Option<Pfn>) -> Result<(), Misuse> {
        let id = self.passed(call, page)?;
        self.folio_put_refs(call, id, 1)
    }

    /// release_pages(): put_page() on each, ascending; the count is an int, and nothing is done for 0 or less
    /// (mm/swap.c).
    pub fn release_pages(&mut self, pages: &[Option<Pfn>], nr: i32) -> Result<(), Misuse> {
        let nr = u64::try_from(nr).unwrap_or(0);
        self.put_each("release_pages", pages, 0..nr)
    }

    /// put_page() on each of those entries.
    pub(super) fn put_each(
        &mut self,
        call: &'static str,
        pages: &[Option<Pfn>],
        entries: impl Iterator<Item = u64>,
    ) -> Result<(), Misuse> {
        let mut worst = Worst::default();
        for index in entries {
            let page = self.entry(call, pages, index)?;
            worst.note(self.put_as(call, page))?;
        }
        worst.result()
    }
}
