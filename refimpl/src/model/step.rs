// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who acts, and what one step is called when the story is told.

use super::config::Config;

/// Someone who takes steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// The program that maps the file.
    User,
    /// Device d together with its driver.
    Device(u8),
    /// The disk, completing the I/O of page p.
    Disk(u8),
    /// Background writeback.
    Flusher,
    /// Fsync task i.
    Fsync(u8),
    /// kswapd or direct reclaim.
    Reclaim,
    /// Truncate or hole punch.
    Truncate,
}

impl Actor {
    /// A small number of its own, below 26.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Device(d) => 1 + d,
            Self::Disk(p) => 8 + p,
            Self::Flusher => 16,
            Self::Fsync(i) => 17 + i,
            Self::Reclaim => 24,
            Self::Truncate => 25,
        }
    }

    /// The actor with a given code.
    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::User,
            1..=7 => Self::Device(code - 1),
            8..=15 => Self::Disk(code - 8),
            16 => Self::Flusher,
            17..=23 => Self::Fsync(code - 17),
            24 => Self::Reclaim,
            _ => Self::Truncate,
        }
    }

    /// The name in a story; numbered only where there are several.
    pub(crate) fn name(self, config: &Config) -> String {
        let numbered = |name: &str, number: u8, of: u8| {
            if of > 1 {
                format!("{name}{number}")
            } else {
                name.to_owned()
            }
        };
        match self {
            Self::User => "program".to_owned(),
            Self::Device(d) => numbered("device", d, config.devices),
            Self::Disk(p) => numbered("disk", p, config.pages),
            Self::Flusher => "flusher".to_owned(),
            Self::Fsync(i) => numbered("fsync", i, config.fsyncs),
            Self::Reclaim => "reclaim".to_owned(),
            Self::Truncate => "truncate".to_owned(),
        }
    }
}

/// What happened, without who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    WriteFault,
    ReadFault,
    Store,
    Throttle,
    Unthrottle,
    Pin { plain: bool, fast_read: bool },
    NotifierMap,
    NotifierUnmap,
    DmaWrite,
    DmaRead,
    DmaDone,
    SawDirty,
    SawClean,
    SkipsCheck,
    DirtyLocked,
    DirtyTooEarly,
    DirtyTooLate,
    SleepsOnLock,
    Put { pin: bool },
    Woken,
    FsyncBegins,
    FsyncReturns,
    LocksDirtyPage,
    FindsClean,
    NothingToWrite,
    LooksForPins,
    Mkclean,
    WaitsForPins,
    ClearsDirty,
    CopiesKeepDirty,
    CopiesClearDirty,
    Revokes,
    WritepageStarts,
    NothingReserved,
    WritepageNoBuffers,
    BlockCopies,
    IoEnds,
    IoSeen,
    ReclaimLocks,
    ReclaimUnmaps,
    ReclaimSkips,
    ReclaimGoesOn,
    StripsBuffers,
    Drops,
    DropFails,
    TruncateBegins,
    TruncateUnmaps,
    TruncateSleeps,
    TruncateLocks,
    Detaches,
}

impl Event {
    /// The event as the rest of a sentence that begins with the actor.
    pub(crate) fn tell(self) -> &'static str {
        match self {
            Self::WriteFault => {
                "faults for writing: page_mkwrite() reserves space, attaches buffers, marks dirty"
            }
            Self::ReadFault => "faults for reading",
            Self::Store => "stores through its mapping",
            Self::Throttle => "enters balance_dirty_pages() and sleeps: too many pages are dirty",
            Self::Unthrottle => "is let go on by balance_dirty_pages()",
            Self::Pin { plain: true, .. } => {
                "takes the page with get_user_pages(): a plain reference"
            }
            Self::Pin {
                fast_read: true, ..
            } => "takes the page with pin_user_pages() for reading: no write permission needed",
            Self::Pin { .. } => "takes the page with pin_user_pages(): a counted pin",
            Self::NotifierMap => "maps the page for its device under an mmu notifier: no reference",
            Self::NotifierUnmap => "drops the device's mapping",
            Self::DmaWrite => "writes to the page by DMA",
            Self::DmaRead => "reads the page by DMA",
            Self::DmaDone => "is done with the page",
            Self::SawDirty => "sees PageDirty and does not lock",
            Self::SawClean => "sees the page clean: set_page_dirty_lock() is next",
            Self::SkipsCheck => "goes for set_page_dirty_lock() without a look at PageDirty",
            Self::DirtyLocked => "locks the page, marks it dirty, unlocks it",
            Self::DirtyTooEarly => "marks the page dirty although the device has not finished",
            Self::DirtyTooLate => "marks the page dirty after it has let go of it",
            Self::SleepsOnLock => "sleeps in lock_page() where it must not sleep",
            Self::Put { pin: true } => "lets go of the page with unpin_user_page()",
            Self::Put { pin: false } => "lets go of the page with put_page()",
            Self::Woken => "lets go of the page with unpin_user_page() and wakes the waiter",
            Self::FsyncBegins => "begins: what is complete now must be on disk when it returns",
            Self::FsyncReturns => "returns 0",
            Self::LocksDirtyPage => "finds the page dirty and locks it",
            Self::FindsClean => "finds the page clean and goes on",
            Self::NothingToWrite => "finds nothing left to write and unlocks",
            Self::LooksForPins => "looks for pins and sees none, before it write-protects",
            Self::Mkclean => "page_mkclean(): write-protects every mapping",
            Self::WaitsForPins => {
                "sees the page pinned, calls schedule(), and looks again, the page locked all the while"
            }
            Self::ClearsDirty => "clear_page_dirty_for_io()",
            Self::CopiesKeepDirty => "sees the page pinned: will write a copy and leaves it dirty",
            Self::CopiesClearDirty => "sees the page pinned: will write a copy and clears dirty",
            Self::Revokes => "breaks the lease: the device is stopped and its pin taken away",
            Self::WritepageStarts => "writepage() starts the I/O and unlocks the page",
            Self::NothingReserved => {
                "writepage() starts the I/O and unlocks the page; nothing could be reserved again"
            }
            Self::WritepageNoBuffers => {
                "writepage() finds no buffers, writes nothing, unlocks the page"
            }
            Self::BlockCopies => "the block layer copies the page, after the checksum was taken",
            Self::IoEnds => "completes the I/O",
            Self::IoSeen => "sees the I/O complete",
            Self::ReclaimLocks => "takes the clean page and locks it",
            Self::ReclaimUnmaps => "try_to_unmap()",
            Self::ReclaimSkips => "leaves the page alone and unlocks it",
            Self::ReclaimGoesOn => "finds nothing against taking the page",
            Self::StripsBuffers => "try_to_release_page() strips the buffers",
            Self::Drops => "__remove_mapping(): the page leaves the page cache and is freed",
            Self::DropFails => {
                "__remove_mapping() fails: someone holds the page or has dirtied it; it stays, as it is"
            }
            Self::TruncateBegins => "begins",
            Self::TruncateUnmaps => "unmaps the page and shuts faults out",
            Self::TruncateSleeps => "finds the page held and sleeps until someone wakes it",
            Self::TruncateLocks => "locks the page",
            Self::Detaches => "cuts the page off; its blocks are free",
        }
    }

    /// Done by hardware, so that no CPU is needed for it.
    pub(crate) fn is_hardware(self) -> bool {
        matches!(
            self,
            Self::DmaWrite | Self::DmaRead | Self::DmaDone | Self::IoEnds
        )
    }
}

/// One step: who, what, and to which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) actor: Actor,
    pub(crate) event: Event,
    pub(crate) page: u8,
}
