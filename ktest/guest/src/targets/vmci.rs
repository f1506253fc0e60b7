// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VMCI host device: the notification page of a context and the pages of a queue pair, and every way in which they
//! are given back.
//!
//! Interface: include/linux/vmw_vmci_defs.h; drivers/misc/vmw_vmci/vmci_host.c: vmci_host_setup_notify(),
//! vmci_context.c: vmci_ctx_unset_notify(), vmci_queue_pair.c: qp_host_get_user_memory() (6.12). It needs no VMware hardware.

use crate::check::{Check, OFTEN, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl, ioctl_value, killed_while_holding, open};
use crate::window::Window;
use crate::{failing, longterm, outlive};
use std::fs::File;

const VERSION: u64 = io(7, 0x9f);
const VERSION2: u64 = io(7, 0xa7);
const INIT_CONTEXT: u64 = io(7, 0xa0);
const SET_NOTIFY: u64 = io(7, 0xcb);
const DATAGRAM_SEND: u64 = io(7, 0xab);
const QUEUE_PAIR_ALLOC: u64 = io(7, 0xa8);
const QUEUE_PAIR_SET_ADDRESS: u64 = io(7, 0xa4);
const QUEUE_PAIR_DETACH: u64 = io(7, 0xaa);

/// The version that brought doorbell notification; what a caller of that age says it speaks.
const SPEAKS: u32 = 10 << 16;
/// The version since which a queue pair's memory is given with the request that makes it.
const SPEAKS_QUEUE_PAIRS: u32 = 11 << 16;
/// The host's own context id, the only peer that a context may have here.
const HOST: u32 = 2;
/// Pages of one queue without its header page: a few, as each pair that is killed and kept would take as many.
const QUEUE_PAGES: usize = 16;
/// Pages of a queue pair, with both header pages.
const PAIR_PAGES: u64 = 2 * (QUEUE_PAGES as u64 + 1);
/// The kernel chooses the context's id, unless nobody has this one, which is the hypervisor's.
const ANY_CID: u32 = 0;
/// One of a guest's, to which a datagram may go.
const GUEST: u32 = 100;

#[repr(C)]
struct InitBlock {
    cid: u32,
    flags: u32,
}

/// include/linux/vmw_vmci_defs.h: struct vmci_datagram; a handle is a context and a resource.
#[repr(C)]
struct Datagram {
    to: [u32; 2],
    from: [u32; 2],
    payload: u64,
}

#[repr(C)]
struct DatagramInfo {
    address: u64,
    bytes: u32,
    result: i32,
}

#[repr(C)]
struct NotifyInfo {
    address: u64,
    result: i32,
    _unused: u32,
}

/// drivers/misc/vmw_vmci/vmci_queue_pair.h: struct vmci_qp_alloc_info.
#[repr(C)]
struct QueuePair {
    context: u32,
    resource: u32,
    peer: u32,
    flags: u32,
    produce_bytes: u64,
    consume_bytes: u64,
    address: u64,
    pages: u64,
    result: i32,
    version: u32,
}

#[repr(C)]
struct QueuePairAddress {
    context: u32,
    resource: u32,
    address: u64,
    pages: u64,
    version: u32,
    result: i32,
}

