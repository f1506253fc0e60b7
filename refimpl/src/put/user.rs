// SPDX-License-Identifier: MIT OR Apache-2.0
//! put_user_page*(): the names of 2018 to 2020, which drop plain references and mark the place.
//!
//! They exist from the first series (here: 4.19 with it applied) to 5.5. release_user_pages() is the name that series
//! began with.

use super::Worst;
use crate::page::{Memory, Misuse, Pfn};
use crate::version::Version;

impl Memory {
    fn has_user_names(&self, call: &'static str) -> Result<(), Misuse> {
        self.has(call, self.version() < Version::V5_7)
    }

    /// put_user_page(): put_page() by another name.
    pub fn put_user_page(&mut self, page: Option<Pfn>) -> Result<(), Misuse> {
        self.has_user_names("put_user_page")?;
        self.put_as("put_user_page", page)
    }

    /// release_user_pages(), first version: put_user_page() on each, the last first.
    pub fn release_user_pages(&mut self, pages: &[Option<Pfn>], npages: u64) -> Result<(), Misuse> {
        self.has_user_names("release_user_pages")?;
        self.put_each("release_user_pages", pages, (0..npages).rev())
    }

    /// put_user_pages(): put_user_page() on each, the first first (mm/gup.c, 5.4).
    pub fn put_user_pages(&mut self, pages: &[Option<Pfn>], npages: u64) -> Result<(), Misuse> {
        self.has_user_names("put_user_pages")?;
        self.put_each("put_user_pages", pages, 0..npages)
    }

    /// put_user_pages_dirty() of the third version: each folio that is clean is dirtied without the lock, then released.
    /// Gone in 5.4.
    pub(crate) fn put_user_pages_dirty(
        &mut self,
        pages: &[Option<Pfn>],
        npages: u64,
    ) -> Result<(), Misuse> {
        const CALL: &str = "put_user_pages_dirty";
        self.has(CALL, self.version() < Version::V5_4)?;
        let mut worst = Worst::default();
        for index in 0..npages {
            let page = self.entry(CALL, pages, index)?;
            let id = self.passed(CALL, page)?;
            if !self.folio(id).dirty {
                worst.note(self.folio_mark_dirty(id).map(drop))?;
            }
            worst.note(self.put_as(CALL, page))?;
        }
        worst.result()
    }

    /// put_user_pages_dirty_lock(): page by page, dirtied under the lock where it is clean, then released. `make_dirty`
    /// came with 5.4; without it pages are always dirtied.
    pub fn put_user_pages_dirty_lock(
        &mut self,
        pages: &[Option<Pfn>],
        npages: u64,
        make_dirty: bool,
    ) -> Result<(), Misuse> {
        const CALL: &str = "put_user_pages_dirty_lock";
        self.has_user_names(CALL)?;
        let mut worst = Worst::default();
        for index in 0..npages {
            let page = self.entry(CALL, pages, index)?;
            let id = self.passed(CALL, page)?;
            if make_dirty {
                self.dirty_if_clean_lock(id)?;
            }
            worst.note(self.put_as(CALL, page))?;
        }
        worst.result()
    }
}
