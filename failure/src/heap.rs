// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the heap of a program grows, and what happens when it cannot: it is this one's of every program that has this crate.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes by which the heap grows: an audit takes some 200 MiB, mostly in small pieces. Room that is not used costs no memory.
#[cfg(target_env = "gnu")]
const STEP: i32 = 64 << 20;

/// Lets the C library ask the kernel for much memory seldom, instead of 128 KiB a time (mallopt(3), M_TOP_PAD). False when it
/// has no such setting; nothing but time is lost then.
pub fn grow_in_large_steps() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt() takes two numbers and may be called at any time.
    return unsafe { libc::mallopt(libc::M_TOP_PAD, STEP) } == 1;
    #[cfg(not(target_env = "gnu"))]
    false
}

/// The system's allocator, but that a machine without memory ends the run with its sentence and exit 69, not with SIGABRT
/// and a trace.
struct Bounded;

#[global_allocator]
static HEAP: Bounded = Bounded;

// SAFETY: every call goes to the system's allocator with what it was given, and only what that returned is returned.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        given(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Ends the process where there is no memory. Nothing here may allocate.
fn given(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        let said = b"error: the machine has no more memory for this process\nhint: use fewer jobs at a time (-j1), or raise the limit: ulimit -v\n";
        // SAFETY: both calls are async-signal-safe and take memory that lives for ever.
        unsafe {
            libc::write(2, said.as_ptr().cast(), said.len());
            libc::_exit(69);
        }
    }
    block
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_c_library_of_gnu_takes_the_setting() {
        assert_eq!(super::grow_in_large_steps(), cfg!(target_env = "gnu"));
    }
}