#[repr(C)]
struct QueuePairDetach {
    context: u32,
    resource: u32,
    result: i32,
    _unused: u32,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if !std::path::Path::new("/dev/vmci").exists() {
        check.skip("device", "no /dev/vmci");
        return;
    }
    check.run("version", || {
        let file = attempt("open /dev/vmci", open("/dev/vmci"))?;
        let version = attempt("version", ioctl_value(&file, VERSION, 0))?;
        ensure(version >= 8 << 16, format!("unknown version {version:#x}"))
    });
    check.run("context", || context().map(drop));
    let with_page = || -> Test<(File, Pages)> {
        let (file, page) = (context()?, attempt("map a page", Pages::new(1))?);
        notify(&file, page.address())?;
        Ok((file, page))
    };
    check.hold(
        "notify page, given back by request",
        1,
        with_page,
        |(file, _page)| notify(&file, 0),
    );
    check.hold(
        "notify page, given back by close",
        1,
        with_page,
        |(file, page)| {
            drop(file);
            drop(page);
            Ok(())
        },
    );
    check.run("notify page, second one refused", || {
        let (file, _page) = with_page()?;
        let other = attempt("map a page", Pages::new(1))?;
        let second = notify(&file, other.address());
        ensure(second.is_err(), "a second notify page was accepted")?;
        notify(&file, 0)
    });
    check.run("notify page, not mapped", || {
        let file = context()?;
        ensure(
            notify(&file, 1 << 40).is_err(),
            "an unmapped page was accepted",
        )
    });
    check.run("notify page, holder killed", || {
        killed_while_holding(with_page)
    });
    for offset in [0, 1, 2047, PAGE - 1] {
        check.run(&format!("notify page, its byte {offset} is set"), || {
            notified(offset)
        });
    }
    failing::run(check, "queue pair", |failing| {
        let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
        let pages = attempt("map pages", Pages::small(2 * (QUEUE_PAGES + 1)))?;
        let made = failing.during(|| alloc(&file, cid, 12, &pages));
        if made.is_ok_and(|result| result >= 0) {
            detach(&file, cid, 12)?;
        }
        Ok(())
    });
    for hole in [
        1,
        QUEUE_PAGES,
        QUEUE_PAGES + 1,
        QUEUE_PAGES + 2,
        2 * QUEUE_PAGES + 1,
    ] {
        let name = format!("queue pair, nothing mapped from page {hole} on, many times");
        check.repeat(&name, 16, 1, || {
            let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
            let pages = Pages::with_hole(2 * (QUEUE_PAGES + 1), hole);
            let pages = attempt("map pages", pages)?;
            let made = alloc(&file, cid, 9, &pages)?;
            ensure(made < 0, "a queue pair without memory was made")
        });
    }
    let pair = || queue_pair(7);
    check.hold(
        "queue pair, detached",
        PAIR_PAGES,
        pair,
        |(file, cid, _pages)| detach(&file, cid, 7),
    );
    check.hold(
        "queue pair, closed",
        PAIR_PAGES,
        pair,
        |(file, _, pages)| {
            drop(file);
            drop(pages);
            Ok(())
        },
    );
    check.run("queue pair, marked dirty when given back", || {
        let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
        let pages = attempt("map pages", Pages::small(PAIR_PAGES as usize))?;
        let before = attempt("read page flags", pages.marked_dirty())?;
        let made = alloc(&file, cid, 15, &pages)?;
        ensure(made >= 0, format!("make a queue pair: VMCI error {made}"))?;
        detach(&file, cid, 15)?;
        let dirty = attempt("read page flags", pages.marked_dirty())?;
        ensure(
            before > 0 || dirty == PAIR_PAGES as usize,
            format!(
                "{dirty} of {PAIR_PAGES} pages that the other end could write were marked dirty"
            ),
        )
    });
    // The queues are taken and given back one after the other, each with its own number of pages.
    for (produce, consume) in [(1, QUEUE_PAGES), (QUEUE_PAGES, 1)] {
        let all = (produce + consume + 2) as u64;
        let take = || -> Test<(File, u32, Pages)> {
            let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
            let pages = attempt("map pages", Pages::small(all as usize))?;
            let made = alloc_of(&file, cid, 17, &pages, (produce, consume))?;
            ensure(made >= 0, format!("make a queue pair: VMCI error {made}"))?;
            Ok((file, cid, pages))
        };
        let name = format!("queue pair of {produce} and {consume} pages");
        check.hold(
            &format!("{name}, detached"),
            all,
            take,
            |(file, cid, pages)| {
                detach(&file, cid, 17)?;
                let dirty = attempt("read page flags", pages.marked_dirty())?;
                ensure(
                    dirty as u64 == all,
                    format!(
                        "{dirty} of {all} pages that the other end could write were marked dirty"
                    ),
                )
            },
        );
        outlive::run_of(check, &name, all as usize, |pages| {
            let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
            let made = alloc_of(&file, cid, 17, pages, (produce, consume))?;
            ensure(made >= 0, format!("make a queue pair: VMCI error {made}"))?;
            Ok(file)
        });
    }
    check.run("queue pair, unmapped and mapped again", || {
        let (file, cid, pages) = queue_pair(8)?;
        set_address(&file, cid, 8, 0)?;
        set_address(&file, cid, 8, pages.address())?;
        detach(&file, cid, 8)
    });
    check.run("queue pair, half of it not mapped", || {
        let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
        let pages = attempt(
            "map pages",
            Pages::with_hole(QUEUE_PAGES + 5, QUEUE_PAGES + 1),
        )?;
        let made = alloc(&file, cid, 9, &pages)?;
        ensure(made < 0, "a queue pair without memory was made")
    });
    check.run("queue pair, holder killed", || {
        killed_while_holding(|| queue_pair(10))
    });
    outlive::run_of(check, "queue pair", PAIR_PAGES as usize, |pages| {
        let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
        let result = alloc(&file, cid, 13, pages)?;
        ensure(
            result >= 0,
            format!("make a queue pair: VMCI error {result}"),
        )?;
        Ok(file)
    });
    longterm::refuses_read_only(check, "queue pair", PAIR_PAGES as usize, |pages| {
        let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
        let result = alloc(&file, cid, 14, pages)?;
        ensure(
            result >= 0,
            format!("make a queue pair: VMCI error {result}"),
        )?;
        Ok(file)
    });
    let with_notification = |pages: &Pages| -> Test<File> {
        let file = context()?;
        notify(&file, pages.address())?;
        Ok(file)
    };
    outlive::run_of(check, "notify page", 1, with_notification);
    longterm::refuses_read_only(check, "notify page", 1, with_notification);
    // One context for all: it takes a grace period of RCU to end one.
    let pages = Pages::small(PAIR_PAGES as usize);
    if let (Ok((file, cid)), Ok(pages)) = (context_speaking(SPEAKS_QUEUE_PAIRS), pages) {
        check.repeat("queue pair, very often", OFTEN, 0, || {
            let made = alloc(&file, cid, 16, &pages)?;
            ensure(made >= 0, format!("make a queue pair: VMCI error {made}"))?;
            detach(&file, cid, 16)
        });
    }
    check.repeat("queue pair, many times", 16, PAIR_PAGES, || {
        let (file, cid, _pages) = queue_pair(11)?;
        detach(&file, cid, 11)
    });
    // A plain reference that is kept moves no counter: only many of them show.
    check.repeat("notify page, holder killed many times", 64, 1, || {
        killed_while_holding(with_page)
    });
    check.repeat("queue pair, holder killed many times", 16, 1, || {
        killed_while_holding(|| queue_pair(10))
    });
    check.repeat("notify page, closed many times", 64, 1, || {
        with_page().map(drop)
    });
    check.repeat("queue pair, closed many times", 16, 1, || {
        queue_pair(12).map(drop)
    });
    check.repeat("notify page, many times", 128, 1, || {
        let (file, _page) = with_page()?;
        notify(&file, 0)
    });
}

