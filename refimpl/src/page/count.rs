// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arithmetic of reference counts and pincounts.

use super::{Consequence, FolioId, Kind, Memory, Misuse, What};

impl Memory {
    /// folio_ref_add(): wraps as the kernel's does.
    pub(crate) fn folio_ref_add(&mut self, id: FolioId, refs: i32) {
        let folio = self.folio_mut(id);
        folio.refcount = folio.refcount.wrapping_add(refs);
    }

    /// get_page(), folio_get(): one plain reference. A folio that is free, or whose count has overflowed, is a misuse.
    pub(crate) fn folio_get(&mut self, id: FolioId) -> Result<(), Misuse> {
        if self.folio(id).freed {
            return Err(Misuse::new("get_page", What::Freed).of(id));
        }
        if self.folio(id).refcount <= 0 {
            self.folio_ref_add(id, 1);
            return Err(Misuse::new("get_page", What::Underflow).of(id));
        }
        self.folio_ref_add(id, 1);
        Ok(())
    }

    /// folio_put_refs(): drops references; at zero the folio is freed (include/linux/mm.h).
    pub(crate) fn folio_put_refs(
        &mut self,
        call: &'static str,
        id: FolioId,
        refs: i32,
    ) -> Result<(), Misuse> {
        let folio = self.folio_mut(id);
        if folio.freed {
            folio.refcount = folio.refcount.wrapping_sub(refs);
            return Err(Misuse::new(call, What::Freed).of(id));
        }
        let before = folio.refcount;
        folio.refcount = before.wrapping_sub(refs);
        match folio.refcount {
            0 => self.free(call, id),
            after if after < 0 && before >= 0 => Err(Misuse::new(call, What::Underflow).of(id)),
            _ => Ok(()),
        }
    }

    fn free(&mut self, call: &'static str, id: FolioId) -> Result<(), Misuse> {
        let folio = self.folio_mut(id);
        if folio.kind == Kind::Zero {
            return Err(Misuse::new(call, What::Underflow)
                .but(Consequence::BadPage)
                .of(id));
        }
        folio.freed = true;
        if folio.pincount != 0 || folio.mapcount != 0 {
            return Err(Misuse::new(call, What::FreedPinned).of(id));
        }
        Ok(())
    }

    /// Adds `refs` pins to the counts (mm/gup.c: try_grab_folio()); the caller has made sure that the folio may be
    /// grabbed. The zero page stays as it is where the version says so.
    pub(crate) fn pin_refs(&mut self, id: FolioId, refs: i32) {
        self.folio_mut(id).live_pins += i64::from(refs);
        if self.is_exempt(id) {
            return;
        }
        if !self.version.counts_pins() {
            self.folio_ref_add(id, refs);
            return;
        }
        if self.version.has_pincount(self.folio(id).order) {
            self.folio_ref_add(id, refs);
            let folio = self.folio_mut(id);
            folio.pincount = folio.pincount.wrapping_add(refs);
        } else {
            self.folio_ref_add(id, refs.wrapping_mul(self.bias));
        }
        self.stat.acquired += i64::from(refs);
    }

    /// folio_add_pin() (6.5): one pin more on a folio that is pinned, which nr_foll_pin_acquired does not learn of.
    pub(crate) fn folio_add_pin(&mut self, id: FolioId) {
        let counted = self.stat.acquired;
        self.pin_refs(id, 1);
        self.stat.acquired = counted;
    }

    /// Sets the counts to `base` references and no pin, and drops one more that stands for the repairer: what a probe does
    /// to a folio whose counts were spoilt on purpose, so that a kernel can go on.
    pub fn repair(&mut self, id: FolioId, base: i32) -> Result<(), Misuse> {
        let folio = self.folio_mut(id);
        folio.refcount = base.wrapping_add(1);
        folio.pincount = 0;
        folio.live_pins = 0;
        self.folio_put_refs("put_page", id, 1)
    }

    /// gup_put_folio(FOLL_PIN): takes `refs` pins from the counts, the pincount before the reference count.
    pub(crate) fn unpin_refs(
        &mut self,
        call: &'static str,
        id: FolioId,
        refs: i32,
    ) -> Result<(), Misuse> {
        self.folio_mut(id).live_pins -= i64::from(refs);
        if self.is_exempt(id) {
            return Ok(());
        }
        if !self.version.counts_pins() {
            return self.folio_put_refs(call, id, refs);
        }
        self.stat.released += i64::from(refs);
        if self.version.has_pincount(self.folio(id).order) {
            let folio = self.folio_mut(id);
            folio.pincount = folio.pincount.wrapping_sub(refs);
            let missing = folio.pincount < 0;
            self.folio_put_refs(call, id, refs)?;
            return if missing {
                Err(Misuse::new(call, What::NotPinned)
                    .but(Consequence::FalseNegative)
                    .of(id))
            } else {
                Ok(())
            };
        }
        let dropped = refs.wrapping_mul(self.bias);
        let held = self.folio(id).refcount;
        let done = self.folio_put_refs(call, id, dropped);
        // A count that was negative before has overflowed long since: how much of it is pins cannot be told.
        if (0..dropped).contains(&held)
            && !matches!(
                done,
                Err(Misuse {
                    what: What::Freed,
                    ..
                })
            )
        {
            return Err(Misuse::new(call, What::NotPinned).of(id));
        }
        done
    }

    fn is_exempt(&self, id: FolioId) -> bool {
        self.folio(id).kind == Kind::Zero && self.version.zero_page_is_never_pinned()
    }
}
