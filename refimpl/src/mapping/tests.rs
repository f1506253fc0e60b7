// SPDX-License-Identifier: MIT OR Apache-2.0
//! What faults, writeback, truncate, fork and unmapping leave behind; each answer is that of the kernel function it names.

use super::*;
use crate::version::Version;

const START: PageIndex = PageIndex(64);
const SHMEM: Area = Area::File {
    file: 0,
    tracked: false,
};
const DISK: Area = Area::File {
    file: 0,
    tracked: true,
};

fn world(area: Area, pages: u64, order: u32) -> (Memory, Mm) {
    let mut mm = Mm::default();
    let vma = |start, area| Vma {
        start,
        pages,
        area,
        writable: true,
        order,
    };
    mm.mmap(vma(START, area));
    (Memory::new(Version::V6_12), mm)
}

fn at(page: u64) -> PageIndex {
    PageIndex(START.0 + page)
}

fn mapped(mm: &Mm, pages: u64) -> Vec<u64> {
    (0..pages)
        .filter(|page| mm.pte(at(*page)).is_some())
        .collect()
}

/// Reference count and mapcount of the folio that a page maps.
fn counts(memory: &Memory, mm: &Mm, page: u64) -> (i32, i32) {
    let id = memory.page_folio(mm.pte(at(page)).unwrap().pfn).unwrap();
    (memory.folio(id).refcount, memory.folio(id).mapcount)
}

/// do_fault_around(): sixteen pages that are there, of an aligned window, within the area; do_shared_fault() maps one.
#[test]
fn a_read_maps_the_window_that_is_cached_and_a_write_maps_its_page() {
    let (mut memory, mut mm) = world(DISK, 40, 0);
    for page in (0..40).filter(|page| *page != 25) {
        mm.access(&mut memory, at(page), false).unwrap();
    }
    let all: Vec<u64> = (0..40).filter(|page| *page != 25).collect();
    assert_eq!(mapped(&mm, 40), all);
    // Of the file, and not of the area.
    mm.cache_page(&mut memory, 0, 41);
    for (touched, write, expected) in [
        (20, false, (16..32).filter(|page| *page != 25).collect()),
        (33, false, (32..40).collect::<Vec<u64>>()),
        (3, true, vec![3]),
    ] {
        assert_eq!(mm.zap_range(&mut memory, START, 40), vec![]);
        mm.access(&mut memory, at(touched), write).unwrap();
        assert_eq!(mapped(&mm, 44), expected);
        assert!(
            expected
                .iter()
                .all(|page| counts(&memory, &mm, *page) == (3, 1))
        );
    }
}

/// filemap_add_folio(): a reference for each page of the folio, and one for the buffers of a disk's file.
#[test]
fn the_cache_holds_a_reference_for_each_page_of_a_folio() {
    for (area, buffers) in [(DISK, 1), (SHMEM, 0)] {
        let (mut memory, mut mm) = world(area, 8, 2);
        mm.access(&mut memory, at(5), true).unwrap();
        assert_eq!(counts(&memory, &mm, 5), (4 + buffers + 1, 1));
        assert_eq!(mm.truncate(&mut memory, 0), vec![]);
        assert!(mm.cache().is_empty() && memory.folios().skip(1).all(|folio| folio.freed));
    }
}

/// do_anonymous_page(), wp_page_copy(): the zero page has no count of its own, and a store gets a page.
#[test]
fn a_store_to_untouched_memory_replaces_the_zero_page() {
    let (mut memory, mut mm) = world(Area::Anon, 1, 0);
    let zero = memory
        .folio(memory.page_folio(Memory::ZERO).unwrap())
        .clone();
    mm.access(&mut memory, START, false).unwrap();
    let read = mm.pte(START).unwrap();
    assert_eq!(
        (read.pfn, read.writable, read.dirty),
        (Memory::ZERO, false, false)
    );
    mm.access(&mut memory, START, true).unwrap();
    let written = mm.pte(START).unwrap();
    assert!(written.pfn != Memory::ZERO && written.writable && written.dirty);
    assert_eq!(counts(&memory, &mm, 0), (1, 1));
    assert_eq!(
        *memory.folio(memory.page_folio(Memory::ZERO).unwrap()),
        zero
    );
}

/// clear_page_dirty_for_io(): true where the flag or an entry said that there is something to write.
#[test]
fn writeback_finds_what_only_an_entry_knows_and_protects_it() {
    let (mut memory, mut mm) = world(SHMEM, 1, 0);
    mm.access(&mut memory, START, false).unwrap();
    let id = memory.page_folio(mm.pte(START).unwrap().pfn).unwrap();
    mm.access(&mut memory, START, true).unwrap();
    assert!(!memory.folio(id).dirty && mm.pte(START).unwrap().dirty);
    assert!(mm.write_back(&mut memory, id));
    let pte = mm.pte(START).unwrap();
    assert!(!pte.writable && !pte.dirty && !memory.folio(id).dirty);
    assert!(!mm.write_back(&mut memory, id), "nothing is left to write");
    mm.access(&mut memory, START, true).unwrap();
    assert!(memory.folio(id).dirty, "page_mkwrite() saw the store");
}

