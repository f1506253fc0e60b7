// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acquires: get_user_pages*() and pin_user_pages*().
//!
//! Kernel source mirrored: mm/gup.c (is_valid_gup_args(), check_vma_flags(), __get_user_pages(),
//! gup_fast_fallback()). Some of the pages asked for may come back; an error number comes only when none did.

mod grab;
#[cfg(test)]
mod tests;

use crate::mapping::{Area, Mm, PageIndex, Pte, Vma};
use crate::page::{Memory, Pfn};

/// FOLL_* bits as the callers of the exported functions may pass them (6.12: include/linux/mm_types.h), as far as they are modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// FOLL_WRITE
    pub write: bool,
    /// FOLL_LONGTERM
    pub longterm: bool,
}

/// FOLL_GET or FOLL_PIN: which counts a page's reference goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// get_user_pages*()
    Get,
    /// pin_user_pages*()
    Pin,
}

/// How the pages are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Without locks first, with faults from where that ends: the `_fast` functions.
    Fast,
    /// Without locks, and no further: the `_fast_only` functions.
    FastOnly,
    /// Under mmap_lock: get_user_pages(), pin_user_pages().
    Slow,
    /// Under an mmap_lock that may be dropped: the `_unlocked` and `_remote` functions.
    Unlocked,
}

/// An error number, positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Errno {
    /// 12
    #[error("ENOMEM")]
    ENOMEM = 12,
    /// 14
    #[error("EFAULT")]
    EFAULT = 14,
    /// 22
    #[error("EINVAL")]
    EINVAL = 22,
    /// 95
    #[error("EOPNOTSUPP")]
    EOPNOTSUPP = 95,
}

