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

/// Functions that give one page back.
macro_rules! single {
    ($($(#[$doc:meta])* $name:ident = $given:ident $act:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub(super) extern "C" fn $name(page: *mut u8) {
            one(stringify!($name), Given::$given, page, Memory::$act);
        }
    )*};
}

single! {
    /// include/linux/mm.h: put_page().
    put_page = Put put_page;
    /// include/linux/mm.h: folio_put(); a folio is its first page here.
    folio_put = Put put_page;
    /// include/linux/gfp.h: __free_page().
    __free_page = Put put_page;
    /// include/linux/mm.h: put_user_page(), until 5.5.
    put_user_page = PutUser put_user_page;
    /// mm/gup.c: unpin_user_page().
    unpin_user_page = Unpin unpin_user_page;
}

/// Functions that give an array back: the type of their count, how many entries that is, and whether they dirty.
macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident($type:ty, $count:expr) = $given:ident, $dirty:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// `pages` holds `nr` pointers.
        #[unsafe(no_mangle)]
        pub(super) unsafe extern "C" fn $name(pages: *mut *mut u8, nr: $type) {
            // SAFETY: as promised by the caller.
            unsafe {
                many(stringify!($name), Given::$given, pages, $count(nr), $dirty, |memory, list| {
                    memory.$name(list, nr)
                })
            }
        }
    )*};
}

arrays! {
    /// mm/swap.c: release_pages().
    release_pages(c_int, |nr| u64::try_from(nr).unwrap_or(0)) = Put, false;
    /// mm/gup.c: put_user_pages(), until 5.5.
    put_user_pages(c_ulong, u64::from) = PutUser, false;
    /// mm/swap.c of the first series: put_user_pages_dirty().
    put_user_pages_dirty(c_ulong, u64::from) = PutUser, true;
    /// mm/gup.c: unpin_user_pages().
    unpin_user_pages(c_ulong, u64::from) = Unpin, false;
    /// mm/gup.c: unpin_folios(), 6.11.
    unpin_folios(c_ulong, u64::from) = Unpin, false;
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

/// mm/gup.c: unpin_user_folio(), 6.12: so many pins of whichever pages of the folio.
#[unsafe(no_mangle)]
pub(super) extern "C" fn unpin_user_folio(folio: *mut u8, npages: c_ulong) {
    let page = to_pfn(folio);
    let list = vec![page; npages.min(LONGEST) as usize];
    with(|world| {
        let pins = i32::try_from(npages).unwrap_or(i32::MAX);
        let done = world.memory.unpin_user_folio(page, pins);
        world.gave("unpin_user_folio", Given::Unpin, &list, false, done);
    });
}