#[test]
fn truncate_takes_the_pages_of_its_file_and_of_no_other() {
    let (mut memory, mut mm) = world(DISK, 2, 0);
    let other = PageIndex(START.0 + 100);
    mm.mmap(Vma {
        start: other,
        pages: 2,
        area: Area::File {
            file: 1,
            tracked: true,
        },
        writable: true,
        order: 0,
    });
    mm.access(&mut memory, START, true).unwrap();
    mm.access(&mut memory, other, true).unwrap();
    assert_eq!(mm.truncate(&mut memory, 0), vec![]);
    assert!(mm.pte(START).is_none() && mm.pte(other).is_some());
    assert_eq!(mm.cache().keys().collect::<Vec<_>>(), [&(1, 0)]);
    let id = memory.page_folio(mm.pte(other).unwrap().pfn).unwrap();
    assert_eq!(memory.folio(id).kind, Kind::File { attached: true });
    assert!(memory.folio(id).dirty);
}

/// unmap_vmas(): the program has the area no longer, whoever holds a page has it still.
#[test]
fn an_area_that_is_unmapped_is_gone_and_what_is_held_is_not() {
    let (mut memory, mut mm) = world(Area::Anon, 2, 0);
    mm.access(&mut memory, START, true).unwrap();
    let page = mm.pte(START).unwrap().pfn;
    memory.get_page(Some(page)).unwrap();
    assert_eq!(mm.munmap(&mut memory, at(1)), vec![]);
    assert_eq!(mm.fault(&mut memory, START, false), Err(Fault));
    let id = memory.page_folio(page).unwrap();
    assert!(!memory.folio(id).freed);
    // zap_present_ptes(): what is nobody's file is not marked dirty.
    assert!(!memory.folio(id).dirty);
    assert_eq!(memory.put_page(Some(page)), Ok(()));
    assert!(memory.folio(id).freed);
    assert_eq!(mm.munmap(&mut memory, START), vec![]);
}

/// dup_mmap(), copy_page_range(): vma_needs_copy() leaves files to faults, and what a driver inserted stays writable on
/// both sides.
#[test]
fn fork_shares_private_memory_and_what_a_driver_inserted() {
    let (mut memory, mut mm) = world(Area::Anon, 2, 0);
    let (file, inserted) = (PageIndex(START.0 + 100), PageIndex(START.0 + 200));
    for (start, area) in [(file, SHMEM), (inserted, Area::Inserted)] {
        mm.mmap(Vma {
            start,
            pages: 1,
            area,
            writable: true,
            order: 0,
        });
    }
    mm.access(&mut memory, START, true).unwrap();
    mm.access(&mut memory, at(1), false).unwrap();
    mm.access(&mut memory, file, true).unwrap();
    let driver = memory.alloc(0, Kind::Kernel);
    mm.insert_page(&mut memory, inserted, driver);
    assert_eq!(mm.reap(&mut memory), None, "there is no child yet");
    let counts = |memory: &Memory, mm: &Mm| {
        [START, file, inserted].map(|at| {
            let pte = mm.pte(at).unwrap();
            let id = memory.page_folio(pte.pfn).unwrap();
            (
                memory.folio(id).refcount,
                memory.folio(id).mapcount,
                pte.writable,
            )
        })
    };
    let before = counts(&memory, &mm);
    assert!(mm.fork(&mut memory));
    assert!(!mm.fork(&mut memory), "one child at a time");
    assert_eq!(
        counts(&memory, &mm),
        [(2, 2, false), before[1], (3, 2, true)]
    );
    assert_eq!(memory.folio(FolioId(0)).mapcount, 0);
    assert_eq!(mm.reap(&mut memory), Some(vec![]));
    assert_eq!(counts(&memory, &mm), [(1, 1, false), before[1], before[2]]);
    // do_wp_page(): nobody else has it, so that the page is kept.
    let page = mm.pte(START).unwrap().pfn;
    mm.access(&mut memory, START, true).unwrap();
    assert_eq!(mm.pte(START).unwrap().pfn, page);
}

/// hugetlb_no_page(), hugetlb_wp(): one folio for any access, mapped once, with the one reference of its entry.
#[test]
fn a_huge_page_is_mapped_by_one_entry_and_goes_with_it() {
    let pages = 1 << PMD_ORDER;
    for (area, reads_first) in [
        (Area::Hugetlb, true),
        (Area::Hugetlb, false),
        (Area::Anon, false),
    ] {
        let (mut memory, mut mm) = world(area, 2 * pages, PMD_ORDER);
        let page = pages + 7;
        if reads_first {
            mm.access(&mut memory, at(page), false).unwrap();
            assert!(!mm.pte(at(page)).unwrap().writable);
        }
        mm.access(&mut memory, at(page), true).unwrap();
        assert_eq!(memory.folios().count(), 2, "the zero page and the folio");
        assert_eq!(counts(&memory, &mm, page), (1, 1));
        assert_eq!(
            mapped(&mm, 2 * pages),
            (pages..2 * pages).collect::<Vec<_>>()
        );
        let head = mm.pte(at(pages)).unwrap();
        assert_eq!(mm.pte(at(page)).unwrap().pfn.0, head.pfn.0 + 7);
        assert!(head.writable);
        assert_eq!(mm.zap_range(&mut memory, START, 2 * pages), vec![]);
        assert!(memory.folios().nth(1).unwrap().freed);
    }
}

