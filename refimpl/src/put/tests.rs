// SPDX-License-Identifier: MIT OR Apache-2.0
//! Releases: right ones, and the arithmetic of wrong ones (C2, C3, C8 to C14).

mod promises;

use super::*;
use crate::gup::{Flags, Path, get_user_pages, pin_user_pages};
use crate::mapping::{Area, Mm, PageIndex, Vma};
use crate::page::{Consequence, Context, GUP_PIN_COUNTING_BIAS, Kind};
use crate::version::Version;
use proptest::prelude::*;

const START: PageIndex = PageIndex(16);
const WRITE: Flags = Flags {
    write: true,
    longterm: false,
};

struct World {
    memory: Memory,
    mm: Mm,
}

impl World {
    fn new(version: Version, pages: u64, order: u32) -> Self {
        let mut mm = Mm::default();
        let area = Area::File {
            file: 0,
            tracked: true,
        };
        mm.mmap(Vma {
            start: START,
            pages,
            area,
            writable: true,
            order,
        });
        World {
            memory: Memory::new(version),
            mm,
        }
    }

    fn get(&mut self, nr: u64) -> Vec<Option<Pfn>> {
        let got =
            get_user_pages(&mut self.memory, &mut self.mm, START, nr, WRITE, Path::Fast).unwrap();
        got.into_iter().map(Some).collect()
    }

    fn pin(&mut self, nr: u64) -> Vec<Option<Pfn>> {
        let got =
            pin_user_pages(&mut self.memory, &mut self.mm, START, nr, WRITE, Path::Fast).unwrap();
        got.into_iter().map(Some).collect()
    }

    fn id(&self, page: Option<Pfn>) -> FolioId {
        self.memory.page_folio(page.unwrap()).unwrap()
    }

    fn refcount(&self, page: Option<Pfn>) -> i32 {
        self.memory.folio(self.id(page)).refcount
    }

    fn pinned(&self, page: Option<Pfn>) -> bool {
        self.memory.folio_maybe_dma_pinned(self.id(page))
    }
}

fn what(done: Result<(), Misuse>) -> (What, Consequence) {
    let misuse = done.unwrap_err();
    (misuse.what, misuse.consequence)
}

#[test]
fn put_page_on_a_pin_leaves_1023_and_1024_of_them_make_one_unpin() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let base = world.pin(1)[0];
    let held = world.refcount(base);
    world.memory.put_page(base).unwrap();
    assert_eq!(world.refcount(base), held - 1);
    assert!(world.pinned(base), "still taken for pinned");
    for _ in 1..GUP_PIN_COUNTING_BIAS {
        world.memory.put_page(base).unwrap();
    }
    assert_eq!(world.refcount(base), held - GUP_PIN_COUNTING_BIAS);
    assert!(!world.pinned(base));
}

#[test]
fn unpin_of_a_plain_reference_underflows_and_looks_pinned_for_ever() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let page = world.get(1)[0];
    let done = world.memory.unpin_user_page(page);
    assert_eq!(what(done), (What::NotPinned, Consequence::PinnedForever));
    assert_eq!(world.refcount(page), 4 - GUP_PIN_COUNTING_BIAS);
    assert!(world.pinned(page));
    let again = get_user_pages(
        &mut world.memory,
        &mut world.mm,
        START,
        1,
        WRITE,
        Path::Fast,
    );
    assert!(again.is_err(), "a negative count is not grabbed");
}

#[test]
fn a_second_unpin_is_the_same_mistake() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let page = world.pin(1)[0];
    world.memory.unpin_user_page(page).unwrap();
    assert_eq!(
        what(world.memory.unpin_user_page(page)),
        (What::NotPinned, Consequence::PinnedForever)
    );
}

#[test]
fn put_page_on_a_large_pin_is_found_when_the_folio_is_freed() {
    let mut world = World::new(Version::V6_12, 4, 2);
    let page = world.pin(1)[0];
    world.memory.put_page(page).unwrap();
    assert_eq!(world.memory.folio(world.id(page)).pincount, 1);
    let found = world.mm.truncate(&mut world.memory, 0);
    assert!(
        found.iter().any(|misuse| misuse.what == What::FreedPinned),
        "{found:?}"
    );
}

