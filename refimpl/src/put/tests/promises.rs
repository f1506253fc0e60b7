// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pins, faults, fork, truncate and the releases owe each other; each answer is that of the kernel function it names.

use crate::gup::{Errno, Flags, Path, get_user_pages, memfd_pin_folios, pin_user_pages};
use crate::mapping::{Area, Mm, PageIndex, Vma};
use crate::page::{Consequence, Context, FolioId, Kind, Memory, Pfn, What};
use crate::version::Version;

const START: PageIndex = PageIndex(32);
const READ: Flags = Flags {
    write: false,
    longterm: false,
};
const WRITE: Flags = Flags {
    write: true,
    longterm: false,
};
const LONGTERM: Flags = Flags {
    write: false,
    longterm: true,
};
const SHMEM: Area = Area::File {
    file: 0,
    tracked: false,
};
const DISK: Area = Area::File {
    file: 0,
    tracked: true,
};

struct World {
    memory: Memory,
    mm: Mm,
}

impl World {
    fn new(version: Version, area: Area, pages: u64) -> Self {
        let mut mm = Mm::default();
        mm.mmap(Vma {
            start: START,
            pages,
            area,
            writable: true,
            order: 0,
        });
        World {
            memory: Memory::new(version),
            mm,
        }
    }

    fn pin(&mut self, nr: u64, flags: Flags, path: Path) -> Result<Vec<Pfn>, Errno> {
        pin_user_pages(&mut self.memory, &mut self.mm, START, nr, flags, path)
    }

    fn get(&mut self, nr: u64, flags: Flags, path: Path) -> Result<Vec<Pfn>, Errno> {
        get_user_pages(&mut self.memory, &mut self.mm, START, nr, flags, path)
    }

    fn touch(&mut self, write: bool) {
        self.mm.access(&mut self.memory, START, write).unwrap();
    }

    fn id(&self, pfn: Pfn) -> FolioId {
        self.memory.page_folio(pfn).unwrap()
    }

    fn dirty(&self, pfn: Pfn) -> bool {
        self.memory.folio(self.id(pfn)).dirty
    }

    /// Clean, and write-protected.
    fn write_back(&mut self, pages: &[Pfn]) {
        for pfn in pages {
            let id = self.id(*pfn);
            self.mm.write_back(&mut self.memory, id);
            assert!(!self.memory.folio(id).dirty);
        }
    }

    fn counters(&self) -> (i64, i64) {
        let stat = self.memory.stat();
        (stat.acquired, stat.released)
    }
}

fn some(pages: &[Pfn]) -> Vec<Option<Pfn>> {
    pages.iter().copied().map(Some).collect()
}

fn with_pins() -> impl Iterator<Item = Version> {
    Version::ALL
        .into_iter()
        .filter(|version| version.counts_pins())
}

/// gup_pte_range(): pte_devmap() comes before the grab.
#[test]
fn a_long_term_pin_of_dax_memory_moves_no_counter() {
    for version in with_pins() {
        let mut world = World::new(version, Area::FsDax { file: 0 }, 1);
        world.touch(true);
        assert_eq!(world.pin(1, LONGTERM, Path::Fast), Err(Errno::EOPNOTSUPP));
        assert_eq!(world.counters(), (0, 0), "{}", version.name());
        assert_eq!(
            world.pin(1, WRITE, Path::Fast).map(|pages| pages.len()),
            Ok(1)
        );
        assert_eq!(world.counters(), (1, 0));
    }
}

