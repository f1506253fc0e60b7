// SPDX-License-Identifier: MIT OR Apache-2.0
//! get_user_pages*(), pin_user_pages*(), and the plain references of get_page(), alloc_page() and the page cache.

use std::ffi::{c_int, c_long, c_uint, c_ulong};

use super::frames::{to_page, to_pfn};
use super::kmalloc::GFP_KERNEL;
use crate::capi::ledger::Taken;
use crate::capi::world::{PAGE_SHIFT, World, count_down, with};
use crate::gup::{self, Errno, Flags, Hold, Path};
use crate::mapping::PageIndex;
use crate::page::{Consequence, Kind, Pfn, What};
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
        return with(|world| take_nothing(world, way, range, nr));
    }
    let got = with(|world| take(world, way, range, nr));
    // SAFETY: no more than `nr` pages come back, and the caller made room for those.
    unsafe { hand_out(got, pages) }
}

/// Writes what came into the caller's array: how many, or an error number.
///
/// # Safety
/// `pages` has room for as many pointers.
unsafe fn hand_out(got: Result<Vec<Pfn>, Errno>, pages: *mut *mut u8) -> c_long {
    let got = match got {
        Ok(got) => got,
        Err(errno) => return -c_long::from(errno.number()),
    };
    for (index, pfn) in got.iter().enumerate() {
        // SAFETY: as promised by the caller.
        unsafe { pages.add(index).write(to_page(*pfn)) };
    }
    got.len() as c_long
}

/// With a null array the slow forms of get_user_pages*() bring pages in and take no reference; all others refuse it with a warning, or,
/// before they look at it (pins until 5.17, references until 6.2), write through it.
fn take_nothing(world: &mut World, way: Way, range: Range, nr: u64) -> c_long {
    let ((call, hold, path), version) = (way, world.memory.version());
    if hold == Hold::Get && matches!(path, Path::Slow | Path::Unlocked) {
        let World { memory, mm, .. } = world;
        let (first, write) = (range.0 >> PAGE_SHIFT, range.2 & FOLL_WRITE != 0);
        let brings = |page: &u64| mm.fault(memory, PageIndex(first + page), write).is_ok();
        let reached = (0..nr).take_while(brings).count() as c_long;
        let errno = -c_long::from(Errno::EFAULT.number());
        return if reached == 0 { errno } else { reached };
    }
    let looks = version >= Version::V6_12 || hold == Hold::Pin && version >= Version::V6_1;
    let consequence = if looks {
        Consequence::Warn
    } else {
        Consequence::Oops
    };
    world.warned_here(call, What::NullArray, consequence);
    match version.refuses_pins_with_zero() && hold == Hold::Pin && path != Path::Fast {
        true => 0,
        false => -c_long::from(Errno::EINVAL.number()),
    }
}

fn take(world: &mut World, way: Way, range: Range, nr: u64) -> Result<Vec<Pfn>, Errno> {
    let ((call, hold, path), (start, _, foll)) = (way, range);
    if path != Path::FastOnly {
        world.might_sleep(call);
    }
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
    let takes_longterm = world.memory.version().unlocked_takes_longterm();
    if flags.longterm && call.ends_with("_unlocked") && !takes_longterm {
        return Err(Errno::EINVAL);
    }
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
    if !flags.write {
        world.ledger.only_read(got.len());
    }
    Ok(got)
}

/// Functions that take pages of a range: their arguments in the kernel's order, what they take, how they look pages up.
macro_rules! acquires {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $returns:ty = $hold:ident $path:ident ($start:ident, $nr:ident, $flags:ident, $pages:ident);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// There is room for as many pointers as pages are asked for.
        #[unsafe(no_mangle)]
        pub(super) unsafe extern "C" fn $name($($argument: $type),*) -> $returns {
            let way = (stringify!($name), Hold::$hold, Path::$path);
            // SAFETY: as promised by the caller.
            unsafe { acquire(way, ($start, $nr as c_long, $flags), $pages) as $returns }
        }
    )*};
}

