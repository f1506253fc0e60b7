// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ring as far as one request at a time needs it: its memory mapped, an entry written, the completion awaited.
//!
//! include/uapi/linux/io_uring.h: struct io_uring_params, io_uring_sqe, io_uring_cqe (6.12).

use super::{PARAMETERS, REGISTER_BUFFERS, register, ring_with};
use crate::check::{Stop, Test, attempt};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// IORING_OFF_SQES.
const ENTRIES_AT: u64 = 0x1000_0000;
/// IORING_FEAT_SINGLE_MMAP: both rings lie in one mapping (since 5.4).
const SINGLE: u32 = 1;
const GET_EVENTS: u32 = 1;
/// Four entries of 64 bytes, and the rings of four and eight with their heads, fit into a page each.
const BYTES: usize = 4096;
/// Bytes of an entry.
const ENTRY: usize = 64;

/// Since 5.6: into memory that is named with the request.
pub(in crate::targets) const READ: u8 = 22;
pub(super) const READ_FIXED: u8 = 4;
pub(super) const WRITE_FIXED: u8 = 5;

/// A ring and its memory.
pub(in crate::targets) struct Ring {
    pub fd: OwnedFd,
    parameters: [u64; PARAMETERS / 8],
    rings: *mut c_void,
    entries: *mut c_void,
}

impl Ring {
    /// One with buffers registered.
    pub(super) fn with(buffers: &[libc::iovec]) -> Test<Ring> {
        let ring = Ring::new()?;
        let registered = register(&ring.fd, REGISTER_BUFFERS, buffers);
        attempt("register", registered)?;
        Ok(ring)
    }

    /// A new one.
    pub(in crate::targets) fn new() -> Test<Ring> {
        let (fd, parameters) = attempt("make a ring", ring_with())?;
        let features = (parameters[2] >> 32) as u32;
        if features & SINGLE == 0 {
            return Err(Stop::Skip("its rings lie in two mappings".into()));
        }
        let map = |offset| {
            // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
            let mapped = unsafe {
                mmap(
                    std::ptr::null_mut(),
                    BYTES,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::SHARED | MapFlags::POPULATE,
                    &fd,
                    offset,
                )
            };
            attempt("map the ring", mapped)
        };
        let (rings, entries) = (map(0)?, map(ENTRIES_AT)?);
        Ok(Ring {
            fd,
            parameters,
            rings,
            entries,
        })
    }

    /// A 32-bit word of the parameters.
    fn parameter(&self, byte: usize) -> usize {
        (self.parameters[byte / 8] >> (byte % 8 * 8)) as u32 as usize
    }

    /// The word of the rings whose offset stands at `byte` of the parameters.
    fn word(&self, byte: usize) -> &AtomicU32 {
        let at = self.parameter(byte);
        // SAFETY: the kernel says where in the mapping its words lie, each aligned, and changes them as atomics.
        unsafe { &*self.rings.cast::<u8>().add(at).cast::<AtomicU32>() }
    }

    /// Moves `bytes` at `offset` of `file` to or from `address`, which lies in buffer 0; what the completion says.
    pub(in crate::targets) fn one(
        &self,
        operation: u8,
        file: &impl AsRawFd,
        offset: u64,
        address: u64,
        bytes: usize,
    ) -> Test<i32> {
        self.one_of(0, operation, file, offset, address, bytes)
    }

    /// The same with buffer `index`.
    pub(super) fn one_of(
        &self,
        index: u16,
        operation: u8,
        file: &impl AsRawFd,
        offset: u64,
        address: u64,
        bytes: usize,
    ) -> Test<i32> {
        // sq_off begins at byte 40: head, tail, mask, entries, flags, dropped, array. cq_off at byte 80: head, tail, mask, entries,
        // overflow, cqes.
        let (tail, mask) = (self.word(44), self.word(48).load(Ordering::Relaxed));
        let at = tail.load(Ordering::Relaxed);
        let slot = at & mask;
        let mut entry = [0u8; ENTRY];
        entry[0] = operation;
        entry[4..8].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
        entry[8..16].copy_from_slice(&offset.to_ne_bytes());
        entry[16..24].copy_from_slice(&address.to_ne_bytes());
        entry[24..28].copy_from_slice(&(bytes as u32).to_ne_bytes());
        // buf_index of struct io_uring_sqe.
        entry[40..42].copy_from_slice(&index.to_ne_bytes());
        // SAFETY: the slot is below the number of entries, all of which lie in the mapping, as does the array of slots.
        unsafe {
            let place = self.entries.cast::<u8>().add(slot as usize * ENTRY);
            place.copy_from_nonoverlapping(entry.as_ptr(), ENTRY);
            let array = self
                .rings
                .cast::<u8>()
                .add(self.parameter(64))
                .cast::<u32>();
            array.add(slot as usize).write_volatile(slot);
        }
        tail.store(at.wrapping_add(1), Ordering::Release);
        // SAFETY: numbers only; no signal mask.
        let entered = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                1u32,
                1u32,
                GET_EVENTS,
                std::ptr::null::<c_void>(),
                0usize,
            )
        };
        if entered != 1 {
            return Err(Stop::from(std::io::Error::last_os_error()));
        }
        let (head, mask) = (self.word(80), self.word(88).load(Ordering::Relaxed));
        let at = head.load(Ordering::Relaxed);
        if at == self.word(84).load(Ordering::Acquire) {
            return Err(Stop::Fail("no completion came".into()));
        }
        let place = self.parameter(100) + (at & mask) as usize * 16 + 8;
        // SAFETY: a completion has 16 bytes, of which the result stands behind the first eight, within the mapping.
        let result = unsafe {
            self.rings
                .cast::<u8>()
                .add(place)
                .cast::<i32>()
                .read_volatile()
        };
        head.store(at.wrapping_add(1), Ordering::Release);
        Ok(result)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for mapping in [self.rings, self.entries] {
            // SAFETY: the mapping was made by us, and no reference into it is alive.
            let _unmapped = unsafe { munmap(mapping, BYTES) };
        }
    }
}