/// gup_pte_range() grabs before page_is_secretmem() is asked (5.14); before, there is no such memory.
#[test]
fn secret_memory_is_grabbed_and_put_and_never_had() {
    for version in with_pins() {
        let mut world = World::new(version, Area::Secret, 1);
        world.touch(true);
        if version < Version::V6_1 {
            assert_eq!(
                world.pin(1, WRITE, Path::Fast).map(|pages| pages.len()),
                Ok(1)
            );
            assert_eq!(
                world.get(1, WRITE, Path::Slow).map(|pages| pages.len()),
                Ok(1)
            );
            continue;
        }
        assert_eq!(world.pin(1, WRITE, Path::Slow), Err(Errno::EFAULT));
        assert_eq!(world.get(1, WRITE, Path::Slow), Err(Errno::EFAULT));
        assert_eq!(world.counters(), (0, 0));
        assert_eq!(world.pin(1, WRITE, Path::Fast), Err(Errno::EFAULT));
        assert_eq!(world.counters(), (1, 1), "{}", version.name());
        let page = world
            .mm
            .pte(START)
            .and_then(|pte| world.memory.page_folio(pte.pfn));
        let references = |world: &World| world.memory.folio(page.unwrap()).refcount;
        let before = references(&world);
        assert_eq!(world.get(1, WRITE, Path::Fast), Err(Errno::EFAULT));
        assert_eq!(references(&world), before, "{}", version.name());
    }
}

/// gup_must_unshare() without a vma: gup_fast cannot tell a shared mapping from a private one.
#[test]
fn a_long_term_pin_for_reading_of_a_read_only_file_page_goes_the_slow_way() {
    for (version, counters) in [
        (Version::V6_1, (1, 0)),
        (Version::V6_12, (2, 1)),
        (Version::V7_3, (2, 1)),
    ] {
        let mut world = World::new(version, DISK, 1);
        world.touch(false);
        assert_eq!(
            world.pin(1, LONGTERM, Path::Fast).map(|pages| pages.len()),
            Ok(1)
        );
        assert_eq!(world.counters(), counters, "{}", version.name());
        let mut writable = World::new(version, DISK, 1);
        writable.touch(true);
        writable.pin(1, LONGTERM, Path::Fast).unwrap();
        assert_eq!(writable.counters(), (1, 0), "{}", version.name());
    }
}

/// pin_user_pages() has no FOLL_TOUCH; pin_user_pages_unlocked(), the slow half of pin_user_pages_fast() and get_user_pages() have
/// it (follow_page_pte(): set_page_dirty() for FOLL_WRITE through an entry that is clean).
#[test]
fn pin_user_pages_alone_does_not_dirty_what_it_finds_writable() {
    let dirtied = |pins: bool, path: Path| {
        let mut world = World::new(Version::V6_12, SHMEM, 1);
        world.touch(false);
        let pages = match pins {
            true => world.pin(1, WRITE, path).unwrap(),
            false => world.get(1, WRITE, path).unwrap(),
        };
        world.dirty(pages[0])
    };
    assert!(!dirtied(true, Path::Slow));
    assert!(dirtied(true, Path::Unlocked));
    assert!(dirtied(false, Path::Slow));
    assert!(
        !dirtied(true, Path::Fast),
        "found without a fault, and left as it is"
    );
}

/// folio_needs_cow_for_dma(): MMF_HAS_PINNED comes first.
#[test]
fn fork_copies_what_looks_pinned_only_where_somebody_has_pinned() {
    for pinned_before in [false, true] {
        let mut world = World::new(Version::V6_12, Area::Anon, 2);
        let page = world.get(1, WRITE, Path::Slow).unwrap()[0];
        for _ in 0..1024 {
            world.memory.get_page(Some(page)).unwrap();
        }
        let id = world.id(page);
        assert!(world.memory.folio_maybe_dma_pinned(id));
        if pinned_before {
            let other = PageIndex(START.0 + 1);
            let (memory, mm) = (&mut world.memory, &mut world.mm);
            pin_user_pages(memory, mm, other, 1, WRITE, Path::Slow).unwrap();
        }
        assert!(world.mm.fork(&mut world.memory));
        assert_eq!(world.memory.folio(id).exclusive, pinned_before);
        assert_eq!(
            world.memory.folio(id).mapcount,
            if pinned_before { 1 } else { 2 }
        );
    }
}

