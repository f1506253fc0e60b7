// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a driver is told, and what it is told off for.

use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{acquire, release};
use crate::capi::report::{Class, Run, Site};
use crate::capi::world::{PAGE_SHIFT, finish, start, with};
use crate::page::Kind;
use crate::version::Version;

/// The world is the process's: one driver at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at(line: u32) {
    with(|world| {
        world.site = Site {
            path: "driver.c".to_owned(),
            line,
            function: "run".to_owned(),
        };
    });
}

/// A driver's run on user memory of so many pages.
fn run(version: Version, pages: u64, driver: impl FnOnce(u64)) -> Run {
    let _one = alone();
    start(version);
    at(1);
    let address = with(|world| world.user_map(pages, false, true, 0));
    driver(address);
    finish("driver.c").unwrap()
}

fn pin(address: u64, nr: usize, flags: u32) -> (i64, Vec<*mut u8>) {
    let mut pages = vec![null_mut(); nr];
    // SAFETY: there is room for as many pages as are asked for.
    let got = unsafe { acquire::pin_user_pages(address, nr as u64, flags, pages.as_mut_ptr()) };
    (got, pages)
}

fn lines(run: &Run, class: Class) -> Vec<u32> {
    let of = run.problems.iter().filter(|problem| problem.class == class);
    of.map(|problem| problem.site.line).collect()
}

/// __get_user_pages(): as many as there were, not as many as were asked for.
#[test]
fn a_driver_that_asks_for_more_than_there_is_is_told_how_many_came() {
    let run = run(Version::V6_12, 2, |address| {
        let (got, pages) = pin(address, 4, 1);
        assert_eq!(got, 2);
        assert!(pages[..2].iter().all(|page| !page.is_null()));
        assert!(pages[2..].iter().all(|page| page.is_null()));
        release::unpin_user_page(pages[0]);
        release::unpin_user_page(pages[1]);
    });
    assert_eq!(run.totals.pins, 2);
    assert!(run.problems.is_empty(), "{:?}", run.problems);
}

/// include/linux/mm.h, 6.1: FOLL_HWPOISON is 0x100 and FOLL_LONGTERM 0x10000; since 6.3 FOLL_LONGTERM is 0x100. No kernel
/// takes a plain reference for long (is_valid_gup_flags(), is_valid_gup_args()).
#[test]
fn a_flag_means_what_it_meant_in_that_kernel() {
    for (version, flags, got) in [
        (Version::V5_10, 0x10001, -22),
        (Version::V6_1, 0x10001, -22),
        (Version::V6_1, 0x101, 1),
        (Version::V6_12, 0x101, -22),
        (Version::V7_3, 0x101, -22),
    ] {
        run(version, 1, |address| {
            let mut page = null_mut();
            // SAFETY: there is room for the one page that is asked for.
            let done = unsafe { acquire::get_user_pages(address, 1, flags, &raw mut page) };
            assert_eq!(done, got, "{} {flags:#x}", version.name());
        });
    }
}

/// The newest reference is given back first, so that what leaks is the one nobody thought of again.
#[test]
fn what_leaks_is_the_reference_that_was_taken_first() {
    let run = run(Version::V6_12, 1, |address| {
        at(10);
        let (_, first) = pin(address, 1, 1);
        at(20);
        let (_, second) = pin(address, 1, 1);
        assert_eq!(first, second);
        at(30);
        release::unpin_user_page(second[0]);
    });
    assert_eq!(lines(&run, Class::Leak), [10]);
}

