// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of scenarios. Each entry is data: sizes, the answers worth comparing, and why anyone asked.

use super::{Scenario, Subject};
use crate::model::config::{Config, Fairness, Mutation, Storage, WaitAt, Waiting};
use crate::model::driver::{Callsites, Driver};
use crate::model::interleaving::{FORK, GUP_FAST};
use crate::model::policy::Policy;
use crate::model::property::Property;

const GOOD: &[Callsites] = &[Callsites::Converted];

/// A page with one device and what S1 to S5 need; policy, driver and callsites are filled in per run.
const fn plain() -> Config {
    Config {
        truncate: false,
        ..Config::base(Policy::None, Eventually, Callsites::Converted)
    }
}

/// Writeback that waits, as posted: the task looks again and again. Nobody else writes pages back.
const fn waits(waiting: Waiting) -> Config {
    Config {
        waiting,
        flusher: false,
        reclaim: false,
        ..plain()
    }
}

const fn per_page(waiting: Waiting) -> Config {
    Config {
        pages: 2,
        devices: 2,
        dma_writes: 1,
        fsyncs: 2,
        cpus: 2,
        file_per_fsync: true,
        ..waits(waiting)
    }
}

const fn dax(mutation: Mutation) -> Config {
    Config {
        storage: Storage::Dax,
        truncate: true,
        flusher: false,
        reclaim: false,
        fsyncs: 0,
        mutation,
        ..plain()
    }
}

const fn protocol(
    config: Config,
    policies: &'static [Policy],
    drivers: &'static [Driver],
    callsites: &'static [Callsites],
) -> Subject {
    Subject::Protocol {
        config,
        policies,
        drivers,
        callsites,
    }
}

use Driver::{AtOnce, Atomic, Chain, Eventually, Invalidatable, Never};
use Policy as P;
use Property as Q;

