// SPDX-License-Identifier: MIT OR Apache-2.0
//! kmalloc() and its kin, which can be told to fail.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_uint;

use crate::capi::world::{count_down, with};

/// In front of each object: its layout's size.
const HEADER: usize = 16;

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEADER)?, HEADER).ok()
}

/// GFP_KERNEL of the headers, which may sleep; GFP_ATOMIC may not.
pub(super) const GFP_KERNEL: c_uint = 2;

/// include/linux/slab.h: kzalloc().
#[unsafe(no_mangle)]
pub(super) extern "C" fn kzalloc(size: usize, gfp: c_uint) -> *mut u8 {
    if gfp & GFP_KERNEL != 0 {
        with(|world| world.might_sleep("kzalloc"));
    }
    let Some(layout) = layout(size).filter(|_| !with(|world| count_down(&mut world.fail_alloc)))
    else {
        return std::ptr::null_mut();
    };
    // SAFETY: the layout is at least as large as the header.
    let base = unsafe { alloc_zeroed(layout) };
    if base.is_null() {
        return base;
    }
    // SAFETY: the block begins with room for the header, aligned for it.
    unsafe {
        base.cast::<usize>().write(layout.size());
        base.add(HEADER)
    }
}

/// include/linux/slab.h: kmalloc(), zeroed too so that runs are alike.
#[unsafe(no_mangle)]
pub(super) extern "C" fn kmalloc(size: usize, gfp: c_uint) -> *mut u8 {
    kzalloc(size, gfp)
}

/// include/linux/slab.h: kcalloc().
#[unsafe(no_mangle)]
pub(super) extern "C" fn kcalloc(n: usize, size: usize, gfp: c_uint) -> *mut u8 {
    match n.checked_mul(size) {
        Some(bytes) => kzalloc(bytes, gfp),
        None => std::ptr::null_mut(),
    }
}

/// mm/slub.c: kfree(); NULL is fine.
///
/// # Safety
/// `object` is NULL, or came from one of the above and has not been freed.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn kfree(object: *mut u8) {
    if object.is_null() {
        return;
    }
    // SAFETY: the header that kzalloc() wrote stands in front of the object.
    unsafe {
        let base = object.sub(HEADER);
        let size = base.cast::<usize>().read();
        dealloc(base, Layout::from_size_align_unchecked(size, HEADER));
    }
}
