// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking the reference itself, and when a kernel refuses to.

use super::{Errno, Hold};
use crate::page::{Memory, Pfn};

/// try_grab_folio() under the page table lock: refuses a count that is zero or negative, with a warning. It adds without
/// looking at what comes out, so that the call which passes the limit succeeds and the next one fails.
pub(super) fn slow(memory: &mut Memory, pfn: Pfn, hold: Hold) -> Result<(), Errno> {
    let id = memory.page_folio(pfn).ok_or(Errno::EFAULT)?;
    if memory.folio(id).refcount <= 0 {
        return Err(Errno::ENOMEM);
    }
    match hold {
        Hold::Get => memory.folio_ref_add(id, 1),
        Hold::Pin => memory.pin_refs(id, 1),
    }
    Ok(())
}

/// try_grab_folio_fast(): None sends the caller to the slow path.
pub(super) fn fast(memory: &mut Memory, pfn: Pfn, hold: Hold) -> Option<Pfn> {
    let id = memory.page_folio(pfn)?;
    if memory.folio(id).refcount <= 0 {
        return None;
    }
    match hold {
        Hold::Get => memory.folio_ref_add(id, 1),
        Hold::Pin => memory.pin_refs(id, 1),
    }
    Some(pfn)
}

/// gup_put_folio() of gup_fast itself, when something speaks against the page after all. The counters of pins have moved by
/// then, both of them.
pub(super) fn back_out(memory: &mut Memory, pfn: Pfn, hold: Hold) {
    let Some(id) = memory.page_folio(pfn) else {
        return;
    };
    // Counts that somebody has spoilt before are not this call's fault.
    let _spoilt_before = match hold {
        Hold::Get => memory.folio_put_refs("gup_fast", id, 1),
        Hold::Pin => memory.unpin_refs("gup_fast", id, 1),
    };
}
