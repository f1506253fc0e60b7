// SPDX-License-Identifier: MIT OR Apache-2.0
//! The areas of memory that a trace maps.

use super::FAULT_AROUND;
use crate::check::{Test, attempt};
use crate::memory::PAGE;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::os::fd::{BorrowedFd, OwnedFd};

/// One of them.
pub(super) struct Area {
    /// Mapped without access from a page before it to a page behind it, so that no two areas touch.
    pub room: (*mut c_void, usize),
    pub start: *mut c_void,
    pub bytes: usize,
    pub pages: usize,
    pub memfd: Option<OwnedFd>,
}

impl Area {
    /// Maps it in a room of its own, at a multiple of its size.
    pub(super) fn place(
        &mut self,
        file: Option<BorrowedFd<'_>>,
        offset: u64,
        extra: MapFlags,
    ) -> Test {
        let align = self.bytes.next_multiple_of(FAULT_AROUND);
        let bytes = self.bytes + align + 2 * PAGE;
        let none = ProtFlags::empty();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let room = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, none, MapFlags::PRIVATE) };
        self.room = (attempt("reserve", room)?, bytes);
        let start = (self.room.0 as usize + PAGE).next_multiple_of(align) as *mut c_void;
        let (access, fixed) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::FIXED);
        // SAFETY: it lies within the room, which nothing refers to.
        let mapped = unsafe {
            match file {
                None => {
                    let flags = MapFlags::PRIVATE | fixed | extra;
                    mmap_anonymous(start, self.bytes, access, flags)
                }
                Some(file) => {
                    let flags = MapFlags::SHARED | fixed;
                    mmap(start, self.bytes, access, flags, file, offset)
                }
            }
        };
        self.start = attempt("map", mapped)?;
        Ok(())
    }
}

pub(super) fn free(area: &Area) -> Test {
    // SAFETY: the room was made by us, and no reference into it is alive.
    attempt("unmap", unsafe { munmap(area.room.0, area.room.1) })
}
