// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user is charged for pinned pages is given back with them. Who has CAP_IPC_LOCK is not held to RLIMIT_MEMLOCK, and by some
//! subsystems not charged at all; so a child without it takes and gives back more in all than the limit allows at once.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read, Write};
use std::time::Duration;

/// How often the child takes what the limit allows once.
const TIMES: u32 = 6;
/// How often, and how long apart, it tries again: some give back from a work queue.
const TRIES: u32 = 40;
const APART: Duration = Duration::from_millis(50);

const CAP_IPC_LOCK: u32 = 14;
/// linux/capability.h: _LINUX_CAPABILITY_VERSION_3.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// One subtest: `body` takes `bytes` of memory and gives it back.
pub(crate) fn run(check: &mut Check, title: &str, bytes: u64, mut body: impl FnMut() -> Test) {
    check.run(&format!("{title}, charge given back"), || {
        in_child(|| {
            // Half as much again: what belongs to the object besides its pages is charged too.
            let limit = Some(bytes + bytes / 2);
            let limit = Rlimit {
                current: limit,
                maximum: limit,
            };
            attempt("set the limit", setrlimit(Resource::Memlock, limit))?;
            attempt("give up CAP_IPC_LOCK", drop_ipc_lock())?;
            for number in 1..=TIMES {
                let mut tries = 0;
                while let Err(stop) = body() {
                    tries += 1;
                    if tries == TRIES || number == 1 {
                        let Stop::Fail(why) = stop else {
                            return Err(stop);
                        };
                        return match number {
                            1 => Err(Stop::Skip(format!("not within a limit: {why}"))),
                            _ => Err(Stop::Fail(format!(
                                "what was given back {} time(s) is still charged: {why}",
                                number - 1
                            ))),
                        };
                    }
                    std::thread::sleep(APART);
                }
            }
            Ok(())
        })
    });
}

/// Pages that a limit allows, and more than it allows.
const ALLOWED: usize = 64;
const BEYOND: usize = 256;
/// Pages of which not all are there.
const REFUSED: usize = ALLOWED / 2;
/// So many of them are, where nothing else is said.
pub(crate) const THERE: usize = REFUSED / 2;

/// One subtest: `take` is asked to take as many bytes as it is told from the beginning of the pages, of which not all may be there.
/// What is beyond the limit is refused, and neither that nor what could not be taken whole, as only the first `there` of its pages are there,
/// stays charged.
pub(crate) fn limit<H>(
    check: &mut Check,
    title: &str,
    there: usize,
    mut take: impl FnMut(&Pages, usize) -> Test<H>,
) {
    check.run(&format!("{title}, limit kept"), || {
        in_child(|| {
            let bytes = Some((ALLOWED * PAGE) as u64);
            let limit = Rlimit {
                current: bytes,
                maximum: bytes,
            };
            attempt("set the limit", setrlimit(Resource::Memlock, limit))?;
            attempt("give up CAP_IPC_LOCK", drop_ipc_lock())?;
            // What is left beside them is less than what may stay charged once.
            let few = attempt("map", Pages::small(ALLOWED * 3 / 4))?;
            if let Err(Stop::Fail(why)) = take(&few, few.len()).map(drop) {
                return Err(Stop::Skip(format!("not within a limit: {why}")));
            }
            let many = attempt("map", Pages::small(BEYOND))?;
            let gone = attempt("map", Pages::with_hole(REFUSED, there))?;
            for _ in 0..TIMES {
                let beyond = take(&many, many.len());
                ensure(
                    beyond.is_err(),
                    format!("{BEYOND} pages were taken where {ALLOWED} are allowed"),
                )?;
                // What was given back from a work queue is still charged for a moment, and would be why.
                std::thread::sleep(APART);
                let not_there = take(&gone, REFUSED * PAGE);
                ensure(not_there.is_err(), "memory that is not there was taken")?;
            }
            let mut tries = 0;
            while let Err(stop) = take(&few, few.len()) {
                tries += 1;
                if tries == TRIES {
                    let (Stop::Fail(why) | Stop::Skip(why)) = stop;
                    let why = format!("what was refused is still charged: {why}");
                    return Err(Stop::Fail(why));
                }
                std::thread::sleep(APART);
            }
            Ok(())
        })
    });
}

/// What `body` came to in a child of ours.
fn in_child(body: impl FnOnce() -> Test) -> Test {
    let (reader, writer) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        drop(reader);
        let said = match body() {
            Ok(()) => "+".to_owned(),
            Err(Stop::Skip(why)) => format!("?{why}"),
            Err(Stop::Fail(why)) => format!("-{why}"),
        };
        let _parent_gone = std::fs::File::from(writer).write_all(said.as_bytes());
        // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
        unsafe { libc::_exit(0) }
    }
    drop(writer);
    let mut said = String::new();
    let read = std::fs::File::from(reader).read_to_string(&mut said);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    attempt("hear from the child", read)?;
    match said.split_at_checked(1) {
        Some(("+", _)) => Ok(()),
        Some(("?", why)) => Err(Stop::Skip(why.to_owned())),
        Some(("-", why)) => Err(Stop::Fail(why.to_owned())),
        _ => Err(Stop::Fail("the child ended without a word".into())),
    }
}

fn drop_ipc_lock() -> std::io::Result<()> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(), Data::default()];
    // SAFETY: both structures are as large as the kernel's for this version, and alive.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if got < 0 {
        return Err(std::io::Error::last_os_error());
    }
    data[0].effective &= !(1 << CAP_IPC_LOCK);
    data[0].permitted &= !(1 << CAP_IPC_LOCK);
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    if set < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}
