// SPDX-License-Identifier: MIT OR Apache-2.0
//! process_vm_readv() and process_vm_writev(): pages of another process, pinned for the length of one copy.
//!
//! mm/process_vm_access.c: process_vm_rw_single_vec() (6.12). The other process may be ourselves.

use crate::check::{ARRAY, Check, Stop, Test, attempt, ensure};
use crate::failing;
use crate::memory::{PAGE, Pages};
use crate::sys::open;
use crate::targets::fuse;
use crate::window::{Window, bytes, compare, only_read, shapes};

/// More than the 16 pointers that have room on the stack, and less than the 1,024 pages that are pinned at once:
/// mm/process_vm_access.c: PVM_MAX_PP_ARRAY_COUNT, PVM_MAX_USER_PAGES (6.12). [`shapes`] has what lies beyond.
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
    // The kernel takes at most 1024 pages at once (PVM_MAX_USER_PAGES).
    let more = [(7, 1025 * PAGE)];
    for (at, (offset, length)) in shapes().into_iter().chain(more).enumerate() {
        let seed = at as u64 + 1;
        let pages = Window::new(offset, length).map_or(0, |window| window.spans());
        check.run_pinning(&format!("read, {length} bytes at {offset}"), pages, || {
            let (mut theirs, mut ours) = (Window::new(offset, length)?, Window::new(0, length)?);
            theirs.fill(seed);
            let before = theirs.marked_dirty()?;
            let (from, to) = (theirs.address(), ours.address());
            let moved = vectored(
                libc::SYS_process_vm_readv,
                &[(to, length)],
                &[(from, length)],
            );
            all(moved, length)?;
            ours.holds(seed)?;
            theirs.only_read_since(before)?;
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
    check.run_pinning("read and write, a part of a huge page", 602, || {
        let Some(mut theirs) = attempt("map", Pages::huge())? else {
            return Err(Stop::Skip("the kernel gave no huge page".into()));
        };
        let mut ours = Window::new(1, 299 * PAGE + 2)?;
        let length = ours.len();
        let part = 4 * PAGE - 1..4 * PAGE - 1 + length;
        theirs.bytes()[part.clone()].copy_from_slice(&bytes(31, length));
        let (from, to) = (theirs.address() + part.start as u64, ours.address());
        let moved = vectored(
            libc::SYS_process_vm_readv,
            &[(to, length)],
            &[(from, length)],
        );
        all(moved, length)?;
        ours.holds(31)?;
        ours.fill(32);
        let moved = vectored(
            libc::SYS_process_vm_writev,
            &[(to, length)],
            &[(from, length)],
        );
        all(moved, length)?;
        compare(&theirs.bytes()[part], 32)
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
        ours.bytes().copy_from_slice(&bytes(5, length));
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
    // Who takes them for writing is refused, or copies pages that others share.
    for count in [1, COUNT] {
        check.run(
            &format!("read, {count} pages that may only be read"),
            || {
                let mut theirs = attempt("map pages", Pages::small(count))?;
                let length = theirs.len();
                theirs.bytes().copy_from_slice(&bytes(8, length));
                attempt("protect", theirs.read_only())?;
                let before = attempt("read page flags", theirs.marked_dirty())?;
                let mut ours = Window::new(0, length)?;
                let (to, from) = ((ours.address(), length), (theirs.address(), length));
                all(vectored(libc::SYS_process_vm_readv, &[to], &[from]), length)?;
                ours.holds(8)?;
                let dirty = attempt("read page flags", theirs.marked_dirty())?;
                only_read(before as u64, dirty as u64, count as u64)
            },
        );
    }
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
    check.run("read, from pages that go meanwhile", read_from_what_goes);
    // What is kept of the other process, its memory as a whole or itself, shows once it is gone.
    check.repeat(
        "read from a process that ends, many times",
        48,
        // One page of each is looked for: so few that what is freed late is waited for.
        1,
        || {
            of_another(|pid, from| {
                let mut ours = attempt("map pages", Pages::new(ARRAY))?;
                let to = (ours.address(), ours.len());
                let moved = vectored_of(
                    pid,
                    libc::SYS_process_vm_readv,
                    &[to],
                    &[(from, ARRAY * PAGE)],
                );
                all(moved, ARRAY * PAGE)?;
                ensure(ours.bytes().iter().all(|b| *b == 0x77), "other bytes came")
            })
        },
    );
    check.repeat("read, many times", 32, COUNT as u64, || {
        let (theirs, mut ours) = pair()?;
        attempt(
            "read",
            copy(libc::SYS_process_vm_readv, theirs.address(), ours.bytes()),
        )
        .map(drop)
    });
}

/// The copy stops at its destination, which is a file that somebody takes his time to read, while the other process gives
/// up the page that is read from and fills what memory it gets instead: the page itself must stay as it was.
fn read_from_what_goes() -> Test {
    const AT: &str = "/tmp/slow";
    let mut theirs = attempt("map pages", Pages::small(1))?;
    let from = theirs.address();
    let (asked, tell) = attempt("make a pipe", rustix::pipe::pipe())?;
    let (hear, done) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        theirs.bytes().fill(0x77);
        let _parent_gone = rustix::io::write(&done, b"+");
        let _parent_gone = rustix::io::read(&asked, &mut [0u8]);
        drop(theirs);
        let instead = Pages::small(64).map(|mut pages| pages.bytes().fill(0x11));
        let _parent_gone = rustix::io::write(&done, &[u8::from(instead.is_ok())]);
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1000));
        }
    }
    let ready = rustix::io::read(&hear, &mut [0u8]);
    let copied = ready.map_err(Stop::from).and_then(|_| {
        let server =
            fuse::serve_at(AT, Some(fuse::Meanwhile { tell, hear })).map_err(Stop::Skip)?;
        let copied = copied_to(&format!("{AT}/file"), pid as u32, from);
        fuse::stop(server, AT)?;
        copied
    });
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    let wrong = copied?.iter().filter(|byte| **byte != 0x77).count();
    ensure(
        wrong == 0,
        format!("{wrong} bytes are not those of the page that was held"),
    )
}

/// The page at `from` of process `pid`, copied into memory that is read from `path` first.
fn copied_to(path: &str, pid: u32, from: u64) -> Test<Vec<u8>> {
    let file = attempt("open", open(path))?;
    let mut to = attempt("map a file", Pages::copied_from(&file, 1))?;
    let moved = vectored_of(
        pid,
        libc::SYS_process_vm_readv,
        &[(to.address(), PAGE)],
        &[(from, PAGE)],
    );
    all(moved, PAGE)?;
    Ok(to.bytes().to_vec())
}

/// Does `body` with a child that has pages of its own, all of whose bytes are the same, and ends the child.
fn of_another(body: impl FnOnce(u32, u64) -> Test) -> Test {
    let mut pages = attempt("map pages", Pages::small(ARRAY))?;
    let (reader, writer) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        pages.bytes().fill(0x77);
        let _parent_gone = rustix::io::write(&writer, b"+");
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1000));
        }
    }
    let ready = rustix::io::read(&reader, &mut [0u8]);
    let done = body(pid as u32, pages.address());
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    attempt("hear from the child", ready)?;
    done
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
    vectored_of(std::process::id(), call, ours, theirs)
}

/// The same with process `pid` for the other.
fn vectored_of(
    pid: u32,
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
            pid,
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