/// Whoever gives the page back last must have seen to it that it is dirty.
#[test]
fn a_page_that_somebody_else_still_holds_may_yet_be_dirtied() {
    for dirties in [false, true] {
        let run = run(Version::V6_12, 1, |address| {
            let (_, first) = pin(address, 1, 1);
            let (_, second) = pin(address, 1, 1);
            with(|world| {
                let page = world
                    .mm
                    .pte(crate::mapping::PageIndex(address >> PAGE_SHIFT));
                let bus = world.dma_map(page.map(|pte| pte.pfn), 0, 4096).unwrap();
                assert!(world.dma_run(bus, 4096, true).is_ok());
                world.dma_unmap(bus);
            });
            at(40);
            release::unpin_user_page(first[0]);
            at(50);
            let mut pages = second;
            // SAFETY: the array has one page.
            unsafe { release::unpin_user_pages_dirty_lock(pages.as_mut_ptr(), 1, dirties) };
        });
        let expected: &[u32] = if dirties { &[] } else { &[50] };
        assert_eq!(lines(&run, Class::NotDirtied), expected);
    }
}

/// A mapping is as long as it was asked for.
#[test]
fn a_device_that_goes_beyond_what_is_mapped_is_noticed() {
    for (size, ok) in [(512, true), (513, false), (4096, false)] {
        let run = run(Version::V6_12, 1, |_| {
            with(|world| {
                let page = world.memory.alloc(0, Kind::Kernel);
                let bus = world.dma_map(Some(page), 0, 512).unwrap();
                assert_eq!(world.dma_run(bus, size, false).is_ok(), ok);
                world.dma_unmap(bus);
            });
        });
        assert_eq!(lines(&run, Class::DmaUnmapped).len(), usize::from(!ok));
    }
}

/// mm/gup.c, 6.1: pin_user_pages_unlocked() warns at FOLL_LONGTERM and returns EINVAL; pin_user_pages_remote() does not mind.
#[test]
fn the_unlocked_form_takes_no_long_term_pin_until_6_2() {
    for (version, longterm, got) in [(Version::V6_1, 0x10000, -22), (Version::V6_12, 0x100, 1)] {
        run(version, 1, |address| {
            let mut page = null_mut();
            let (pages, none) = (&raw mut page, null_mut::<i32>());
            let flags = 1 | longterm;
            // SAFETY: there is room for the one page that is asked for.
            let done = unsafe { acquire::pin_user_pages_unlocked(address, 1, pages, flags) };
            assert_eq!(done, got, "{}", version.name());
            // SAFETY: as above; there is no mm and no lock to look at.
            let remote = unsafe {
                acquire::pin_user_pages_remote(null_mut(), address, 1, flags, pages, none)
            };
            assert_eq!(remote, 1, "{}", version.name());
        });
    }
}

/// A folio has one set of counts: whichever of its pages is named, the reference that goes is one of its own.
#[test]
fn a_reference_on_one_page_of_a_folio_goes_back_by_another() {
    let run = run(Version::V6_12, 1, |_| {
        let large = with(|world| world.user_map(4, false, true, 2));
        at(10);
        let (got, mut pages) = pin(large, 4, 1);
        assert_eq!(got, 4);
        at(20);
        release::unpin_user_folio(pages[0], 3);
        at(30);
        release::unpin_user_page(pages[2]);
        at(40);
        release::unpin_user_page(pages[3]);
        at(50);
        let (_, small) = pin(large, 2, 1);
        // SAFETY: the array has so many pages.
        unsafe { release::unpin_folios(pages.as_mut_ptr(), 1) };
        release::unpin_user_page(small[1]);
    });
    assert_eq!(lines(&run, Class::DoubleRelease), [40]);
    assert_eq!(lines(&run, Class::Leak), Vec::<u32>::new());
    assert_eq!((run.totals.pins, run.totals.unpins), (6, 6));
}