impl Errno {
    /// The number.
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// get_user_pages(), get_user_pages_unlocked() (path slow) and get_user_pages_fast() (path fast): a plain reference on
/// each page returned. Give them back with put_page().
///
/// # Errors
/// When no page could be had: EFAULT for memory that is not there or not allowed, EINVAL for flags that do not go together.
pub fn get_user_pages(
    memory: &mut Memory,
    mm: &mut Mm,
    start: PageIndex,
    nr: u64,
    flags: Flags,
    path: Path,
) -> Result<Vec<Pfn>, Errno> {
    if flags.longterm && memory.version().counts_pins() {
        return Err(Errno::EINVAL);
    }
    acquire(memory, mm, start, nr, flags, Hold::Get, path)
}

/// pin_user_pages() and its kin (since 5.6): a pin on each page returned. Give them back with unpin_user_page*().
///
/// # Errors
/// As [`get_user_pages`]; EINVAL too where the kernel has no such function; EOPNOTSUPP for a long-term pin of DAX memory.
pub fn pin_user_pages(
    memory: &mut Memory,
    mm: &mut Mm,
    start: PageIndex,
    nr: u64,
    flags: Flags,
    path: Path,
) -> Result<Vec<Pfn>, Errno> {
    if !memory.version().counts_pins() {
        return Err(Errno::EINVAL);
    }
    acquire(memory, mm, start, nr, flags, Hold::Pin, path)
}

fn acquire(
    memory: &mut Memory,
    mm: &mut Mm,
    start: PageIndex,
    nr: u64,
    flags: Flags,
    hold: Hold,
    path: Path,
) -> Result<Vec<Pfn>, Errno> {
    if hold == Hold::Pin {
        mm.note_pinned();
    }
    let mut pages = Vec::new();
    let mut quick = matches!(path, Path::Fast | Path::FastOnly);
    while (pages.len() as u64) < nr {
        let at = PageIndex(start.0 + pages.len() as u64);
        if quick {
            let there = present(mm, at, flags);
            if let Some(pfn) = there.and_then(|pfn| grab::fast(memory, pfn, hold)) {
                if is_allowed(memory, mm, at, flags, hold) {
                    pages.push(pfn);
                    continue;
                }
                grab::back_out(memory, pfn, hold);
            }
            // What is left goes the slow way, all of it.
            quick = false;
        }
        if path == Path::FastOnly {
            break;
        }
        match slow(memory, mm, at, flags, hold, path) {
            Ok(pfn) => pages.push(pfn),
            Err(errno) if pages.is_empty() => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(pages)
}

/// What gup_fast finds in the page tables and may grab: nothing where a fault would be needed. The zero page has a special
/// entry, which it passes by; a long-term pin of DAX memory ends before a count of pins moves (pte_devmap() in
/// gup_pte_range(), folio_is_longterm_pinnable() since 6.17).
fn present(mm: &Mm, at: PageIndex, flags: Flags) -> Option<Pfn> {
    let vma = mm.vma(at)?;
    let dax = matches!(vma.area, Area::FsDax { .. }) && flags.longterm;
    let pte = mm.pte(at).filter(|pte| pte.writable || !flags.write)?;
    (pte.pfn != Memory::ZERO && !dax).then_some(pte.pfn)
}

/// gup_fast_folio_allowed(), page_is_secretmem() and gup_must_unshare(): asked with the reference already taken. Without a
/// look at the area it cannot tell a page that was truncated from one that a driver mapped, and not a shared mapping from a
/// private one; it leaves those to the slow way.
fn is_allowed(memory: &Memory, mm: &Mm, at: PageIndex, flags: Flags, hold: Hold) -> bool {
    let (Some(vma), Some(pte)) = (mm.vma(at), mm.pte(at)) else {
        return false;
    };
    let version = memory.version();
    let doubtful = vma.area == Area::Inserted && version.refuses_longterm_write_to_tracked_file();
    let of_a_file = matches!(vma.area, Area::File { .. } | Area::Inserted);
    let unseen = of_a_file && !pte.writable && version.unshares_for_longterm();
    // The kernels that ask have refused a plain reference for long before.
    let unsure = flags.longterm && if flags.write { doubtful } else { unseen };
    let unshares = must_unshare(memory, mm, pte, flags, hold);
    !unsure && !unshares && check_vma(memory, vma, flags).is_ok()
}

/// gup_must_unshare(): a pin for reading wants the zero page (of a long-term pin) and a page that is shared with a child
/// replaced first.
fn must_unshare(memory: &Memory, mm: &Mm, pte: Pte, flags: Flags, hold: Hold) -> bool {
    let (version, pins) = (memory.version(), hold == Hold::Pin && !flags.write);
    let zero = pte.pfn == Memory::ZERO && flags.longterm && version.unshares_for_longterm();
    let shared = version.knows_exclusive() && mm.is_shared_anon(memory, pte.pfn);
    pins && (zero || shared)
}

fn slow(
    memory: &mut Memory,
    mm: &mut Mm,
    at: PageIndex,
    flags: Flags,
    hold: Hold,
    path: Path,
) -> Result<Pfn, Errno> {
    let vma = mm.vma(at).ok_or(Errno::EFAULT)?;
    check_vma(memory, vma, flags)?;
    let mut pte = mm
        .fault(memory, at, flags.write)
        .map_err(|_| Errno::EFAULT)?;
    if must_unshare(memory, mm, pte, flags, hold) {
        pte = mm.unshare(memory, at).map_err(|_| Errno::EFAULT)?;
    }
    grab::slow(memory, pte.pfn, hold)?;
    // FOLL_TOUCH, which pin_user_pages() alone does without.
    let touches = hold == Hold::Get || path != Path::Slow;
    if touches && flags.write && !pte.dirty {
        if let Some(id) = memory.page_folio(pte.pfn) {
            memory.folio_mark_dirty(id).ok();
        }
    }
    Ok(pte.pfn)
}

/// memfd_pin_folios() (6.11): one pin on each folio of a file's range, which are brought in where they are missing.
///
/// # Errors
/// EINVAL for an empty range, or where the kernel has no such function.
pub fn memfd_pin_folios(
    memory: &mut Memory,
    mm: &mut Mm,
    file: usize,
    range: std::ops::RangeInclusive<u64>,
    max: usize,
) -> Result<Vec<Pfn>, Errno> {
    if !memory.version().has_folio_unpins() || range.is_empty() || max == 0 {
        return Err(Errno::EINVAL);
    }
    let mut heads: Vec<Pfn> = Vec::new();
    for index in range {
        let pfn = mm.cache_page(memory, file, index);
        let Some(id) = memory.page_folio(pfn) else {
            break;
        };
        let head = memory.folio(id).head;
        if heads.last() == Some(&head) {
            continue;
        }
        if heads.len() == max {
            break;
        }
        memory.pin_refs(id, 1);
        heads.push(head);
    }
    Ok(heads)
}

/// check_vma_flags(), but for what may not be written, which no fault brings in.
fn check_vma(memory: &Memory, vma: Vma, flags: Flags) -> Result<(), Errno> {
    let version = memory.version();
    match vma.area {
        Area::Io => Err(Errno::EFAULT),
        Area::Secret if version.knows_secretmem() => Err(Errno::EFAULT),
        Area::FsDax { .. } if flags.longterm => Err(Errno::EOPNOTSUPP),
        Area::File { tracked: true, .. }
            if flags.longterm
                && flags.write
                && version.refuses_longterm_write_to_tracked_file() =>
        {
            Err(Errno::EFAULT)
        }
        _ => Ok(()),
    }
}
