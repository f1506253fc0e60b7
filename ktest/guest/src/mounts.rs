// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is mounted where, as a table.

use rustix::mount::{MountFlags, mount};

/// A mount: file system, place, and whether a kernel without it can still be tested.
pub struct Mount {
    kind: &'static str,
    place: &'static str,
    must: bool,
}

const fn must(kind: &'static str, place: &'static str) -> Mount {
    Mount {
        kind,
        place,
        must: true,
    }
}

const fn may(kind: &'static str, place: &'static str) -> Mount {
    Mount {
        kind,
        place,
        must: false,
    }
}

/// In this order: without /dev nothing can be opened, without /proc no counter read.
pub const MOUNTS: &[Mount] = &[
    must("devtmpfs", "/dev"),
    must("proc", "/proc"),
    must("sysfs", "/sys"),
    must("tmpfs", "/tmp"),
    may("debugfs", "/sys/kernel/debug"),
    may("tracefs", "/sys/kernel/tracing"),
];

/// Mounts all of them.
///
/// # Errors
/// The first mount that must exist and does not.
pub fn mount_all() -> Result<(), String> {
    for entry in MOUNTS {
        // The directory may be there already, in the image or made by the kernel.
        let _exists = std::fs::create_dir_all(entry.place);
        let done = mount(
            entry.kind,
            entry.place,
            entry.kind,
            MountFlags::empty(),
            None,
        );
        if let (Err(error), true) = (done, entry.must) {
            return Err(format!("mount {} on {}: {error}", entry.kind, entry.place));
        }
    }
    Ok(())
}
