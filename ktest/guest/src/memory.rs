// SPDX-License-Identifier: MIT OR Apache-2.0
//! User pages to be pinned.

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};
use std::ffi::c_void;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// A private anonymous mapping, unmapped when dropped.
pub(crate) struct Pages {
    start: *mut c_void,
    bytes: usize,
}

impl Pages {
    /// `count` pages, every one written to, so that each is a page of its own and not the zero page.
    pub(crate) fn new(count: usize) -> std::io::Result<Pages> {
        let pages = Pages::map(count, MapFlags::PRIVATE)?;
        pages.fill();
        Ok(pages)
    }

    /// `count` pages of zeroes, each a page of its own.
    pub(crate) fn zeroed(count: usize) -> std::io::Result<Pages> {
        let mut pages = Pages::new(count)?;
        pages.bytes().fill(0);
        Ok(pages)
    }

    /// As [`Pages::new`], shared: pages that belong to a shmem file.
    pub(crate) fn shared(count: usize) -> std::io::Result<Pages> {
        let pages = Pages::map(count, MapFlags::SHARED)?;
        pages.fill();
        Ok(pages)
    }

    /// The same as [`Pages::new`] with nothing mapped from page `from` on.
    pub(crate) fn with_hole(count: usize, from: usize) -> std::io::Result<Pages> {
        let mut pages = Pages::new(count)?;
        let gone = pages.bytes - from * PAGE;
        // SAFETY: the rest of the mapping is ours, and nothing refers to it.
        unsafe { munmap(pages.start.cast::<u8>().add(from * PAGE).cast(), gone)? };
        pages.bytes = from * PAGE;
        Ok(pages)
    }

    /// The first `count` pages of `file`, shared.
    pub(crate) fn of_file(file: &impl AsFd, count: usize) -> std::io::Result<Pages> {
        Pages::mapped(file, count, MapFlags::SHARED)
    }

    /// The same, private: what is written to them stays here.
    pub(crate) fn copied_from(file: &impl AsFd, count: usize) -> std::io::Result<Pages> {
        Pages::mapped(file, count, MapFlags::PRIVATE)
    }