#[test]
fn unpin_of_a_plain_reference_hides_the_pin_of_another() {
    for order in [0, 2] {
        let mut world = World::new(Version::V6_12, 4, order);
        let page = world.pin(1)[0];
        world.get(1);
        assert!(world.pinned(page));
        world.memory.unpin_user_page(page).unwrap();
        assert!(!world.pinned(page), "order {order}");
        // The pinner still believes in its pin; the model was told of one release and cannot know whose it was.
        let id = world.id(page);
        world.memory.folio_mut(id).live_pins += 1;
        assert!(world.memory.false_negative(id));
    }
}

#[test]
fn unpin_of_a_large_folio_that_has_no_pin_goes_below_zero() {
    let mut world = World::new(Version::V6_12, 4, 2);
    let page = world.get(1)[0];
    assert_eq!(
        what(world.memory.unpin_user_page(page)),
        (What::NotPinned, Consequence::FalseNegative)
    );
    assert_eq!(world.memory.folio(world.id(page)).pincount, -1);
}

#[test]
fn null_entries_crash_before_6_12_and_pass_as_a_prefix_since() {
    for version in Version::ALL
        .into_iter()
        .filter(|version| version.counts_pins())
    {
        let mut world = World::new(version, 2, 0);
        let page = world.pin(1)[0];
        let prefix = world.memory.unpin_user_pages(&[None, None, page], 3);
        assert_eq!(
            prefix.is_ok(),
            version >= Version::V6_12,
            "{}",
            version.name()
        );
        world.pin(1);
        let after = world.memory.unpin_user_pages(&[page, None], 2);
        assert_eq!(
            what(after),
            (What::NullPage, Consequence::Oops),
            "{}",
            version.name()
        );
        let dirty = world
            .memory
            .unpin_user_pages_dirty_lock(&[None, page], 2, true);
        assert_eq!(what(dirty), (What::NullPage, Consequence::Oops));
    }
}

#[test]
fn an_error_number_as_count_is_caught_only_where_the_kernel_looks() {
    let count = (-14_i64) as u64;
    for version in Version::ALL
        .into_iter()
        .filter(|version| version.counts_pins())
    {
        let mut world = World::new(version, 1, 0);
        let pages = world.pin(1);
        let plain = what(world.memory.unpin_user_pages(&pages, count));
        if version >= Version::V5_10 {
            assert_eq!(plain, (What::ErrorAsCount, Consequence::Warn));
            assert!(world.pinned(pages[0]), "nothing was done");
        } else {
            assert_eq!(plain.1, Consequence::Runaway);
        }
        let dirty = what(
            world
                .memory
                .unpin_user_pages_dirty_lock(&pages, count, true),
        );
        assert_eq!(dirty.1, Consequence::Runaway, "no version looks here");
    }
    assert!(is_err_value((-4095_i64) as u64) && !is_err_value((-4096_i64) as u64));
}

#[test]
fn the_second_version_of_the_series_would_have_read_past_its_array() {
    // It went from npages down to 1 and touched that index each time.
    let mut world = World::new(Version::V4_19, 2, 0);
    let pages = world.get(2);
    let touched: Vec<bool> = (1..=2)
        .rev()
        .map(|index| world.memory.put_user_pages(&pages[index..], 1).is_ok())
        .collect();
    assert_eq!(touched, [false, true]);
    assert_eq!(
        world.refcount(pages[0]),
        // The cache, its buffers, the page table, and the reference.
        4,
        "the first page is never given back"
    );
}

#[test]
fn dirtying_happens_before_the_last_reference_goes() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let pages = world.pin(1);
    let id = world.id(pages[0]);
    world.mm.write_back(&mut world.memory, id);
    world
        .memory
        .unpin_user_pages_dirty_lock(&pages, 1, true)
        .unwrap();
    assert!(world.memory.folio(id).dirty && !world.memory.folio(id).locked);
    world.mm.truncate(&mut world.memory, 0);
    assert_eq!(
        world.memory.folio_mark_dirty(id).unwrap_err().consequence,
        Consequence::UseAfterFree
    );
}

#[test]
fn a_truncated_page_gets_the_flag_and_belongs_to_no_file() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let pages = world.pin(1);
    let id = world.id(pages[0]);
    assert_eq!(world.mm.truncate(&mut world.memory, 0), []);
    assert_eq!(world.memory.folio(id).kind, Kind::File { attached: false });
    world
        .memory
        .unpin_user_pages_dirty_lock(&pages, 1, true)
        .unwrap();
    assert!(world.memory.folio(id).dirty && world.memory.folio(id).freed);
}

