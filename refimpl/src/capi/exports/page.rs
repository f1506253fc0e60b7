// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a driver may ask of a page, and dirtying it.

use std::ffi::{c_int, c_uint, c_ulong};

use super::frames::{data_to_pfn, to_data, to_page, to_pfn};
use crate::capi::world::with;
use crate::page::{Folio, Kind, Memory, Misuse, Pfn};

fn ask(call: &'static str, page: *const u8, question: impl FnOnce(&Folio) -> bool) -> c_int {
    with(|world| {
        let id = world.folio(call, to_pfn(page));
        c_int::from(id.is_some_and(|id| question(world.memory.folio(id))))
    })
}

/// include/linux/mm.h: page_address(). There is no high memory here.
#[unsafe(no_mangle)]
pub(super) extern "C" fn page_address(page: *const u8) -> *mut u8 {
    to_pfn(page).map_or(std::ptr::null_mut(), to_data)
}

/// virt_to_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn virt_to_page(address: *const u8) -> *mut u8 {
    data_to_pfn(address).map_or(std::ptr::null_mut(), to_page)
}

/// page_to_pfn().
#[unsafe(no_mangle)]
pub(super) extern "C" fn page_to_pfn(page: *const u8) -> c_ulong {
    to_pfn(page).map_or(c_ulong::MAX, |pfn| pfn.0)
}

/// pfn_to_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn pfn_to_page(pfn: c_ulong) -> *mut u8 {
    to_page(Pfn(pfn))
}

/// compound_head().
#[unsafe(no_mangle)]
pub(super) extern "C" fn compound_head(page: *mut u8) -> *mut u8 {
    with(|world| {
        let id = world.folio("compound_head", to_pfn(page));
        id.map_or(std::ptr::null_mut(), |id| {
            to_page(world.memory.folio(id).head)
        })
    })
}

/// page_folio(): a folio is its first page here.
#[unsafe(no_mangle)]
pub(super) extern "C" fn page_folio(page: *mut u8) -> *mut u8 {
    compound_head(page)
}

/// folio_order().
#[unsafe(no_mangle)]
pub(super) extern "C" fn folio_order(folio: *mut u8) -> c_uint {
    with(|world| {
        let id = world.folio("folio_order", to_pfn(folio));
        id.map_or(0, |id| world.memory.folio(id).order)
    })
}

/// folio_maybe_dma_pinned().
#[unsafe(no_mangle)]
pub(super) extern "C" fn folio_maybe_dma_pinned(folio: *mut u8) -> bool {
    with(|world| {
        let id = world.folio("folio_maybe_dma_pinned", to_pfn(folio));
        id.is_some_and(|id| world.memory.folio_maybe_dma_pinned(id))
    })
}

/// PageDirty().
#[unsafe(no_mangle)]
pub(super) extern "C" fn PageDirty(page: *mut u8) -> c_int {
    ask("PageDirty", page, |folio| folio.dirty)
}

/// PageReserved(): of all the pages here only the zero page is.
#[unsafe(no_mangle)]
pub(super) extern "C" fn PageReserved(page: *mut u8) -> c_int {
    ask("PageReserved", page, |folio| folio.kind == Kind::Zero)
}

/// page_mapped().
#[unsafe(no_mangle)]
pub(super) extern "C" fn page_mapped(page: *mut u8) -> c_int {
    ask("page_mapped", page, |folio| folio.mapcount > 0)
}

/// mm/folio-compat.c: set_page_dirty(): whether it was clean.
#[unsafe(no_mangle)]
pub(super) extern "C" fn set_page_dirty(page: *mut u8) -> c_int {
    with(|world| c_int::from(world.dirty("set_page_dirty", to_pfn(page), false)))
}

/// mm/page-writeback.c: set_page_dirty_lock(): whether it was clean.
#[unsafe(no_mangle)]
pub(super) extern "C" fn set_page_dirty_lock(page: *mut u8) -> c_int {
    with(|world| c_int::from(world.dirty("set_page_dirty_lock", to_pfn(page), true)))
}

fn locking(
    call: &'static str,
    page: *mut u8,
    act: fn(&mut Memory, crate::page::FolioId) -> Result<(), Misuse>,
) {
    with(|world| {
        let folio = world.folio(call, to_pfn(page));
        if let Some(Err(misuse)) = folio.map(|id| act(&mut world.memory, id)) {
            world.misused_here(call, misuse);
        }
    });
}

/// lock_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn lock_page(page: *mut u8) {
    locking("lock_page", page, Memory::folio_lock);
}

/// unlock_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn unlock_page(page: *mut u8) {
    locking("unlock_page", page, Memory::folio_unlock);
}