/// A datagram to the context itself makes the driver set the byte that was named as notification, and no other.
fn notified(offset: usize) -> Test {
    let (file, cid) = context_called(GUEST, SPEAKS)?;
    let mut window = Window::new(offset, 1)?;
    window.inside()[0] = 0;
    notify(&file, window.address())?;
    let datagram = Datagram {
        to: [cid, 2],
        from: [cid, 1],
        payload: 0,
    };
    let mut send = DatagramInfo {
        address: std::ptr::from_ref(&datagram) as u64,
        bytes: size_of::<Datagram>() as u32,
        result: i32::MIN,
    };
    attempt("send a datagram", ioctl(&file, DATAGRAM_SEND, &mut send))?;
    ensure(
        send.result >= 0,
        format!("send a datagram: VMCI error {}", send.result),
    )?;
    let set = window.inside()[0];
    ensure(set == 1, format!("the notification byte is {set}"))?;
    window.nothing_beside()?;
    notify(&file, 0)
}

fn context() -> Test<File> {
    context_speaking(SPEAKS).map(|(file, _)| file)
}

/// A context and its id.
fn context_speaking(version: u32) -> Test<(File, u32)> {
    context_called(ANY_CID, version)
}

/// A context, called `cid` unless another one is.
fn context_called(cid: u32, mut version: u32) -> Test<(File, u32)> {
    let file = attempt("open /dev/vmci", open("/dev/vmci"))?;
    attempt("say our version", ioctl(&file, VERSION2, &mut version))?;
    let mut block = InitBlock { cid, flags: 0 };
    attempt("make a context", ioctl(&file, INIT_CONTEXT, &mut block))?;
    Ok((file, block.cid))
}

