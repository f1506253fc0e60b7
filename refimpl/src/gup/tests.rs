// SPDX-License-Identifier: MIT OR Apache-2.0
//! What acquiring returns and counts: properties C4 to C8 of a reference implementation.

use super::*;
use crate::page::{FolioId, GUP_PIN_COUNTING_BIAS};
use crate::version::Version;
use proptest::prelude::*;

const START: PageIndex = PageIndex(0x1000);
const WRITE: Flags = Flags {
    write: true,
    longterm: false,
};
const LONGTERM: Flags = Flags {
    write: true,
    longterm: true,
};

fn world(version: Version, area: Area, pages: u64, order: u32) -> (Memory, Mm) {
    let mut mm = Mm::default();
    mm.mmap(Vma {
        start: START,
        pages,
        area,
        writable: true,
        order,
    });
    (Memory::new(version), mm)
}

fn folio_of(memory: &Memory, pfn: Pfn) -> FolioId {
    memory.page_folio(pfn).unwrap()
}

#[test]
fn as_many_pages_come_as_there_are_and_an_error_only_when_none_did() {
    for path in [Path::Fast, Path::Slow] {
        let (mut memory, mut mm) = world(Version::V6_12, Area::Anon, 3, 0);
        assert_eq!(
            pin_user_pages(&mut memory, &mut mm, START, 5, WRITE, path)
                .unwrap()
                .len(),
            3
        );
        let beyond = PageIndex(START.0 + 3);
        assert_eq!(
            pin_user_pages(&mut memory, &mut mm, beyond, 5, WRITE, path),
            Err(Errno::EFAULT)
        );
        assert_eq!(
            pin_user_pages(&mut memory, &mut mm, beyond, 0, WRITE, path),
            Ok(vec![])
        );
        assert_eq!(memory.stat().acquired, 3);
    }
}

#[test]
fn a_pin_is_seen_and_a_plain_reference_is_not() {
    let (mut memory, mut mm) = world(
        Version::V6_12,
        Area::File {
            file: 0,
            tracked: true,
        },
        1,
        0,
    );
    let pages = get_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Fast).unwrap();
    let id = folio_of(&memory, pages[0]);
    assert!(!memory.folio_maybe_dma_pinned(id));
    pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Fast).unwrap();
    assert!(memory.folio_maybe_dma_pinned(id));
    // The cache, the buffers, the page table, the plain reference, the pin.
    assert_eq!(
        memory.folio(id).refcount,
        1 + 1 + 1 + 1 + GUP_PIN_COUNTING_BIAS
    );
}

#[test]
fn a_thousand_plain_references_look_like_a_pin_at_the_bias_and_not_before() {
    let (mut memory, mut mm) = world(Version::V6_12, Area::Anon, 1, 0);
    let pfn = get_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow).unwrap()[0];
    let id = folio_of(&memory, pfn);
    while memory.folio(id).refcount < GUP_PIN_COUNTING_BIAS {
        assert!(
            !memory.folio_maybe_dma_pinned(id),
            "at {}",
            memory.folio(id).refcount
        );
        get_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Fast).unwrap();
    }
    assert!(memory.folio_maybe_dma_pinned(id));
}

#[test]
fn a_large_folio_is_never_taken_for_pinned_by_mistake() {
    let (mut memory, mut mm) = world(Version::V6_12, Area::Anon, 4, 2);
    for _ in 0..2000 {
        get_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Fast).unwrap();
    }
    let id = folio_of(&memory, mm.pte(START).unwrap().pfn);
    assert!(!memory.folio_maybe_dma_pinned(id));
    assert_eq!(memory.folio(id).order, 2);
}

#[test]
fn an_order_one_folio_has_a_pincount_since_folios_came() {
    for version in [Version::V5_7, Version::V5_10, Version::V6_1, Version::V7_3] {
        let (mut memory, mut mm) = world(version, Area::Anon, 2, 1);
        let pfn = pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow).unwrap()[0];
        let counted = memory.folio(folio_of(&memory, pfn)).pincount == 1;
        assert_eq!(counted, version >= Version::V6_1, "{}", version.name());
        assert!(memory.folio_maybe_dma_pinned(folio_of(&memory, pfn)));
    }
}

