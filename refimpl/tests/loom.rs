// SPDX-License-Identifier: MIT OR Apache-2.0
//! The races K1 to K6 on real atomics, explored to the end with loom: every interleaving, and every value that a relaxed load
//! may give.
//!
//! `cargo test -p refimpl --test loom` lists them. Each race is a function of its defects. Without one it holds in every execution; with each of them loom must find an
//! execution in which it does not. loom takes a SeqCst access for an AcqRel one, so that smp_mb() is written as a fence.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What one pin adds to the count.
const BIAS: usize = 1024;

/// Explores `race` to the end; false when some execution breaks its promise.
fn holds(race: impl Fn() + Sync + Send + 'static) -> bool {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let model = AssertUnwindSafe(|| {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = None;
        builder.check(race);
    });
    let result = catch_unwind(model).is_ok();
    std::panic::set_hook(quiet);
    result
}

/// The hook is the process's: one exploration at a time.
fn alone<T>(body: impl FnOnce() -> T) -> T {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    body()
}

fn faithful(race: impl Fn() + Sync + Send + 'static) {
    assert!(alone(|| holds(race)), "the kernel's order is broken");
}

fn killed(race: impl Fn() + Sync + Send + 'static) {
    assert!(!alone(|| holds(race)), "loom saw nothing wrong");
}

fn smp_mb(there: bool) {
    if there {
        fence(SeqCst);
    }
}

/// K1: no writable pin is committed that page_mkclean() did not see and that is not kept off by the entry.
mod mkclean {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NoRecheck,
        RecheckBeforeGrab,
        CheckBeforeMkclean,
        NoBarrierAfterGrab,
        NoBarrierAfterClear,
    }

    pub fn race(defect: Defect) {
        let writable = Arc::new(AtomicBool::new(true));
        let refs = Arc::new(AtomicUsize::new(1));
        let gup_fast = {
            let (writable, refs) = (writable.clone(), refs.clone());
            thread::spawn(move || {
                if !writable.load(Relaxed) {
                    return false;
                }
                let early = defect == Defect::RecheckBeforeGrab && !writable.load(Relaxed);
                refs.fetch_add(BIAS, Relaxed);
                smp_mb(defect != Defect::NoBarrierAfterGrab);
                let rechecks = !matches!(defect, Defect::NoRecheck | Defect::RecheckBeforeGrab);
                if early || (rechecks && !writable.load(Relaxed)) {
                    refs.fetch_sub(BIAS, Relaxed);
                    return false;
                }
                true
            })
        };
        let look = || refs.load(Relaxed) >= BIAS;
        let early = defect == Defect::CheckBeforeMkclean && look();
        writable.store(false, Relaxed);
        smp_mb(defect != Defect::NoBarrierAfterClear);
        let saw = if defect == Defect::CheckBeforeMkclean {
            early
        } else {
            look()
        };
        let committed = gup_fast.join().unwrap();
        assert!(!committed || saw, "a pin was missed");
    }
}

/// The same for a large folio, whose reference comes before its pincount.
mod large {
    use super::*;

    pub fn race(pincount_after_recheck: bool) {
        let writable = Arc::new(AtomicBool::new(true));
        let refs = Arc::new(AtomicUsize::new(1));
        let pins = Arc::new(AtomicUsize::new(0));
        let gup_fast = {
            let (writable, refs, pins) = (writable.clone(), refs.clone(), pins.clone());
            thread::spawn(move || {
                if !writable.load(Relaxed) {
                    return false;
                }
                refs.fetch_add(1, Relaxed);
                if !pincount_after_recheck {
                    pins.fetch_add(1, Relaxed);
                }
                fence(SeqCst);
                if !writable.load(Relaxed) {
                    if !pincount_after_recheck {
                        pins.fetch_sub(1, Relaxed);
                    }
                    refs.fetch_sub(1, Relaxed);
                    return false;
                }
                if pincount_after_recheck {
                    pins.fetch_add(1, Relaxed);
                }
                true
            })
        };
        writable.store(false, Relaxed);
        fence(SeqCst);
        let saw = pins.load(Relaxed) > 0;
        assert!(!gup_fast.join().unwrap() || saw, "a pin was missed");
    }
}

