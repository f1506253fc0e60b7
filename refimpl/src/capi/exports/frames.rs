// SPDX-License-Identifier: MIT OR Apache-2.0
//! The array of `struct page` and the bytes of the frames, at addresses that C may keep.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::sync::OnceLock;

use crate::capi::world::PAGE_SIZE;
use crate::page::Pfn;

/// Bytes of a `struct page` in the trees that run here.
const STRUCT_PAGE: usize = 64;
/// Frames there is room for; untouched ones cost nothing.
const FRAMES: usize = 1 << 15;

struct Frames {
    structs: usize,
    data: usize,
}

fn frames() -> &'static Frames {
    static ALL: OnceLock<Frames> = OnceLock::new();
    ALL.get_or_init(|| Frames {
        structs: zeroed(FRAMES * STRUCT_PAGE, STRUCT_PAGE),
        data: zeroed(FRAMES * PAGE_SIZE, PAGE_SIZE),
    })
}

/// Zeroed bytes that live as long as the process, at a multiple of `align`. Aligned by hand: asking the allocator for it
/// would make it touch every page.
fn zeroed(bytes: usize, align: usize) -> usize {
    let Ok(layout) = Layout::from_size_align(bytes + align, 16) else {
        return 0;
    };
    // SAFETY: the layout is not empty; the block is never freed, so that addresses into it stay good.
    let base = unsafe { alloc_zeroed(layout) };
    if base.is_null() {
        handle_alloc_error(layout);
    }
    (base.expose_provenance()).next_multiple_of(align)
}

/// The `struct page` of a frame; NULL for one there is no room for.
pub(super) fn to_page(pfn: Pfn) -> *mut u8 {
    match usize::try_from(pfn.0) {
        Ok(index) if index < FRAMES => {
            std::ptr::with_exposed_provenance_mut(frames().structs + index * STRUCT_PAGE)
        }
        _ => std::ptr::null_mut(),
    }
}

/// The frame of a `struct page`; None for any other pointer.
pub(super) fn to_pfn(page: *const u8) -> Option<Pfn> {
    let offset = page.addr().checked_sub(frames().structs)?;
    let index = offset / STRUCT_PAGE;
    (offset % STRUCT_PAGE == 0 && index < FRAMES).then_some(Pfn(index as u64))
}

/// The bytes of a frame.
pub(super) fn to_data(pfn: Pfn) -> *mut u8 {
    match usize::try_from(pfn.0) {
        Ok(index) if index < FRAMES => {
            std::ptr::with_exposed_provenance_mut(frames().data + index * PAGE_SIZE)
        }
        _ => std::ptr::null_mut(),
    }
}

/// The frame that holds a byte.
pub(super) fn data_to_pfn(data: *const u8) -> Option<Pfn> {
    let index = data.addr().checked_sub(frames().data)? / PAGE_SIZE;
    (index < FRAMES).then_some(Pfn(index as u64))
}