#[test]
fn the_zero_page_is_counted_before_6_1_and_left_alone_since() {
    for version in Version::ALL
        .into_iter()
        .filter(|version| version.counts_pins())
    {
        let (mut memory, mut mm) = world(version, Area::Anon, 1, 0);
        let before = memory.folio(FolioId(0)).refcount;
        let pages =
            pin_user_pages(&mut memory, &mut mm, START, 1, Flags::default(), Path::Slow).unwrap();
        assert_eq!(pages, [Memory::ZERO]);
        let counted = memory.folio(FolioId(0)).refcount != before;
        assert_eq!(counted, version < Version::V6_1, "{}", version.name());
        assert_eq!(memory.stat().acquired, i64::from(counted));
        memory.unpin_user_page(Some(Memory::ZERO)).unwrap();
        assert_eq!(memory.folio(FolioId(0)).refcount, before);
    }
}

#[test]
fn the_grab_that_passes_the_limit_succeeds_and_the_next_fails() {
    let (mut memory, mut mm) = world(Version::V6_12, Area::Anon, 1, 0);
    let pfn = pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow).unwrap()[0];
    let id = folio_of(&memory, pfn);
    let room = i32::MAX - memory.folio(id).refcount;
    for _ in 0..=room / GUP_PIN_COUNTING_BIAS {
        pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Fast).unwrap();
    }
    let count = memory.folio(id).refcount;
    assert!(count < 0);
    assert!(
        memory.folio_maybe_dma_pinned(id),
        "an overflowed count reads as pinned"
    );
    for path in [Path::Fast, Path::Slow] {
        assert_eq!(
            pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, path),
            Err(Errno::ENOMEM)
        );
    }
    assert_eq!(memory.folio(id).refcount, count);
    assert_eq!(
        memory.stat().acquired,
        i64::from(room / GUP_PIN_COUNTING_BIAS) + 2
    );
}

#[test]
fn a_long_term_write_pin_of_a_file_is_refused_since_6_5() {
    for version in Version::ALL
        .into_iter()
        .filter(|version| version.counts_pins())
    {
        let (mut memory, mut mm) = world(
            version,
            Area::File {
                file: 0,
                tracked: true,
            },
            1,
            0,
        );
        let got = pin_user_pages(&mut memory, &mut mm, START, 1, LONGTERM, Path::Fast);
        assert_eq!(
            got.is_err(),
            version >= Version::V6_12,
            "{}",
            version.name()
        );
        let (mut memory, mut mm) = world(
            version,
            Area::File {
                file: 0,
                tracked: false,
            },
            1,
            0,
        );
        assert!(pin_user_pages(&mut memory, &mut mm, START, 1, LONGTERM, Path::Fast).is_ok());
    }
}

#[test]
fn memory_that_must_not_be_held_is_refused() {
    let refused = |area, flags| {
        let (mut memory, mut mm) = world(Version::V6_12, area, 1, 0);
        pin_user_pages(&mut memory, &mut mm, START, 1, flags, Path::Fast).unwrap_err()
    };
    assert_eq!(
        refused(Area::FsDax { file: 0 }, LONGTERM),
        Errno::EOPNOTSUPP
    );
    assert_eq!(refused(Area::Secret, WRITE), Errno::EFAULT);
    assert_eq!(refused(Area::Io, WRITE), Errno::EFAULT);
    let (mut memory, mut mm) = world(Version::V6_12, Area::Anon, 1, 0);
    assert_eq!(
        get_user_pages(&mut memory, &mut mm, START, 1, LONGTERM, Path::Slow),
        Err(Errno::EINVAL)
    );
    let mut memory = Memory::new(Version::V5_4);
    assert_eq!(
        pin_user_pages(&mut memory, &mut mm, START, 1, WRITE, Path::Slow),
        Err(Errno::EINVAL)
    );
}

/// gup_fast without a fallback: what is mapped as it is wanted, up to the first page that is not, and never an error.
#[test]
fn the_fast_only_forms_end_where_a_fault_would_be_needed() {
    for hold in [Hold::Get, Hold::Pin] {
        let (mut memory, mut mm) = world(Version::V6_1, Area::Anon, 4, 0);
        let mut take = |mm: &mut Mm, flags| {
            let path = Path::FastOnly;
            let got = match hold {
                Hold::Get => get_user_pages(&mut memory, mm, START, 4, flags, path),
                Hold::Pin => pin_user_pages(&mut memory, mm, START, 4, flags, path),
            };
            got.unwrap().len()
        };
        assert_eq!(take(&mut mm, WRITE), 0);
        let mut other = Memory::new(Version::V6_1);
        assert!(mm.fault(&mut other, PageIndex(START.0 + 9), true).is_err());
    }
    let (mut memory, mut mm) = world(Version::V6_1, Area::Anon, 4, 0);
    for (page, write) in [(0, true), (1, true), (2, false), (3, true)] {
        mm.access(&mut memory, PageIndex(START.0 + page), write)
            .unwrap();
    }
    let got = pin_user_pages(&mut memory, &mut mm, START, 4, WRITE, Path::FastOnly).unwrap();
    assert_eq!(got.len(), 2, "the third page is the zero page");
    assert_eq!(memory.stat().acquired, 2);
    assert!(
        !mm.pte(PageIndex(START.0 + 2)).unwrap().writable,
        "nothing faulted"
    );
}

