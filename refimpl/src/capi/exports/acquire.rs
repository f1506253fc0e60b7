// SPDX-License-Identifier: MIT OR Apache-2.0
//! get_user_pages*(), pin_user_pages*(), and the plain references of get_page(), alloc_page() and the page cache.

use std::ffi::{c_int, c_long, c_uint, c_ulong};

use super::frames::{to_page, to_pfn};
use crate::capi::ledger::Taken;
use crate::capi::world::{PAGE_SHIFT, World, count_down, with};
use crate::gup::{self, Errno, Flags, Hold, Path};
use crate::mapping::PageIndex;
use crate::page::{Kind, Pfn};
use crate::version::Version;

const FOLL_WRITE: c_uint = 0x01;

/// The function called, what it takes, and how it looks pages up.
type Way = (&'static str, Hold, Path);
/// Address, number of pages, FOLL flags.
type Range = (c_ulong, c_long, c_uint);

/// # Safety
/// `pages` has room for as many pointers as the range has pages.
unsafe fn acquire(way: Way, range: Range, pages: *mut *mut u8) -> c_long {
    let Ok(nr @ 1..) = u64::try_from(range.1) else {
        return 0;
    };
    if pages.is_null() {
        return -c_long::from(Errno::EINVAL.number());
    }
    with(|world| match take(world, way, range, nr) {
        Ok(got) => {
            for (index, pfn) in got.iter().enumerate() {
                // SAFETY: no more than `nr` pages come back, and the caller made room for those.
                unsafe { pages.add(index).write(to_page(*pfn)) };
            }
            got.len() as c_long
        }
        Err(errno) => -c_long::from(errno.number()),
    })
}

fn take(world: &mut World, way: Way, range: Range, nr: u64) -> Result<Vec<Pfn>, Errno> {
    let ((call, hold, path), (start, _, foll)) = (way, range);
    // Until 6.2 0x100 was FOLL_HWPOISON (include/linux/mm.h, 6.1; include/linux/mm_types.h, 6.12).
    let longterm = if world.memory.version() < Version::V6_12 {
        0x10000
    } else {
        0x100
    };
    let flags = Flags {
        write: foll & FOLL_WRITE != 0,
        longterm: foll & longterm != 0,
    };
    let start = PageIndex(start >> PAGE_SHIFT);
    let World { memory, mm, .. } = world;
    let (got, taken) = match hold {
        Hold::Get => (
            gup::get_user_pages(memory, mm, start, nr, flags, path)?,
            Taken::Get,
        ),
        Hold::Pin => (
            gup::pin_user_pages(memory, mm, start, nr, flags, path)?,
            Taken::Pin,
        ),
    };
    world.took(call, taken, &got);
    Ok(got)
}

/// mm/gup.c: get_user_pages(). The `vmas` that it took until 6.4 is not read.
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn get_user_pages(
    start: c_ulong,
    nr: c_ulong,
    flags: c_uint,
    pages: *mut *mut u8,
) -> c_long {
    let way = ("get_user_pages", Hold::Get, Path::Slow);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr as c_long, flags), pages) }
}

/// mm/gup.c: get_user_pages_unlocked().
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn get_user_pages_unlocked(
    start: c_ulong,
    nr: c_ulong,
    pages: *mut *mut u8,
    flags: c_uint,
) -> c_long {
    let way = ("get_user_pages_unlocked", Hold::Get, Path::Unlocked);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr as c_long, flags), pages) }
}

/// mm/gup.c: get_user_pages_fast(). Until 5.1 the third argument was `int write`, which is FOLL_WRITE's bit.
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn get_user_pages_fast(
    start: c_ulong,
    nr: c_int,
    flags: c_uint,
    pages: *mut *mut u8,
) -> c_int {
    let way = ("get_user_pages_fast", Hold::Get, Path::Fast);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr.into(), flags), pages) as c_int }
}

/// mm/gup.c: pin_user_pages().
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pin_user_pages(
    start: c_ulong,
    nr: c_ulong,
    flags: c_uint,
    pages: *mut *mut u8,
) -> c_long {
    let way = ("pin_user_pages", Hold::Pin, Path::Slow);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr as c_long, flags), pages) }
}

/// mm/gup.c: pin_user_pages_unlocked().
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pin_user_pages_unlocked(
    start: c_ulong,
    nr: c_ulong,
    pages: *mut *mut u8,
    flags: c_uint,
) -> c_long {
    let way = ("pin_user_pages_unlocked", Hold::Pin, Path::Unlocked);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr as c_long, flags), pages) }
}

/// mm/gup.c: pin_user_pages_fast().
///
/// # Safety
/// `pages` has room for `nr` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pin_user_pages_fast(
    start: c_ulong,
    nr: c_int,
    flags: c_uint,
    pages: *mut *mut u8,
) -> c_int {
    let way = ("pin_user_pages_fast", Hold::Pin, Path::Fast);
    // SAFETY: as promised by the caller.
    unsafe { acquire(way, (start, nr.into(), flags), pages) as c_int }
}

/// include/linux/mm.h: get_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn get_page(page: *mut u8) {
    let page = to_pfn(page);
    with(|world| match world.memory.get_page(page) {
        Ok(()) => world.took("get_page", Taken::Plain, page.as_slice()),
        Err(misuse) => world.misused_here("get_page", misuse),
    });
}

/// include/linux/gfp.h: alloc_page(). NULL where a failure was asked for.
#[unsafe(no_mangle)]
pub(super) extern "C" fn alloc_page(_gfp: c_uint) -> *mut u8 {
    with(|world| {
        if count_down(&mut world.fail_alloc) {
            return std::ptr::null_mut();
        }
        let pfn = world.memory.alloc(0, Kind::Kernel);
        world.took("alloc_page", Taken::Plain, &[pfn]);
        to_page(pfn)
    })
}

/// mm/filemap.c: find_get_page(): NULL where the cache has none. The mapping is what refimpl_file() gave.
#[unsafe(no_mangle)]
pub(super) extern "C" fn find_get_page(mapping: *mut u8, index: c_ulong) -> *mut u8 {
    with(
        |world| match world.mm.cache().get(&(mapping.addr(), index)).copied() {
            Some(pfn) => {
                let done = world.memory.get_page(Some(pfn));
                debug_assert_eq!(done, Ok(()), "the cache holds a reference");
                world.took("find_get_page", Taken::Plain, &[pfn]);
                to_page(pfn)
            }
            None => std::ptr::null_mut(),
        },
    )
}

/// mm/folio-compat.c: find_or_create_page(): locked, with a reference.
#[unsafe(no_mangle)]
pub(super) extern "C" fn find_or_create_page(
    mapping: *mut u8,
    index: c_ulong,
    _gfp: c_uint,
) -> *mut u8 {
    with(|world| {
        let pfn = world
            .mm
            .cache_page(&mut world.memory, mapping.addr(), index);
        let folio = world.memory.page_folio(pfn);
        if let Some(Err(misuse)) = folio.map(|id| world.memory.folio_lock(id)) {
            world.misused_here("find_or_create_page", misuse);
        }
        if let Err(misuse) = world.memory.get_page(Some(pfn)) {
            world.misused_here("find_or_create_page", misuse);
        }
        world.took("find_or_create_page", Taken::Plain, &[pfn]);
        to_page(pfn)
    })
}
