// SPDX-License-Identifier: MIT OR Apache-2.0
//! vhost's log of written pages: for each bit that it sets the kernel pins the page of the log.
//!
//! Interface: include/uapi/linux/vhost.h; drivers/vhost/vhost.c: set_bit_to_user() (6.12). Starting a ring writes its
//! flags, and with a log that write is logged; no guest and no packet is needed.

use crate::check::{Check, Test, attempt, ensure};
use crate::longterm;
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl, ioctl_value, iorw, open};
use crate::window::Window;
use rustix::event::{EventfdFlags, eventfd};
use std::fs::File;

const DEVICE: &str = "/dev/vhost-vsock";
const SET_OWNER: u64 = io(0xaf, 1);
const SET_FEATURES: u64 = iorw(1, 0xaf, 0, 8);
const SET_MEMORY: u64 = iorw(1, 0xaf, 3, 8);
const SET_LOG: u64 = iorw(1, 0xaf, 4, 8);
const SET_RING_SIZE: u64 = iorw(1, 0xaf, 0x10, size_of::<[u32; 2]>());
const SET_RING: u64 = iorw(1, 0xaf, 0x11, size_of::<Ring>());
const SET_KICK: u64 = iorw(1, 0xaf, 0x20, size_of::<[u32; 2]>());
const SET_CID: u64 = iorw(1, 0xaf, 0x60, 8);
const SET_RUNNING: u64 = iorw(1, 0xaf, 0x61, 4);
const LOG_ALL: u64 = 1 << 26;
const VIRTIO_1: u64 = 1 << 32;
/// Descriptors, available and used ring of one queue lie in a page each.
const RING_PAGES: usize = 3;
const ENTRIES: u32 = 8;
/// struct virtio_vsock_hdr.
const HEAD: u32 = 44;
/// The device's two queues.
const RINGS: usize = 2;

#[repr(C)]
struct Memory {
    regions: u32,
    padding: u32,
    guest_address: u64,
    bytes: u64,
    address: u64,
    flags: u64,
}

#[repr(C)]
struct Ring {
    index: u32,
    flags: u32,
    descriptors: u64,
    used: u64,
    available: u64,
    log: u64,
}

/// A device with its memory and its log.
struct Device {
    file: File,
    memory: Pages,
    log: Option<Pages>,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(error) = open(DEVICE) {
        check.skip("device", &format!("no {DEVICE}: {error}"));
        return;
    }
    check.run("log, a bit for each ring", || {
        let mut device = device()?;
        device.running(1)?;
        let marked = device.log.as_mut().is_some_and(|log| log.bytes()[0] != 0);
        device.running(0)?;
        ensure(marked, "the log stayed empty")
    });
    for (name, guest, log_offset) in [
        ("at its beginning", 0, 0),
        ("in its second page", 130 << 20, 0),
        (
            "at the edge of its first page",
            (PAGE as u64 * 8 - 6) * PAGE as u64,
            0,
        ),
        ("at an odd place", 11 << 12, 5),
    ] {
        check.run(&format!("log, the bits {name} and no other"), || {
            logged(guest, log_offset)
        });
    }
    check.run(
        "log, both pages of what is written over their edge",
        answered,
    );
    longterm::leaves_read_only(check, "log", 1, |log| {
        let device = device_with(log.address(), 2 * PAGE as u64)?;
        // That its bits are not set is all that matters.
        let _refused_or_not = device.running(1);
        Ok(())
    });
    check.run("log, not mapped", || {
        let device = device()?;
        let mut nowhere = 1u64 << 40;
        attempt("set the log", ioctl(&device.file, SET_LOG, &mut nowhere))?;
        // The kernel cannot mark its log; it must not keep a page either.
        let _refused_or_not = device.running(1);
        Ok(())
    });
    check.repeat("log, many times", 128, 2, || device()?.running(1));
}

