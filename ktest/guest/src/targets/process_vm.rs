// SPDX-License-Identifier: MIT OR Apache-2.0
//! process_vm_readv() and process_vm_writev(): pages of another process, pinned for the length of one copy.
//!
//! mm/process_vm_access.c: process_vm_rw_single_vec() (6.12). The other process may be ourselves.

use crate::check::{Check, Stop, attempt, ensure};
use crate::memory::Pages;

const COUNT: usize = 512;

/// Runs every subtest.
pub fn run(check: &mut Check) {
    let probe = attempt("map a page", Pages::new(1)).and_then(|mut page| {
        let from = page.address();
        copy(libc::SYS_process_vm_readv, from, page.bytes()).map_err(Stop::from)
    });
    if probe.is_err() {
        check.skip("call", "no process_vm_readv");
        return;
    }
    check.run_pinning("read", COUNT as u64, || {
        let (mut theirs, mut ours) = pair()?;
        theirs.bytes().fill(0x5a);
        let from = theirs.address();
        let bytes = attempt("read", copy(libc::SYS_process_vm_readv, from, ours.bytes()))?;
        ensure(bytes == ours.len(), format!("only {bytes} bytes came"))?;
        ensure(ours.bytes().iter().all(|b| *b == 0x5a), "other bytes came")
    });
    check.run_pinning("write", COUNT as u64, || {
        let (mut theirs, mut ours) = pair()?;
        ours.bytes().fill(0xa5);
        let to = theirs.address();
        let bytes = attempt("write", copy(libc::SYS_process_vm_writev, to, ours.bytes()))?;
        ensure(bytes == ours.len(), format!("only {bytes} bytes went"))?;
        ensure(
            theirs.bytes().iter().all(|b| *b == 0xa5),
            "other bytes went",
        )
    });
    check.run("read, half of it not mapped", || {
        let theirs = attempt("map pages", Pages::with_hole(COUNT, COUNT / 2))?;
        let mut ours = attempt("map pages", Pages::new(COUNT))?;
        let bytes = attempt(
            "read",
            copy(libc::SYS_process_vm_readv, theirs.address(), ours.bytes()),
        )?;
        ensure(bytes <= theirs.len(), format!("{bytes} bytes came"))
    });
    check.repeat("read, many times", 32, COUNT as u64, || {
        let (theirs, mut ours) = pair()?;
        attempt(
            "read",
            copy(libc::SYS_process_vm_readv, theirs.address(), ours.bytes()),
        )
        .map(drop)
    });
}

fn pair() -> Result<(Pages, Pages), Stop> {
    Ok((
        attempt("map pages", Pages::new(COUNT))?,
        attempt("map pages", Pages::new(COUNT))?,
    ))
}

fn copy(call: libc::c_long, address: u64, ours: &mut [u8]) -> std::io::Result<usize> {
    let local = libc::iovec {
        iov_base: ours.as_mut_ptr().cast(),
        iov_len: ours.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: ours.len(),
    };
    // SAFETY: the local vector names memory that is borrowed mutably for the call; the kernel checks the remote one.
    let bytes = unsafe {
        libc::syscall(
            call,
            std::process::id(),
            &raw const local,
            1usize,
            &raw const remote,
            1usize,
            0usize,
        )
    };
    usize::try_from(bytes).map_err(|_| std::io::Error::last_os_error())
}
