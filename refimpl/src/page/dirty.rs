// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dirtying, and the page lock it is done under.

use super::{Context, FolioId, Memory, Misuse, What};

impl Memory {
    /// lock_page(): sleeps until the lock is free. In this sequential model nobody else could release it, so that a lock
    /// which is held is a deadlock.
    pub fn folio_lock(&mut self, id: FolioId) -> Result<(), Misuse> {
        if self.context == Context::Atomic {
            return Err(Misuse::new("lock_page", What::SleepsInAtomic).of(id));
        }
        if self.folio(id).locked {
            return Err(Misuse::new("lock_page", What::LockHeld).of(id));
        }
        self.folio_mut(id).locked = true;
        Ok(())
    }

    /// unlock_page().
    pub(crate) fn folio_unlock(&mut self, id: FolioId) -> Result<(), Misuse> {
        let folio = self.folio_mut(id);
        if !folio.locked {
            return Err(Misuse::new("unlock_page", What::NotLocked).of(id));
        }
        folio.locked = false;
        Ok(())
    }

    /// set_page_dirty(): the whole folio, without the lock. A folio without a mapping (truncated, or kernel memory) gets the
    /// flag all the same, and nobody will ever write it (mm/page-writeback.c: noop_dirty_folio()); a free folio is a misuse.
    ///
    /// Returns whether it became dirty by this call.
    pub fn folio_mark_dirty(&mut self, id: FolioId) -> Result<bool, Misuse> {
        let folio = self.folio_mut(id);
        if folio.freed {
            return Err(Misuse::new("set_page_dirty", What::Freed).of(id));
        }
        if folio.dirty {
            return Ok(false);
        }
        folio.dirty = true;
        Ok(true)
    }

    /// set_page_dirty_lock(): takes the lock whatever the flag says (mm/page-writeback.c).
    pub fn set_page_dirty_lock(&mut self, id: FolioId) -> Result<bool, Misuse> {
        self.folio_lock(id)?;
        let dirtied = self.folio_mark_dirty(id);
        self.folio_unlock(id)?;
        dirtied
    }

    /// What put_user_pages_dirty_lock() (since v3 of its series) and unpin_user_pages_dirty_lock() do: the lock is taken
    /// only for a folio that is clean, so that a releaser does not wait for whoever waits for it with the lock held.
    pub(crate) fn dirty_if_clean_lock(&mut self, id: FolioId) -> Result<(), Misuse> {
        if !self.folio(id).dirty {
            self.set_page_dirty_lock(id)?;
        }
        Ok(())
    }

    /// Writeback ends: the folio is clean. Buffers stay until reclaim strips them.
    pub fn clean(&mut self, id: FolioId) {
        self.folio_mut(id).dirty = false;
    }
}
