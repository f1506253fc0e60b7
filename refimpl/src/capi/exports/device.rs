// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices: the streaming DMA interface, and the stroke of work that every device of the embedded trees does.

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::frames::{to_data, to_pfn};
use crate::capi::world::{PAGE_SIZE, with};

/// What dma_map_page() returns when it fails.
const DMA_MAPPING_ERROR: u64 = u64::MAX;
const DMA_TO_DEVICE: c_uint = 1;
const EIO: c_int = 5;
/// What a device writes.
const PATTERN: u8 = 0xd5;

/// include/linux/dma-mapping.h: dma_map_page().
#[unsafe(no_mangle)]
pub(super) extern "C" fn dma_map_page(
    _dev: *mut u8,
    page: *mut u8,
    offset: usize,
    size: usize,
    _dir: c_uint,
) -> u64 {
    with(|world| {
        world
            .dma_map(to_pfn(page), offset as u64, size as u64)
            .unwrap_or(DMA_MAPPING_ERROR)
    })
}

/// dma_mapping_error().
#[unsafe(no_mangle)]
pub(super) extern "C" fn dma_mapping_error(_dev: *mut u8, addr: u64) -> c_int {
    if addr == DMA_MAPPING_ERROR { -12 } else { 0 }
}

/// dma_unmap_page(). An address that never was one is let pass: drivers unmap what failed to map, and the ledger is about
/// pages.
#[unsafe(no_mangle)]
pub(super) extern "C" fn dma_unmap_page(_dev: *mut u8, addr: u64, _size: usize, _dir: c_uint) {
    if addr != DMA_MAPPING_ERROR {
        with(|world| world.dma_unmap(addr));
    }
}

/// Lets the device move `size` bytes at `addr`: 0, or -EIO where the address is not mapped.
#[unsafe(no_mangle)]
pub(super) extern "C" fn dma_run(_dev: *mut u8, addr: u64, size: usize, dir: c_uint) -> c_int {
    match with(|world| world.dma_run(addr, size as u64, dir != DMA_TO_DEVICE)) {
        Ok(Some((pfn, offset))) => {
            let (data, offset) = (to_data(pfn), offset as usize);
            if !data.is_null() && offset < PAGE_SIZE {
                // SAFETY: the frame has PAGE_SIZE bytes, which nothing in Rust refers to.
                unsafe {
                    data.add(offset)
                        .write_bytes(PATTERN, size.min(PAGE_SIZE - offset))
                };
            }
            0
        }
        Ok(None) => 0,
        Err(()) => -EIO,
    }
}

/// include/linux/kernel.h: might_sleep(), by the name of the function that may.
///
/// # Safety
/// `call` is a string that ends with 0 and lives as long as the process.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_might_sleep(call: *const c_char) {
    // SAFETY: as promised by the caller.
    let call = unsafe { CStr::from_ptr::<'static>(call) };
    with(|world| world.might_sleep(call.to_str().unwrap_or("might_sleep")));
}

/// include/linux/preempt.h: nothing may sleep from here.
#[unsafe(no_mangle)]
pub(super) extern "C" fn preempt_disable() {
    with(|world| world.preempt(1));
}

/// And may again.
#[unsafe(no_mangle)]
pub(super) extern "C" fn preempt_enable() {
    with(|world| world.preempt(-1));
}
