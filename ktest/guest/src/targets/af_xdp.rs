// SPDX-License-Identifier: MIT OR Apache-2.0
//! AF_XDP packet memory: registered with a socket, given back by close and by death.
//!
//! Interface: include/uapi/linux/if_xdp.h; net/xdp/xdp_umem.c: xdp_umem_pin_pages() (6.12). The pages are given back from
//! a work queue after the socket is gone.

use crate::charge::{Charge, Shows};
use crate::check::{ARRAY, Check, OFTEN, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::pins;
use crate::sys::{killed_while_holding, set_socket_option, socket};
use crate::window::{SIZES, whole};
use crate::{charge, failing, longterm, outlive};
use std::os::fd::OwnedFd;

const SOL_XDP: i32 = 283;
const XDP_UMEM_REG: i32 = 4;
/// One MiB: its loss shows in each round, as chance takes a fraction of it (`check::FEW`). [`SIZES`] has others.
const COUNT: usize = 256;

/// struct xdp_umem_reg as it was first; newer kernels take the shorter form too.
#[repr(C)]
struct UmemReg {
    address: u64,
    bytes: u64,
    chunk_bytes: u32,
    headroom: u32,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(error) = socket(libc::AF_XDP, libc::SOCK_RAW, 0) {
        check.skip("socket", &format!("no AF_XDP socket: {error}"));
        return;
    }
    check.hold(
        "packet memory, closed",
        COUNT as u64,
        registered,
        |(socket, pages)| {
            drop(socket);
            drop(pages);
            Ok(())
        },
    );
    check.run("packet memory, second one refused", || {
        let (socket, pages) = registered()?;
        ensure(
            register(&socket, &pages).is_err(),
            "a second registration was accepted",
        )
    });
    check.run("packet memory, half of it not mapped", || {
        let socket = empty()?;
        let pages = attempt("map pages", Pages::with_hole(COUNT, COUNT / 2))?;
        let refused = register_at(&socket, pages.address(), 2 * pages.len()).is_err();
        ensure(refused, "memory that is not there was registered")
    });
    check.run("packet memory, holder killed", || {
        killed_while_holding(registered)
    });
    for count in SIZES {
        let take = || -> Test<(OwnedFd, Pages)> {
            let socket = empty()?;
            let pages = attempt("map pages", Pages::small(count))?;
            attempt("register packet memory", register(&socket, &pages))?;
            Ok((socket, pages))
        };
        let name = format!("packet memory, {count} pages");
        check.hold(&name, count as u64, take, |(socket, pages)| {
            drop(socket);
            drop(pages);
            Ok(())
        });
    }
    check.run("packet memory, marked dirty when given back", || {
        let (socket, pages) = (empty()?, attempt("map pages", Pages::small(COUNT))?);
        let before = attempt("read page flags", pages.marked_dirty())?;
        let pins = pins::read();
        attempt("register packet memory", register(&socket, &pages))?;
        drop(socket);
        let _given_back = pins::settled(pins);
        let dirty = attempt("read page flags", pages.marked_dirty())?;
        ensure(
            before > 0 || dirty == COUNT,
            format!("{dirty} of {COUNT} pages that packets could be received in were marked dirty"),
        )
    });
    let taken = |address: u64, bytes: usize| -> Test<OwnedFd> {
        let socket = empty()?;
        let registered = register_at(&socket, address, bytes);
        attempt("register packet memory", registered)?;
        Ok(socket)
    };
    longterm::run(check, "packet memory", |pages| {
        taken(pages.address(), pages.len())
    });
    outlive::run(check, "packet memory", |pages| {
        taken(pages.address(), pages.len())
    });
    // Where some of the pages are there, the kernel gives back the charge for those alone: xdp_umem_pin_pages() sets npgs to what it
    // could pin, and xdp_umem_unaccount_pages() takes that (net/xdp/xdp_umem.c, 6.12).
    let charged = Charge {
        // The user is charged, and the process is not.
        shows: Shows::Nowhere,
        shapes: &whole(),
        there: &[0],
    };
    charge::exact(check, "packet memory", &charged, empty, taken);
    charge::run(check, "packet memory", COUNT * PAGE, || {
        registered().map(drop)
    });
    failing::run(check, "packet memory", |failing| {
        let socket = empty()?;
        let pages = attempt("map pages", Pages::small(70))?;
        let _failed_or_not = failing.during(|| register(&socket, &pages));
        Ok(())
    });
    check.repeat(
        "packet memory, holder killed many times",
        8,
        COUNT as u64,
        || killed_while_holding(registered),
    );
    if let Ok(pages) = Pages::small(ARRAY) {
        check.repeat("packet memory, very often", OFTEN, 0, || {
            taken(pages.address(), pages.len()).map(drop)
        });
    }
    check.repeat("packet memory, many times", 16, COUNT as u64, || {
        registered().map(drop)
    });
}

fn registered() -> Test<(OwnedFd, Pages)> {
    let socket = empty()?;
    let pages = attempt("map pages", Pages::new(COUNT))?;
    attempt("register packet memory", register(&socket, &pages))?;
    Ok((socket, pages))
}

fn empty() -> Test<OwnedFd> {
    attempt("open a socket", socket(libc::AF_XDP, libc::SOCK_RAW, 0))
}

fn register(socket: &OwnedFd, pages: &Pages) -> std::io::Result<()> {
    register_at(socket, pages.address(), pages.len())
}

fn register_at(socket: &OwnedFd, address: u64, bytes: usize) -> std::io::Result<()> {
    let request = UmemReg {
        address,
        bytes: bytes as u64,
        chunk_bytes: PAGE as u32,
        headroom: 0,
    };
    set_socket_option(socket, SOL_XDP, XDP_UMEM_REG, &request)
}