/// Locks nest: what may sleep may do so when the last is let go.
#[test]
fn nothing_sleeps_until_the_last_spinlock_is_let_go() {
    let run = run(Version::V6_12, 1, |address| {
        let (_, mut pages) = pin(address, 1, 1);
        with(|world| {
            let id = world.folio("", super::frames::to_pfn(pages[0])).unwrap();
            world.mm.write_back(&mut world.memory, id);
            world.preempt(1);
            world.preempt(1);
            world.preempt(-1);
        });
        at(60);
        // SAFETY: the array has one page.
        unsafe { release::unpin_user_pages_dirty_lock(pages.as_mut_ptr(), 1, true) };
        with(|world| world.preempt(-1));
        at(70);
        // SAFETY: as above.
        unsafe { release::unpin_user_pages_dirty_lock(pages.as_mut_ptr(), 1, true) };
    });
    assert_eq!(lines(&run, Class::SleepsInAtomic), [60]);
}

/// The page under a user address.
fn page_at(address: u64) -> crate::page::Pfn {
    let at = crate::mapping::PageIndex(address >> PAGE_SHIFT);
    with(|world| world.mm.pte(at)).unwrap().pfn
}

/// A device writes the whole page, started at `line`.
fn dma_write(address: u64, line: u32) {
    let page = page_at(address);
    at(line);
    with(|world| {
        let bus = world.dma_map(Some(page), 0, 4096).unwrap();
        assert!(world.dma_run(bus, 4096, true).is_ok());
        world.dma_unmap(bus);
    });
}

/// Documentation/core-api/pin_user_pages.rst: what a device writes is asked for with FOLL_WRITE, else it may be a page that others read.
#[test]
fn a_device_that_writes_what_was_taken_for_reading_is_noticed() {
    for touched in [false, true] {
        let said = run(Version::V6_12, 1, |address| {
            if touched {
                let index = crate::mapping::PageIndex(address >> PAGE_SHIFT);
                with(|world| world.mm.fault(&mut world.memory, index, true)).unwrap();
            }
            at(10);
            let (got, pages) = pin(address, 1, 0);
            assert_eq!(got, 1);
            dma_write(address, 20);
            at(30);
            release::unpin_user_page(pages[0]);
        });
        assert_eq!(lines(&said, Class::NotWritable), [20], "touched: {touched}");
        let site = said.problems[0].related.as_ref().map(|site| site.line);
        assert_eq!(site, Some(10));
        assert_eq!(said.problems.len(), 1, "{:?}", said.problems);
    }
    let said = run(Version::V6_12, 1, |address| {
        let (_, mut writable) = pin(address, 1, 1);
        let (_, read_only) = pin(address, 1, 0);
        dma_write(address, 20);
        // SAFETY: the array has one page.
        unsafe { release::unpin_user_pages_dirty_lock(writable.as_mut_ptr(), 1, true) };
        release::unpin_user_page(read_only[0]);
    });
    assert_eq!(said.problems, []);
}

/// mm/gup.c: is_valid_gup_args() of 6.12, its forerunners of 6.1, and what 5.10 does without a look; get_user_pages() without an array is
/// a way of faulting pages in.
#[test]
fn without_an_array_pins_are_refused_and_references_are_not_taken() {
    for (version, slow, fast) in [
        (Version::V5_10, -22, -22),
        (Version::V6_1, -22, -22),
        (Version::V6_12, 0, -22),
    ] {
        let said = run(version, 2, |address| {
            at(10);
            // SAFETY: nothing is written where there is no array.
            let (pinned, quick, got, gone) = unsafe {
                (
                    acquire::pin_user_pages(address, 1, 1, null_mut()),
                    acquire::pin_user_pages_fast(address, 1, 1, null_mut()),
                    acquire::get_user_pages(address, 4, 1, null_mut()),
                    acquire::get_user_pages(0, 4, 1, null_mut()),
                )
            };
            assert_eq!(
                (pinned, i64::from(quick)),
                (slow, fast),
                "{}",
                version.name()
            );
            assert_eq!((got, gone), (2, -14));
            let page = page_at(address);
            let id = with(|world| world.memory.page_folio(page));
            let count = with(|world| world.memory.folio(id.unwrap()).refcount);
            assert_eq!(count, 1, "the mapping's own");
        });
        assert_eq!(lines(&said, Class::Misuse), [10, 10]);
    }
}

