// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies between a driver and its caller's memory.

use std::ffi::c_ulong;

use super::frames::to_data;
use crate::capi::world::{PAGE_SHIFT, PAGE_SIZE, with};
use crate::mapping::PageIndex;

/// Walks `len` bytes of user memory page by page; returns how many could not be reached.
fn each_page(
    user: c_ulong,
    len: c_ulong,
    write: bool,
    mut copy: impl FnMut(*mut u8, usize, usize),
) -> c_ulong {
    with(|world| {
        world.might_sleep(if write {
            "copy_to_user"
        } else {
            "copy_from_user"
        })
    });
    let mut done = 0;
    while done < len {
        let at = user.wrapping_add(done);
        let within = at as usize % PAGE_SIZE;
        let part = (PAGE_SIZE - within).min((len - done) as usize);
        let index = PageIndex(at >> PAGE_SHIFT);
        let Ok(pte) = with(|world| world.mm.fault(&mut world.memory, index, write)) else {
            break;
        };
        let data = to_data(pte.pfn);
        if data.is_null() {
            break;
        }
        copy(data.wrapping_add(within), done as usize, part);
        done += part as c_ulong;
    }
    len - done
}

/// include/linux/uaccess.h: copy_from_user(): number of bytes not copied.
///
/// # Safety
/// `to` has room for `len` bytes.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn copy_from_user(
    to: *mut u8,
    from: *const u8,
    len: c_ulong,
) -> c_ulong {
    each_page(from.addr() as c_ulong, len, false, |data, offset, part| {
        // SAFETY: `part` bytes of the frame from `data`, into what the caller promised; a frame is never the caller's buffer.
        unsafe { std::ptr::copy(data, to.add(offset), part) };
    })
}

/// include/linux/uaccess.h: copy_to_user(): number of bytes not copied.
///
/// # Safety
/// `from` holds `len` bytes.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn copy_to_user(
    to: *mut u8,
    from: *const u8,
    len: c_ulong,
) -> c_ulong {
    each_page(to.addr() as c_ulong, len, true, |data, offset, part| {
        // SAFETY: as above, the other way; the regions may be the same frame, which copy() allows.
        unsafe { std::ptr::copy(from.add(offset), data, part) };
    })
}
