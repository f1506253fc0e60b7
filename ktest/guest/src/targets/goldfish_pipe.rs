// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipe of an Android emulator, whose host a module of ours answers for: what is written to it comes back.
//!
//! drivers/platform/goldfish/goldfish_pipe.c: goldfish_pin_pages(), transfer_max_buffers() (6.12); the module is
//! ktest/probe/gup_device.c.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::pins::{self, Counters};
use crate::sys::{killed_while_waiting, load, open};
use crate::window::{Window, shapes};
use crate::{failing, longterm};
use rustix::io::{read, write};
use std::fs::File;

const MODULE: &str = "gup_device.ko";
/// Since 5.0 its name is that of the driver.
const DEVICES: [&str; 2] = ["/dev/goldfish_pipe", "/dev/qemu_pipe"];
/// The least round number whose loss is more than what chance takes in a round (`check::FEW`): a request here takes few pages.
const COUNT: usize = 64;
/// How many buffers the driver has handed over, and how many of them nobody could see were pinned.
const SEEN: [&str; 2] = ["buffers", "unpinned"];

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(stop) = load(&format!("{}/{MODULE}", crate::plan::files())) {
        check.report("device", &Err(stop));
        return;
    }
    let Some(device) = DEVICES
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        check.report(
            "device",
            &Err(Stop::Fail("the driver made no device".into())),
        );
        return;
    };
    let begin = pins::read();
    let pipe = || attempt("open the pipe", open(device));
    for (at, (offset, length)) in shapes().into_iter().enumerate() {
        let spans = Window::new(offset, length).map_or(0, |window| window.spans());
        let title = format!("{length} bytes at {offset}, written and read back");
        let body = || {
            let (mut pipe, mut window) = (pipe()?, Window::new(offset, length)?);
            window.fill(at as u64 + 1);
            let before = window.marked_dirty()?;
            moved(attempt("write", write(&mut pipe, window.inside()))?, length)?;
            window.only_read_since(before)?;
            window.inside().fill(0);
            let before = window.marked_dirty()?;
            moved(attempt("read", read(&mut pipe, window.inside()))?, length)?;
            window.holds(at as u64 + 1)?;
            window.written_since(before)
        };
        let before = pins::read();
        check.run(&title, body);
        // Where the driver pins, it pins each page once for either way.
        if let (Some(before), Some(now)) = (before, pins::read()) {
            let taken = now.since(before).acquired;
            let right = taken == 0 || taken == 2 * spans;
            let why = format!("{taken} pins for {spans} pages written and read");
            check.report(&format!("{title}, pins"), &ensure(right, why));
        }
    }
    check.run("less is there than is asked for", || {
        let (pipe, mut window) = (pipe()?, Window::new(11, 3 * PAGE)?);
        moved(
            attempt("write", write(&pipe, &crate::window::bytes(5, 100)))?,
            100,
        )?;
        moved(attempt("read", read(&pipe, window.inside()))?, 100)?;
        window.begins_with(5, 100)
    });
    check.run("read into memory that is half not mapped", || {
        let pipe = pipe()?;
        let mut out = Window::new(0, COUNT * PAGE)?;
        out.fill(6);
        moved(attempt("write", write(&pipe, out.inside()))?, COUNT * PAGE)?;
        let mut pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = pages.read_sequentially_beyond(&pipe, COUNT);
        ensure(bytes <= pages.len() as i64, format!("{bytes} bytes came"))
    });
    let mut full = None;
    check.run("two pages are written", || {
        let (pipe, mut out) = (pipe()?, Window::new(0, 2 * PAGE)?);
        out.fill(9);
        moved(attempt("write", write(&pipe, out.inside()))?, 2 * PAGE)?;
        full = Some(pipe);
        Ok(())
    });
    if let Some(pipe) = full {
        longterm::leaves_read_only(check, "read", 2, |pages| {
            let came = pages.read_sequentially_beyond(&pipe, 2);
            ensure(came < 0, format!("{came} bytes came"))
        });
    }
    check.run("write from memory that is not there", || {
        let pipe = pipe()?;
        // SAFETY: the kernel checks the address itself, and reads nothing where nothing is mapped.
        let written = unsafe {
            libc::write(
                std::os::fd::AsRawFd::as_raw_fd(&pipe),
                (1usize << 40) as *const libc::c_void,
                PAGE,
            )
        };
        ensure(written < 0, "memory that is not there was written from")
    });
    check.run("a reader waits and is woken", || woken(pipe()?));
    check.run("a reader that waits is killed", || {
        let (pipe, mut window) = (pipe()?, Window::new(3, 5 * PAGE)?);
        killed_while_waiting(|| read(&pipe, window.inside()))
    });
    failing::run(check, "read", |failing| {
        let (pipe, mut window) = (pipe()?, Window::new(3, 5 * PAGE)?);
        moved(
            attempt("write", write(&pipe, &crate::window::bytes(7, PAGE)))?,
            PAGE,
        )?;
        let _failed_or_not = failing.during(|| read(&pipe, window.inside()));
        Ok(())
    });
    check.repeat("many times", 32, COUNT as u64, || {
        let (pipe, mut pages) = (pipe()?, attempt("map", Pages::new(COUNT))?);
        attempt("write", write(&pipe, pages.bytes()))?;
        attempt("read", read(&pipe, pages.bytes())).map(drop)
    });
    check.run("the host sees that buffers are pinned", || seen(begin));
}

fn moved(bytes: usize, length: usize) -> Test {
    ensure(
        bytes == length,
        format!("{bytes} of {length} bytes were moved"),
    )
}

/// A child reads from an empty pipe; what is written then must come to it.
fn woken(pipe: File) -> Test {
    let mut shared = attempt("map", Pages::shared(1))?;
    shared.bytes().fill(0);
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        let ended = Window::new(9, 40).and_then(|mut window| {
            let came = read(&pipe, window.inside()).unwrap_or(0);
            ensure(came == 40, "short")?;
            window.holds(8)
        });
        shared.bytes()[0] = if ended.is_ok() { 1 } else { 2 };
        // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
        unsafe { libc::_exit(0) }
    }
    // Time to find the pipe empty, and to wait.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let written = write(&pipe, &crate::window::bytes(8, 40));
    let mut ended = 0;
    for _ in 0..100 {
        // SAFETY: plain system calls on a child of ours.
        ended = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
        if ended != 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    if ended == 0 {
        // SAFETY: as above.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        return Err(Stop::Fail("the reader was not woken".into()));
    }
    moved(attempt("write", written)?, 40)?;
    ensure(
        shared.bytes()[0] == 1,
        "what the reader got is not what was written",
    )
}

/// Where the driver has taken pins since `begin`, all its buffers were seen to be pinned.
fn seen(begin: Option<Counters>) -> Test {
    let number = |name: &str| -> Test<u64> {
        let path = format!("/sys/module/gup_device/parameters/{name}");
        let text = attempt("ask the device", std::fs::read_to_string(path))?;
        attempt("read a number", text.trim().parse())
    };
    let [buffers, unpinned] = [number(SEEN[0])?, number(SEEN[1])?];
    println!("# device buffers={buffers} unpinned={unpinned}");
    let (Some(begin), Some(now)) = (begin, pins::read()) else {
        return Err(Stop::Skip("this kernel does not count pins".into()));
    };
    // A driver that takes plain references has none that anybody could see.
    if now.since(begin).acquired == 0 {
        return Err(Stop::Skip("the driver pins nothing".into()));
    }
    ensure(
        unpinned == 0,
        format!("{unpinned} of {buffers} buffers were not seen to be pinned"),
    )
}
