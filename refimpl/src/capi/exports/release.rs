// SPDX-License-Identifier: MIT OR Apache-2.0
//! put_page(), put_user_page*(), unpin_user_page*() and their kin.

use std::ffi::{c_int, c_ulong};

use super::frames::to_pfn;
use crate::capi::ledger::Given;
use crate::capi::world::with;
use crate::page::{Memory, Misuse, Pfn};
use crate::put::is_err_value;
use crate::version::Version;

/// No driver here has more pages than this in an array; a larger count is not followed into memory.
const LONGEST: u64 = 1 << 15;

fn one(
    call: &'static str,
    given: Given,
    page: *mut u8,
    act: fn(&mut Memory, Option<Pfn>) -> Result<(), Misuse>,
) {
    let page = to_pfn(page);
    with(|world| {
        let done = act(&mut world.memory, page);
        world.gave(call, given, &[page], false, done);
    });
}

/// # Safety
/// `pages` holds `nr` pointers, unless `nr` is an error number or absurd.
unsafe fn many(
    call: &'static str,
    given: Given,
    pages: *mut *mut u8,
    nr: u64,
    dirty: bool,
    act: impl FnOnce(&mut Memory, &[Option<Pfn>]) -> Result<(), Misuse>,
) {
    let readable = if is_err_value(nr) || nr > LONGEST || pages.is_null() {
        0
    } else {
        nr as usize
    };
    let list: Vec<Option<Pfn>> = (0..readable)
        // SAFETY: as promised by the caller; what the entries point to is not followed.
        .map(|index| to_pfn(unsafe { pages.add(index).read() }))
        .collect();
    with(|world| {
        let done = act(&mut world.memory, &list);
        world.gave(call, given, &list, dirty, done);
    });
}

/// include/linux/mm.h: put_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn put_page(page: *mut u8) {
    one("put_page", Given::Put, page, Memory::put_page);
}

/// include/linux/mm.h: folio_put(); a folio is its first page here.
#[unsafe(no_mangle)]
pub(super) extern "C" fn folio_put(folio: *mut u8) {
    one("folio_put", Given::Put, folio, Memory::put_page);
}

/// include/linux/gfp.h: __free_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn __free_page(page: *mut u8) {
    one("__free_page", Given::Put, page, Memory::put_page);
}

/// mm/swap.c: release_pages().
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn release_pages(pages: *mut *mut u8, nr: c_int) {
    let count = u64::try_from(nr).unwrap_or(0);
    // SAFETY: as promised by the caller.
    unsafe {
        many(
            "release_pages",
            Given::Put,
            pages,
            count,
            false,
            |memory, list| memory.release_pages(list, nr),
        )
    }
}

/// include/linux/mm.h: put_user_page(), until 5.5.
#[unsafe(no_mangle)]
pub(super) extern "C" fn put_user_page(page: *mut u8) {
    one("put_user_page", Given::PutUser, page, Memory::put_user_page);
}

/// mm/gup.c: put_user_pages(), until 5.5.
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn put_user_pages(pages: *mut *mut u8, nr: c_ulong) {
    // SAFETY: as promised by the caller.
    unsafe {
        many(
            "put_user_pages",
            Given::PutUser,
            pages,
            nr,
            false,
            |memory, list| memory.put_user_pages(list, nr),
        )
    }
}

/// mm/swap.c of the first series: put_user_pages_dirty().
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn put_user_pages_dirty(pages: *mut *mut u8, nr: c_ulong) {
    let call = "put_user_pages_dirty";
    // SAFETY: as promised by the caller.
    unsafe {
        many(call, Given::PutUser, pages, nr, true, |memory, list| {
            memory.put_user_pages_dirty(list, nr)
        })
    }
}

/// mm/gup.c: put_user_pages_dirty_lock(). Without `make_dirty` before 5.4, where it is not read.
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn put_user_pages_dirty_lock(
    pages: *mut *mut u8,
    nr: c_ulong,
    make_dirty: u8,
) {
    let call = "put_user_pages_dirty_lock";
    let dirty = with(|world| world.memory.version()) < Version::V5_4 || make_dirty != 0;
    // SAFETY: as promised by the caller.
    unsafe {
        many(call, Given::PutUser, pages, nr, dirty, |memory, list| {
            memory.put_user_pages_dirty_lock(list, nr, dirty)
        });
    }
}

/// mm/gup.c: unpin_user_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn unpin_user_page(page: *mut u8) {
    one(
        "unpin_user_page",
        Given::Unpin,
        page,
        Memory::unpin_user_page,
    );
}

/// mm/gup.c: unpin_user_pages().
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn unpin_user_pages(pages: *mut *mut u8, nr: c_ulong) {
    // SAFETY: as promised by the caller.
    unsafe {
        many(
            "unpin_user_pages",
            Given::Unpin,
            pages,
            nr,
            false,
            |memory, list| memory.unpin_user_pages(list, nr),
        )
    }
}

/// mm/gup.c: unpin_user_pages_dirty_lock().
///
/// # Safety
/// `pages` holds `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn unpin_user_pages_dirty_lock(
    pages: *mut *mut u8,
    nr: c_ulong,
    make_dirty: bool,
) {
    let call = "unpin_user_pages_dirty_lock";
    // SAFETY: as promised by the caller.
    unsafe {
        many(call, Given::Unpin, pages, nr, make_dirty, |memory, list| {
            memory.unpin_user_pages_dirty_lock(list, nr, make_dirty)
        });
    }
}

/// mm/gup.c: unpin_user_page_range_dirty_lock().
#[unsafe(no_mangle)]
pub(super) extern "C" fn unpin_user_page_range_dirty_lock(
    page: *mut u8,
    nr: c_ulong,
    make_dirty: bool,
) {
    let call = "unpin_user_page_range_dirty_lock";
    let first = to_pfn(page);
    let list: Vec<Option<Pfn>> = (0..nr.min(LONGEST))
        .map(|offset| first.map(|pfn| Pfn(pfn.0 + offset)))
        .collect();
    with(|world| {
        let done = world
            .memory
            .unpin_user_page_range_dirty_lock(first, nr, make_dirty);
        world.gave(call, Given::Unpin, &list, make_dirty, done);
    });
}
