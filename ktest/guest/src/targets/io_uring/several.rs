// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several buffers at once: used from their middle, replaced one by one, shared with another ring, made of a huge page; and memory of ours that
//! a ring itself or a ring of buffers is made of.
//!
//! io_uring/rsrc.c: io_import_fixed(), __io_sqe_buffers_update(), io_clone_buffers(), io_try_coalesce_buffer(); io_uring/kbuf.c:
//! io_pin_pbuf_ring() (6.12).

use super::ring::{READ_FIXED, Ring, WRITE_FIXED};
use super::{UNREGISTER_BUFFERS, of, register, vector};
use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::outlive;
use crate::sys::memory_file;
use crate::window::{Window, bytes, compare, differing};
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Since 5.13.
const UPDATE_BUFFERS: u32 = 16;
/// Since 5.19.
const REGISTER_BUFFER_RING: u32 = 22;
const UNREGISTER_BUFFER_RING: u32 = 23;
/// Since 6.12.
const CLONE_BUFFERS: u32 = 30;
/// Entries of 16 bytes of a ring of buffers, two pages of them.
const ENTRIES: u32 = 512;

/// struct io_uring_rsrc_update2.
#[repr(C)]
struct Update {
    offset: u32,
    reserved: u32,
    vectors: u64,
    tags: u64,
    count: u32,
    reserved_2: u32,
}

/// struct io_uring_clone_buffers.
#[repr(C)]
struct Clone {
    from: u32,
    flags: u32,
    rest: [u32; 6],
}

/// struct io_uring_buf_reg.
#[repr(C)]
struct BufferRing {
    address: u64,
    entries: u32,
    group: u16,
    flags: u16,
    reserved: [u64; 3],
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    check.run(
        "buffers, used from the middle of the second of three",
        || {
            let mut windows = [
                Window::new(9, PAGE)?,
                Window::new(77, 5 * PAGE)?,
                Window::new(0, 100)?,
            ];
            let vectors: Vec<libc::iovec> = windows.iter().map(of).collect();
            let ring = Ring::with(&vectors)?;
            // Within the first page, at its end, at the beginning of the second, and far behind.
            for inside in [1, PAGE - 78, PAGE - 77, 3 * PAGE + 5] {
                moved(&ring, 1, &mut windows[1], inside, 5 * PAGE - inside)?;
                moved(&ring, 1, &mut windows[1], inside, 6)?;
            }
            moved(&ring, 0, &mut windows[0], 3, PAGE - 3)?;
            moved(&ring, 2, &mut windows[2], 0, 100)?;
            attempt("unregister", register(&ring.fd, UNREGISTER_BUFFERS, &[]))
        },
    );
    check.run("buffer, nothing beyond its ends", || {
        let window = Window::new(5, 2 * PAGE)?;
        let ring = Ring::with(&[of(&window)])?;
        let file = memory_file(MemfdFlags::empty())?;
        let end = window.address() + window.len() as u64;
        for (address, length) in [
            (window.address(), window.len() + 1),
            (window.address() - 1, 2),
            (end - 1, 2),
            (end, 1),
        ] {
            let done = ring.one(WRITE_FIXED, &file, 0, address, length)?;
            ensure(
                done == -libc::EFAULT,
                format!("what is not of the buffer was taken for it: {done}"),
            )?;
        }
        Ok(())
    });
    let replaced = |pages: &Pages, old: &Pages| -> Test<Ring> {
        let ring = Ring::with(&[vector(old), vector(old)])?;
        update(&ring.fd, 1, &[vector(pages)])?;
        Ok(ring)
    };
    check.run("buffer, replaced by another", || {
        let (old, mut new) = (attempt("map", Pages::small(20))?, Window::new(3, 7 * PAGE)?);
        let ring = Ring::with(&[vector(&old), vector(&old)])?;
        update(&ring.fd, 1, &[of(&new)])?;
        moved(&ring, 1, &mut new, 0, 7 * PAGE)?;
        attempt("unregister", register(&ring.fd, UNREGISTER_BUFFERS, &[]))
    });
    check.run("buffer, not replaced by memory that is not there", || {
        let old = attempt("map", Pages::small(20))?;
        let ring = Ring::with(&[vector(&old), vector(&old)])?;
        let hole = attempt("map", Pages::with_hole(16, 8))?;
        let whole = libc::iovec {
            iov_len: 16 * PAGE,
            ..vector(&hole)
        };
        match update(&ring.fd, 0, &[whole]) {
            Err(Stop::Fail(_)) => Ok(()),
            Err(skip) => Err(skip),
            Ok(()) => ensure(false, "memory that is not there was registered"),
        }
    });
    outlive::run(check, "buffer that replaced another", |pages| {
        let old = attempt("map", Pages::small(4))?;
        replaced(pages, &old)
    });
    check.repeat("buffer, replaced many times", 16, 40, || {
        let (old, new) = (
            attempt("map", Pages::small(40))?,
            attempt("map", Pages::small(40))?,
        );
        replaced(&new, &old).map(drop)
    });
    outlive::run(check, "buffer shared with another ring", |pages| {
        let (first, second) = (Ring::with(&[vector(pages)])?, Ring::new()?);
        let clone = Clone {
            from: first.fd.as_raw_fd() as u32,
            flags: 0,
            rest: [0; 6],
        };
        told(&second.fd, CLONE_BUFFERS, &clone, 1, "share buffers")?;
        // The other one keeps them.
        attempt("unregister", register(&first.fd, UNREGISTER_BUFFERS, &[]))?;
        Ok(second)
    });
    check.run("buffer, a huge page", || {
        let Some(mut pages) = attempt("map", Pages::huge())? else {
            return Err(Stop::Skip("the kernel gave no huge page".into()));
        };
        // It begins in the middle of the huge page.
        let (begin, length) = (3 * PAGE + 9, 500 * PAGE);
        let part = libc::iovec {
            iov_base: (pages.address() + begin as u64) as *mut libc::c_void,
            iov_len: length,
        };
        let ring = Ring::with(&[part])?;
        let file = File::from(memory_file(MemfdFlags::empty())?);
        for inside in [0, 1, 7 * PAGE - 9, 333 * PAGE + 5] {
            let size = length - inside;
            let address = pages.address() + (begin + inside) as u64;
            pages.bytes()[begin + inside..begin + length].copy_from_slice(&bytes(5, size));
            let wrote = ring.one(WRITE_FIXED, &file, 0, address, size)?;
            ensure(
                wrote == size as i32,
                format!("{wrote} of {size} bytes written"),
            )?;
            let mut out = vec![0; size];
            attempt("read the file", file.read_exact_at(&mut out, 0))?;
            compare(&out, 5)?;
        }
        attempt("unregister", register(&ring.fd, UNREGISTER_BUFFERS, &[]))
    });
    outlive::run_of(check, "ring of buffers", 2, ring_of_buffers);
    check.hold(
        "ring of buffers, given back by request",
        2,
        || {
            let pages = attempt("map", Pages::small(2))?;
            Ok((ring_of_buffers(&pages)?, pages))
        },
        |(ring, _pages)| {
            let what = "unregister a ring of buffers";
            told(&ring.fd, UNREGISTER_BUFFER_RING, &buffers(0, 0), 1, what)
        },
    );
}

