// SPDX-License-Identifier: MIT OR Apache-2.0
//! All of it at once, at random: several pages, pinners, a writeback, a fork, a reclaim, and releases that mark dirty, scheduled by
//! shuttle from a seed. loom explores the small races to the end (`tests/loom.rs`); here the same steps meet in larger
//! numbers, under sequential consistency.

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, FailurePersistence, Runner, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};

const BIAS: i64 = 1024;
const PAGES: usize = 3;
const PINNERS: usize = 3;
const ROUNDS: usize = 3;
/// Fixed, so that a failure is found again.
const SEED: u64 = 0x0067_7570;
const RUNS: usize = 3000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    NoRecheck,
    CheckBeforeMkclean,
    NoSequence,
    GrabsFromZero,
    PutBeforeDirty,
    ReleasedBeforeDone,
    StatOmitted,
    UnpinsTwice,
    PutsOnPin,
}

/// A page of a file with one mapping: one reference of the page cache, one of the page table.
#[derive(Default)]
struct Page {
    refs: AtomicI64,
    mapped: AtomicBool,
    writable: AtomicBool,
    dirty: AtomicBool,
    lock: Mutex<()>,
    /// Versions of the bytes.
    ram: AtomicUsize,
    disk: AtomicUsize,
    freed: AtomicUsize,
    /// Writable pins that were returned to a caller and not yet given back.
    committed: AtomicI64,
    shared: AtomicBool,
}

#[derive(Default)]
struct World {
    pages: Vec<Page>,
    sequence: AtomicUsize,
    acquired: AtomicI64,
    released: AtomicI64,
}

impl Page {
    fn put(&self, refs: i64) {
        let before = self.refs.fetch_sub(refs, SeqCst);
        assert!(before >= refs, "the count has fallen below zero");
        if before == refs {
            assert_eq!(self.freed.fetch_add(1, SeqCst), 0, "freed twice");
        }
    }

    fn maybe_pinned(&self) -> bool {
        self.refs.load(SeqCst) >= BIAS
    }

    fn mark_dirty(&self) {
        assert_eq!(self.freed.load(SeqCst), 0, "a free page is marked dirty");
        if !self.dirty.load(SeqCst) {
            let _lock = self.lock.lock().unwrap();
            self.dirty.store(true, SeqCst);
        }
    }
}

impl World {
    fn new() -> World {
        let page = || Page {
            refs: AtomicI64::new(2),
            mapped: AtomicBool::new(true),
            writable: AtomicBool::new(true),
            dirty: AtomicBool::new(true),
            ..Page::default()
        };
        World {
            pages: (0..PAGES).map(|_| page()).collect(),
            ..World::default()
        }
    }