/// gup_must_unshare(): of a page that a child shares a pin for reading gets a copy, a plain reference does not.
#[test]
fn a_pin_for_reading_unshares_what_a_plain_reference_leaves_shared() {
    for (version, path) in [
        (Version::V6_12, Path::Slow),
        (Version::V6_12, Path::Fast),
        (Version::V5_10, Path::Fast),
    ] {
        let (mut memory, mut mm) = world(version, Area::Anon, 1, 0);
        mm.access(&mut memory, START, true).unwrap();
        let shared = mm.pte(START).unwrap().pfn;
        assert!(mm.fork(&mut memory));
        let read = Flags::default();
        let got = get_user_pages(&mut memory, &mut mm, START, 1, read, path).unwrap();
        assert_eq!(got, [shared]);
        let pinned = pin_user_pages(&mut memory, &mut mm, START, 1, read, path).unwrap();
        assert_eq!(
            pinned != [shared],
            version >= Version::V6_1,
            "{}",
            version.name()
        );
        assert!(!mm.pte(START).unwrap().writable);
    }
}

/// is_valid_gup_args(): FOLL_LONGTERM belongs to FOLL_PIN since 5.7; before there was no other way to ask for it.
#[test]
fn a_plain_reference_for_long_is_refused_since_there_are_pins() {
    for version in Version::ALL {
        let (mut memory, mut mm) = world(version, Area::Anon, 1, 0);
        let got = get_user_pages(&mut memory, &mut mm, START, 1, LONGTERM, Path::Slow);
        assert_eq!(got.is_err(), version.counts_pins(), "{}", version.name());
    }
}

/// memfd_pin_folios(): once a folio, whatever part of it the range has, and EINVAL for a range or an array that is empty.
#[test]
fn a_memfd_gives_each_folio_once() {
    let file = Area::File {
        file: 0,
        tracked: false,
    };
    let (mut memory, mut mm) = world(Version::V6_12, file, 8, 2);
    for page in [0, 4] {
        mm.access(&mut memory, PageIndex(START.0 + page), true)
            .unwrap();
    }
    let heads = memfd_pin_folios(&mut memory, &mut mm, 0, 2..=9, 8).unwrap();
    assert_eq!(
        heads.len(),
        2 + 2,
        "two folios of four pages, and two pages brought in"
    );
    assert_eq!(memory.stat().acquired, 4);
    let orders: Vec<u32> = heads
        .iter()
        .map(|pfn| memory.folio(folio_of(&memory, *pfn)).order)
        .collect();
    assert_eq!(orders, [2, 2, 0, 0]);
    assert!(
        heads
            .iter()
            .all(|pfn| memory.folio(folio_of(&memory, *pfn)).head == *pfn)
    );
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "an empty range is what is asked about"
    )]
    let empty = 3..=2;
    let mut pins = |range, max| memfd_pin_folios(&mut memory, &mut mm, 0, range, max);
    assert_eq!(pins(empty, 4), Err(Errno::EINVAL));
    assert_eq!(pins(0..=1, 0), Err(Errno::EINVAL));
    for version in [Version::V6_1, Version::V5_10] {
        let (mut memory, mut mm) = world(version, file, 1, 0);
        assert_eq!(
            memfd_pin_folios(&mut memory, &mut mm, 0, 0..=0, 4),
            Err(Errno::EINVAL)
        );
    }
}

