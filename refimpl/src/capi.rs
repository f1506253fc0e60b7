// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C interface: driver code written for a kernel runs in user space, with every reference counted and named.
//!
//! Built as a static library (`cargo rustc -p refimpl --crate-type staticlib`) it has the kernel's own names:
//! get_user_pages_fast(), put_page(), unpin_user_pages() and the rest act on a [`crate::page::Memory`] of the version that
//! refimpl_start() was given. [`SITES_H`], included in front of a driver, tells where each call stands; [`CONTROL_H`] is
//! for whoever runs the driver: user memory, failures to inject, and the report.
//!
//! The report ([`report::Run`]) names by callsite: leaks, double releases, releases of the wrong kind, pages dirtied too
//! late or not at all, calls that sleep under a spinlock, and writes of a device to pages that nobody can see are pinned.
//!
//! One thread and one driver per process: a wrong driver spoils the counts it works on, as it would in a kernel.

mod exports;
pub(crate) mod ledger;
pub mod report;
mod world;

/// The header that is put in front of each driver (`cc -include`); it includes the tree's own headers first.
pub const SITES_H: &str = include_str!("capi/include/refimpl_sites.h");
/// The header of the program that runs drivers.
pub const CONTROL_H: &str = include_str!("capi/include/refimpl_control.h");
/// The headers that a driver of one's own finds beside those of the embedded trees, some in their place: calls in the form that the
/// version of the run has.
pub const HEADERS: [(&str, &str); 12] = [
    ("linux/bio.h", include_str!("capi/include/linux/bio.h")),
    (
        "linux/dma-mapping.h",
        include_str!("capi/include/linux/dma-mapping.h"),
    ),
    ("linux/file.h", include_str!("capi/include/linux/file.h")),
    ("linux/init.h", include_str!("capi/include/linux/init.h")),
    ("linux/mm.h", include_str!("capi/include/linux/mm.h")),
    ("linux/mutex.h", include_str!("capi/include/linux/mutex.h")),
    (
        "linux/printk.h",
        include_str!("capi/include/linux/printk.h"),
    ),
    (
        "linux/scatterlist.h",
        include_str!("capi/include/linux/scatterlist.h"),
    ),
    (
        "linux/spinlock.h",
        include_str!("capi/include/linux/spinlock.h"),
    ),
    (
        "linux/string.h",
        include_str!("capi/include/linux/string.h"),
    ),
    ("linux/uio.h", include_str!("capi/include/linux/uio.h")),
    (
        "linux/version.h",
        include_str!("capi/include/linux/version.h"),
    ),
];
