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
        let mut worst = Worst::default();
        for index in 0..u64::try_from(nr).unwrap_or(0) {
            let page = self.entry("release_pages", pages, index)?;
            worst.note(self.put_as("release_pages", page))?;
        }
        worst.result()
    }
}
