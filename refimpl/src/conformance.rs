// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces: calls on user pages, one a line, with what this model says is to be seen after each.
//!
//! The same text is replayed here and on the pages of a booted kernel, where a probe module makes the calls and looks at the
//! counts. In goes a [`Trace`] (written by hand, or made of random numbers by [`generate()`]); out comes the text with an answer
//! below each line ([`answered`]).
//!
//! ```
//! use refimpl::conformance::{Trace, answered};
//! use refimpl::version::Version;
//! let trace = Trace::parse("trace one\nmap 0 anon 1\npin_user_pages 0 0 1 w -> 0\n").unwrap();
//! let text = answered(&trace, Version::V6_12, 1024).unwrap();
//! assert!(text.ends_with("pin_user_pages 0 0 1 w -> 0\n= 1 1 0 - 0:1025:0:1:p\n"));
//! ```
//!
//! | line | what it does |
//! |---|---|
//! | `trace NAME` | a new process with no memory |
//! | `map AREA GROUND PAGES` | maps memory: `anon`, `huge` (one folio of 2 MiB), `hugetlb` (one of the huge page pool), `shmem`, `disk` (a file whose dirty pages are tracked), `driver0` to `driver4` (folios of that order, which the probe allocates and maps) |
//! | `touch AREA PAGE r` or `w` | the program loads or stores |
//! | `fork`, `reap` | a child lives, and exits |
//! | `peek AREA PAGE -> SLOT` | looks a page up and keeps no reference |
//! | `pin_user_pages AREA PAGE COUNT FLAGS -> SLOT`, … | acquires; flags `w` (FOLL_WRITE), `l` (FOLL_LONGTERM) or `-`; pages go to SLOT and those behind it |
//! | `unpin_user_pages SLOT - SLOT …`, … | releases; `-` is NULL; the `_dirty_lock` forms take 0 or 1 first |
//! | `error_as_count CALL ERRNO` | an array release with an error number as its count |
//! | `repair SLOT COUNT` | sets spoilt counts right: so many references, no pins |
//! | `= RETURN ACQUIRED RELEASED WARNS SLOT:REFCOUNT:PINCOUNT:MAPCOUNT:FLAGS …` | the answer: what the call returned, both counters of /proc/vmstat since the trace began, `warns` where the kernel prints a warning (else `-`), and each folio seen so far, by the first slot that holds it; flags are `d` dirty, `l` locked, `p` folio_maybe_dma_pinned() |
//!
//! What it deliberately leaves out: calls that a kernel does not survive.

mod direct;
mod generate;
mod kept;
mod shrink;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod world;

pub use direct::legacy_direct_io;
pub use generate::generate;
pub use kept::kept;
pub use shrink::{shorter, shortest};
pub use text::{ParseError, answered};
pub use trace::{Acquire, ErrorAsCount, Ground, Op, Release, Trace};
pub use world::{Answer, Refused, Seen, World};
