// SPDX-License-Identifier: MIT OR Apache-2.0
//! io_uring fixed buffers: registered, held, given back by request, by close and by death.
//!
//! Interface: include/uapi/linux/io_uring.h; io_uring/rsrc.c: io_sqe_buffers_register() (6.12). Buffers are given back
//! from a task's work after the ring is gone.

pub(super) mod ring;
mod several;

use self::ring::Ring;
use crate::charge::{Charge, Shows};
use crate::check::{ARRAY, Check, OFTEN, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::killed_while_holding;
use crate::window::{Window, shapes};
use crate::{charge, failing, longterm, outlive};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// One MiB: its loss shows in each round, as chance takes a fraction of it (`check::FEW`). [`shapes`] has other sizes.
const COUNT: usize = 256;
const REGISTER_BUFFERS: u32 = 0;
const UNREGISTER_BUFFERS: u32 = 1;
/// Since then the process is charged for buffers as pinned, and for rings not as locked: commit 26bfa89e25f4.
const OWN_APART: (u32, u32) = (5, 12);
/// struct io_uring_params; all of it zero asks for the defaults.
const PARAMETERS: usize = 120;

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(error) = ring() {
        check.skip("ring", &format!("no io_uring: {error}"));
        return;
    }
    check.hold(
        "buffers, unregistered",
        COUNT as u64,
        registered,
        |(ring, _pages)| attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[])),
    );
    check.hold(
        "buffers, closed",
        COUNT as u64,
        registered,
        |(ring, pages)| {
            drop(ring);
            drop(pages);
            Ok(())
        },
    );
    check.run("buffers, shared memory", || {
        let ring = attempt("make a ring", ring())?;
        let pages = attempt("map pages", Pages::shared(COUNT))?;
        attempt(
            "register",
            register(&ring, REGISTER_BUFFERS, &[vector(&pages)]),
        )?;
        attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[]))
    });
    check.run("buffers, second one not mapped", || {
        let ring = attempt("make a ring", ring())?;
        let pages = attempt("map pages", Pages::new(COUNT))?;
        let nowhere = libc::iovec {
            iov_base: (1usize << 40) as *mut libc::c_void,
            iov_len: 8192,
        };
        let refused = register(&ring, REGISTER_BUFFERS, &[vector(&pages), nowhere]).is_err();
        ensure(refused, "memory that is not there was registered")
    });
    check.run("buffers, holder killed", || {
        killed_while_holding(registered)
    });
    for (offset, length) in shapes() {
        let pages = Window::new(offset, length).map_or(0, |window| window.spans());
        let take = || -> Test<(Ring, Window)> {
            let window = Window::new(offset, length)?;
            Ok((Ring::with(&[of(&window)])?, window))
        };
        let name = format!("buffer, {length} bytes at {offset}");
        check.hold(&name, pages, take, |(ring, mut window)| {
            several::moved(&ring, 0, &mut window, 0, length)?;
            attempt("unregister", register(&ring.fd, UNREGISTER_BUFFERS, &[]))
        });
    }
    check.run("buffer, half of it not mapped", || {
        let ring = attempt("make a ring", ring())?;
        let pages = attempt("map pages", Pages::with_hole(COUNT, COUNT / 2))?;
        let whole = libc::iovec {
            iov_len: COUNT * PAGE,
            ..vector(&pages)
        };
        longterm::not_there(register(&ring, REGISTER_BUFFERS, &[whole]), "registered")
    });
    let taken = |address: u64, bytes: usize| -> Test<OwnedFd> {
        let ring = attempt("make a ring", ring())?;
        let all = libc::iovec {
            iov_base: address as *mut libc::c_void,
            iov_len: bytes,
        };
        attempt("register", register(&ring, REGISTER_BUFFERS, &[all]))?;
        Ok(ring)
    };
    longterm::run(check, "buffer", |pages| taken(pages.address(), pages.len()));
    outlive::run(check, "buffer", |pages| taken(pages.address(), pages.len()));
    if longterm::is_since(OWN_APART) {
        let charged = Charge {
            shows: Shows::Pinned,
            shapes: &shapes(),
            there: &charge::THERE,
        };
        let bare = || attempt("make a ring", ring());
        charge::exact(check, "buffer", &charged, bare, taken);
    }
    several::run(check);
    charge::run(check, "buffers", COUNT * PAGE, || registered().map(drop));
    failing::run(check, "buffers", |failing| {
        let (ring, window) = (attempt("make a ring", ring())?, Window::new(7, 70 * PAGE)?);
        let both = [of(&window), of(&window)];
        let made = failing.during(|| register(&ring, REGISTER_BUFFERS, &both));
        match made {
            Ok(()) => attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[])),
            Err(_) => Ok(()),
        }
    });
    check.repeat("buffers, holder killed many times", 8, COUNT as u64, || {
        killed_while_holding(registered)
    });
    if let (Ok(ring), Ok(pages)) = (ring(), Pages::small(ARRAY)) {
        check.repeat("buffer, very often", OFTEN, 0, || {
            let all = [vector(&pages)];
            attempt("register", register(&ring, REGISTER_BUFFERS, &all))?;
            attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[]))
        });
    }
    check.repeat("buffers, many times", 16, COUNT as u64, || {
        let (ring, _pages) = registered()?;
        attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[]))
    });
}

fn of(window: &Window) -> libc::iovec {
    libc::iovec {
        iov_base: window.address() as *mut libc::c_void,
        iov_len: window.len(),
    }
}

fn registered() -> Test<(OwnedFd, Pages)> {
    let ring = attempt("make a ring", ring())?;
    let pages = attempt("map pages", Pages::new(COUNT))?;
    attempt(
        "register",
        register(&ring, REGISTER_BUFFERS, &[vector(&pages)]),
    )?;
    Ok((ring, pages))
}

fn vector(pages: &Pages) -> libc::iovec {
    libc::iovec {
        iov_base: pages.address() as *mut libc::c_void,
        iov_len: pages.len(),
    }
}

fn ring() -> std::io::Result<OwnedFd> {
    ring_with().map(|(ring, _)| ring)
}

/// A ring, and what the kernel says of it.
fn ring_with() -> std::io::Result<(OwnedFd, [u64; PARAMETERS / 8])> {
    let mut parameters = [0u64; PARAMETERS / 8];
    // SAFETY: the parameters are as large as the kernel's structure, and alive.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok((unsafe { OwnedFd::from_raw_fd(fd as i32) }, parameters))
}

fn register(ring: &OwnedFd, operation: u32, vectors: &[libc::iovec]) -> std::io::Result<()> {
    let address = if vectors.is_empty() {
        std::ptr::null()
    } else {
        vectors.as_ptr()
    };
    // SAFETY: the vectors are alive for the call, and the kernel checks the memory that they name.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            operation,
            address,
            vectors.len(),
        )
    };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}
