// SPDX-License-Identifier: MIT OR Apache-2.0
//! A dma-buf made of the pages of a sealed memfd; it holds them for as long as its descriptor is open.
//!
//! Interface: include/uapi/linux/udmabuf.h; drivers/dma-buf/udmabuf.c: udmabuf_create() (6.12).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::PAGE;
use crate::sys::{ioctl, iorw, killed_while_holding, open};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const DEVICE: &str = "/dev/udmabuf";
const COUNT: usize = 256;

#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

const CREATE: u64 = iorw(1, b'u', 0x42, size_of::<Create>());

/// Runs every subtest.
pub fn run(check: &mut Check) {
    if !std::path::Path::new(DEVICE).exists() {
        check.skip("device", "no /dev/udmabuf");
        return;
    }
    check.hold("buffer, closed", buffer, |(buffer, memory)| {
        drop(memory);
        drop(buffer);
        Ok(())
    });
    check.run("buffer, unsealed memory refused", || {
        let memory = attempt(
            "memfd",
            memfd_create("unsealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING),
        )?;
        attempt("size", ftruncate(&memory, (COUNT * PAGE) as u64))?;
        ensure(create(&memory).is_err(), "an unsealed memfd was accepted")
    });
    check.run("buffer, holder killed", || {
        let taken = killed_while_holding(|| buffer().map_err(|_| std::io::ErrorKind::Other.into()));
        attempt("in the child", taken)
    });
    check.repeat("buffer, many times", 16, COUNT as u64, || {
        buffer().map(drop)
    });
}

fn buffer() -> Test<(OwnedFd, OwnedFd)> {
    let memory = attempt(
        "memfd",
        memfd_create("buffer", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING),
    )?;
    attempt("size", ftruncate(&memory, (COUNT * PAGE) as u64))?;
    attempt("seal", fcntl_add_seals(&memory, SealFlags::SHRINK))?;
    let buffer = create(&memory).map_err(|error| Stop::Fail(format!("make a buffer: {error}")))?;
    Ok((buffer, memory))
}

fn create(memory: &OwnedFd) -> std::io::Result<OwnedFd> {
    let device = open(DEVICE)?;
    let mut request = Create {
        memfd: memory.as_raw_fd() as u32,
        flags: 1,
        offset: 0,
        size: (COUNT * PAGE) as u64,
    };
    let fd = ioctl(&device, CREATE, &mut request)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
