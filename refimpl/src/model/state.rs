// SPDX-License-Identifier: MIT OR Apache-2.0
//! One state of the model: pages, devices, and where each task stands. Small, `Copy`, and compared by value.

use super::step::Actor;
use crate::page::GUP_PIN_COUNTING_BIAS;

/// Most pages a state holds. This and the two below keep a state small and `Copy`; the scenarios need fewer of each, and every
/// further one multiplies the states.
pub(crate) const MAX_PAGES: usize = 4;
/// Most devices a state holds.
pub(crate) const MAX_DEVICES: usize = 4;
/// Most fsync tasks a state holds.
pub(crate) const MAX_FSYNCS: usize = 4;

/// Page flags and the facts that belong with them.
pub(crate) mod flag {
    /// In the page cache.
    pub(crate) const CACHED: u16 = 1;
    /// Some page table entry maps it.
    pub(crate) const MAPPED: u16 = 1 << 1;
    /// A mapping entry allows writing.
    pub(crate) const WRITABLE: u16 = 1 << 2;
    /// PG_dirty.
    pub(crate) const DIRTY: u16 = 1 << 3;
    /// PG_writeback.
    pub(crate) const WRITEBACK: u16 = 1 << 4;
    /// Buffer heads are attached.
    pub(crate) const BUFFERS: u16 = 1 << 5;
    /// The filesystem has reserved what writing it back takes.
    pub(crate) const RESERVED: u16 = 1 << 6;
    /// This writeback reads from a copy, which is made.
    pub(crate) const BOUNCED: u16 = 1 << 7;
    /// This writeback will read from a copy that the block layer has yet to make.
    pub(crate) const BOUNCING: u16 = 1 << 8;
    /// Cut off by truncate; on fsdax its blocks are free.
    pub(crate) const TRUNCATED: u16 = 1 << 9;
    /// PAGECACHE_TAG_DIRTY: set with PG_dirty, and cleared only when writeback starts, so that fsync finds pages in between.
    pub(crate) const TAGGED: u16 = 1 << 10;

    /// All flags with the words of a story.
    pub(crate) const NAMES: [(u16, &str); 10] = [
        (CACHED, "cached"),
        (MAPPED, "mapped"),
        (WRITABLE, "writable"),
        (DIRTY, "dirty"),
        (WRITEBACK, "writeback"),
        (BUFFERS, "buffers"),
        (RESERVED, "reserved"),
        (BOUNCED, "bounced"),
        (BOUNCING, "bouncing"),
        (TRUNCATED, "truncated"),
    ];
}

/// A page of the file. Versions number the writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Page {
    /// See [`flag`].
    pub(crate) flags: u16,
    /// Version of the bytes in memory.
    pub(crate) ram: u8,
    /// Version of the bytes on disk.
    pub(crate) disk: u8,
    /// Version on its way to the disk; 0 outside writeback.
    pub(crate) flight: u8,
    /// Newest version that the program knows to be complete.
    pub(crate) known: u8,
    /// 0, or the lock holder's code.
    pub(crate) lock: u8,
    /// References that gup callers hold, of either kind.
    pub(crate) refs: i8,
    /// How many of them are counted as pins. Misuse can drive it below zero.
    pub(crate) pins: i8,
}

impl Page {
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    pub(crate) fn has_any(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub(crate) fn set(&mut self, flags: u16) {
        self.flags |= flags;
    }

    pub(crate) fn clear(&mut self, flags: u16) {
        self.flags &= !flags;
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.lock != 0
    }

    /// Takes the page lock for `actor`.
    pub(crate) fn lock(&mut self, actor: Actor) {
        self.lock = actor.code() + 1;
    }

    pub(crate) fn unlock(&mut self) {
        self.lock = 0;
    }

    /// folio_maybe_dma_pinned(), without its false positives.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pins > 0
    }

    /// The reference count: cache, mapping, buffers, gup callers; on a small folio a pin weighs the bias.
    pub(crate) fn refcount(&self, large: bool) -> i32 {
        let one = |flag| i32::from(self.has(flag));
        let bias = if large {
            0
        } else {
            (GUP_PIN_COUNTING_BIAS - 1) * i32::from(self.pins)
        };
        one(flag::CACHED) + one(flag::MAPPED) + one(flag::BUFFERS) + i32::from(self.refs) + bias
    }

    /// A version newer than everything seen so far.
    pub(crate) fn write(&mut self) {
        self.ram = self.ram.max(self.known) + 1;
    }
}

/// Where a device and its driver stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) enum Hold {
    /// No page held.
    #[default]
    Idle,
    /// The device may write.
    Armed,
    /// The device is done; the driver is to release.
    Done,
    /// The driver has decided to take the page lock.
    WantLock,
    /// Marked dirty; the reference is still held.
    Dirtied,
    /// The reference is gone, marking dirty is still to come.
    PutEarly,
    /// Marked dirty, and the device still writes.
    EarlyDirty,
    /// The reference is gone and the device still writes.
    Loose,
    /// The device has written and the driver keeps its reference.
    Kept,
    /// Its lease was broken: the device is stopped for good.
    Stopped,
}

/// A device with its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Device {
    pub(crate) hold: Hold,
    /// Held for writing by the device?
    pub(crate) writes: bool,
    /// Has a mapping of its own, which a notifier can take away?
    pub(crate) mapped: bool,
    /// DMA writes still to come.
    pub(crate) left: u8,
    /// Version of its last write in this hold; 0 for none.
    pub(crate) last: u8,
}

/// Where a task that writes pages back stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Pass {
    /// Nothing to do.
    #[default]
    Idle,
    /// Looking for dirty pages, from `at` on.
    Scan,
    /// Holds the lock of page `at`.
    Locked,
    /// Has looked for pins too early (a mutation).
    Checked,
    /// Has write-protected all mappings of page `at`.
    Protected,
    /// Has cleared dirty.
    Cleared,
    /// Has prepared a bounced write.
    Copied,
    /// Waits for the I/O of pages, from `at` on.
    WaitIo,
}

/// The flusher, or a task in fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Syncer {
    pub(crate) pass: Pass,
    pub(crate) at: u8,
    /// Calls still to come.
    pub(crate) left: u8,
    /// Per page the version that must be on disk when fsync returns.
    pub(crate) promise: [u8; MAX_PAGES],
}

/// Where reclaim stands with the page `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Shrink {
    #[default]
    Idle,
    Locked,
    /// Has looked for pins too early (a mutation).
    Checked,
    Unmapped,
    /// Nothing forbids taking it.
    Cleared,
    /// Buffers are gone.
    Stripped,
}

/// Where truncate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Cut {
    #[default]
    Idle,
    Wanted,
    /// fsdax: has unmapped the page and shut faults out.
    Emptied,
    /// Waits to be woken by the last unpin.
    Asleep,
    Locked,
    Done,
}

/// The whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(crate) pages: [Page; MAX_PAGES],
    pub(crate) devices: [Device; MAX_DEVICES],
    pub(crate) fsyncs: [Syncer; MAX_FSYNCS],
    pub(crate) flusher: Syncer,
    pub(crate) shrink: Shrink,
    pub(crate) shrink_at: u8,
    pub(crate) cut: Cut,
    /// Stores the program has still to make.
    pub(crate) stores: u8,
    /// Does the program sleep in balance_dirty_pages()?
    pub(crate) throttled: bool,
}
