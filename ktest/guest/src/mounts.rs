// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is mounted where, as a table.

use crate::plan;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::os::unix::fs::PermissionsExt;

/// A mount: file system, place, and whether a kernel without it can still be tested.
pub(crate) struct Mount {
    kind: &'static str,
    place: &'static str,
    must: bool,
}

impl Mount {
    /// Mounts it; one that may be lacking may also be mounted there already.
    fn mount(&self) -> Result<(), String> {
        let (kind, place) = (self.kind, self.place);
        match mount(kind, place, kind, MountFlags::empty(), None) {
            Err(error) if self.must => Err(format!("mount {kind} on {place}: {error}")),
            _ => Ok(()),
        }
    }
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
pub(crate) const MOUNTS: &[Mount] = &[
    must("devtmpfs", "/dev"),
    must("proc", "/proc"),
    must("sysfs", "/sys"),
    must("tmpfs", "/tmp"),
    may("debugfs", "/sys/kernel/debug"),
    may("tracefs", "/sys/kernel/tracing"),
];

/// On a machine that is up already: a name space of our own in which nothing is mounted over what the machine has, but a
/// memory file system on /tmp, where targets make files and mounts. The files that came with us lie below /tmp, and are
/// put there again.
///
/// # Errors
/// What the kernel refused, in a sentence.
pub(crate) fn apart() -> Result<(), String> {
    let files = plan::files();
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(&files).into_iter().flatten().flatten() {
        let bytes = std::fs::read(entry.path());
        kept.push((
            entry.file_name(),
            bytes.map_err(|e| format!("read a file of {files}: {e}"))?,
        ));
    }
    // SAFETY: a number; this process has one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        let error = std::io::Error::last_os_error();
        return Err(format!("leave the machine's mount name space: {error}"));
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|e| format!("make mounts private: {e}"))?;
    for entry in MOUNTS.iter().filter(|e| !e.must || e.place == "/tmp") {
        entry.mount()?;
    }
    let put = |name: &std::ffi::OsStr, bytes: &[u8]| {
        let file = std::path::Path::new(&files).join(name);
        std::fs::write(&file, bytes)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
    };
    if !kept.is_empty() {
        std::fs::create_dir_all(&files).map_err(|e| format!("make {files}: {e}"))?;
    }
    for (name, bytes) in &kept {
        put(name, bytes).map_err(|e| format!("write a file of {files}: {e}"))?;
    }
    Ok(())
}

/// Mounts all of them.
///
/// # Errors
/// The first mount that must exist and does not.
pub(crate) fn mount_all() -> Result<(), String> {
    for entry in MOUNTS {
        // The directory may be there already, in the image or made by the kernel.
        let _exists = std::fs::create_dir_all(entry.place);
        entry.mount()?;
    }
    Ok(())
}
