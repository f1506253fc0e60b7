// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a trace is made of.

use crate::gup::{Flags, Hold, Path};
use crate::version::Version;

/// A name and its operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// One word.
    pub name: String,
    /// In order.
    pub ops: Vec<Op>,
}

/// What an area maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ground {
    /// Private anonymous memory in single pages.
    Anon,
    /// Private anonymous memory in one folio that is mapped as a whole.
    Huge,
    /// A memfd.
    Shmem,
    /// A shared mapping of a block device: its dirty pages are tracked.
    Disk,
    /// Folios of this order that a driver allocated and mapped.
    Driver(u32),
}

/// An acquiring call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the function of that name")]
pub enum Acquire {
    GetUserPages,
    GetUserPagesUnlocked,
    GetUserPagesRemote,
    GetUserPagesFast,
    GetUserPagesFastOnly,
    PinUserPages,
    PinUserPagesUnlocked,
    PinUserPagesRemote,
    PinUserPagesFast,
}

/// A call on one or several pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the function of that name")]
pub enum Release {
    PutPage,
    ReleasePages,
    UnpinUserPage,
    UnpinUserPages,
    UnpinFolio,
    UnpinFolios,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Maps memory.
    Map {
        /// Its number.
        area: u32,
        /// What it maps.
        ground: Ground,
        /// How many pages.
        pages: u32,
    },
    /// The program's own access.
    Touch {
        /// Where.
        area: u32,
        /// Where in it.
        page: u32,
        /// A store.
        write: bool,
    },
    /// Looks a page up and keeps no reference.
    Peek {
        /// Where.
        area: u32,
        /// Where in it.
        page: u32,
        /// Where the page is noted.
        slot: u32,
    },
    /// get_user_pages*(), pin_user_pages*().
    Acquire {
        /// Which.
        call: Acquire,
        /// Where.
        area: u32,
        /// Where in it.
        page: u32,
        /// How many pages.
        nr: u32,
        /// FOLL flags.
        flags: Flags,
        /// Where the first page is noted.
        slot: u32,
    },
    /// memfd_pin_folios().
    Memfd {
        /// An area of shmem.
        area: u32,
        /// First page.
        first: u32,
        /// Last page.
        last: u32,
        /// Where the first folio is noted.
        slot: u32,
    },
    /// get_page(), so many times.
    GetPage {
        /// The page.
        slot: u32,
        /// How often.
        times: u32,
    },
    /// put_page(), so many times.
    PutPages {
        /// The page.
        slot: u32,
        /// How often.
        times: u32,
    },
    /// A release without more arguments than pages.
    Release {
        /// Which.
        call: Release,
        /// Pages; `None` is NULL.
        slots: Vec<Option<u32>>,
    },
    /// unpin_user_pages_dirty_lock().
    DirtyLock {
        /// make_dirty
        dirty: bool,
        /// Pages; `None` is NULL.
        slots: Vec<Option<u32>>,
    },
    /// unpin_user_page_range_dirty_lock().
    Range {
        /// make_dirty
        dirty: bool,
        /// The first page.
        slot: u32,
        /// How many neighbours.
        nr: u32,
    },
    /// unpin_user_folio().
    UnpinUserFolio {
        /// The folio.
        slot: u32,
        /// How many pins.
        nr: u32,
    },
    /// set_page_dirty().
    SetPageDirty {
        /// The page.
        slot: u32,
    },
    /// set_page_dirty_lock().
    SetPageDirtyLock {
        /// The page.
        slot: u32,
    },
    /// clear_page_dirty_for_io() under the page lock.
    Clean {
        /// The page.
        slot: u32,
    },
    /// munmap() of an area.
    Munmap {
        /// Which.
        area: u32,
    },
    /// ftruncate() of an area's memfd to nothing, and back to its size.
    Truncate {
        /// Which.
        area: u32,
    },
    /// The driver drops its own references on the folios of an area.
    Close {
        /// Which.
        area: u32,
    },
    /// Sets spoilt counts right.
    Repair {
        /// The page.
        slot: u32,
        /// References that belong there.
        base: i32,
    },
}

