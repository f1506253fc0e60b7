// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct reads of the old kind (fs/direct-io.c), made by a module of ours (probe/gup_direct_io.c).

use super::load;
use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::pins;
use std::io::Write;
use std::os::fd::AsRawFd;

/// A module that reads directly the old way, its device, and how many pages it shall read with what each counter does then.
const DIRECT_MODULE: &str = "/ktest/gup_direct_io.ko";
const DIRECT_DEVICE: &str = "/dev/gup_direct_io";
const DIRECT: &str = "/ktest/direct-io";

/// One read, where the image holds what it ought to do.
pub(super) fn run(check: &mut Check) {
    if let Ok(expected) = std::fs::read_to_string(DIRECT) {
        check.report("direct read of the old kind", &direct_read(&expected));
    }
}

/// A direct read of the old kind moves the counters of pins as the reference implementation says: not equally since 6.5.
fn direct_read(expected: &str) -> Test {
    load(DIRECT_MODULE, DIRECT_DEVICE)?;
    let numbers: Vec<u64> = expected.split_whitespace().flat_map(str::parse).collect();
    let [pages, acquired, released] = numbers[..] else {
        return Err(Stop::Fail(format!("{expected:?} is no expectation")));
    };
    let mut memory = attempt("map", Pages::small(usize::try_from(pages).unwrap_or(0)))?;
    // Nothing on the disk is like it.
    memory.bytes().fill(0x5a);
    let disk = attempt("open /dev/ram0", crate::sys::open("/dev/ram0"))?;
    let mut device = attempt("open the module's device", crate::sys::open(DIRECT_DEVICE))?;
    let before = pins::read().ok_or_else(|| Stop::Skip("no counters of pins".into()))?;
    let line = format!("{} {} {pages}", disk.as_raw_fd(), memory.address());
    attempt("read directly", device.write_all(line.as_bytes()))?;
    let moved = pins::read().unwrap_or(before).since(before);
    println!(
        "# direct-read pages={pages} acquired={} released={}",
        moved.acquired, moved.released
    );
    ensure(
        (moved.acquired, moved.released) == (acquired, released),
        format!(
            "pins acquired: kernel {}, model {acquired}; released: kernel {}, model {released}",
            moved.acquired, moved.released
        ),
    )?;
    ensure(
        memory.bytes().iter().all(|byte| *byte != 0x5a),
        "pages that nothing was read into",
    )
}
