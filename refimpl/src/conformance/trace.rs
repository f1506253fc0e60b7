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
    /// Private memory of the huge page pool, one folio.
    Hugetlb,
    /// A memfd.
    Shmem,
    /// A shared mapping of a block device: its dirty pages are tracked.
    Disk,
    /// Folios of this order that a driver allocated and mapped.
    Driver(u32),
}

/// Calls that a line begins with: their names in the kernel, and which versions have them.
macro_rules! calls {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $call:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum {
            $($(#[$doc])* #[doc = concat!($name, "()")] $call,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: [$enum; [$($name),*].len()] = [$($enum::$call),*];

            /// The kernel's name.
            pub fn name(self) -> &'static str {
                match self {
                    $($enum::$call => $name,)*
                }
            }

            /// Whether a kernel has it.
            pub fn exists_in(self, version: Version) -> bool {
                exists(self.name(), version)
            }
        }
    };
}

calls! {
    /// An acquiring call.
    Acquire {
        GetUserPages = "get_user_pages",
        GetUserPagesUnlocked = "get_user_pages_unlocked",
        GetUserPagesRemote = "get_user_pages_remote",
        GetUserPagesFast = "get_user_pages_fast",
        GetUserPagesFastOnly = "get_user_pages_fast_only",
        GetUserPageFastOnly = "get_user_page_fast_only",
        GetUserPageVmaRemote = "get_user_page_vma_remote",
        IovIterGetPages2 = "iov_iter_get_pages2",
        IovIterGetPagesAlloc2 = "iov_iter_get_pages_alloc2",
        PinUserPages = "pin_user_pages",
        PinUserPagesUnlocked = "pin_user_pages_unlocked",
        PinUserPagesRemote = "pin_user_pages_remote",
        PinUserPagesFast = "pin_user_pages_fast",
        PinUserPagesFastOnly = "pin_user_pages_fast_only",
        IovIterExtractPages = "iov_iter_extract_pages",
        IovIterExtractBvecs = "iov_iter_extract_bvecs",
        ExtractIterToSg = "extract_iter_to_sg",
    }
}

calls! {
    /// A call on one or several pages.
    Release {
        PutPage = "put_page",
        ReleasePages = "release_pages",
        UnpinUserPage = "unpin_user_page",
        UnpinUserPages = "unpin_user_pages",
        UnpinFolio = "unpin_folio",
        UnpinFolios = "unpin_folios",
        FolioPut = "folio_put",
        FoliosPut = "folios_put",
        FolioBatchRelease = "folio_batch_release",
    }
}

calls! {
    /// A release that is given an error number as its count.
    ErrorAsCount {
        Pages = "unpin_user_pages",
        /// Without make_dirty.
        PagesDirtyLock = "unpin_user_pages_dirty_lock",
        Folios = "unpin_folios",
    }
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
    /// folio_put_refs(): put_page() so many times at once.
    FolioPutRefs {
        /// The page.
        slot: u32,
        /// How many.
        nr: u32,
    },
    /// folio_add_pins(): so many pins more on what is pinned.
    FolioAddPins {
        /// The page.
        slot: u32,
        /// How many.
        nr: u32,
    },
    /// An error number where an array release takes its count; it warns.
    ErrorAsCount {
        /// Which release.
        call: ErrorAsCount,
        /// The number, positive.
        errno: u32,
    },
    /// fork(): the child lives and does nothing.
    Fork,
    /// The child exits.
    Reap,
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
    /// folio_mark_dirty().
    FolioMarkDirty {
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
    /// How it looks pages up, and what it takes on them.
    pub fn way(self) -> (Path, Hold) {
        match self {
            Acquire::GetUserPages => (Path::Slow, Hold::Get),
            Acquire::GetUserPagesUnlocked
            | Acquire::GetUserPagesRemote
            | Acquire::GetUserPageVmaRemote => (Path::Unlocked, Hold::Get),
            Acquire::GetUserPagesFast
            | Acquire::IovIterGetPages2
            | Acquire::IovIterGetPagesAlloc2 => (Path::Fast, Hold::Get),
            Acquire::GetUserPagesFastOnly | Acquire::GetUserPageFastOnly => {
                (Path::FastOnly, Hold::Get)
            }
            Acquire::PinUserPages => (Path::Slow, Hold::Pin),
            Acquire::PinUserPagesRemote | Acquire::PinUserPagesUnlocked => {
                (Path::Unlocked, Hold::Pin)
            }
            Acquire::PinUserPagesFast
            | Acquire::IovIterExtractPages
            | Acquire::IovIterExtractBvecs
            | Acquire::ExtractIterToSg => (Path::Fast, Hold::Pin),
            Acquire::PinUserPagesFastOnly => (Path::FastOnly, Hold::Pin),
        }
    }

    /// Whether it takes one page and no count.
    pub(crate) fn is_single(self) -> bool {
        matches!(
            self,
            Acquire::GetUserPageFastOnly | Acquire::GetUserPageVmaRemote
        )
    }

    /// Whether it walks an iterator, which has no place for FOLL_LONGTERM.
    pub(crate) fn is_iterator(self) -> bool {
        matches!(
            self,
            Acquire::IovIterGetPages2
                | Acquire::IovIterGetPagesAlloc2
                | Acquire::IovIterExtractPages
                | Acquire::IovIterExtractBvecs
                | Acquire::ExtractIterToSg
        )
    }
}

/// Asked of the catalogue.
fn exists(name: &str, version: Version) -> bool {
    let known = crate::api::catalogue().get(name);
    version
        .name()
        .parse()
        .is_ok_and(|version| known.is_some_and(|function| function.exists_in(version)))
}

impl Release {
    /// Whether it takes one page and no array.
    pub(crate) fn is_single(self) -> bool {
        matches!(
            self,
            Release::PutPage | Release::UnpinUserPage | Release::UnpinFolio | Release::FolioPut
        )
    }
}

impl Ground {
    /// As it is written.
    pub fn name(self) -> String {
        match self {
            Ground::Anon => "anon".into(),
            Ground::Huge => "huge".into(),
            Ground::Hugetlb => "hugetlb".into(),
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
            Op::FolioPutRefs { .. } => "folio_put_refs",
            Op::FolioAddPins { .. } => "folio_add_pins",
            Op::ErrorAsCount { .. } => "error_as_count",
            Op::Fork => "fork",
            Op::Reap => "reap",
            Op::UnpinUserFolio { .. } => "unpin_user_folio",
            Op::SetPageDirty { .. } => "set_page_dirty",
            Op::FolioMarkDirty { .. } => "folio_mark_dirty",
            Op::SetPageDirtyLock { .. } => "set_page_dirty_lock",
            Op::Clean { .. } => "clean",
            Op::Munmap { .. } => "munmap",
            Op::Truncate { .. } => "truncate",
            Op::Close { .. } => "close",
            Op::Repair { .. } => "repair",
        }
    }
}
