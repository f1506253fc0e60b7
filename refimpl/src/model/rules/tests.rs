// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single steps of the rules, asked of a state that stands just before them.

use super::{Protocol, waiters};
use crate::model::config::{Config, Fairness, Storage, WaitAt, Waiting};
use crate::model::graph::Machine;
use crate::model::state::{Cut, Hold, Pass, State, Syncer, flag};
use crate::model::step::Event;
use crate::model::{Callsites, Driver, Outcome, Policy, Property, explore};

fn config(policy: Policy) -> Config {
    Config::base(policy, Driver::Never, Callsites::Converted)
}

fn initial(config: &Config) -> State {
    Protocol { config }.initial()
}

fn may(config: &Config, state: &State, event: Event) -> bool {
    let mut moves = Vec::new();
    Protocol { config }.moves(state, &mut moves);
    moves.iter().any(|found| found.step.event == event)
}

/// truncate_inode_pages_range(): folio_wait_writeback() under the lock, before the folio leaves its mapping.
#[test]
fn truncate_takes_no_page_away_from_under_its_io() {
    let mut config = config(Policy::None);
    config.truncate = true;
    let mut state = initial(&config);
    state.cut = Cut::Locked;
    assert!(may(&config, &state, Event::Detaches));
    state.pages[0].set(flag::WRITEBACK);
    assert!(!may(&config, &state, Event::Detaches));
}

/// Both kinds of task stand in the same wait: the flusher (wb_workfn()) and whoever calls fsync.
#[test]
fn the_flusher_waits_for_pins_as_fsync_does() {
    let config = config(Policy::Wait);
    let mut state = initial(&config);
    let waits = Syncer {
        pass: Pass::Protected,
        ..Syncer::default()
    };
    assert_eq!(waiters(&config, &state), 0);
    state.pages[0].pins = 1;
    state.flusher = waits;
    assert_eq!(waiters(&config, &state), 1);
    state.fsyncs[0] = waits;
    assert_eq!(waiters(&config, &state), 2);
    state.flusher = Syncer::default();
    assert_eq!(waiters(&config, &state), 1);
    state.pages[0].pins = 0;
    assert_eq!(waiters(&config, &state), 0);
}

/// A waiter that gets to look in some gap gets through, before the write protection as after it; one that may miss every gap may wait
/// for ever.
#[test]
fn a_wait_is_as_fair_as_it_is_said_to_be_wherever_it_stands() {
    for wait_at in [WaitAt::BeforeProtect, WaitAt::AfterProtect] {
        let outcome = |fairness| {
            let config = Config {
                wait_at,
                fairness,
                flusher: false,
                reclaim: false,
                truncate: false,
                dma_writes: 1,
                ..Config::base(Policy::Wait, Driver::Chain, Callsites::Converted)
            };
            explore(&config).unwrap().outcome(Property::FsyncStuck)
        };
        assert_eq!(outcome(Fairness::Strong), Outcome::Holds, "{wait_at:?}");
        assert_eq!(outcome(Fairness::Weak), Outcome::Broken, "{wait_at:?}");
    }
}

/// folio_lock(): might_sleep() complains before it looks at the lock, which under this policy nobody holds for long.
#[test]
fn a_release_that_may_sleep_is_wrong_in_atomic_context_whatever_the_lock_says() {
    let outcome = |driver| {
        let config = Config::base(Policy::Wait, driver, Callsites::Converted);
        explore(&config).unwrap().outcome(Property::SleepAtomic)
    };
    assert_eq!(outcome(Driver::Atomic), Outcome::Broken);
    assert_eq!(outcome(Driver::AtOnce), Outcome::Holds);
}

/// A policy by name and the same rules from a file are one model.
#[test]
fn the_rules_of_a_policy_are_all_that_there_is_to_it() {
    for policy in Policy::ALL {
        for driver in [Driver::Eventually, Driver::Chain] {
            let named = Config::base(policy, driver, Callsites::Converted);
            let mut own = Config::base(Policy::SkipReclaim, Driver::AtOnce, Callsites::Converted);
            own.own_rules = Some(policy.rules());
            own.own_habits = Some(driver.habits());
            let (named, own) = (explore(&named).unwrap(), explore(&own).unwrap());
            assert_eq!(own.states(), named.states(), "{}", policy.name());
            assert_eq!(own.broken(), named.broken(), "{}", policy.name());
        }
    }
}

