// SPDX-License-Identifier: MIT OR Apache-2.0
//! Physical memory: folios with the counts and flags that page references live in.
//!
//! A [`Memory`] is a kernel's memory map. Its functions are total: whatever a caller does, a count changes as a kernel's
//! would, and a [`Misuse`] says what is wrong. Kernel sources mirrored: include/linux/mm.h, mm/swap.c, mm/page_alloc.c,
//! mm/gup.c.

mod count;
mod dirty;
mod misuse;

pub use misuse::{Consequence, Misuse, What};

use crate::version::Version;

/// What one pin adds to the reference count of a folio without a pincount (include/linux/mm.h, since 5.7).
pub const GUP_PIN_COUNTING_BIAS: i32 = 1 << 10;

/// A page frame number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(pub u64);

/// A folio's place in [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolioId(pub usize);

/// What the pages of a folio are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Of alloc_pages(): nobody's but the caller's.
    Kernel,
    /// Anonymous user memory.
    Anon,
    /// Of the pool of huge pages, mapped privately.
    Hugetlb,
    /// In the page cache; after truncation it has no mapping any more.
    File {
        /// Still in its mapping.
        attached: bool,
    },
    /// The zero page.
    Zero,
}

/// A folio: one page, or 2^order pages with one set of counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folio {
    /// Its first page.
    pub head: Pfn,
    /// It has 2^order pages.
    pub order: u32,
    /// What it holds.
    pub kind: Kind,
    /// `_refcount`: signed, wraps.
    pub refcount: i32,
    /// Number of page table entries that map it (0 when unmapped; a kernel stores one less).
    pub mapcount: i32,
    /// `_pincount`, where [`Version::has_pincount`] says so.
    pub pincount: i32,
    /// PG_dirty.
    pub dirty: bool,
    /// PG_locked.
    pub locked: bool,
    /// Buffers attached (PG_private), which have a reference and which reclaim may strip.
    pub buffers: bool,
    /// PG_anon_exclusive: no other process maps it (since 5.19; a copy of it can be written without a fault).
    pub exclusive: bool,
    /// Given back to the allocator.
    pub freed: bool,
    /// Pins that callers hold, whatever the counts say: what `Memory::false_negative` compares with.
    pub(crate) live_pins: i64,
}

/// nr_foll_pin_acquired and nr_foll_pin_released of /proc/vmstat, in pins (since 5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VmStat {
    /// Pins taken.
    pub acquired: i64,
    /// Pins given back.
    pub released: i64,
}

/// Whether the caller may sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Context {
    /// A process that holds no spinlock.
    #[default]
    Process,
    /// Under a spinlock, in an interrupt, or in an RCU callback.
    Atomic,
}

/// All folios of a machine that runs one kernel.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Whose rules apply.
    version: Version,
    folios: Vec<Folio>,
    frames: Vec<FolioId>,
    stat: VmStat,
    /// What a pin of a small folio adds to its reference count.
    bias: i32,
    /// Where the next call is made from.
    pub context: Context,
}

impl Memory {
    /// A memory with no folio but the zero page, which has frame 0.
    pub fn new(version: Version) -> Self {
        let mut memory = Self {
            version,
            folios: Vec::new(),
            frames: Vec::new(),
            stat: VmStat::default(),
            bias: GUP_PIN_COUNTING_BIAS,
            context: Context::Process,
        };
        memory.alloc(0, Kind::Zero);
        memory
    }

    /// The same with another bias: a wrong model, for showing that a comparison with a kernel notices.
    pub(crate) fn with_bias(version: Version, bias: i32) -> Self {
        Self {
            bias,
            ..Self::new(version)
        }
    }

    /// The frame of the zero page.
    pub const ZERO: Pfn = Pfn(0);

    /// The kernel it runs.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The counters of /proc/vmstat.
    pub fn stat(&self) -> VmStat {
        self.stat
    }

    /// A new folio with one reference, that of the caller.
    pub fn alloc(&mut self, order: u32, kind: Kind) -> Pfn {
        let head = Pfn(self.frames.len() as u64);
        let id = FolioId(self.folios.len());
        self.folios.push(Folio {
            head,
            order,
            kind,
            refcount: 1,
            mapcount: 0,
            pincount: 0,
            dirty: false,
            locked: false,
            buffers: false,
            exclusive: matches!(kind, Kind::Anon | Kind::Hugetlb),
            freed: false,
            live_pins: 0,
        });
        self.frames.extend(std::iter::repeat_n(id, 1 << order));
        head
    }

    /// page_folio(): None for a frame that does not exist.
    pub fn page_folio(&self, pfn: Pfn) -> Option<FolioId> {
        self.frames.get(usize::try_from(pfn.0).ok()?).copied()
    }

    /// A folio; ids come from this memory only.
    pub fn folio(&self, id: FolioId) -> &Folio {
        &self.folios[id.0]
    }

    pub(crate) fn folio_mut(&mut self, id: FolioId) -> &mut Folio {
        &mut self.folios[id.0]
    }

    /// All folios, the zero page first.
    pub fn folios(&self) -> impl Iterator<Item = &Folio> {
        self.folios.iter()
    }

    /// folio_maybe_dma_pinned(): exact for a folio with a pincount; else whether the reference count, read as unsigned,
    /// has reached the bias. Before 5.7 nobody can ask, and the answer is no.
    pub fn folio_maybe_dma_pinned(&self, id: FolioId) -> bool {
        let folio = self.folio(id);
        if !self.version.counts_pins() {
            false
        } else if self.version.has_pincount(folio.order) {
            folio.pincount > 0
        } else {
            folio.refcount as u32 >= self.bias as u32
        }
    }

    /// A pin is held and nobody can see it: the one thing that must not be.
    #[cfg(test)]
    pub(crate) fn false_negative(&self, id: FolioId) -> bool {
        self.version.counts_pins()
            && self.folio(id).live_pins > 0
            && !self.folio_maybe_dma_pinned(id)
    }
}