/// K2: no page is pinned and shared by fork at once.
mod fork {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NoSequence,
        SharesPinned,
    }

    pub fn race(defect: Defect) {
        let sequence = Arc::new(AtomicUsize::new(0));
        let writable = Arc::new(AtomicBool::new(true));
        let refs = Arc::new(AtomicUsize::new(1));
        let gup_fast = {
            let (sequence, writable, refs) = (sequence.clone(), writable.clone(), refs.clone());
            thread::spawn(move || {
                let before = sequence.load(Acquire);
                if (defect != Defect::NoSequence && before % 2 == 1) || !writable.load(Relaxed) {
                    return false;
                }
                refs.fetch_add(BIAS, Relaxed);
                fence(SeqCst);
                let moved = !writable.load(Relaxed)
                    || (defect != Defect::NoSequence && sequence.load(Relaxed) != before);
                if moved {
                    refs.fetch_sub(BIAS, Relaxed);
                }
                !moved
            })
        };
        sequence.fetch_add(1, Relaxed);
        fence(SeqCst);
        let pinned = refs.load(Relaxed) >= BIAS && defect != Defect::SharesPinned;
        if !pinned {
            writable.store(false, Relaxed);
        }
        sequence.fetch_add(1, Release);
        assert!(!gup_fast.join().unwrap() || pinned, "pinned and shared");
    }
}

/// K2, since 5.19: a page that is pinned stays exclusive (the barriers A1 to A4 and B1 to B5 of include/linux/rmap.h).
mod exclusive {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NoBarrierA,
        NoBarrierB,
        NoReadBarrier,
        NoExclusiveCheck,
        KeepsEntry,
    }

    pub fn race(defect: Defect) {
        let present = Arc::new(AtomicBool::new(true));
        let exclusive = Arc::new(AtomicBool::new(true));
        let refs = Arc::new(AtomicUsize::new(1));
        let gup_fast = {
            let (present, exclusive, refs) = (present.clone(), exclusive.clone(), refs.clone());
            thread::spawn(move || {
                if !present.load(Relaxed) {
                    return false;
                }
                refs.fetch_add(BIAS, Relaxed);
                smp_mb(defect != Defect::NoBarrierB);
                let unchanged = present.load(Relaxed);
                // smp_rmb() of gup_must_unshare()
                if defect != Defect::NoReadBarrier {
                    fence(Acquire);
                }
                let fits =
                    unchanged && (defect == Defect::NoExclusiveCheck || exclusive.load(Relaxed));
                if !fits {
                    refs.fetch_sub(BIAS, Relaxed);
                }
                fits
            })
        };
        // folio_try_share_anon_rmap(), as KSM and swap call it. The entry comes back read-only whatever was decided.
        if defect != Defect::KeepsEntry {
            present.store(false, Relaxed);
        }
        smp_mb(defect != Defect::NoBarrierA);
        let shared = refs.load(Relaxed) < BIAS;
        if shared {
            exclusive.store(false, Release);
        }
        present.store(true, Release);
        assert!(
            !(gup_fast.join().unwrap() && shared),
            "pinned and not exclusive"
        );
    }
}

/// K3: no pin on a frame that collapse has freed and somebody else uses.
mod collapse {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NoPmdRecheck,
        GrabsWithoutLooking,
        NoBarrier,
    }

    pub fn race(defect: Defect) {
        let pmd = Arc::new(AtomicBool::new(true));
        let refs = Arc::new(AtomicUsize::new(1));
        let reused = Arc::new(AtomicBool::new(false));
        let gup_fast = {
            let (pmd, refs) = (pmd.clone(), refs.clone());
            thread::spawn(move || {
                if !pmd.load(Relaxed) {
                    return false;
                }
                // try_get_folio(): not from zero.
                let mut seen = refs.load(Relaxed);
                loop {
                    if seen == 0 && defect != Defect::GrabsWithoutLooking {
                        return false;
                    }
                    match refs.compare_exchange(seen, seen + BIAS, Relaxed, Relaxed) {
                        Ok(_) => break,
                        Err(now) => seen = now,
                    }
                }
                smp_mb(defect != Defect::NoBarrier);
                let drops = defect != Defect::NoPmdRecheck
                    && defect != Defect::GrabsWithoutLooking
                    && !pmd.load(Relaxed);
                if drops {
                    refs.fetch_sub(BIAS, Relaxed);
                }
                !drops
            })
        };
        pmd.store(false, Relaxed);
        smp_mb(defect != Defect::NoBarrier);
        // The count is frozen when nobody but the page table has a reference; then the frame is somebody else's.
        if refs.compare_exchange(1, 0, Relaxed, Relaxed).is_ok() {
            reused.store(true, Relaxed);
            refs.fetch_add(1, Relaxed);
        }
        let committed = gup_fast.join().unwrap();
        assert!(
            !(committed && reused.load(Relaxed)),
            "a pin on a freed frame"
        );
    }
}

