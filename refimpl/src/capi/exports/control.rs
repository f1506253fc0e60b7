// SPDX-License-Identifier: MIT OR Apache-2.0
//! For the program that runs drivers: beginning, places, failures, and the report.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong};

use crate::api::KernelVersion;
use crate::capi::report::Site;
use crate::capi::world::{self, with};
use crate::version::Version;

/// # Safety
/// `text` is NULL or a string that ends with 0.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Begins with empty memory under the rules of a version; -1 if it is none.
///
/// # Safety
/// `version` is NULL or a string that ends with 0.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_start(version: *const c_char) -> c_int {
    // SAFETY: as promised by the caller.
    match unsafe { text(version) }.parse::<KernelVersion>() {
        Ok(version) => {
            world::start(Version::at(version));
            0
        }
        Err(_) => -1,
    }
}

/// The next call stands at this place.
///
/// # Safety
/// `path` and `function` are NULL or strings that end with 0.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_at(
    path: *const c_char,
    line: c_uint,
    function: *const c_char,
) {
    // SAFETY: as promised by the caller.
    let site = unsafe {
        Site {
            path: text(path),
            line,
            function: text(function),
        }
    };
    with(|world| (world.site, world.called) = (site, None));
}

/// What follows is what the driver calls `name`: a function that a header makes of others.
///
/// # Safety
/// `name` is NULL or a string that ends with 0.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_as(name: *const c_char) {
    // SAFETY: as promised by the caller.
    let name = unsafe { text(name) };
    with(|world| world.called = Some(name));
}

/// Maps anonymous memory that faults in folios of 2^order pages; see the header.
#[unsafe(no_mangle)]
pub(super) extern "C" fn refimpl_user_folios(folios: c_ulong, order: c_uint) -> c_ulong {
    with(|world| world.user_map(folios << order, false, true, order))
}

/// Maps user memory; see the header.
#[unsafe(no_mangle)]
pub(super) extern "C" fn refimpl_user_map(
    pages: c_ulong,
    of_file: c_int,
    writable: c_int,
) -> c_ulong {
    with(|world| world.user_map(pages, of_file != 0, writable != 0, 0))
}

/// A file whose cache is empty, as a `struct address_space` that nobody may look into.
#[unsafe(no_mangle)]
pub(super) extern "C" fn refimpl_file() -> *mut u8 {
    std::ptr::without_provenance_mut(with(|world| world.new_file()))
}

/// The nth such call fails: 1 for dma_map_page(), 2 for allocations.
#[unsafe(no_mangle)]
pub(super) extern "C" fn refimpl_fail(what: c_uint, nth: c_uint) {
    with(|world| match what {
        1 => world.fail_dma = nth,
        2 => world.fail_alloc = nth,
        _ => {}
    });
}

/// More MMU notifiers, or fewer.
#[unsafe(no_mangle)]
pub(super) extern "C" fn refimpl_notifiers(more: c_int) {
    with(|world| world.notifiers += more);
}

/// Closes the book and writes the report as JSON: 0, or -1 if there was nothing to report or it could not be written.
///
/// # Safety
/// `module` and `report` are NULL or strings that end with 0.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn refimpl_finish(
    module: *const c_char,
    report: *const c_char,
) -> c_int {
    // SAFETY: as promised by the caller.
    let (module, path) = unsafe { (text(module), text(report)) };
    let written = world::finish(&module)
        .and_then(|run| serde_json::to_vec_pretty(&run).ok())
        .and_then(|bytes| std::fs::write(path, bytes).ok());
    if written.is_some() { 0 } else { -1 }
}