/// A queue pair whose pages are ours, at rest.
fn queue_pair(resource: u32) -> Test<(File, u32, Pages)> {
    let (file, cid) = context_speaking(SPEAKS_QUEUE_PAIRS)?;
    let pages = attempt("map pages", Pages::new(2 * (QUEUE_PAGES + 1)))?;
    let result = alloc(&file, cid, resource, &pages)?;
    ensure(
        result >= 0,
        format!("make a queue pair: VMCI error {result}"),
    )?;
    Ok((file, cid, pages))
}

fn alloc(file: &File, cid: u32, resource: u32, pages: &Pages) -> Test<i32> {
    alloc_of(file, cid, resource, pages, (QUEUE_PAGES, QUEUE_PAGES))
}

/// A pair whose queues have so many pages each, without their header pages.
fn alloc_of(
    file: &File,
    cid: u32,
    resource: u32,
    pages: &Pages,
    (produce, consume): (usize, usize),
) -> Test<i32> {
    let mut pair = QueuePair {
        context: cid,
        resource,
        peer: HOST,
        flags: 0,
        produce_bytes: (produce * PAGE) as u64,
        consume_bytes: (consume * PAGE) as u64,
        address: pages.address(),
        pages: (produce + consume + 2) as u64,
        result: i32::MIN,
        version: 0,
    };
    attempt(
        "make a queue pair",
        ioctl(file, QUEUE_PAIR_ALLOC, &mut pair),
    )?;
    Ok(pair.result)
}

fn set_address(file: &File, context: u32, resource: u32, address: u64) -> Test {
    let mut info = QueuePairAddress {
        context,
        resource,
        address,
        pages: 0,
        version: 0,
        result: i32::MIN,
    };
    attempt(
        "move a queue pair",
        ioctl(file, QUEUE_PAIR_SET_ADDRESS, &mut info),
    )?;
    ensure(
        info.result >= 0,
        format!("move a queue pair: VMCI error {}", info.result),
    )
}

fn detach(file: &File, context: u32, resource: u32) -> Test {
    let mut info = QueuePairDetach {
        context,
        resource,
        result: i32::MIN,
        _unused: 0,
    };
    attempt("detach", ioctl(file, QUEUE_PAIR_DETACH, &mut info))?;
    ensure(
        info.result >= 0,
        format!("detach: VMCI error {}", info.result),
    )
}

fn notify(file: &File, address: u64) -> Test {
    let mut info = NotifyInfo {
        address,
        result: i32::MIN,
        _unused: 0,
    };
    attempt("set the notify page", ioctl(file, SET_NOTIFY, &mut info))?;
    if info.result == 0 {
        return Ok(());
    }
    Err(Stop::Fail(format!(
        "set the notify page: VMCI error {}",
        info.result
    )))
}
