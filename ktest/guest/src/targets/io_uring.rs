// SPDX-License-Identifier: MIT OR Apache-2.0
//! io_uring fixed buffers: registered, held, given back by request, by close and by death.
//!
//! Interface: include/uapi/linux/io_uring.h; io_uring/rsrc.c: io_sqe_buffers_register() (6.12). Buffers are given back
//! from a task's work after the ring is gone.

use crate::check::{Check, Test, attempt, ensure};
use crate::memory::Pages;
use crate::sys::killed_while_holding;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const COUNT: usize = 256;
const REGISTER_BUFFERS: u32 = 0;
const UNREGISTER_BUFFERS: u32 = 1;
/// struct io_uring_params; all of it zero asks for the defaults.
const PARAMETERS: usize = 120;

/// Runs every subtest.
pub fn run(check: &mut Check) {
    if let Err(error) = ring() {
        check.skip("ring", &format!("no io_uring: {error}"));
        return;
    }
    check.hold("buffers, unregistered", registered, |(ring, _pages)| {
        attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[]))
    });
    check.hold("buffers, closed", registered, |(ring, pages)| {
        drop(ring);
        drop(pages);
        Ok(())
    });
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
        let taken =
            killed_while_holding(|| registered().map_err(|_| std::io::ErrorKind::Other.into()));
        attempt("in the child", taken)
    });
    check.repeat("buffers, many times", 16, COUNT as u64, || {
        let (ring, _pages) = registered()?;
        attempt("unregister", register(&ring, UNREGISTER_BUFFERS, &[]))
    });
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
    let mut parameters = [0u64; PARAMETERS / 8];
    // SAFETY: the parameters are as large as the kernel's structure, and alive.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
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