/// copy_present_ptes(): both sides lose write permission; do_wp_page() gives the writer a page of its own.
#[test]
fn after_fork_neither_side_writes_what_both_map() {
    let mut world = World::new(Version::V6_12, Area::Anon, 1);
    world.touch(true);
    let before = world.mm.pte(START).unwrap();
    assert!(before.writable);
    assert!(world.mm.fork(&mut world.memory));
    let shared = world.mm.pte(START).unwrap();
    assert_eq!((shared.pfn, shared.writable), (before.pfn, false));
    world.touch(true);
    assert_ne!(world.mm.pte(START).unwrap().pfn, before.pfn);
    assert_eq!(world.mm.reap(&mut world.memory), Some(vec![]));
    assert!(world.memory.folio(world.id(before.pfn)).freed);
}

/// do_wp_page(): PageAnonExclusive() keeps the page where it is, whoever holds references (5.19).
#[test]
fn a_write_keeps_the_exclusive_page_that_a_device_has_pinned() {
    let mut world = World::new(Version::V6_12, Area::Anon, 1);
    world.touch(false);
    // The zero page is replaced by a page of its own, as read-only as that was.
    let pinned = world.pin(1, LONGTERM, Path::Slow).unwrap()[0];
    assert_ne!(pinned, Memory::ZERO);
    assert!(!world.mm.pte(START).unwrap().writable);
    world.touch(true);
    assert_eq!(
        world.mm.pte(START).unwrap().pfn,
        pinned,
        "the device sees the store"
    );
}

/// copy_present_page() came with 5.9; until then a pinned page is shared, and whoever writes first leaves it.
#[test]
fn fork_copies_a_pinned_page_since_5_9() {
    for version in with_pins() {
        let mut world = World::new(version, Area::Anon, 1);
        let page = world.pin(1, WRITE, Path::Slow).unwrap()[0];
        assert!(world.mm.fork(&mut world.memory));
        world.touch(true);
        let kept = world.mm.pte(START).unwrap().pfn == page;
        assert_eq!(kept, version >= Version::V5_9, "{}", version.name());
    }
}

/// do_wp_page() of a page that nobody shares any more: until 5.8 mapped once is enough, from 5.9 a pin makes it copy
/// (the page that the device writes is lost to the program), since 5.19 the owner keeps it.
#[test]
fn a_write_fault_keeps_a_pinned_page_but_for_5_9_to_5_17() {
    for version in with_pins() {
        let mut world = World::new(version, Area::Anon, 1);
        let page = world.pin(1, WRITE, Path::Slow).unwrap()[0];
        world.write_back(&[page]);
        world.touch(true);
        let kept = world.mm.pte(START).unwrap().pfn == page;
        let copies = [Version::V5_9, Version::V5_10].contains(&version);
        assert_eq!(kept, !copies, "{}", version.name());
    }
}

/// unpin_user_pages_dirty_lock(): every run, not the first alone.
#[test]
fn every_folio_of_the_array_is_dirtied() {
    for version in with_pins() {
        let mut world = World::new(version, DISK, 3);
        let pages = world.pin(3, WRITE, Path::Slow).unwrap();
        world.write_back(&pages);
        let memory = &mut world.memory;
        memory
            .unpin_user_pages_dirty_lock(&some(&pages), 3, true)
            .unwrap();
        assert!(
            pages.iter().all(|pfn| world.dirty(*pfn)),
            "{}",
            version.name()
        );
        assert_eq!(world.counters(), (3, 3));
    }
}

/// unpin_user_page_range_dirty_lock(): folio_mark_dirty() before gup_put_folio(), which may free.
#[test]
fn the_range_form_dirties_before_the_last_reference_goes() {
    let mut world = World::new(Version::V6_12, Area::Anon, 1);
    let page = world.pin(1, WRITE, Path::Slow).unwrap()[0];
    world.write_back(&[page]);
    assert_eq!(world.mm.zap_range(&mut world.memory, START, 1), vec![]);
    let memory = &mut world.memory;
    let done = memory.unpin_user_page_range_dirty_lock(Some(page), 1, true);
    assert_eq!(done, Ok(()));
    assert!(world.memory.folio(world.id(page)).freed && world.dirty(page));
}