/// check_vma_flags(): FOLL_WRITE wants VM_WRITE.
#[test]
fn memory_that_its_owner_may_only_read_is_taken_for_reading() {
    for path in [Path::Slow, Path::Fast, Path::Unlocked] {
        let (mut memory, _) = world(Version::V6_12, Area::Anon, 1, 0);
        let mut mm = Mm::default();
        mm.mmap(Vma {
            start: START,
            pages: 1,
            area: Area::Anon,
            writable: false,
            order: 0,
        });
        let mut pin = |flags| pin_user_pages(&mut memory, &mut mm, START, 1, flags, path);
        assert_eq!(pin(WRITE), Err(Errno::EFAULT));
        assert_eq!(pin(Flags::default()), Ok(vec![Memory::ZERO]));
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Get(u64, u64, bool),
    Pin(u64, u64, bool),
    GiveBack(usize, bool),
    WriteBack(usize),
    Truncate,
    Zap(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let range = (0..10_u64, 1..5_u64, any::<bool>());
    prop_oneof![
        4 => range.clone().prop_map(|(at, nr, write)| Step::Get(at, nr, write)),
        4 => range.prop_map(|(at, nr, write)| Step::Pin(at, nr, write)),
        6 => (0..8_usize, any::<bool>()).prop_map(|(which, dirty)| Step::GiveBack(which, dirty)),
        1 => (0..8_usize).prop_map(Step::WriteBack),
        1 => Just(Step::Truncate),
        1 => (0..10_u64).prop_map(Step::Zap),
    ]
}

proptest! {
    /// C1, C3, C5: with matching releases no pin is ever unseen, the counters agree with the pins held, and once all is
    /// given back nothing is left but what the page tables and the cache hold.
    #[test]
    fn matching_releases_leave_nothing_behind(
        version in prop::sample::select(Version::ALL.to_vec()),
        order in 0..3_u32,
        file in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let area = if file { Area::File { file: 0, tracked: false } } else { Area::Anon };
        let (mut memory, mut mm) = world(version, area, 8, order);
        let mut held: Vec<(Hold, Vec<Pfn>)> = Vec::new();
        for step in steps {
            match step {
                Step::Get(at, nr, write) | Step::Pin(at, nr, write) => {
                    let at = PageIndex(START.0 + at);
                    let flags = Flags { write, ..Flags::default() };
                    let (hold, got) = if matches!(step, Step::Pin(..)) && version.counts_pins() {
                        (Hold::Pin, pin_user_pages(&mut memory, &mut mm, at, nr, flags, Path::Fast))
                    } else {
                        (Hold::Get, get_user_pages(&mut memory, &mut mm, at, nr, flags, Path::Fast))
                    };
                    if let Ok(pages) = got {
                        prop_assert!(!pages.is_empty() && pages.len() as u64 <= nr);
                        held.push((hold, pages));
                    }
                }
                Step::GiveBack(which, dirty) if !held.is_empty() => {
                    let (hold, pages) = held.swap_remove(which % held.len());
                    give_back(&mut memory, hold, &pages, dirty);
                }
                Step::WriteBack(which) if !held.is_empty() => {
                    let id = folio_of(&memory, held[which % held.len()].1[0]);
                    mm.write_back(&mut memory, id);
                }
                Step::Truncate => prop_assert_eq!(mm.truncate(&mut memory, 0), vec![]),
                Step::Zap(at) => prop_assert_eq!(mm.zap(&mut memory, PageIndex(START.0 + at)), None),
                Step::GiveBack(..) | Step::WriteBack(_) => {}
            }
            for (hold, pages) in &held {
                for pfn in pages {
                    let id = folio_of(&memory, *pfn);
                    let exempt = *pfn == Memory::ZERO;
                    prop_assert!(!memory.folio(id).freed);
                    prop_assert!(*hold == Hold::Get || exempt || memory.folio_maybe_dma_pinned(id));
                }
            }
            let live: i64 = memory.folios().skip(1).map(|folio| folio.live_pins).sum();
            let zero = if version.zero_page_is_never_pinned() { 0 } else { memory.folio(FolioId(0)).live_pins };
            prop_assert_eq!(memory.stat().acquired - memory.stat().released, live + zero);
        }
        for (hold, pages) in held.drain(..) {
            give_back(&mut memory, hold, &pages, true);
        }
        for folio in memory.folios().skip(1) {
            prop_assert_eq!(folio.pincount, 0);
            let cached = mm.cache().values().filter(|pfn| folio_of(&memory, **pfn) == folio_of(&memory, folio.head)).count();
            prop_assert_eq!(folio.refcount, folio.mapcount + cached as i32);
            prop_assert_eq!(folio.freed, folio.refcount == 0);
        }
    }
}

fn give_back(memory: &mut Memory, hold: Hold, pages: &[Pfn], dirty: bool) {
    let pages: Vec<Option<Pfn>> = pages.iter().copied().map(Some).collect();
    let nr = pages.len() as u64;
    match hold {
        Hold::Pin => memory
            .unpin_user_pages_dirty_lock(&pages, nr, dirty)
            .unwrap(),
        Hold::Get => memory.release_pages(&pages, nr as i32).unwrap(),
    }
}