    /// pin_user_pages_fast() for writing, one page; false sends the caller to the slow way, which this world does without.
    fn pin(&self, page: &Page, defect: Defect) -> bool {
        let before = self.sequence.load(SeqCst);
        let walks = defect == Defect::NoSequence || before.is_multiple_of(2);
        if !walks || !page.mapped.load(SeqCst) || !page.writable.load(SeqCst) {
            return false;
        }
        let mut seen = page.refs.load(SeqCst);
        loop {
            if seen == 0 && defect != Defect::GrabsFromZero {
                return false;
            }
            match page
                .refs
                .compare_exchange(seen, seen + BIAS, SeqCst, SeqCst)
            {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.acquired.fetch_add(1, SeqCst);
        let same = page.mapped.load(SeqCst) && page.writable.load(SeqCst);
        let moved = defect != Defect::NoSequence && self.sequence.load(SeqCst) != before;
        if (defect != Defect::NoRecheck && !same) || moved {
            self.released.fetch_add(1, SeqCst);
            page.put(BIAS);
            return false;
        }
        page.committed.fetch_add(1, SeqCst);
        assert_eq!(page.freed.load(SeqCst), 0, "a free page is pinned");
        true
    }

    /// A device writes, then the driver gives the page back.
    fn use_and_unpin(&self, page: &Page, defect: Defect) {
        let write = || {
            page.ram.fetch_add(1, SeqCst);
        };
        if defect != Defect::ReleasedBeforeDone {
            write();
        }
        if defect != Defect::PutBeforeDirty {
            page.mark_dirty();
        }
        page.committed.fetch_sub(1, SeqCst);
        if defect != Defect::StatOmitted {
            self.released.fetch_add(1, SeqCst);
        }
        match defect {
            Defect::UnpinsTwice => page.put(2 * BIAS),
            Defect::PutsOnPin => page.put(1),
            _ => page.put(BIAS),
        }
        if defect == Defect::PutBeforeDirty {
            page.mark_dirty();
        }
        if defect == Defect::ReleasedBeforeDone {
            write();
        }
    }

    /// page_mkclean(), then the copy to disk. A pinned page stays dirty (the policy that keeps every promise, and under which
    /// a caller that never marks dirty does no harm: `model table`, callsites no-dirty).
    fn write_back(&self, page: &Page, defect: Defect) {
        let _lock = page.lock.lock().unwrap();
        if page.freed.load(SeqCst) > 0 || !page.dirty.load(SeqCst) {
            return;
        }
        let early = page.maybe_pinned();
        page.writable.store(false, SeqCst);
        let pinned = if defect == Defect::CheckBeforeMkclean {
            early
        } else {
            page.maybe_pinned()
        };
        if !pinned {
            assert_eq!(page.committed.load(SeqCst), 0, "a pin was missed");
            page.dirty.store(false, SeqCst);
        }
        page.disk.store(page.ram.load(SeqCst), SeqCst);
    }

    fn fork(&self, page: &Page) {
        self.sequence.fetch_add(1, SeqCst);
        if !page.maybe_pinned() && page.writable.load(SeqCst) {
            page.writable.store(false, SeqCst);
            page.shared.store(true, SeqCst);
        }
        self.sequence.fetch_add(1, SeqCst);
        assert!(
            !(page.shared.load(SeqCst) && page.committed.load(SeqCst) > 0),
            "pinned and shared"
        );
    }

    /// try_to_unmap(), then __remove_mapping(), which freezes the count.
    fn reclaim(&self, page: &Page) {
        let _lock = page.lock.lock().unwrap();
        if page.mapped.swap(false, SeqCst) {
            page.put(1);
        }
        if page.dirty.load(SeqCst) {
            return;
        }
        if page.refs.compare_exchange(1, 0, SeqCst, SeqCst).is_ok() {
            let lost = page.ram.load(SeqCst) != page.disk.load(SeqCst);
            assert!(!lost, "bytes are lost");
            assert_eq!(page.freed.fetch_add(1, SeqCst), 0, "freed twice");
        }
    }
}

fn run(defect: Defect) {
    let world = Arc::new(World::new());
    let mut threads = Vec::new();
    for _ in 0..PINNERS {
        let world = world.clone();
        threads.push(thread::spawn(move || {
            for _ in 0..ROUNDS {
                let page = &world.pages[thread_rng().gen_range(0..PAGES)];
                if world.pin(page, defect) {
                    world.use_and_unpin(page, defect);
                }
            }
        }));
    }
    let tasks: [fn(&World, &Page, Defect); 3] = [
        World::write_back,
        |world, page, _| world.fork(page),
        |world, page, _| world.reclaim(page),
    ];
    for task in tasks {
        let world = world.clone();
        threads.push(thread::spawn(move || {
            let order = thread_rng().gen_range(0..PAGES);
            for page in 0..PAGES {
                task(&world, &world.pages[(page + order) % PAGES], defect);
            }
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let count = |counter: &AtomicI64| counter.load(SeqCst);
    assert_eq!(count(&world.acquired), count(&world.released), "pins drift");
    for page in &world.pages {
        let expected = i64::from(page.mapped.load(SeqCst));
        let cached = i64::from(page.freed.load(SeqCst) == 0);
        assert_eq!(count(&page.refs), expected + cached, "references are left");
        let safe = page.dirty.load(SeqCst) || page.ram.load(SeqCst) == page.disk.load(SeqCst);
        assert!(safe, "bytes are lost");
    }
}

/// Runs under two schedulers: each step at random, and few changes of priority at random places.
fn holds(defect: Defect) -> bool {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let held = catch_unwind(AssertUnwindSafe(|| {
        let random = RandomScheduler::new_from_seed(SEED, RUNS);
        Runner::new(random, config.clone()).run(move || run(defect));
        let few_changes = PctScheduler::new_from_seed(SEED, 4, RUNS);
        Runner::new(few_changes, config).run(move || run(defect));
    }))
    .is_ok();
    std::panic::set_hook(quiet);
    held
}

#[test]
fn everything_at_once_keeps_its_promises_and_each_mutant_breaks_one() {
    assert!(holds(Defect::None));
    let mutants = [
        Defect::NoRecheck,
        Defect::CheckBeforeMkclean,
        Defect::NoSequence,
        Defect::GrabsFromZero,
        Defect::PutBeforeDirty,
        Defect::ReleasedBeforeDone,
        Defect::StatOmitted,
        Defect::UnpinsTwice,
        Defect::PutsOnPin,
    ];
    let survivors: Vec<Defect> = mutants
        .into_iter()
        .filter(|mutant| holds(*mutant))
        .collect();
    assert_eq!(survivors, []);
}