/// put_user_pages_dirty_lock(), 5.4: `if (!make_dirty) put_user_pages()`.
#[test]
fn put_user_pages_dirty_lock_dirties_where_it_is_asked_to() {
    for make_dirty in [false, true] {
        let mut world = World::new(Version::V5_4, DISK, 2);
        let pages = world.get(2, WRITE, Path::Slow).unwrap();
        world.write_back(&pages);
        let memory = &mut world.memory;
        memory
            .put_user_pages_dirty_lock(&some(&pages), 2, make_dirty)
            .unwrap();
        assert!(pages.iter().all(|pfn| world.dirty(*pfn) == make_dirty));
    }
}

/// truncate_cleanup_folio(): folio_cancel_dirty(), whoever holds the page.
#[test]
fn truncate_leaves_no_dirty_page_behind() {
    let mut world = World::new(Version::V6_12, DISK, 1);
    let page = world.pin(1, WRITE, Path::Slow).unwrap()[0];
    assert!(world.dirty(page));
    assert_eq!(world.mm.truncate(&mut world.memory, 0), vec![]);
    assert!(!world.dirty(page));
    let id = world.id(page);
    assert!(!world.memory.folio(id).freed && world.memory.folio_maybe_dma_pinned(id));
}

/// memfd_pin_folios(): `while (start_idx <= end_idx && nr_folios < max_folios)`.
#[test]
fn no_more_folios_of_a_memfd_come_than_there_is_room_for() {
    for max in 1..=4 {
        let mut world = World::new(Version::V6_12, SHMEM, 4);
        let (memory, mm) = (&mut world.memory, &mut world.mm);
        let got = memfd_pin_folios(memory, mm, 0, 0..=3, max).unwrap();
        assert_eq!(got.len(), max);
        assert_eq!(world.counters(), (max as i64, 0));
    }
}

/// zap_present_ptes(): `if (pte_dirty(ptent)) folio_mark_dirty(folio)`.
#[test]
fn a_store_through_a_mapping_is_not_lost_with_the_mapping() {
    for store in [false, true] {
        let mut world = World::new(Version::V6_12, SHMEM, 1);
        world.touch(false);
        if store {
            // Writable already: no fault tells the kernel.
            world.touch(true);
        }
        let page = world.mm.pte(START).unwrap().pfn;
        assert!(!world.dirty(page));
        assert_eq!(world.mm.zap(&mut world.memory, START), None);
        assert_eq!(world.dirty(page), store);
    }
}

/// follow_page_pte() without FOLL_WRITE touches no dirty bit.
#[test]
fn a_pin_for_reading_leaves_a_clean_page_clean() {
    let mut world = World::new(Version::V6_12, SHMEM, 1);
    world.touch(false);
    for path in [Path::Slow, Path::Unlocked, Path::Fast] {
        let page = world.pin(1, READ, path).unwrap()[0];
        assert!(!world.dirty(page));
    }
}