/// Write protection leaves a device that only reads its mapping; reclaim does not.
#[test]
fn a_reader_loses_its_mapping_to_unmapping_alone() {
    let mut config = Config::base(Policy::None, Driver::Invalidatable, Callsites::Converted);
    config.readers = 1;
    for (unmaps, stays) in [(false, true), (true, false)] {
        let mut state = initial(&config);
        state.devices[0].mapped = true;
        super::protocol::invalidate(&config, &mut state, 0, unmaps);
        assert_eq!(state.devices[0].mapped, stays);
        let writer = Config {
            readers: 0,
            ..config
        };
        state.devices[0].mapped = true;
        super::protocol::invalidate(&writer, &mut state, 0, unmaps);
        assert!(!state.devices[0].mapped);
    }
}

/// What a step with that name breaks; None where there is no such step.
fn breaks(config: &Config, state: &State, event: Event) -> Option<u16> {
    let mut moves = Vec::new();
    Protocol { config }.moves(state, &mut moves);
    let mut found = moves.iter().filter(|found| found.step.event == event);
    found.next().map(|found| found.broken)
}

/// The block layer copies after the checksum was taken: torn if a device writes between the two, and else not.
#[test]
fn a_late_copy_is_torn_by_a_write_between_the_checksum_and_itself() {
    let config = config(Policy::BounceBlock);
    let mut state = initial(&config);
    state.pages[0].set(flag::WRITEBACK | flag::BOUNCING);
    (state.pages[0].ram, state.pages[0].flight) = (3, 3);
    assert_eq!(breaks(&config, &state, Event::BlockCopies), Some(0));
    state.pages[0].flight = 2;
    let torn = Some(Property::Torn.bit());
    assert_eq!(breaks(&config, &state, Event::BlockCopies), torn);
}

/// The wait of July 2018 is a loop, and each task in it keeps a CPU for as long as a driver holds its pin; asleep in a queue it keeps none.
#[test]
fn a_wait_that_loops_keeps_the_cpu_of_each_task_in_it() {
    let outcome = |waiting, cpus, property| {
        let config = Config {
            waiting,
            cpus,
            fsyncs: 1,
            flusher: false,
            reclaim: false,
            truncate: false,
            dma_writes: 1,
            ..config(Policy::Wait)
        };
        explore(&config).unwrap().outcome(property)
    };
    let (one, all) = (Property::OneCpuBusy, Property::AllCpusBusy);
    assert_eq!(outcome(Waiting::Yield, 2, one), Outcome::Broken);
    assert_eq!(outcome(Waiting::Yield, 2, all), Outcome::Holds);
    assert_eq!(outcome(Waiting::Yield, 1, all), Outcome::Broken);
    assert_eq!(outcome(Waiting::Queue, 1, one), Outcome::Holds);
}

/// A story says how a page was taken: get_user_pages(), or pin_user_pages() for writing or for reading.
#[test]
fn a_pin_is_called_what_it_is() {
    for (policy, plain) in [(Policy::None, true), (Policy::SkipReclaim, false)] {
        let config = Config::base(policy, Driver::Eventually, Callsites::Converted);
        let mut state = initial(&config);
        state.pages[0].set(flag::MAPPED | flag::WRITABLE);
        let pin = |plain, fast_read| Event::Pin { plain, fast_read };
        assert!(may(&config, &state, pin(plain, false)), "{}", policy.name());
        assert!(!may(&config, &state, pin(!plain, false)));
        assert!(!may(&config, &state, pin(plain, true)));
    }
}

/// mm/gup.c: gup_put_folio(), fs/dax.c: whoever sleeps until the page is nobody else's is woken by the last reference, and by no other.
#[test]
fn the_last_reference_wakes_truncate_and_no_other_does() {
    let mut config = Config::base(
        Policy::SkipReclaim,
        Driver::Eventually,
        Callsites::Converted,
    );
    config.storage = Storage::Dax;
    config.truncate = true;
    let mut state = initial(&config);
    state.cut = Cut::Asleep;
    (state.devices[0].hold, state.devices[0].writes) = (Hold::Dirtied, true);
    for (held, wakes) in [(2, false), (1, true)] {
        (state.pages[0].refs, state.pages[0].pins) = (held, held as _);
        assert_eq!(may(&config, &state, Event::Woken), wakes, "{held} held");
        let puts = may(&config, &state, Event::Put { pin: true });
        assert_eq!(puts, !wakes, "{held} held");
    }
}