/// The answer to a request is logged where its entry in the used ring is said to lie: four bytes in one page and four in
/// the next.
fn answered() -> Test {
    /// The guest's requests.
    const SENT: usize = 1;
    let mut log = attempt("map", Pages::zeroed(1))?;
    let page = 11;
    // Flags and index, and then the first entry.
    let guest = ((page + 1) * PAGE - 8) as u64;
    let mut device = device_with(log.address(), guest)?;
    let kick = attempt("make an event", eventfd(0, EventfdFlags::CLOEXEC))?;
    let mut with = [SENT as u32, std::os::fd::AsRawFd::as_raw_fd(&kick) as u32];
    attempt(
        "set a ring's event",
        ioctl(&device.file, SET_KICK, &mut with),
    )?;
    let ring = SENT * RING_PAGES * PAGE;
    let memory = device.memory.bytes();
    // A request is its head: one to nobody, so that it is answered and dropped.
    let head = (ring + PAGE / 2) as u64;
    memory[ring..ring + 8].copy_from_slice(&head.to_le_bytes());
    memory[ring + 8..ring + 12].copy_from_slice(&HEAD.to_le_bytes());
    memory[ring + 12..ring + 16].fill(0);
    // The first of the available ones is the first.
    memory[ring + PAGE + 4..ring + PAGE + 6].fill(0);
    memory[ring + PAGE + 2..ring + PAGE + 4].copy_from_slice(&1u16.to_le_bytes());
    device.running(1)?;
    attempt("kick", rustix::io::write(&kick, &1u64.to_ne_bytes()))?;
    let used = ring + 2 * PAGE + 2;
    let mut answered = false;
    for _ in 0..100 {
        // Behind the compiler's back, by a thread of the kernel's.
        // SAFETY: the place lies in memory that the device keeps.
        answered = unsafe { std::ptr::from_ref(&device.memory.bytes()[used]).read_volatile() } != 0;
        if answered {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    device.running(0)?;
    ensure(answered, "the request was not answered")?;
    let bits: Vec<usize> = (0..PAGE * 8)
        .filter(|bit| log.bytes()[bit / 8] & (1 << (bit % 8)) != 0)
        .collect();
    // Of the other ring no more than its flags are written.
    let expected = [page, page + RING_PAGES, page + RING_PAGES + 1];
    ensure(
        bits == expected,
        format!("bits {bits:?} are set, not {expected:?}"),
    )
}

/// Starting both rings, whose used parts are said to lie at `guest` and three pages behind it, sets the bits of those pages in a log
/// that begins `offset` bytes behind the beginning of a page.
fn logged(guest: u64, offset: usize) -> Test {
    const LOG: usize = 2 * PAGE;
    let mut window = Window::new(offset, LOG)?;
    window.inside().fill(0);
    let dirty = window.marked_dirty()?;
    let device = device_with(window.address(), guest)?;
    device.running(1)?;
    device.running(0)?;
    let mut expected = vec![0u8; LOG];
    for ring in 0..RINGS {
        let page = guest / PAGE as u64 + (ring * RING_PAGES) as u64;
        expected[page as usize / 8] |= 1 << (page % 8);
    }
    let set = |of: &[u8]| -> Vec<usize> {
        (0..of.len() * 8)
            .filter(|bit| of[bit / 8] & (1 << (bit % 8)) != 0)
            .collect()
    };
    let (found, expected) = (set(window.inside()), set(&expected));
    ensure(
        found == expected,
        format!("bits {found:?} are set, not {expected:?}"),
    )?;
    window.nothing_beside()?;
    let marked = window.marked_dirty()?;
    ensure(
        dirty > 0 || marked > 0,
        "the log's page was not marked dirty",
    )
}

fn device() -> Test<Device> {
    let log = attempt("map", Pages::zeroed(1))?;
    let mut device = device_with(log.address(), 2 * PAGE as u64)?;
    device.log = Some(log);
    Ok(device)
}

/// A device whose log begins at `log`, and whose rings are said to lie at `guest`.
fn device_with(log: u64, guest: u64) -> Test<Device> {
    let file = attempt("open", open(DEVICE))?;
    attempt("own it", ioctl_value(&file, SET_OWNER, 0))?;
    let memory = attempt("map", Pages::new(RING_PAGES * RINGS))?;
    let mut table = Memory {
        regions: 1,
        padding: 0,
        guest_address: 0,
        bytes: memory.len() as u64,
        address: memory.address(),
        flags: 0,
    };
    attempt("set memory", ioctl(&file, SET_MEMORY, &mut table))?;
    let mut base = log;
    attempt("set the log", ioctl(&file, SET_LOG, &mut base))?;
    let mut features = LOG_ALL | VIRTIO_1;
    attempt("set features", ioctl(&file, SET_FEATURES, &mut features))?;
    for index in 0..RINGS {
        let mut size = [index as u32, ENTRIES];
        attempt("set a ring's size", ioctl(&file, SET_RING_SIZE, &mut size))?;
        let start = memory.address() + (index * RING_PAGES * PAGE) as u64;
        let mut ring = Ring {
            index: index as u32,
            flags: 1,
            descriptors: start,
            available: start + PAGE as u64,
            used: start + 2 * PAGE as u64,
            log: guest + (index * RING_PAGES * PAGE) as u64,
        };
        attempt("set a ring", ioctl(&file, SET_RING, &mut ring))?;
    }
    let mut cid = 42u64;
    attempt("set the guest's address", ioctl(&file, SET_CID, &mut cid))?;
    Ok(Device {
        file,
        memory,
        log: None,
    })
}

impl Device {
    fn running(&self, mut start: i32) -> Test {
        attempt("start or stop", ioctl(&self.file, SET_RUNNING, &mut start)).map(drop)
    }
}