/// unpin_folios(): NULL anywhere, an error number as count, one pin a folio.
#[test]
fn an_array_of_folios_may_have_holes() {
    let mut world = World::new(Version::V6_12, DISK, 3);
    let pages = world.pin(3, WRITE, Path::Slow).unwrap();
    let folios = [Some(pages[0]), None, Some(pages[1]), None, Some(pages[2])];
    let warned = world
        .memory
        .unpin_folios(&folios, (-12_i64) as u64)
        .unwrap_err();
    assert_eq!(
        (warned.what, warned.consequence),
        (What::ErrorAsCount, Consequence::Warn)
    );
    assert_eq!(world.counters(), (3, 0));
    assert_eq!(world.memory.unpin_folios(&folios, 3), Ok(()));
    assert_eq!(world.counters(), (3, 2));
    assert_eq!(world.memory.unpin_folios(&folios[3..], 2), Ok(()));
    assert!(
        pages
            .iter()
            .all(|pfn| !world.memory.folio_maybe_dma_pinned(world.id(*pfn)))
    );
    let beyond = world.memory.unpin_folios(&folios, 6).unwrap_err();
    assert_eq!(beyond.consequence, Consequence::Runaway);
    let mut older = Memory::new(Version::V6_1);
    let gone = [older.unpin_folios(&[], 0), older.unpin_user_folio(None, 1)];
    assert!(
        gone.map(Result::unwrap_err)
            .iter()
            .all(|misuse| misuse.what == What::NoSuchFunction)
    );
}

/// put_user_pages_dirty() of the series: set_page_dirty() without the lock, so that a lock which somebody has is no matter; until 5.3.
#[test]
fn the_form_without_the_lock_dirties_without_the_lock() {
    let mut world = World::new(Version::V4_19, DISK, 2);
    let pages = world.get(2, WRITE, Path::Slow).unwrap();
    world.write_back(&pages);
    world.memory.folio_lock(world.id(pages[0])).unwrap();
    world.memory.context = Context::Atomic;
    assert_eq!(world.memory.put_user_pages_dirty(&some(&pages), 2), Ok(()));
    assert!(pages.iter().all(|pfn| world.dirty(*pfn)));
    // The cache, the buffers, the page table.
    assert!(
        pages
            .iter()
            .all(|pfn| world.memory.folio(world.id(*pfn)).refcount == 3)
    );
    let mut later = World::new(Version::V5_4, DISK, 1);
    let gone = later.memory.put_user_pages_dirty(&[], 0).unwrap_err();
    assert_eq!(gone.what, What::NoSuchFunction);
}

/// release_pages(): `for (i = 0; i < nr; i++)` with an int.
#[test]
fn a_count_that_is_not_positive_releases_nothing() {
    let mut world = World::new(Version::V6_12, DISK, 1);
    let pages = world.get(1, WRITE, Path::Slow).unwrap();
    let held = world.memory.folio(world.id(pages[0])).refcount;
    for nr in [0, -1, -14, i32::MIN] {
        assert_eq!(world.memory.release_pages(&some(&pages), nr), Ok(()));
    }
    assert_eq!(world.memory.folio(world.id(pages[0])).refcount, held);
    assert_eq!(world.memory.release_pages(&some(&pages), 1), Ok(()));
    assert_eq!(world.memory.folio(world.id(pages[0])).refcount, held - 1);
}

/// put_page_testzero() and free_pages_prepare(): what is still mapped, or has pins, is a bad page; the zero page is nobody's to free.
#[test]
fn what_is_freed_too_early_is_a_bad_page() {
    let mut world = World::new(Version::V6_12, Area::Anon, 1);
    world.touch(true);
    let page = world.mm.pte(START).unwrap().pfn;
    let mapped = world.memory.put_page(Some(page)).unwrap_err();
    assert_eq!(
        (mapped.what, mapped.consequence),
        (What::FreedPinned, Consequence::BadPage)
    );
    let again = world.memory.get_page(Some(page)).unwrap_err();
    assert_eq!(
        (again.what, again.consequence),
        (What::Freed, Consequence::UseAfterFree)
    );
    let zero = world.memory.put_page(Some(Memory::ZERO)).unwrap_err();
    assert_eq!(zero.consequence, Consequence::BadPage);
    assert!(!world.memory.folio(world.id(Memory::ZERO)).freed);
}

