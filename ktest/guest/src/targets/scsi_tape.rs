// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tape on an adapter made of memory, written and read with the caller's own pages.
//!
//! drivers/scsi/st.c: setup_buffering(), sgl_map_user_pages(); the adapter's parameters are those of
//! drivers/scsi/scsi_debug.c (6.12). What the emulated tape thinks of the commands does not matter: pages are pinned
//! before it is asked, and given back whatever it says.

use crate::check::{Check, Stop, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::open;
use crate::window::Window;
use crate::{failing, longterm, pins};
use rustix::io::{read, write};
use std::time::{Duration, Instant};

const ADAPTER: &str = "/sys/bus/pseudo/drivers/scsi_debug";
const TAPE: &str = "/dev/nst0";
/// Few: the tape takes one request of 64 KiB whole, whatever block size it has.
const COUNT: usize = 16;
/// One page, two, half of one, parts of two, and all that one request takes; what does not begin at a sector goes another way.
const SHAPES: [(usize, usize); 6] = [
    (0, PAGE),
    (0, 2 * PAGE),
    (512, PAGE / 2),
    (PAGE - 512, 1024),
    (0, 15 * PAGE),
    (0, COUNT * PAGE),
];

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(why) = tape() {
        check.skip("tape", &why);
        return;
    }
    check.run("tape, written", || {
        let tape = attempt("open the tape", open(TAPE))?;
        let mut pages = attempt("map", Pages::new(COUNT))?;
        let _what_the_tape_thinks = write(&tape, pages.bytes());
        Ok(())
    });
    check.run("tape, read", || {
        let tape = attempt("open the tape", open(TAPE))?;
        let mut pages = attempt("map", Pages::new(COUNT))?;
        let _what_the_tape_thinks = read(&tape, pages.bytes());
        Ok(())
    });
    for (offset, length) in SHAPES {
        let title = format!("tape, {length} bytes at {offset}, what is read into is marked dirty");
        check.run(&title, || {
            let tape = attempt("open the tape", open(TAPE))?;
            let mut window = Window::new(offset, length)?;
            let (before, pins) = (window.marked_dirty()?, pins::read());
            let _what_the_tape_thinks = read(&tape, window.inside());
            let moved = pins.and_then(|before| Some(pins::read()?.since(before)));
            if moved.is_none_or(|moved| moved.acquired == 0) {
                return Err(Stop::Skip("the driver took no page of ours".into()));
            }
            window.nothing_beside()?;
            window.written_since(before)
        });
    }
    for (offset, length) in SHAPES {
        let title =
            format!("tape, {length} bytes at {offset}, what is only read is not marked dirty");
        check.run(&title, || {
            let tape = attempt("open the tape", open(TAPE))?;
            let mut window = Window::new(offset, length)?;
            window.fill(1);
            let before = window.marked_dirty()?;
            let _what_the_tape_thinks = write(&tape, window.inside());
            window.only_read_since(before)
        });
    }
    longterm::leaves_read_only(check, "tape", COUNT, |pages| {
        let tape = attempt("open the tape", open(TAPE))?;
        let _refused = pages.read_sequentially_beyond(&tape, COUNT);
        Ok(())
    });
    failing::run(check, "tape", |failing| {
        let tape = attempt("open the tape", open(TAPE))?;
        let mut pages = attempt("map", Pages::small(COUNT))?;
        let _failed_or_not = failing.during(|| read(&tape, pages.bytes()));
        Ok(())
    });
    check.run("tape, read into memory that is half not mapped", || {
        let tape = attempt("open the tape", open(TAPE))?;
        let mut pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = pages.read_sequentially_beyond(&tape, COUNT);
        ensure(bytes <= pages.len() as i64, format!("{bytes} bytes came"))
    });
    check.repeat("tape, many times", 48, COUNT as u64, || {
        let tape = attempt("open the tape", open(TAPE))?;
        let mut pages = attempt("map", Pages::new(COUNT))?;
        let _what_the_tape_thinks = write(&tape, pages.bytes());
        Ok(())
    });
}

/// Adds a host whose one device is a tape.
fn tape() -> Result<(), String> {
    let set = |parameter: &str, value: &str| {
        std::fs::write(format!("{ADAPTER}/{parameter}"), value)
            .map_err(|error| format!("set {parameter} of the emulated adapter: {error}"))
    };
    set("ptype", "1")?;
    let added = set("add_host", "1");
    let until = Instant::now() + Duration::from_secs(10);
    while !std::path::Path::new(TAPE).exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    set("ptype", "0")?;
    added?;
    if std::path::Path::new(TAPE).exists() {
        return Ok(());
    }
    Err(format!("no {TAPE} came"))
}
