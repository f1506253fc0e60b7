// SPDX-License-Identifier: MIT OR Apache-2.0
//! process_vm_readv() and process_vm_writev(): pages of another process, pinned for the length of one copy.
//!
//! mm/process_vm_access.c: process_vm_rw_single_vec() (6.12). The other process may be ourselves.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::failing;
use crate::memory::{PAGE, Pages};
use crate::window::{Window, shapes};

const COUNT: usize = 512;

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
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
    for (at, (offset, length)) in shapes().into_iter().enumerate() {
        let seed = at as u64 + 1;
        let pages = Window::new(offset, length).map_or(0, |window| window.spans());
        check.run_pinning(&format!("read, {length} bytes at {offset}"), pages, || {
            let (mut theirs, mut ours) = (Window::new(offset, length)?, Window::new(0, length)?);
            theirs.fill(seed);
            let (from, to) = (theirs.address(), ours.address());
            let moved = vectored(
                libc::SYS_process_vm_readv,
                &[(to, length)],
                &[(from, length)],
            );
            all(moved, length)?;
            ours.holds(seed)?;
            theirs.holds(seed)
        });
        check.run_pinning(&format!("write, {length} bytes at {offset}"), pages, || {
            let (mut theirs, mut ours) = (Window::new(offset, length)?, Window::new(0, length)?);
            ours.fill(seed);
            let before = theirs.marked_dirty()?;
            let (to, from) = (theirs.address(), ours.address());
            let moved = vectored(
                libc::SYS_process_vm_writev,
                &[(from, length)],
                &[(to, length)],
            );
            all(moved, length)?;
            theirs.holds(seed)?;
            let (spans, dirty) = (theirs.spans(), theirs.marked_dirty()?);
            ensure(
                before > 0 || dirty == spans,
                format!("{dirty} of {spans} pages that were written to were marked dirty"),
            )
        });
    }
    check.run_pinning("read, from several places into several", 6, || {
        // Three of theirs, two of ours, none of which ends where another does.
        let (mut one, mut two, mut three) = (
            Window::new(5, 100)?,
            Window::new(PAGE - 1, 2)?,
            Window::new(9, 2 * PAGE)?,
        );
        for (window, seed) in [(&mut one, 1), (&mut two, 2), (&mut three, 3)] {
            window.fill(seed);
        }
        let length = one.len() + two.len() + three.len();
        let mut ours = Window::new(3, length)?;
        let to = [(ours.address(), 77), (ours.address() + 77, length - 77)];
        let from = [&one, &two, &three].map(|window| (window.address(), window.len()));
        all(vectored(libc::SYS_process_vm_readv, &to, &from), length)?;
        let expected = [one.inside(), two.inside(), three.inside()].concat();
        ensure(ours.inside() == expected, "other bytes came")
    });
    check.run("read, into memory that is half not there", || {
        let (mut theirs, ours) = (
            Window::new(7, COUNT * PAGE)?,
            attempt("map pages", Pages::with_hole(COUNT, COUNT / 2))?,
        );
        theirs.fill(4);
        let (from, to) = (
            (theirs.address(), theirs.len()),
            (ours.address(), theirs.len()),
        );
        partly(
            vectored(libc::SYS_process_vm_readv, &[to], &[from]),
            ours.len(),
        )?;
        theirs.holds(4)
    });
    check.run("write, from memory that is half not there", || {
        let (mut theirs, mut ours) = (
            Window::new(7, COUNT * PAGE)?,
            attempt("map pages", Pages::with_hole(COUNT, COUNT / 2))?,
        );
        let length = ours.len();
        ours.bytes()
            .copy_from_slice(&crate::window::bytes(5, length));
        let (to, from) = (
            (theirs.address(), theirs.len()),
            (ours.address(), theirs.len()),
        );
        let moved = partly(
            vectored(libc::SYS_process_vm_writev, &[from], &[to]),
            length,
        )?;
        theirs.begins_with(5, moved)
    });
    check.run("read, the second of three places not there", || {
        let (mut one, mut three) = (Window::new(5, PAGE)?, Window::new(0, PAGE)?);
        one.fill(6);
        three.fill(7);
        let ours = Window::new(1, 3 * PAGE)?;
        let from = [
            (one.address(), PAGE),
            (1 << 40, PAGE),
            (three.address(), PAGE),
        ];
        let moved = vectored(
            libc::SYS_process_vm_readv,
            &[(ours.address(), 3 * PAGE)],
            &from,
        );
        let mut ours = ours;
        let moved = attempt("read", moved)?;
        ensure(moved == PAGE, format!("{moved} bytes came, not {PAGE}"))?;
        ours.begins_with(6, PAGE)
    });
    check.run("write, into memory that is only to be read", || {
        let theirs = attempt("map pages", Pages::new(4))?;
        attempt("protect", theirs.read_only())?;
        let ours = Window::new(0, 4 * PAGE)?;
        let moved = vectored(
            libc::SYS_process_vm_writev,
            &[(ours.address(), 4 * PAGE)],
            &[(theirs.address(), 4 * PAGE)],
        );
        ensure(moved.is_err(), "memory that is not writable was written to")
    });
    failing::run(check, "read", |failing| {
        let (theirs, ours) = (Window::new(1, 70 * PAGE)?, Window::new(0, 70 * PAGE)?);
        let (from, to) = (
            (theirs.address(), theirs.len()),
            (ours.address(), ours.len()),
        );
        let _failed_or_not =
            failing.during(|| vectored(libc::SYS_process_vm_readv, &[to], &[from]));
        Ok(())
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

/// Fails unless all of it was moved.
fn all(moved: std::io::Result<usize>, length: usize) -> Test {
    let moved = attempt("move", moved)?;
    ensure(
        moved == length,
        format!("{moved} of {length} bytes were moved"),
    )
}

/// Fails unless not more than `most` bytes were moved; how many.
fn partly(moved: std::io::Result<usize>, most: usize) -> Test<usize> {
    let moved = moved.unwrap_or(0);
    ensure(
        moved <= most,
        format!("{moved} bytes were moved where there are {most}"),
    )?;
    Ok(moved)
}

/// The call between `ours` and `theirs`, addresses and lengths that the kernel checks; theirs may be ours too.
fn vectored(
    call: libc::c_long,
    ours: &[(u64, usize)],
    theirs: &[(u64, usize)],
) -> std::io::Result<usize> {
    let vectors = |of: &[(u64, usize)]| -> Vec<libc::iovec> {
        let vector = |(address, length): &(u64, usize)| libc::iovec {
            iov_base: *address as *mut libc::c_void,
            iov_len: *length,
        };
        of.iter().map(vector).collect()
    };
    let (local, remote) = (vectors(ours), vectors(theirs));
    // SAFETY: the kernel checks all the memory that the vectors name, and nothing refers to it during the call.
    let bytes = unsafe {
        libc::syscall(
            call,
            std::process::id(),
            local.as_ptr(),
            local.len(),
            remote.as_ptr(),
            remote.len(),
            0usize,
        )
    };
    usize::try_from(bytes).map_err(|_| std::io::Error::last_os_error())
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