#[test]
fn a_releaser_that_finds_the_page_dirty_does_not_ask_for_its_lock() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let pages = world.pin(1);
    let id = world.id(pages[0]);
    world.memory.folio_lock(id).unwrap();
    assert!(world.memory.folio(id).dirty, "the write fault left it so");
    world
        .memory
        .unpin_user_pages_dirty_lock(&pages, 1, true)
        .unwrap();
    // The unconditional one waits for whoever waits for this release.
    assert_eq!(
        world
            .memory
            .set_page_dirty_lock(id)
            .unwrap_err()
            .consequence,
        Consequence::Deadlock
    );
}

#[test]
fn dirtying_under_a_spinlock_is_reported_and_releasing_is_not() {
    let mut world = World::new(Version::V6_12, 1, 0);
    let pages = world.pin(1);
    let id = world.id(pages[0]);
    world.mm.write_back(&mut world.memory, id);
    world.memory.context = Context::Atomic;
    let dirty = world.memory.unpin_user_pages_dirty_lock(&pages, 1, true);
    assert_eq!(what(dirty), (What::SleepsInAtomic, Consequence::Warn));
    world
        .memory
        .unpin_user_pages_dirty_lock(&pages, 1, false)
        .unwrap();
}

#[test]
fn a_range_is_released_folio_by_folio_from_the_middle_of_one_to_the_middle_of_another() {
    let mut world = World::new(Version::V6_12, 8, 2);
    let all = world.pin(8);
    assert_ne!(world.id(all[3]), world.id(all[4]));
    let contiguous = all[4].unwrap().0 == all[3].unwrap().0 + 1;
    assert!(contiguous, "the two folios were made one after the other");
    world
        .memory
        .unpin_user_page_range_dirty_lock(all[2], 4, true)
        .unwrap();
    assert_eq!(world.memory.folio(world.id(all[0])).pincount, 2);
    assert_eq!(world.memory.folio(world.id(all[7])).pincount, 2);
}

#[test]
fn a_kernel_without_the_name_says_so() {
    let mut old = World::new(Version::V5_4, 1, 0);
    let page = old.get(1)[0];
    assert_eq!(
        what(old.memory.unpin_user_page(page)).0,
        What::NoSuchFunction
    );
    assert_eq!(
        what(old.memory.put_user_pages_dirty(&[page], 1)).0,
        What::NoSuchFunction
    );
    old.memory
        .put_user_pages_dirty_lock(&[page], 1, true)
        .unwrap();
    let mut new = World::new(Version::V6_12, 1, 0);
    let page = new.get(1)[0];
    assert_eq!(what(new.memory.put_user_page(page)).0, What::NoSuchFunction);
}

#[test]
fn the_last_put_frees_and_one_more_is_a_use_after_free() {
    let mut memory = Memory::new(Version::V6_12);
    let page = Some(memory.alloc(0, Kind::Kernel));
    memory.put_page(page).unwrap();
    assert_eq!(
        what(memory.put_page(page)),
        (What::Freed, Consequence::UseAfterFree)
    );
    assert_eq!(memory.get_page(page).unwrap_err().what, What::Freed);
}

proptest! {
    /// C10: the order in which an array is released changes nothing that is left afterwards.
    #[test]
    fn last_to_first_and_first_to_last_leave_the_same(picks in prop::collection::vec(0..4_u64, 1..20)) {
        let mut worlds = [0, 1, 2].map(|_| World::new(Version::V4_19, 4, 0));
        for (which, world) in worlds.iter_mut().enumerate() {
            let mut pages = Vec::new();
            for pick in &picks {
                let at = PageIndex(START.0 + pick);
                let got = get_user_pages(&mut world.memory, &mut world.mm, at, 1, WRITE, Path::Fast).unwrap();
                pages.push(Some(got[0]));
            }
            let nr = pages.len();
            match which {
                0 => world.memory.release_user_pages(&pages, nr as u64).unwrap(),
                1 => world.memory.put_user_pages(&pages, nr as u64).unwrap(),
                _ => world.memory.release_pages(&pages, nr as i32).unwrap(),
            }
        }
        // The frames were handed out in the same order, so that folios can be compared one by one.
        let left = |world: &World| world.memory.folios().cloned().collect::<Vec<_>>();
        prop_assert_eq!(left(&worlds[0]), left(&worlds[1]));
        prop_assert_eq!(left(&worlds[0]), left(&worlds[2]));
    }

    /// C2: no sequence of calls panics, and a count below zero was reported by the call that made it so.
    #[test]
    fn misuse_is_a_value(calls in prop::collection::vec((0..6_u8, 0..5_u64, any::<bool>()), 1..60), order in 0..2_u32) {
        let mut world = World::new(Version::V6_12, 4, order);
        let pages = world.pin(4);
        for (call, nr, dirty) in calls {
            let before = world.refcount(pages[0]);
            let page = pages[nr as usize % 4];
            let done = match call {
                0 => world.memory.put_page(page),
                1 => world.memory.unpin_user_page(page),
                2 => world.memory.unpin_user_pages(&pages, nr),
                3 => world.memory.unpin_user_pages_dirty_lock(&pages, nr, dirty),
                4 => world.memory.unpin_user_page_range_dirty_lock(page, nr, dirty),
                _ => world.memory.get_page(page),
            };
            if before > 0 && world.refcount(pages[0]) < 0 {
                prop_assert!(done.is_err(), "call {} made the count negative in silence", call);
            }
        }
    }
}