/// Every scenario, in order.
pub(super) static SCENARIOS: [Scenario; 24] = [
    Scenario {
        name: "S1",
        title: "buffers are stripped from a pinned page, then it is dirtied",
        about: "The set_page_dirty bug of January 2018. Reclaim strips the buffers and then fails to drop the page because a gup caller holds it.",
        subject: protocol(
            Config {
                user_writes: 1,
                dma_writes: 1,
                fsyncs: 0,
                ..plain()
            },
            &[
                P::None,
                P::SkipReclaim,
                P::Mapcount,
                P::MapcountWrong,
                P::Wait,
            ],
            &[Eventually],
            GOOD,
        ),
        shows: &[Q::Nobuf, Q::LostDma],
    },
    Scenario {
        name: "S2",
        title: "the device writes while the page is on its way to the disk",
        about: "No stable pages for devices: checksums, parity and encryption are of other bytes. Short pins are enough.",
        subject: protocol(
            Config {
                fsyncs: 0,
                ..plain()
            },
            &[
                P::None,
                P::SkipReclaim,
                P::Mapcount,
                P::Wait,
                P::BounceReserve,
                P::BounceBlock,
            ],
            &[AtOnce, Eventually],
            GOOD,
        ),
        shows: &[Q::Torn],
    },
    Scenario {
        name: "S3",
        title: "the release forgets to mark dirty, or does it too early",
        about: "A page that writeback cleaned while it was pinned is dropped with the device's bytes.",
        subject: protocol(
            Config {
                fsyncs: 0,
                ..plain()
            },
            &[P::None, P::SkipReclaim, P::Wait, P::BounceReserve],
            &[Eventually],
            &[Callsites::NoDirty, Callsites::BeforeDeviceDone],
        ),
        shows: &[Q::LostDma],
    },
    Scenario {
        name: "S4",
        title: "fsync returns without the device's bytes",
        about: "Programs that register memory with an RDMA device never unpin and expect fsync to work.",
        subject: protocol(
            plain(),
            &[
                P::None,
                P::SkipReclaim,
                P::Wait,
                P::BounceClear,
                P::BounceReserve,
                P::Lease,
                P::LeaseWriteback,
                P::Forbid,
            ],
            &[Never],
            GOOD,
        ),
        shows: &[Q::FsyncLies, Q::FsyncStuck],
    },
    Scenario {
        name: "S5",
        title: "a clean page is dirtied without page_mkwrite",
        about: "The filesystem reserved nothing: no space, no journal credit, and a shared extent is overwritten. Keeping the page dirty does not help, because writeback spends the reservation.",
        subject: protocol(
            Config {
                fsyncs: 0,
                ..plain()
            },
            &[
                P::None,
                P::SkipReclaim,
                P::Wait,
                P::BounceKeep,
                P::BounceReserve,
            ],
            &[Eventually],
            GOOD,
        ),
        shows: &[Q::Noresv],
    },
    Scenario {
        name: "S6",
        title: "truncate of a pinned page of the page cache",
        about: "The page is cut off and the device goes on writing to an orphan: nobody else's memory, and nobody waits.",
        subject: protocol(
            Config {
                truncate: true,
                ..plain()
            },
            &[P::None, P::SkipReclaim],
            &[Eventually, Never],
            GOOD,
        ),
        shows: &[Q::Uaf, Q::TruncStuck],
    },
    Scenario {
        name: "S6dax",
        title: "truncate where the page is the storage",
        about: "Freed blocks may belong to another file at once. Truncate therefore waits for foreign references, which is bounded only because long-term pins are refused there.",
        subject: protocol(
            dax(Mutation::Faithful),
            &[P::None, P::SkipReclaim, P::Lease, P::Forbid],
            &[AtOnce, Eventually, Never],
            GOOD,
        ),
        shows: &[Q::Uaf, Q::TruncStuck],
    },
    Scenario {
        name: "S6wake",
        title: "the last unpin does not wake the truncate that waits for it",
        about: "The defect that commit d8ddc099c6b3 mended: every driver releases, and truncate sleeps on.",
        subject: protocol(
            dax(Mutation::MissingWakeup),
            &[P::SkipReclaim],
            &[AtOnce, Eventually],
            GOOD,
        ),
        shows: &[Q::TruncStuck],
    },
    Scenario {
        name: "S7a",
        title: "writeback waits for a pin that is never released",
        about: "The July 2018 posting: a loop around schedule() under the page lock. One CPU is busy per waiting task, the rest of the system runs.",
        subject: protocol(waits(Waiting::Yield), &[P::Wait], &[Never], GOOD),
        shows: &[Q::FsyncStuck, Q::OneCpuBusy, Q::AllCpusBusy],
    },
    Scenario {
        name: "S7a-queue",
        title: "the same with a wait queue",
        about: "The task is stuck, no CPU is.",
        subject: protocol(waits(Waiting::Queue), &[P::Wait], &[Never], GOOD),
        shows: &[Q::FsyncStuck, Q::OneCpuBusy],
    },
    Scenario {
        name: "S7b",
        title: "writeback waits under the page lock, and the release wants that lock",
        about: "set_page_dirty_lock() without a look at PageDirty first: both wait for each other although the device is done.",
        subject: protocol(
            waits(Waiting::Yield),
            &[P::WaitLocked],
            &[AtOnce, Eventually],
            GOOD,
        ),
        shows: &[Q::RelDeadlock, Q::FsyncStuck],
    },
    Scenario {
        name: "S7c",
        title: "the same with the PageDirty check of the third posting",
        about: "While writeback waits the page is dirty, so the release never wants the lock: the check is what keeps this alive.",
        subject: protocol(
            waits(Waiting::Yield),
            &[P::Wait],
            &[AtOnce, Eventually],
            GOOD,
        ),
        shows: &[Q::RelDeadlock, Q::FsyncStuck],
    },
    Scenario {
        name: "S7d",
        title: "as many waiters as CPUs, and no waiter lets go of its CPU",
        about: "The worst case of the mail. The devices are done, and no CPU is left to run their release.",
        subject: protocol(
            per_page(Waiting::Spin),
            &[P::Wait],
            &[Eventually, Never],
            GOOD,
        ),
        shows: &[Q::AllCpusBusy, Q::RelDeadlock, Q::FsyncStuck],
    },
    Scenario {
        name: "S7d-yield",
        title: "as many waiters as CPUs, each calling schedule()",
        about: "What was posted: every CPU is busy as long as the pins last, and the release still runs.",
        subject: protocol(
            per_page(Waiting::Yield),
            &[P::Wait],
            &[Eventually, Never],
            GOOD,
        ),
        shows: &[Q::AllCpusBusy, Q::RelDeadlock, Q::FsyncStuck],
    },
    Scenario {
        name: "S7e",
        title: "two devices take turns at short pins for reading",
        about: "No pin is long, there is never a moment without one, and the wait never ends, however fair the scheduler is.",
        subject: protocol(
            Config {
                devices: 2,
                dma_writes: 1,
                fairness: Fairness::Strong,
                ..waits(Waiting::Queue)
            },
            &[P::Wait, P::BounceReserve],
            &[Chain],
            GOOD,
        ),
        shows: &[Q::FsyncStuck],
    },
    Scenario {
        name: "S7e-one",
        title: "one device with gaps between its pins",
        about: "A waiter that gets to look in some gap gets through; one that polls may miss every gap.",
        subject: protocol(
            Config {
                dma_writes: 1,
                fairness: Fairness::Strong,
                ..waits(Waiting::Queue)
            },
            &[P::Wait],
            &[Chain],
            GOOD,
        ),
        shows: &[Q::FsyncStuck],
    },
    Scenario {
        name: "S8",
        title: "gup_fast against page_mkclean",
        about: "Look for pins after write permission is gone, pin before the entry is read again, and keep both CPUs from delaying their write.",
        subject: Subject::Race(&GUP_FAST),
        shows: &[Q::MissedPin],
    },
    Scenario {
        name: "S9",
        title: "reference count against map count",
        about: "Enough to keep the buffers, by the right formula for the filesystem; nothing else gets better. It sees plain references, so it does not need the callers converted.",
        subject: protocol(
            Config {
                dma_writes: 1,
                ..plain()
            },
            &[P::Mapcount, P::MapcountWrong],
            &[Eventually],
            &[Callsites::Converted, Callsites::OneMissing],
        ),
        shows: &[Q::Nobuf, Q::Torn, Q::Noresv, Q::FsyncLies],
    },
    Scenario {
        name: "S11",
        title: "gup_fast against fork",
        about: "A pinned anonymous page is never shared copy-on-write: fork copies it, and gup_fast backs out when a fork was under way.",
        subject: Subject::Race(&FORK),
        shows: &[Q::MissedPin],
    },
    Scenario {
        name: "S13",
        title: "unpinning a plain reference hides another's pin",
        about: "A large folio counts its pins exactly, so one wrong unpin makes a true pin invisible. The wrong caller only reads; another writes.",
        subject: protocol(
            Config {
                devices: 2,
                readers: 1,
                dma_writes: 1,
                fsyncs: 0,
                ..plain()
            },
            &[P::SkipReclaim],
            &[Chain],
            &[
                Callsites::Converted,
                Callsites::OneMissing,
                Callsites::UnpinOnGet,
            ],
        ),
        shows: &[Q::Nobuf],
    },
    Scenario {
        name: "S14",
        title: "the release marks dirty where it must not sleep",
        about: "set_page_dirty_lock() from an interrupt or under a spinlock: the page lock may be held.",
        subject: protocol(
            Config {
                fsyncs: 0,
                ..plain()
            },
            &[
                P::None,
                P::SkipReclaim,
                P::Wait,
                P::WaitLocked,
                P::BounceReserve,
            ],
            &[AtOnce, Atomic],
            GOOD,
        ),
        shows: &[Q::SleepAtomic],
    },
    Scenario {
        name: "S17",
        title: "hardware whose mapping can be taken away at any time",
        about: "A device behind an mmu notifier needs no pin and breaks nothing, whatever the policy; other hardware is turned away if that is the rule.",
        subject: protocol(plain(), &[P::None, P::Odp], &[Invalidatable, Never], GOOD),
        shows: &[
            Q::Nobuf,
            Q::LostDma,
            Q::Torn,
            Q::Noresv,
            Q::FsyncLies,
            Q::FsyncStuck,
        ],
    },
    Scenario {
        name: "S18",
        title: "leases",
        about: "Broken by truncate alone, a lease leaves writeback as it was; broken by writeback too, everything holds, at the price of stopping the device by force.",
        subject: protocol(
            Config {
                truncate: true,
                ..plain()
            },
            &[P::Lease, P::LeaseWriteback],
            &[Eventually, Never],
            GOOD,
        ),
        shows: &[
            Q::Torn,
            Q::Noresv,
            Q::FsyncLies,
            Q::FsyncStuck,
            Q::TruncStuck,
        ],
    },
    Scenario {
        name: "S20",
        title: "bounce: write a copy",
        about: "Clearing dirty lies to fsync, keeping it overdraws the reservation, copying in the block layer is too late for checksums; keeping dirty and reserving again holds.",
        subject: protocol(
            plain(),
            &[
                P::BounceKeep,
                P::BounceReserve,
                P::BounceClear,
                P::BounceBlock,
            ],
            &[Eventually, Never],
            GOOD,
        ),
        shows: &[Q::Torn, Q::Noresv, Q::FsyncLies],
    },
];

