// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mistakes in the arithmetic, one test each: the properties of counting hold for the model and fail for every mutant.
//!
//! The other list of mutants is `cargo xtask model mutants`: protocols between page, writeback, reclaim, truncate and device, and
//! the order of steps and barriers in gup_fast.

use refimpl::gup::{Flags, Path, pin_user_pages};
use refimpl::mapping::{Area, Mm, PageIndex, Vma};
use refimpl::page::{Consequence, GUP_PIN_COUNTING_BIAS, Memory, Misuse, Pfn, What};
use refimpl::put::is_err_value;
use refimpl::version::Version;

type Pages = [Option<Pfn>];
type Done = Result<(), Misuse>;

/// One implementation of pinning and unpinning.
#[derive(Clone, Copy)]
struct Api {
    pin: fn(&mut Memory, &mut Mm, u64) -> Vec<Option<Pfn>>,
    unpin: fn(&mut Memory, &Pages, u64) -> Done,
    unpin_dirty: fn(&mut Memory, &Pages, u64) -> Done,
}

const FAITHFUL: Api = Api {
    pin,
    unpin: |memory, pages, n| memory.unpin_user_pages(pages, n),
    unpin_dirty: |memory, pages, n| memory.unpin_user_pages_dirty_lock(pages, n, true),
};

fn pin(memory: &mut Memory, mm: &mut Mm, nr: u64) -> Vec<Option<Pfn>> {
    let flags = Flags::default();
    let pages = pin_user_pages(memory, mm, START, nr, flags, Path::Slow);
    pages.unwrap_or_default().into_iter().map(Some).collect()
}

const START: PageIndex = PageIndex(16);
const PAGES: u64 = 4;

/// Memory of one kind, touched.
fn world(area: Area, order: u32, write: bool) -> (Memory, Mm) {
    let (mut memory, mut mm) = (Memory::new(Version::V6_12), Mm::default());
    mm.mmap(Vma {
        start: START,
        pages: PAGES,
        area,
        writable: true,
        order,
    });
    for page in 0..PAGES {
        let at = PageIndex(START.0 + page);
        mm.access(&mut memory, at, write).expect("mapped");
    }
    (memory, mm)
}

fn counts(memory: &Memory) -> Vec<(i32, i32)> {
    memory
        .folios()
        .map(|folio| (folio.refcount, folio.pincount))
        .collect()
}

/// C1, C3, C5, C7, C10, C11, C13 and C14 as far as a caller sees them; the first that fails.
fn broken(api: Api) -> Option<&'static str> {
    let file = Area::File {
        file: 0,
        tracked: true,
    };
    for (area, order, write) in [
        (Area::Anon, 0, true),
        (file, 2, true),
        (Area::Anon, 0, false),
    ] {
        let (mut memory, mut mm) = world(area, order, write);
        let before = counts(&memory);
        let pages = (api.pin)(&mut memory, &mut mm, PAGES);
        let unseen = pages.iter().flatten().any(|pfn| {
            let id = memory.page_folio(*pfn).expect("it was returned");
            *pfn != Memory::ZERO && !memory.folio_maybe_dma_pinned(id)
        });
        if unseen {
            return Some("a pin is not seen");
        }
        if (api.unpin)(&mut memory, &pages, PAGES).is_err() {
            return Some("a release goes wrong");
        }
        if counts(&memory) != before {
            return Some("counts are not what they were");
        }
        if memory.stat().acquired != memory.stat().released {
            return Some("the counters of pins drift apart");
        }
    }
    let (mut memory, mut mm) = world(Area::Anon, 0, true);
    let pages = (api.pin)(&mut memory, &mut mm, PAGES);
    let held = counts(&memory);
    let warned = (api.unpin)(&mut memory, &pages, (-14_i64) as u64);
    if counts(&memory) != held || warned.is_err_and(|m| m.consequence != Consequence::Warn) {
        return Some("an error number is taken for a count");
    }
    let (mut memory, mut mm) = world(file, 0, true);
    let pages = (api.pin)(&mut memory, &mut mm, PAGES);
    let id = memory.page_folio(pages[0]?).expect("it was returned");
    memory.folio_lock(id).expect("nobody has it");
    if (api.unpin_dirty)(&mut memory, &pages, PAGES).is_err() {
        return Some("a release waits for the lock of a page that is dirty already");
    }
    let (mut memory, mut mm) = world(file, 0, true);
    let pages = (api.pin)(&mut memory, &mut mm, PAGES);
    mm.truncate(&mut memory, 0);
    if (api.unpin_dirty)(&mut memory, &pages, PAGES).is_err() {
        return Some("a page is marked dirty when it may be gone");
    }
    None
}