/// might_lock_read() of mmap_lock in mm/gup.c; the fast-only form is for interrupts.
#[test]
fn what_may_sleep_says_so_under_a_spinlock() {
    let said = run(Version::V6_12, 1, |address| {
        with(|world| world.preempt(1));
        at(10);
        let (_, pages) = pin(address, 1, 1);
        at(20);
        let mut page = null_mut();
        // SAFETY: there is room for the one page that is asked for.
        unsafe { acquire::get_user_pages_fast_only(address, 1, 1, &raw mut page) };
        at(30);
        release::put_page(page);
        release::unpin_user_page(pages[0]);
        at(40);
        // SAFETY: an object of kzalloc(), given back once.
        unsafe { super::kmalloc::kfree(super::kmalloc::kzalloc(8, super::kmalloc::GFP_KERNEL)) };
        at(50);
        // SAFETY: as above.
        unsafe { super::kmalloc::kfree(super::kmalloc::kzalloc(8, 1)) };
        at(60);
        let mut byte = 0;
        // SAFETY: there is room for the byte.
        unsafe {
            super::user::copy_from_user(
                &raw mut byte,
                std::ptr::without_provenance(address as usize),
                1,
            )
        };
        with(|world| world.preempt(-1));
    });
    assert_eq!(lines(&said, Class::SleepsInAtomic), [10, 40, 60]);
    assert_eq!(said.problems.len(), 3, "{:?}", said.problems);
}

/// Documentation/core-api/dma-api.rst: the device is done with the page when it has been unmapped.
#[test]
fn a_page_is_given_back_when_no_device_has_an_address_for_it_any_more() {
    for notifiers in [0, 1] {
        let said = run(Version::V6_12, 1, |address| {
            with(|world| world.notifiers = notifiers);
            let (_, first) = pin(address, 1, 1);
            let (_, second) = pin(address, 1, 1);
            at(10);
            let page = page_at(address);
            let bus = with(|world| world.dma_map(Some(page), 0, 4096)).unwrap();
            at(20);
            release::unpin_user_page(first[0]);
            at(30);
            release::unpin_user_page(second[0]);
            at(40);
            with(|world| world.dma_unmap(bus));
        });
        // Whoever follows a notifier loses the mapping before the page can go.
        if notifiers > 0 {
            assert_eq!(said.problems, []);
            continue;
        }
        assert_eq!(lines(&said, Class::StillMapped), [30]);
        assert_eq!(
            said.problems[0].related.as_ref().map(|site| site.line),
            Some(10)
        );
    }
}

/// A device may be told to use part of what is mapped, and meets no other mapping beyond it.
#[test]
fn a_device_may_use_a_part_of_what_is_mapped() {
    let said = run(Version::V6_12, 1, |_| {
        with(|world| {
            let page = world.memory.alloc(2, Kind::Kernel);
            let large = world.dma_map(Some(page), 0, 3 * 4096).unwrap();
            let small = world.dma_map(Some(page), 512, 512).unwrap();
            assert_ne!(large, small);
            let mut run = |from, size| world.dma_run(from, size, true);
            assert_eq!(run(large + 512, 512), Ok(Some((page, 512))));
            assert_eq!(run(small + 100, 412), Ok(Some((page, 612))));
            assert_eq!(run(small + 100, 413), Err(()));
            assert_eq!(run(large, 3 * 4096 + 1), Err(()));
            assert_eq!(run(large + 3 * 4096, 1), Err(()));
            assert_eq!(run(large - 1, 1), Err(()));
            // What dma_map_page() returns when it fails.
            assert_eq!(run(u64::MAX, 4096), Err(()));
            world.dma_unmap(small);
            world.dma_unmap(large);
        });
    });
    assert_eq!(lines(&said, Class::DmaUnmapped).len(), 1);
    assert_eq!(said.problems.iter().map(|p| p.count).sum::<u64>(), 5);
}