/// A ring with a ring of buffers in `pages`.
fn ring_of_buffers(pages: &Pages) -> Test<Ring> {
    let ring = Ring::new()?;
    let request = buffers(pages.address(), ENTRIES);
    let what = "register a ring of buffers";
    told(&ring.fd, REGISTER_BUFFER_RING, &request, 1, what)?;
    Ok(ring)
}

fn buffers(address: u64, entries: u32) -> BufferRing {
    BufferRing {
        address,
        entries,
        group: 3,
        flags: 0,
        reserved: [0; 3],
    }
}

/// Writes a file from `length` bytes of buffer `index`, `inside` bytes behind its beginning, and reads it back into them.
pub(super) fn moved(
    ring: &Ring,
    index: u16,
    window: &mut Window,
    inside: usize,
    length: usize,
) -> Test {
    let file = File::from(memory_file(MemfdFlags::empty())?);
    let address = window.address() + inside as u64;
    window.fill(21);
    let expected = window.inside()[inside..inside + length].to_vec();
    let wrote = ring.one_of(index, WRITE_FIXED, &file, 3, address, length)?;
    ensure(
        wrote == length as i32,
        format!("{wrote} of {length} bytes written"),
    )?;
    let mut out = vec![0; length];
    attempt("read the file", file.read_exact_at(&mut out, 3))?;
    let wrong = differing(&out, &expected);
    ensure(
        wrong == 0,
        format!("{wrong} of {length} bytes that were written are wrong"),
    )?;
    attempt("write the file", file.write_all_at(&bytes(22, length), 3))?;
    let read = ring.one_of(index, READ_FIXED, &file, 3, address, length)?;
    ensure(
        read == length as i32,
        format!("{read} of {length} bytes read"),
    )?;
    compare(&window.inside()[inside..inside + length], 22)?;
    // What lies around it in the buffer, and beside the buffer, is as it was.
    window.inside()[inside..inside + length].copy_from_slice(&expected);
    window.holds(21)
}

fn update(ring: &OwnedFd, offset: u32, vectors: &[libc::iovec]) -> Test {
    let update = Update {
        offset,
        reserved: 0,
        vectors: vectors.as_ptr() as u64,
        tags: 0,
        count: vectors.len() as u32,
        reserved_2: 0,
    };
    told(
        ring,
        UPDATE_BUFFERS,
        &update,
        size_of::<Update>() as u32,
        "replace a buffer",
    )
}

/// One request with a structure; skips where the kernel does not know it.
fn told<T>(ring: &OwnedFd, operation: u32, request: &T, count: u32, what: &str) -> Test {
    // SAFETY: the structure is as large as the kernel's, and alive for the call; the kernel checks the memory that it names.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            operation,
            std::ptr::from_ref(request),
            count,
        )
    };
    if result >= 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINVAL) => Err(Stop::Skip(format!("this kernel does not {what}"))),
        _ => Err(Stop::Fail(format!("{what}: {error}"))),
    }
}