/// K4: what the device wrote is on disk or the page is dirty.
mod dirty {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        ReleasedBeforeDone,
        NoBarrier,
        NeverDirty,
        CopiesBeforeClearing,
    }

    pub fn race(defect: Defect) {
        let ram = Arc::new(AtomicUsize::new(0));
        let dirty = Arc::new(AtomicBool::new(true));
        let disk = Arc::new(AtomicUsize::new(0));
        let writeback = {
            let (ram, dirty, disk) = (ram.clone(), dirty.clone(), disk.clone());
            thread::spawn(move || {
                let early = (defect == Defect::CopiesBeforeClearing).then(|| ram.load(Relaxed));
                // clear_page_dirty_for_io()
                if dirty.swap(false, Relaxed) {
                    fence(SeqCst);
                    let bytes = early.unwrap_or_else(|| ram.load(Relaxed));
                    disk.store(bytes, Relaxed);
                }
            })
        };
        // unpin_user_pages_dirty_lock()
        let unpin = || {
            if defect != Defect::NeverDirty && !dirty.load(Relaxed) {
                dirty.store(true, Relaxed);
            }
        };
        if defect == Defect::ReleasedBeforeDone {
            unpin();
        }
        ram.store(1, Relaxed);
        smp_mb(defect != Defect::NoBarrier);
        if defect != Defect::ReleasedBeforeDone {
            unpin();
        }
        writeback.join().unwrap();
        assert!(
            disk.load(Relaxed) == 1 || dirty.load(Relaxed),
            "bytes are lost"
        );
    }
}

/// K5: freed once, by the last, after everybody is through with it, and without a pin.
mod last_put {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NotAtomic,
        NoOrder,
        RefBeforePincount,
        DirtyAfterPut,
    }

    pub fn race(defect: Defect) {
        let refs = Arc::new(AtomicUsize::new(2));
        let pins = Arc::new(AtomicUsize::new(2));
        let freed = Arc::new(AtomicUsize::new(0));
        let bytes = Arc::new(UnsafeCell::new(0_u32));
        let release = {
            let (refs, pins, freed, bytes) =
                (refs.clone(), pins.clone(), freed.clone(), bytes.clone());
            move |reads: bool| {
                if reads {
                    // SAFETY: loom checks that no write is under way.
                    bytes.with(|at| unsafe { *at });
                }
                if defect != Defect::RefBeforePincount {
                    pins.fetch_sub(1, Relaxed);
                }
                let (down, up) = if defect == Defect::NoOrder {
                    (Relaxed, Relaxed)
                } else {
                    (Release, Acquire)
                };
                let last = if defect == Defect::NotAtomic {
                    let seen = refs.load(Acquire);
                    refs.store(seen - 1, Release);
                    seen == 1
                } else {
                    refs.fetch_sub(1, down) == 1
                };
                if last {
                    if up == Acquire {
                        fence(Acquire);
                    }
                    assert_eq!(pins.load(Relaxed), 0, "freed with a pin");
                    assert_eq!(freed.fetch_add(1, Relaxed), 0, "freed twice");
                    // SAFETY: as above; this is the next owner's write.
                    bytes.with_mut(|at| unsafe { *at = 7 });
                }
                if defect == Defect::RefBeforePincount {
                    pins.fetch_sub(1, Relaxed);
                }
                if defect == Defect::DirtyAfterPut && reads {
                    // SAFETY: as above; set_page_dirty() on what may be gone.
                    bytes.with_mut(|at| unsafe { *at |= 1 });
                }
            }
        };
        let other = thread::spawn({
            let release = release.clone();
            move || release(true)
        });
        release(true);
        other.join().unwrap();
        assert_eq!(freed.load(Relaxed), 1, "never freed");
    }
}

/// K6: a truncate that waits for the last pin is woken by it. Whoever goes to sleep has said so before it looked, and whoever
/// drops a reference looks for sleepers after it did.
mod dax {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Defect {
        None,
        NoWakeup,
        LooksBeforeItQueues,
        NoBarrierOfWaiter,
        NoBarrierOfUnpin,
    }