/// A fault that wants more than the area allows is a signal; a naturally aligned folio that does not fit becomes single pages.
#[test]
fn a_fault_stays_within_what_its_area_is() {
    let (mut memory, mut mm) = world(Area::Anon, 6, 2);
    for (page, order) in [(1, 2), (5, 0)] {
        mm.access(&mut memory, at(page), true).unwrap();
        let id = memory.page_folio(mm.pte(at(page)).unwrap().pfn).unwrap();
        assert_eq!(memory.folio(id).order, order);
    }
    assert_eq!(mapped(&mm, 6), [0, 1, 2, 3, 5]);
    assert_eq!(counts(&memory, &mm, 2), (4, 4));
    assert_eq!(mm.fault(&mut memory, at(6), false), Err(Fault));
    let mut readable = Mm::default();
    for (start, area) in [
        (START, Area::Anon),
        (at(100), Area::Io),
        (at(200), Area::Inserted),
    ] {
        readable.mmap(Vma {
            start,
            pages: 1,
            area,
            writable: false,
            order: 0,
        });
    }
    assert_eq!(readable.fault(&mut memory, START, true), Err(Fault));
    assert!(readable.fault(&mut memory, START, false).is_ok());
    assert_eq!(readable.fault(&mut memory, at(100), false), Err(Fault));
    assert_eq!(readable.fault(&mut memory, at(200), false), Err(Fault));
}

/// A folio of the page cache is mapped page by page here, however large it is: each entry goes by itself.
#[test]
fn an_entry_of_a_large_folio_of_a_file_goes_by_itself() {
    let (mut memory, mut mm) = world(SHMEM, 1 << PMD_ORDER, PMD_ORDER);
    for page in [0, 5] {
        mm.access(&mut memory, at(page), true).unwrap();
    }
    let cached = 1 << PMD_ORDER;
    assert_eq!(counts(&memory, &mm, 0), (cached + 2, 2));
    assert_eq!(mm.zap(&mut memory, at(5)), None);
    assert_eq!(counts(&memory, &mm, 0), (cached + 1, 1));
}

/// mm/memory.c: copy_present_ptes() takes the child's reference before it asks whether the page may be pinned; copy_present_page() of 5.9 to
/// 5.18 asks first.
#[test]
fn fork_copies_a_page_that_looks_pinned_with_the_childs_reference() {
    let bias = crate::page::GUP_PIN_COUNTING_BIAS;
    for (version, references, copies) in [
        (Version::V6_12, bias - 2, false),
        (Version::V6_12, bias - 1, true),
        (Version::V7_3, bias - 1, true),
        (Version::V6_1, bias - 1, true),
        (Version::V5_10, bias - 1, false),
        (Version::V5_10, bias, true),
    ] {
        let mut memory = Memory::new(version);
        let (_, mut mm) = world(Area::Anon, 1, 0);
        mm.access(&mut memory, at(0), true).unwrap();
        let id = memory.page_folio(mm.pte(at(0)).unwrap().pfn).unwrap();
        memory.folio_ref_add(id, references - memory.folio(id).refcount);
        mm.note_pinned();
        assert!(mm.fork(&mut memory));
        let mapped = if copies { 1 } else { 2 };
        assert_eq!(
            memory.folio(id).mapcount,
            mapped,
            "{} {references}",
            version.name()
        );
        // What is looked at is given back.
        let held = references + i32::from(!copies);
        assert_eq!(memory.folio(id).refcount, held);
    }
}

/// mm/memory.c: copy_present_page() is for pages that are the parent's own (PageAnonExclusive()); one that an earlier
/// child had may be full of plain references and look pinned, and is shared all the same.
#[test]
fn fork_shares_what_looks_pinned_and_is_not_the_parents_own() {
    let (mut memory, mut mm) = world(Area::Anon, 1, 0);
    mm.access(&mut memory, at(0), true).unwrap();
    assert!(mm.fork(&mut memory));
    assert_eq!(mm.reap(&mut memory), Some(vec![]));
    let id = memory.page_folio(mm.pte(at(0)).unwrap().pfn).unwrap();
    memory.folio_ref_add(id, crate::page::GUP_PIN_COUNTING_BIAS);
    mm.note_pinned();
    assert!(memory.folio_maybe_dma_pinned(id) && !memory.folio(id).exclusive);
    assert!(mm.fork(&mut memory));
    assert_eq!(memory.folio(id).mapcount, 2);
}
