// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that a driver and we look at together: the rings of work requests and of completions.

use super::verbs::Plain;
use crate::check::{Stop, Test, attempt, ensure};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a completion may take: a packet that is not acknowledged is sent again for about a second before its work
/// request fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// One RDMA WRITE: from where to where.
#[derive(Debug, Clone, Copy)]
pub(super) struct RdmaWrite {
    /// Comes back with the completion.
    pub id: u64,
    pub local: u64,
    pub lkey: u32,
    pub bytes: u32,
    pub remote: u64,
    pub rkey: u32,
}

/// What became of a work request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Completion {
    pub id: u64,
    /// As the driver counts; 0 is success with all.
    pub status: u32,
}

/// A mapping of a driver's memory, unmapped when dropped.
pub(super) struct Shared {
    start: *mut c_void,
    bytes: usize,
}

impl Shared {
    /// Maps `bytes` bytes at `offset`, as the driver's answer says.
    pub(super) fn map(file: &impl AsFd, offset: u64, bytes: usize) -> Test<Shared> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let mapped = unsafe { mmap(std::ptr::null_mut(), bytes, rights, flags, file, offset) };
        let start = attempt("map a ring", mapped)?;
        Ok(Shared { start, bytes })
    }

    /// Fails unless the mapping has `bytes` bytes.
    pub(super) fn holds(&self, bytes: usize) -> Test {
        let why = format!("a ring of {} bytes, said to hold {bytes}", self.bytes);
        ensure(bytes <= self.bytes, why)
    }

    /// The value at `offset`.
    pub(super) fn read<T: Plain>(&self, offset: usize) -> T {
        // SAFETY: at() has checked place and alignment, and every pattern of bits is a `T`.
        unsafe { self.at::<T>(offset).read_volatile() }
    }

    /// Puts a value at `offset`.
    pub(super) fn write<T: Plain>(&self, offset: usize, value: T) {
        // SAFETY: at() has checked place and alignment; the mapping is writable.
        unsafe { self.at::<T>(offset).write_volatile(value) }
    }

    /// The word at `offset`; what the driver wrote before it is seen after it.
    pub(super) fn load(&self, offset: usize) -> u32 {
        // SAFETY: at() has checked place and alignment, and both sides treat the word as atomic.
        unsafe { AtomicU32::from_ptr(self.at(offset)) }.load(Ordering::Acquire)
    }

    /// Sets the word at `offset`; the driver sees what was written before it.
    pub(super) fn store(&self, offset: usize, value: u32) {
        // SAFETY: as in load().
        unsafe { AtomicU32::from_ptr(self.at(offset)) }.store(value, Ordering::Release);
    }

    fn at<T>(&self, offset: usize) -> *mut T {
        let fits = offset
            .checked_add(size_of::<T>())
            .is_some_and(|end| end <= self.bytes);
        assert!(fits, "{offset} in a ring of {} bytes", self.bytes);
        assert!(offset % align_of::<T>() == 0, "{offset}: not aligned");
        // SAFETY: the offset lies within the mapping.
        unsafe { self.start.cast::<u8>().add(offset).cast() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by us and nothing refers to it any more.
        let _unmapped = unsafe { munmap(self.start, self.bytes) };
    }
}

/// Asks again and again until `poll` has something.
pub(super) fn wait<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> Test<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = poll() {
            return Ok(found);
        }
        if Instant::now() > until {
            let seconds = PATIENCE.as_secs();
            return Err(Stop::Fail(format!("no {what} within {seconds} s")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