    pub fn race(defect: Defect) {
        let refs = Arc::new(AtomicUsize::new(2));
        let queued = Arc::new(AtomicBool::new(false));
        let unpin = {
            let (refs, queued) = (refs.clone(), queued.clone());
            thread::spawn(move || {
                let last = refs.fetch_sub(1, Relaxed) == 2;
                smp_mb(defect != Defect::NoBarrierOfUnpin);
                last && queued.load(Relaxed) && defect != Defect::NoWakeup
            })
        };
        let early = defect == Defect::LooksBeforeItQueues && refs.load(Relaxed) == 1;
        queued.store(true, Relaxed);
        smp_mb(defect != Defect::NoBarrierOfWaiter);
        let through = if defect == Defect::LooksBeforeItQueues {
            early
        } else {
            refs.load(Relaxed) == 1
        };
        let woken = unpin.join().unwrap();
        assert!(through || woken, "truncate sleeps and nobody wakes it");
    }
}

macro_rules! races {
    ($($test:ident: $race:ident $(($argument:expr))?;)*) => {
        $(#[test]
        fn $test() {
            races!(@ $test $race $($argument)?);
        })*
    };
    (@ $test:ident $race:ident $argument:expr) => {
        if stringify!($test).starts_with("mutant_") {
            killed(|| $race::race($argument));
        } else {
            faithful(|| $race::race($argument));
        }
    };
}

races! {
    k1_gup_fast_against_page_mkclean: mkclean(mkclean::Defect::None);
    mutant_k1_no_recheck: mkclean(mkclean::Defect::NoRecheck);
    mutant_k1_recheck_before_grab: mkclean(mkclean::Defect::RecheckBeforeGrab);
    mutant_k1_check_before_mkclean: mkclean(mkclean::Defect::CheckBeforeMkclean);
    mutant_k1_no_barrier_after_grab: mkclean(mkclean::Defect::NoBarrierAfterGrab);
    mutant_k1_no_barrier_after_clear: mkclean(mkclean::Defect::NoBarrierAfterClear);
    k1_large_folio: large(false);
    mutant_k1_pincount_after_recheck: large(true);
    k2_gup_fast_against_fork: fork(fork::Defect::None);
    mutant_k2_no_sequence: fork(fork::Defect::NoSequence);
    mutant_k2_shares_pinned: fork(fork::Defect::SharesPinned);
    k2_gup_fast_against_sharing: exclusive(exclusive::Defect::None);
    mutant_k2_no_barrier_a: exclusive(exclusive::Defect::NoBarrierA);
    mutant_k2_no_barrier_b: exclusive(exclusive::Defect::NoBarrierB);
    mutant_k2_no_read_barrier: exclusive(exclusive::Defect::NoReadBarrier);
    mutant_k2_no_exclusive_check: exclusive(exclusive::Defect::NoExclusiveCheck);
    mutant_k2_keeps_entry: exclusive(exclusive::Defect::KeepsEntry);
    k3_gup_fast_against_collapse: collapse(collapse::Defect::None);
    mutant_k3_no_pmd_recheck: collapse(collapse::Defect::NoPmdRecheck);
    mutant_k3_grabs_without_looking: collapse(collapse::Defect::GrabsWithoutLooking);
    mutant_k3_no_barrier: collapse(collapse::Defect::NoBarrier);
    k4_unpin_dirty_against_clear_page_dirty_for_io: dirty(dirty::Defect::None);
    mutant_k4_released_before_done: dirty(dirty::Defect::ReleasedBeforeDone);
    mutant_k4_no_barrier: dirty(dirty::Defect::NoBarrier);
    mutant_k4_never_dirty: dirty(dirty::Defect::NeverDirty);
    mutant_k4_copies_before_clearing: dirty(dirty::Defect::CopiesBeforeClearing);
    k5_last_put_against_free: last_put(last_put::Defect::None);
    mutant_k5_not_atomic: last_put(last_put::Defect::NotAtomic);
    mutant_k5_no_order: last_put(last_put::Defect::NoOrder);
    mutant_k5_ref_before_pincount: last_put(last_put::Defect::RefBeforePincount);
    mutant_k5_dirty_after_put: last_put(last_put::Defect::DirtyAfterPut);
    k6_the_last_unpin_wakes_truncate: dax(dax::Defect::None);
    mutant_k6_no_wakeup: dax(dax::Defect::NoWakeup);
    mutant_k6_no_barrier_of_waiter: dax(dax::Defect::NoBarrierOfWaiter);
    mutant_k6_no_barrier_of_unpin: dax(dax::Defect::NoBarrierOfUnpin);
    mutant_k6_looks_before_it_queues: dax(dax::Defect::LooksBeforeItQueues);
}