    fn mapped(file: &impl AsFd, count: usize, flags: MapFlags) -> std::io::Result<Pages> {
        let bytes = count * PAGE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
                file,
                0,
            )?
        };
        Ok(Pages { start, bytes })
    }

    fn map(count: usize, flags: MapFlags) -> std::io::Result<Pages> {
        let bytes = count * PAGE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )?
        };
        Ok(Pages { start, bytes })
    }

    fn fill(&self) {
        self.fill_each(0..self.bytes / PAGE);
    }

    fn fill_each(&self, pages: impl Iterator<Item = usize>) {
        for offset in pages.map(|page| page * PAGE) {
            // SAFETY: the offset lies within the mapping, which is writable and ours alone.
            unsafe { self.start.cast::<u8>().add(offset).write_volatile(1) };
        }
    }

    /// `count` pages that are never part of a huge page, each written to: each has flags of its own.
    pub(crate) fn small(count: usize) -> std::io::Result<Pages> {
        let pages = Pages::small_untouched(count)?;
        pages.fill();
        Ok(pages)
    }

    /// The same, of which neighbours do not lie side by side in memory, as far as that can be had: pages come one after
    /// the other, and the odd ones are asked for once the even ones are there. What lies side by side is often one
    /// stretch to the kernel, however many pages it is.
    pub(crate) fn scattered(count: usize) -> std::io::Result<Pages> {
        let pages = Pages::small_untouched(count)?;
        pages.fill_each((0..count).step_by(2).chain((1..count).step_by(2)));
        Ok(pages)
    }

    fn small_untouched(count: usize) -> std::io::Result<Pages> {
        let pages = Pages::map(count, MapFlags::PRIVATE)?;
        // SAFETY: the advice covers the mapping, which is ours, and changes none of its bytes.
        unsafe { madvise(pages.start, pages.bytes, Advice::LinuxNoHugepage)? };
        Ok(pages)
    }

    /// Takes the right to write to them away.
    pub(crate) fn read_only(&self) -> std::io::Result<()> {
        // SAFETY: the mapping is ours, and whoever writes to it afterwards is the kernel, which is to be refused.
        unsafe { mprotect(self.start, self.bytes, MprotectFlags::READ)? };
        Ok(())
    }

    /// Takes the right to write to the pages `range` away.
    pub(crate) fn read_only_in(&self, range: Range<usize>) -> std::io::Result<()> {
        let bytes = range.len() * PAGE;
        // SAFETY: the pages lie in the mapping, which is ours; whoever writes to them afterwards is the kernel, which is
        // to be refused.
        unsafe {
            let start = self.start.cast::<u8>().add(range.start * PAGE).cast();
            mprotect(start, bytes, MprotectFlags::READ)?;
        }
        Ok(())
    }

    /// One huge page, aligned, if the kernel has one to give.
    pub(crate) fn huge() -> std::io::Result<Option<Pages>> {
        const HUGE: usize = 512 * PAGE;
        // A machine with less than 512 MiB begins without: mm/huge_memory.c: hugepage_init() (6.12). Who asks is given them.
        let _not_there = std::fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
        let room = Pages::map(1024, MapFlags::PRIVATE)?;
        let start = (room.start as usize).next_multiple_of(HUGE);
        let (before, after) = (
            start - room.start as usize,
            room.start as usize + room.bytes - start - HUGE,
        );
        // SAFETY: both ends of the mapping are ours, and nothing refers to them.
        unsafe {
            if before > 0 {
                munmap(room.start, before)?;
            }
            if after > 0 {
                munmap((start + HUGE) as *mut c_void, after)?;
            }
        }
        std::mem::forget(room);
        let pages = Pages {
            start: start as *mut c_void,
            bytes: HUGE,
        };
        // SAFETY: the advice covers the mapping, which is ours, and changes none of its bytes.
        unsafe { madvise(pages.start, pages.bytes, Advice::LinuxHugepage)? };
        pages.fill();
        const IS_HUGE: u64 = 1 << 22;
        let flags = File::open("/proc/kpageflags")?;
        let first = pages.frames()?[0];
        Ok((word(&flags, first)? & IS_HUGE != 0).then_some(pages))
    }

    /// Children are made without it.
    pub(crate) fn keep_from_children(&self) -> std::io::Result<()> {
        // SAFETY: the advice covers the mapping, which is ours, and changes none of its bytes.
        unsafe { madvise(self.start, self.bytes, Advice::LinuxDontFork)? };
        Ok(())
    }

    /// Takes all rights to the pages `range` away.
    pub(crate) fn protect(&self, range: Range<usize>) -> std::io::Result<()> {
        let bytes = range.len() * PAGE;
        // SAFETY: the pages lie in the mapping, which is ours; only the kernel looks at them from now on.
        unsafe {
            let start = self.start.cast::<u8>().add(range.start * PAGE).cast();
            mprotect(start, bytes, MprotectFlags::empty())?;
        }
        Ok(())
    }

    /// Writes to every page.
    pub(crate) fn touch(&self) {
        self.fill();
    }

    /// How many of the pages the kernel has marked dirty itself; being written to by the processor marks the page table
    /// only. fs/proc/page.c: KPF_DIRTY.
    pub(crate) fn marked_dirty(&self) -> std::io::Result<usize> {
        self.marked_dirty_in(0..self.bytes / PAGE)
    }

    /// The same of the pages `range`.
    pub(crate) fn marked_dirty_in(&self, range: Range<usize>) -> std::io::Result<usize> {
        const DIRTY: u64 = 1 << 4;
        let flags = File::open("/proc/kpageflags")?;
        let frames = self.frames()?;
        let mut dirty = 0;
        for frame in &frames[range] {
            dirty += usize::from(word(&flags, *frame)? & DIRTY != 0);
        }
        Ok(dirty)
    }

    /// The number of the frame that each page lies in; fs/proc/task_mmu.c: PM_PFRAME_MASK.
    pub(crate) fn frames(&self) -> std::io::Result<Vec<u64>> {
        const FRAME: u64 = (1 << 55) - 1;
        let map = File::open("/proc/self/pagemap")?;
        let first = self.address() / PAGE as u64;
        let pages = first..first + (self.bytes / PAGE) as u64;
        pages.map(|page| Ok(word(&map, page)? & FRAME)).collect()
    }

    /// The address, as the kernel's interfaces take it.
    pub(crate) fn address(&self) -> u64 {
        self.start as u64
    }

    /// Reads from `file` into `count` pages from the start, mapped or not; the kernel's answer.
    pub(crate) fn read_beyond(&mut self, file: &impl AsFd, count: usize) -> i64 {
        let fd = file.as_fd().as_raw_fd();
        // SAFETY: the kernel checks the memory itself; what it writes lies within the mapping or nowhere.
        unsafe { libc::pread(fd, self.start, count * PAGE, 0) as i64 }
    }

    /// The same from where `file` stands, for files that have no offsets.
    pub(crate) fn read_sequentially_beyond(&mut self, file: &impl AsFd, count: usize) -> i64 {
        let fd = file.as_fd().as_raw_fd();
        // SAFETY: the kernel checks the memory itself; what it writes lies within the mapping or nowhere.
        unsafe { libc::read(fd, self.start, count * PAGE) as i64 }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The bytes; devices write to them behind the compiler's back only while a system call runs.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is readable and writable over its whole length, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.bytes) }
    }
}

/// The word at `index` of a file of words.
pub(crate) fn word(file: &File, index: u64) -> std::io::Result<u64> {
    let mut bytes = [0u8; 8];
    file.read_exact_at(&mut bytes, index * 8)?;
    Ok(u64::from_ne_bytes(bytes))
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by us and nothing refers to it any more.
        let _unmapped = unsafe { munmap(self.start, self.bytes) };
    }
}