/// fs/xfs/xfs_file.c: xfs_break_dax_layouts(): truncate waits for whoever holds the storage; a kernel that cannot see pins frees it under them.
#[test]
fn truncate_of_storage_waits_for_its_holders_where_the_policy_says_so() {
    for (policy, waits) in [(Policy::None, false), (Policy::SkipReclaim, true)] {
        let mut config = Config::base(policy, Driver::Eventually, Callsites::Converted);
        config.storage = Storage::Dax;
        config.truncate = true;
        let mut state = initial(&config);
        state.cut = Cut::Emptied;
        assert!(may(&config, &state, Event::TruncateLocks));
        state.pages[0].refs = 1;
        let sleeps = may(&config, &state, Event::TruncateSleeps);
        assert_eq!(sleeps, waits, "{}", policy.name());
        assert_eq!(may(&config, &state, Event::TruncateLocks), !waits);
    }
}

/// A wait that never lets go of its CPU: where each CPU has a task in it, nobody is left to run the release.
#[test]
fn a_spinning_wait_on_every_cpu_leaves_none_for_the_release() {
    for (cpus, releases) in [(1, false), (2, true)] {
        let mut config = Config::base(Policy::Wait, Driver::Eventually, Callsites::Converted);
        (config.waiting, config.cpus) = (Waiting::Spin, cpus);
        let mut state = initial(&config);
        (state.pages[0].refs, state.pages[0].pins) = (1, 1);
        (state.devices[0].hold, state.devices[0].writes) = (Hold::Dirtied, true);
        state.flusher.pass = Pass::Protected;
        let puts = may(&config, &state, Event::Put { pin: true });
        assert_eq!(puts, releases, "{cpus} CPUs");
        assert!(may(&config, &state, Event::WaitsForPins));
    }
}

/// Where a step with that name leads; None where there is no such step.
fn leads(config: &Config, state: &State, event: Event) -> Option<State> {
    let mut moves = Vec::new();
    Protocol { config }.moves(state, &mut moves);
    let found = moves.into_iter().find(|found| found.step.event == event);
    found.map(|found| found.to)
}

/// mm/vmscan.c: what is dirty or under I/O is written first, and not taken.
#[test]
fn reclaim_takes_clean_pages_alone() {
    let mut config = config(Policy::None);
    config.reclaim = true;
    for (flags, takes) in [(0, true), (flag::DIRTY, false), (flag::WRITEBACK, false)] {
        let mut state = initial(&config);
        state.pages[0].set(flags);
        assert_eq!(may(&config, &state, Event::ReclaimLocks), takes, "{flags}");
    }
}

/// The disk has what was on its way, whatever memory holds by then; a page that was cut off meanwhile ends in blocks that are free.
#[test]
fn the_disk_gets_what_was_on_its_way() {
    let config = config(Policy::None);
    let mut state = initial(&config);
    (state.pages[0].ram, state.pages[0].flight) = (5, 3);
    state.pages[0].set(flag::WRITEBACK);
    let after = leads(&config, &state, Event::IoEnds).unwrap();
    assert_eq!(after.pages[0].disk, 3);
    assert!(!after.pages[0].has(flag::WRITEBACK));
    assert_eq!(breaks(&config, &state, Event::IoEnds), Some(0));
    state.pages[0].set(flag::TRUNCATED);
    let freed = Some(Property::FreedIo.bit());
    assert_eq!(breaks(&config, &state, Event::IoEnds), freed);
}

/// ext4 since 5.18: a dirty page without buffers is warned about; nothing is written, and nothing is dirty, tagged or reserved any more.
#[test]
fn a_page_without_buffers_loses_its_marks_unwritten() {
    let config = config(Policy::None);
    let mut state = initial(&config);
    let marks = flag::TAGGED | flag::RESERVED;
    state.pages[0].set(marks);
    state.flusher.pass = Pass::Cleared;
    let event = Event::WritepageNoBuffers;
    let nobuf = Some(Property::Nobuf.bit());
    assert_eq!(breaks(&config, &state, event), nobuf);
    let after = leads(&config, &state, event).unwrap();
    assert!(!after.pages[0].has_any(marks | flag::DIRTY | flag::WRITEBACK));
}

/// fsync() answers for what it was asked for, and for no page that was cut off since.
#[test]
fn fsync_answers_for_the_pages_that_are_left() {
    let config = config(Policy::None);
    let mut state = initial(&config);
    state.fsyncs[0].pass = Pass::WaitIo;
    state.fsyncs[0].promise[0] = 5;
    let lies = Some(Property::FsyncLies.bit());
    for (disk, cut, broken) in [(3, false, lies), (3, true, Some(0)), (5, false, Some(0))] {
        let mut state = state;
        state.pages[0].disk = disk;
        if cut {
            state.pages[0].set(flag::TRUNCATED);
        }
        assert_eq!(breaks(&config, &state, Event::FsyncReturns), broken);
    }
}