#[test]
fn the_model_keeps_all_of_them() {
    assert_eq!(broken(FAITHFUL), None);
}

/// The second posting: from the count down to 1, and the entry of that number.
#[test]
fn mutant_off_by_one_of_the_second_posting() {
    let api = Api {
        unpin: |memory, pages, n| {
            for index in (1..=n).rev() {
                let entry = usize::try_from(index).ok().and_then(|at| pages.get(at));
                memory.unpin_user_page(*entry.ok_or(beyond())?)?;
            }
            Ok(())
        },
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("a release goes wrong"));
}

#[test]
fn mutant_error_number_not_checked() {
    let api = Api {
        unpin: |memory, pages, n| {
            for index in 0..n {
                let entry = usize::try_from(index).ok().and_then(|at| pages.get(at));
                memory.unpin_user_page(*entry.ok_or(beyond())?)?;
            }
            Ok(())
        },
        ..FAITHFUL
    };
    assert!(is_err_value((-14_i64) as u64));
    assert_eq!(broken(api), Some("an error number is taken for a count"));
}

#[test]
fn mutant_one_pin_for_a_run_of_one_folio() {
    let api = Api {
        unpin: |memory, pages, n| {
            let mut runs: Vec<Option<Pfn>> = pages.to_vec();
            runs.dedup_by_key(|page| page.and_then(|pfn| memory.page_folio(pfn)));
            let n = if is_err_value(n) {
                n
            } else {
                runs.len() as u64
            };
            memory.unpin_user_pages(&runs, n)
        },
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("counts are not what they were"));
}

#[test]
fn mutant_zero_page_counted_on_one_side() {
    let api = Api {
        pin: |memory, mm, nr| {
            let pages = pin(memory, mm, nr);
            for page in pages.iter().filter(|page| **page == Some(Memory::ZERO)) {
                memory.get_page(*page).expect("it is never free");
            }
            pages
        },
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("counts are not what they were"));
}

#[test]
fn mutant_counter_omitted() {
    let api = Api {
        unpin: |memory, pages, n| {
            for page in pages.iter().take(usize::try_from(n).unwrap_or(0)) {
                for _ in 0..GUP_PIN_COUNTING_BIAS {
                    memory.put_page(*page)?;
                }
            }
            Ok(())
        },
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("the counters of pins drift apart"));
}

#[test]
fn mutant_plain_reference_for_a_pin() {
    let api = Api {
        pin: |memory, mm, nr| {
            let flags = Flags::default();
            let got = refimpl::gup::get_user_pages(memory, mm, START, nr, flags, Path::Slow);
            got.unwrap_or_default().into_iter().map(Some).collect()
        },
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("a pin is not seen"));
}

#[test]
fn mutant_put_page_on_a_pin() {
    let api = Api {
        unpin: |memory, pages, n| memory.release_pages(pages, n as i32),
        ..FAITHFUL
    };
    assert_eq!(broken(api), Some("counts are not what they were"));
}

#[test]
fn mutant_lock_taken_in_any_case() {
    let api = Api {
        unpin_dirty: |memory, pages, n| {
            for page in pages {
                let id = page.and_then(|pfn| memory.page_folio(pfn));
                memory.set_page_dirty_lock(id.expect("pinned"))?;
            }
            memory.unpin_user_pages(pages, n)
        },
        ..FAITHFUL
    };
    let found = broken(api);
    assert!(found.is_some_and(|what| what.contains("waits for the lock")));
}

#[test]
fn mutant_put_before_dirty() {
    let api = Api {
        unpin_dirty: |memory, pages, n| {
            memory.unpin_user_pages(pages, n)?;
            for page in pages {
                let id = page.and_then(|pfn| memory.page_folio(pfn));
                memory.folio_mark_dirty(id.expect("it was pinned"))?;
            }
            Ok(())
        },
        ..FAITHFUL
    };
    let found = broken(api);
    assert!(found.is_some_and(|what| what.contains("may be gone")));
}

fn beyond() -> Misuse {
    Misuse {
        call: "unpin_user_pages",
        what: What::OutOfBounds,
        consequence: Consequence::Runaway,
        folio: None,
    }
}