acquires! {
    /// mm/gup.c: get_user_pages(). The `vmas` that it took until 6.4 is not read.
    get_user_pages(start: c_ulong, nr: c_ulong, flags: c_uint, pages: *mut *mut u8) -> c_long = Get Slow (start, nr, flags, pages);
    /// mm/gup.c: get_user_pages_unlocked().
    get_user_pages_unlocked(start: c_ulong, nr: c_ulong, pages: *mut *mut u8, flags: c_uint) -> c_long = Get Unlocked (start, nr, flags, pages);
    /// mm/gup.c: get_user_pages_remote(), as since 6.5. There is one mm, and its lock is never dropped.
    get_user_pages_remote(_mm: *mut u8, start: c_ulong, nr: c_ulong, flags: c_uint, pages: *mut *mut u8, _locked: *mut c_int) -> c_long = Get Unlocked (start, nr, flags, pages);
    /// mm/gup.c: get_user_pages_fast(). Until 5.1 the third argument was `int write`, which is FOLL_WRITE's bit.
    get_user_pages_fast(start: c_ulong, nr: c_int, flags: c_uint, pages: *mut *mut u8) -> c_int = Get Fast (start, nr, flags, pages);
    /// mm/gup.c: get_user_pages_fast_only(), 5.8.
    get_user_pages_fast_only(start: c_ulong, nr: c_int, flags: c_uint, pages: *mut *mut u8) -> c_int = Get FastOnly (start, nr, flags, pages);
    /// mm/gup.c: pin_user_pages().
    pin_user_pages(start: c_ulong, nr: c_ulong, flags: c_uint, pages: *mut *mut u8) -> c_long = Pin Slow (start, nr, flags, pages);
    /// mm/gup.c: pin_user_pages_unlocked().
    pin_user_pages_unlocked(start: c_ulong, nr: c_ulong, pages: *mut *mut u8, flags: c_uint) -> c_long = Pin Unlocked (start, nr, flags, pages);
    /// mm/gup.c: pin_user_pages_remote(), as since 6.5.
    pin_user_pages_remote(_mm: *mut u8, start: c_ulong, nr: c_ulong, flags: c_uint, pages: *mut *mut u8, _locked: *mut c_int) -> c_long = Pin Unlocked (start, nr, flags, pages);
    /// mm/gup.c: pin_user_pages_fast().
    pin_user_pages_fast(start: c_ulong, nr: c_int, flags: c_uint, pages: *mut *mut u8) -> c_int = Pin Fast (start, nr, flags, pages);
    /// mm/gup.c: pin_user_pages_fast_only(), 5.8 to 6.2.
    pin_user_pages_fast_only(start: c_ulong, nr: c_int, flags: c_uint, pages: *mut *mut u8) -> c_int = Pin FastOnly (start, nr, flags, pages);
}

/// What mm/gup.c: memfd_pin_folios() does once the file and the range are known: the folios of the file's pages `first` to `last`.
///
/// # Safety
/// `folios` has room for `max` pointers.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_memfd_pin(
    mapping: *mut u8,
    first: c_ulong,
    last: c_ulong,
    folios: *mut *mut u8,
    max: c_uint,
) -> c_long {
    let heads = with(|world| {
        world.might_sleep("memfd_pin_folios");
        let World { memory, mm, .. } = world;
        let heads = gup::memfd_pin_folios(memory, mm, mapping.addr(), first..=last, max as usize)?;
        world.took("memfd_pin_folios", Taken::Pin, &heads);
        Ok(heads)
    });
    // SAFETY: no more than `max` folios come back, and the caller made room for those.
    unsafe { hand_out(heads, folios) }
}

/// mm/gup.c: folio_add_pin(), 6.5; the folio is pinned already.
#[unsafe(no_mangle)]
pub(super) extern "C" fn folio_add_pin(folio: *mut u8) {
    let page = to_pfn(folio);
    with(|world| {
        if let Some(id) = world.folio("folio_add_pin", page) {
            world.memory.folio_add_pin(id);
            world.took("folio_add_pin", Taken::Pin, page.as_slice());
        }
    });
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

/// include/linux/gfp.h: alloc_pages(): 2^order pages with one reference. NULL where a failure was asked for.
#[unsafe(no_mangle)]
pub(super) extern "C" fn alloc_pages(gfp: c_uint, order: c_uint) -> *mut u8 {
    with(|world| {
        if gfp & GFP_KERNEL != 0 {
            world.might_sleep("alloc_pages");
        }
        if count_down(&mut world.fail_alloc) {
            return std::ptr::null_mut();
        }
        let pfn = world.memory.alloc(order, Kind::Kernel);
        world.took("alloc_pages", Taken::Plain, &[pfn]);
        to_page(pfn)
    })
}

/// include/linux/gfp.h: alloc_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn alloc_page(gfp: c_uint) -> *mut u8 {
    alloc_pages(gfp, 0)
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