impl Acquire {
    /// All of them.
    pub const ALL: [Acquire; 9] = [
        Acquire::GetUserPages,
        Acquire::GetUserPagesUnlocked,
        Acquire::GetUserPagesRemote,
        Acquire::GetUserPagesFast,
        Acquire::GetUserPagesFastOnly,
        Acquire::PinUserPages,
        Acquire::PinUserPagesUnlocked,
        Acquire::PinUserPagesRemote,
        Acquire::PinUserPagesFast,
    ];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Acquire::GetUserPages => "get_user_pages",
            Acquire::GetUserPagesUnlocked => "get_user_pages_unlocked",
            Acquire::GetUserPagesRemote => "get_user_pages_remote",
            Acquire::GetUserPagesFast => "get_user_pages_fast",
            Acquire::GetUserPagesFastOnly => "get_user_pages_fast_only",
            Acquire::PinUserPages => "pin_user_pages",
            Acquire::PinUserPagesUnlocked => "pin_user_pages_unlocked",
            Acquire::PinUserPagesRemote => "pin_user_pages_remote",
            Acquire::PinUserPagesFast => "pin_user_pages_fast",
        }
    }

    /// How it looks pages up, and what it takes on them.
    pub fn way(self) -> (Path, Hold) {
        match self {
            Acquire::GetUserPages => (Path::Slow, Hold::Get),
            Acquire::GetUserPagesUnlocked | Acquire::GetUserPagesRemote => {
                (Path::Unlocked, Hold::Get)
            }
            Acquire::GetUserPagesFast => (Path::Fast, Hold::Get),
            Acquire::GetUserPagesFastOnly => (Path::FastOnly, Hold::Get),
            Acquire::PinUserPages => (Path::Slow, Hold::Pin),
            Acquire::PinUserPagesRemote => (Path::Unlocked, Hold::Pin),
            Acquire::PinUserPagesUnlocked => (Path::Unlocked, Hold::Pin),
            Acquire::PinUserPagesFast => (Path::Fast, Hold::Pin),
        }
    }
}

impl Release {
    /// All of them.
    pub const ALL: [Release; 6] = [
        Release::PutPage,
        Release::ReleasePages,
        Release::UnpinUserPage,
        Release::UnpinUserPages,
        Release::UnpinFolio,
        Release::UnpinFolios,
    ];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Release::PutPage => "put_page",
            Release::ReleasePages => "release_pages",
            Release::UnpinUserPage => "unpin_user_page",
            Release::UnpinUserPages => "unpin_user_pages",
            Release::UnpinFolio => "unpin_folio",
            Release::UnpinFolios => "unpin_folios",
        }
    }

    /// Whether it takes one page and no array.
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Release::PutPage | Release::UnpinUserPage | Release::UnpinFolio
        )
    }

    /// Whether a kernel has it.
    pub fn exists_in(self, version: Version) -> bool {
        match self {
            Release::UnpinFolio | Release::UnpinFolios => version.has_folio_unpins(),
            _ => true,
        }
    }
}

impl Ground {
    /// As it is written.
    pub fn name(self) -> String {
        match self {
            Ground::Anon => "anon".into(),
            Ground::Huge => "huge".into(),
            Ground::Shmem => "shmem".into(),
            Ground::Disk => "disk".into(),
            Ground::Driver(order) => format!("driver{order}"),
        }
    }
}

impl Op {
    /// The word that its line begins with.
    pub fn word(&self) -> &'static str {
        match self {
            Op::Map { .. } => "map",
            Op::Touch { .. } => "touch",
            Op::Peek { .. } => "peek",
            Op::Acquire { call, .. } => call.name(),
            Op::Memfd { .. } => "memfd_pin_folios",
            Op::GetPage { .. } => "get_page",
            Op::PutPages { .. } => "put_pages",
            Op::Release { call, .. } => call.name(),
            Op::DirtyLock { .. } => "unpin_user_pages_dirty_lock",
            Op::Range { .. } => "unpin_user_page_range_dirty_lock",
            Op::UnpinUserFolio { .. } => "unpin_user_folio",
            Op::SetPageDirty { .. } => "set_page_dirty",
            Op::SetPageDirtyLock { .. } => "set_page_dirty_lock",
            Op::Clean { .. } => "clean",
            Op::Munmap { .. } => "munmap",
            Op::Truncate { .. } => "truncate",
            Op::Close { .. } => "close",
            Op::Repair { .. } => "repair",
        }
    }
}