/// The price of the bounce that holds; apart, because it needs a second page and a limit.
pub(super) static THROTTLE: Scenario = Scenario {
    name: "S20f",
    title: "bounce: pages that stay dirty use up the dirty limit",
    about: "With as many pages pinned dirty as the limit allows, a writer of another page is never let go on, unless writeback does not count them.",
    subject: protocol(
        Config {
            pages: 2,
            dma_writes: 1,
            user_writes: 1,
            fsyncs: 0,
            reclaim: false,
            dirty_limit: 1,
            ..plain()
        },
        &[P::SkipReclaim, P::BounceReserve, P::BounceClear],
        &[Eventually, Never],
        GOOD,
    ),
    shows: &[Q::ThrottleStuck],
};

/// S17 with a device that only reads.
pub(super) static READS: Scenario = Scenario {
    name: "S17read",
    title: "a device that only reads, behind an mmu notifier",
    about: "Its mapping stays through write protection and goes when the page is unmapped: it reads nothing that is freed, and stops nobody.",
    subject: protocol(
        Config {
            readers: 1,
            user_writes: 1,
            truncate: true,
            ..plain()
        },
        &[P::None, P::Odp],
        &[Invalidatable],
        GOOD,
    ),
    shows: &[Q::Uaf],
};

/// S7e-one with the wait at its other place.
pub(super) static BEFORE: Scenario = Scenario {
    name: "S7e-before",
    title: "one device with gaps, and the wait stands before the write protection",
    about: "Where the wait stands changes nothing for one device with gaps: what counts is that the waiter gets to look in one of them.",
    subject: protocol(
        Config {
            dma_writes: 1,
            fairness: Fairness::Strong,
            wait_at: WaitAt::BeforeProtect,
            ..waits(Waiting::Queue)
        },
        &[P::Wait],
        &[Chain],
        GOOD,
    ),
    shows: &[Q::FsyncStuck],
};