/// What a probe does about counts that it spoilt: so many references, no pin, and one put that may free.
#[test]
fn a_repaired_folio_has_the_references_that_are_named() {
    let mut world = World::new(Version::V6_12, DISK, 1);
    let page = world.pin(1, WRITE, Path::Slow).unwrap()[0];
    let id = world.id(page);
    for (base, freed) in [(3, false), (1, false), (0, true)] {
        let done = world.memory.repair(id, base);
        assert_eq!(world.memory.folio(id).refcount, base);
        assert!(!world.memory.folio_maybe_dma_pinned(id));
        assert_eq!(world.memory.folio(id).freed, freed);
        // Its page table entry is still there.
        assert_eq!(done.is_err(), freed);
    }
}

/// try_grab_folio(), gup_put_folio(): a plain reference is no pin, whatever path took it.
#[test]
fn what_each_path_takes_is_given_back_by_its_own_release() {
    for path in [Path::Slow, Path::Fast, Path::Unlocked] {
        let mut world = World::new(Version::V7_3, SHMEM, 2);
        world.touch(true);
        let before = world.memory.folios().cloned().collect::<Vec<_>>();
        let pin = world.pin(1, READ, path).unwrap();
        let plain = world.get(1, READ, path).unwrap();
        assert_eq!(pin, plain);
        assert_eq!(world.memory.put_page(Some(plain[0])), Ok(()));
        assert!(world.memory.folio_maybe_dma_pinned(world.id(pin[0])));
        assert_eq!(world.memory.unpin_user_pages(&some(&pin), 1), Ok(()));
        let mut after = world.memory.folios().cloned().collect::<Vec<_>>();
        // The slow way touches nothing for reading.
        after
            .iter_mut()
            .zip(&before)
            .for_each(|(now, then)| assert_eq!(now.dirty, then.dirty));
        assert_eq!(after, before);
        assert_eq!(world.counters(), (1, 1));
    }
}

/// internal_get_user_pages_fast(): what is left goes to __gup_longterm_locked() as a whole, whose FOLL_TOUCH marks what it finds mapped.
#[test]
fn behind_the_first_fault_all_pages_go_the_slow_way() {
    let mut world = World::new(Version::V6_12, SHMEM, 2);
    let second = PageIndex(START.0 + 1);
    world.mm.access(&mut world.memory, second, false).unwrap();
    assert!(world.mm.pte(START).is_none() && world.mm.pte(second).unwrap().writable);
    let pages = world.pin(2, WRITE, Path::Fast).unwrap();
    assert_eq!(pages.len(), 2);
    assert!(
        world.dirty(pages[1]),
        "mapped and clean, and touched on the way"
    );
}

/// gup_fast_folio_allowed(): a folio without a mapping may be of any file, so that a long-term pin for writing is backed out (6.5).
#[test]
fn a_long_term_pin_of_what_a_driver_inserted_goes_the_slow_way() {
    for (version, counters) in [(Version::V6_1, (1, 0)), (Version::V6_12, (2, 1))] {
        let mut world = World::new(version, Area::Inserted, 1);
        let page = world.memory.alloc(0, Kind::Kernel);
        world.mm.insert_page(&mut world.memory, START, page);
        let flags = Flags {
            write: true,
            longterm: true,
        };
        assert_eq!(world.pin(1, flags, Path::Fast), Ok(vec![page]));
        assert_eq!(world.counters(), counters, "{}", version.name());
    }
}

/// wp_page_copy() of FAULT_FLAG_UNSHARE (6.1): the entry of the private page is made anew, neither dirty nor writable; one that a store
/// makes private is both.
#[test]
fn the_entry_of_an_unshared_page_is_clean_and_read_only() {
    let mut world = World::new(Version::V6_12, Area::Anon, 2);
    world.pin(1, LONGTERM, Path::Slow).unwrap();
    let unshared = world.mm.pte(START).unwrap();
    assert_ne!(unshared.pfn, Memory::ZERO);
    assert!(!unshared.dirty && !unshared.writable);
    let second = PageIndex(START.0 + 1);
    world.mm.access(&mut world.memory, second, true).unwrap();
    let stored = world.mm.pte(second).unwrap();
    assert!(stored.dirty && stored.writable);
}
