// SPDX-License-Identifier: MIT OR Apache-2.0
//! Releases: put_page() and its kin, put_user_page*() of the years in between, and unpin_user_page*().
//!
//! Arrays are slices of pages that may be NULL (`None`), and a count as a C caller passes it, which may be an error number
//! or more than the slice holds. Each function does what the kernel's does up to the point where it stops.

mod plain;
#[cfg(test)]
mod tests;
mod unpin;
mod user;

use crate::page::{FolioId, Memory, Misuse, Pfn, What};

/// IS_ERR_VALUE(): the last 4095 values of an unsigned long are error numbers.
pub fn is_err_value(count: u64) -> bool {
    count >= (-4095_i64) as u64
}

/// What has gone wrong so far in a call that takes an array. A kernel whose counts are spoilt does not notice and goes on
/// with the next entry; what stops it ends the call.
#[derive(Debug, Default)]
struct Worst(Option<Misuse>);

impl Worst {
    /// Passes on what stops the call, and remembers the worst of the rest, the first of its kind.
    fn note(&mut self, done: Result<(), Misuse>) -> Result<(), Misuse> {
        let Err(misuse) = done else {
            return Ok(());
        };
        if misuse.consequence.stops() {
            return Err(misuse);
        }
        let grave = |misuse: &Misuse| !misuse.consequence.spoils_counts();
        if self.0.is_none_or(|other| grave(&misuse) && !grave(&other)) {
            self.0 = Some(misuse);
        }
        Ok(())
    }

    fn result(self) -> Result<(), Misuse> {
        self.0.map_or(Ok(()), Err)
    }
}

impl Memory {
    /// The folio of a page that a caller passed: NULL and frames that do not exist oops.
    fn passed(&self, call: &'static str, page: Option<Pfn>) -> Result<FolioId, Misuse> {
        page.and_then(|pfn| self.page_folio(pfn))
            .ok_or(Misuse::new(call, What::NullPage))
    }

    /// Entry `index` of the caller's array.
    fn entry(
        &self,
        call: &'static str,
        pages: &[Option<Pfn>],
        index: u64,
    ) -> Result<Option<Pfn>, Misuse> {
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| pages.get(index));
        found.copied().ok_or(Misuse::new(call, What::OutOfBounds))
    }

    /// Nothing to say where the kernel has that function.
    fn has(&self, call: &'static str, there: bool) -> Result<(), Misuse> {
        let absent = Misuse::new(call, What::NoSuchFunction);
        there.then_some(()).ok_or(absent)
    }
}