/// include/linux/mm.h: put_page() takes one away before it looks, so that the count of a free page is -1 then.
#[test]
fn the_count_of_a_free_page_goes_below_zero() {
    let mut memory = Memory::new(Version::V6_12);
    let page = memory.alloc(0, Kind::Anon);
    let id = memory.page_folio(page).unwrap();
    assert_eq!(memory.put_page(Some(page)), Ok(()));
    assert_eq!(memory.folio(id).refcount, 0);
    let wrong = memory.put_page(Some(page)).unwrap_err();
    assert_eq!((wrong.what, memory.folio(id).refcount), (What::Freed, -1));
}

/// mm/gup.c: try_grab_folio(), gup_put_folio(): node_stat_mod_folio() of as many as there are.
#[test]
fn both_counters_of_pins_move_by_as_many_as_are_taken_and_given() {
    for order in [0, 2] {
        let mut memory = Memory::new(Version::V7_3);
        let page = memory.alloc(order, Kind::Anon);
        let id = memory.page_folio(page).unwrap();
        memory.pin_refs(id, 3);
        assert_eq!((memory.stat().acquired, memory.stat().released), (3, 0));
        memory.unpin_user_folio(Some(page), 2).unwrap();
        assert_eq!((memory.stat().acquired, memory.stat().released), (3, 2));
    }
}

/// The first version of the series went through its array from the end, the second one from the beginning (mm/gup.c: put_user_pages(), 5.4):
/// what stands in front of the NULL, or behind it, is given back.
#[test]
fn an_array_is_given_back_from_the_end_that_its_version_began_at() {
    for from_the_end in [true, false] {
        let mut memory = Memory::new(Version::V4_19);
        let [first, last] = [(), ()].map(|()| memory.alloc(0, Kind::Anon));
        let array = [Some(first), None, Some(last)];
        let done = if from_the_end {
            memory.release_user_pages(&array, 3)
        } else {
            memory.put_user_pages(&array, 3)
        };
        assert_eq!(done.unwrap_err().what, What::NullPage);
        let freed = |page| memory.folio(memory.page_folio(page).unwrap()).freed;
        assert_eq!((freed(first), freed(last)), (!from_the_end, from_the_end));
    }
}

/// What corrupts memory is told, whatever else was wrong with the array before or behind it.
#[test]
fn of_several_mistakes_in_an_array_the_gravest_is_told() {
    for freed_first in [true, false] {
        let mut memory = Memory::new(Version::V6_12);
        let [plain, freed] = [(), ()].map(|()| Some(memory.alloc(0, Kind::Anon)));
        memory.put_page(freed).unwrap();
        let mut array = [freed, plain];
        if !freed_first {
            array.reverse();
        }
        let told = memory.unpin_user_pages(&array, 2).unwrap_err();
        assert_eq!(told.what, What::Freed, "freed first: {freed_first}");
    }
}

/// Of mistakes that are as grave the first is told, so that a report names the entry where it began to go wrong.
#[test]
fn of_mistakes_in_an_array_that_are_as_grave_the_first_is_told() {
    for freed in [true, false] {
        let mut memory = Memory::new(Version::V6_12);
        let array = [(), ()].map(|()| Some(memory.alloc(0, Kind::Anon)));
        let ids = array.map(|page| memory.page_folio(page.unwrap()).unwrap());
        if freed {
            for page in array {
                memory.put_page(page).unwrap();
            }
        }
        let told = memory.unpin_user_pages(&array, 2).unwrap_err();
        assert_eq!(told.folio, Some(ids[0]), "freed: {freed}");
    }
}
