// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process and its user are charged for pinned pages is what they hold, to the page, and is given back with them.
//! Who has CAP_IPC_LOCK is not held to RLIMIT_MEMLOCK, and by some subsystems not charged at all; so all of this is asked
//! of a child without it. A child begins with nothing pinned or locked (kernel/fork.c: mm_init()).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::pins::{self, Charged};
use crate::window::Window;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read, Write};
use std::time::Duration;

/// How often the child takes what the limit allows once.
const TIMES: u32 = 6;
/// How often, and how long apart, it tries again: some give back from a work queue.
const TRIES: u32 = 40;
const APART: Duration = Duration::from_millis(50);
/// Longer than work queues take for that: what they have not given back yet would be why the next is refused.
const LATE: Duration = Duration::from_millis(300);

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
pub(crate) fn run(check: &mut Check, title: &str, bytes: usize, mut body: impl FnMut() -> Test) {
    check.run(&format!("{title}, charge given back"), || {
        in_child(|| {
            // Half as much again: what belongs to the object besides its pages is charged too.
            allow((bytes + bytes / 2) / PAGE)?;
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
                                "what was given back is still charged: {why}"
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

/// Pages of which not all are there: as many as a word has bits, so that half of one may be there too.
const REFUSED: usize = 64;
/// So many of them are, where nothing else is said: none, one, half, all but one.
pub(crate) const THERE: [usize; 4] = [0, 1, REFUSED / 2, REFUSED - 1];
/// No object of ours is charged for more without memory of ours: a ring of four entries has two regions of a page or two
/// (io_uring/memmap.c: io_create_region(), 7.3).
const MOST_OWN: usize = 8;

/// Which counter of the process shows what it holds. What its user is charged shows in none, but by the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// VmPin.
    Pinned,
    /// VmLck.
    Locked,
    Nowhere,
}

/// What is asked of a charge.
pub(crate) struct Charge<'a> {
    pub shows: Shows,
    /// Stretches of memory that are taken: (offset, length).
    pub shapes: &'a [(usize, usize)],
    /// How many of [`REFUSED`] pages are there, where memory that is not there is refused.
    pub there: &'a [usize],
}

/// One subtest: `take` takes so many bytes from an address, and `bare` makes the same object without memory, whose own
/// charge is found out first. A limit of one page less than the memory lies in is kept, one of as many pages suffices,
/// the process is charged for exactly these while they are held, and what was refused leaves nothing charged and nothing
/// too much given back.
pub(crate) fn exact<B, H>(
    check: &mut Check,
    title: &str,
    charge: &Charge<'_>,
    mut bare: impl FnMut() -> Test<B>,
    mut take: impl FnMut(u64, usize) -> Test<H>,
) {
    check.run(&format!("{title}, charged for exactly its pages"), || {
        in_child(|| {
            attempt("give up CAP_IPC_LOCK", drop_ipc_lock())?;
            let own = own(&mut bare)?;
            let mut most = REFUSED + own;
            for (offset, length) in charge.shapes {
                let window = Window::new(*offset, *length)?;
                let pages = window.spans() as usize;
                let it = format!("{length} bytes at {offset}");
                most = most.max(pages + own);
                std::thread::sleep(LATE);
                allow(own + pages - 1)?;
                ensure(
                    take(window.address(), *length).is_err(),
                    format!("{it} were taken where the limit is one page less"),
                )?;
                allow(own + pages)?;
                let held = at_last(|| take(window.address(), *length), &it)?;
                charged_for(charge.shows, pages)?;
                drop(held);
                charged_for(charge.shows, 0)?;
            }
            for there in charge.there {
                let gone = attempt("map", Pages::with_hole(REFUSED, *there))?;
                // Not the limit is why it is refused, although what was given back last may still be charged.
                allow(own + most + REFUSED)?;
                let not_there = take(gone.address(), REFUSED * PAGE);
                ensure(not_there.is_err(), "memory that is not there was taken")?;
                charged_for(charge.shows, 0)?;
                // All of the limit is there, and no more.
                allow(own + REFUSED)?;
                let pages = attempt("map", Pages::small(REFUSED + 1))?;
                drop(at_last(|| take(pages.address(), REFUSED * PAGE), "what was refused before")?);
                std::thread::sleep(LATE);
                let beyond = take(pages.address(), pages.len());
                let why = "a page more than the limit was taken after memory that is not there was refused";
                ensure(beyond.is_err(), why)?;
            }
            Ok(())
        })
    });
    of_a_huge_page(check, title, charge.shows, &mut bare, &mut take);
}

/// One subtest: a part of a huge page is charged for as many pages as it lies in at least, as all of the huge page at
/// most, and given back.
fn of_a_huge_page<B, H>(
    check: &mut Check,
    title: &str,
    shows: Shows,
    bare: &mut impl FnMut() -> Test<B>,
    take: &mut impl FnMut(u64, usize) -> Test<H>,
) {
    check.run(
        &format!("{title}, charged for a part of a huge page"),
        || {
            in_child(|| {
                attempt("give up CAP_IPC_LOCK", drop_ipc_lock())?;
                let own = own(bare)?;
                let Some(huge) = attempt("map", Pages::huge())? else {
                    return Err(Stop::Skip("the kernel gave no huge page".into()));
                };
                let (all, first) = (huge.len() / PAGE, 3);
                let part = all - first;
                let begin = huge.address() + (first * PAGE) as u64;
                std::thread::sleep(LATE);
                allow(own + part - 1)?;
                ensure(
                    take(begin, part * PAGE).is_err(),
                    "a part of a huge page was taken where the limit is one page less",
                )?;
                allow(own + all)?;
                let held = at_last(|| take(begin, part * PAGE), "a part of a huge page")?;
                // Which of the two it is, the subsystem decides: io_uring/rsrc.c: io_buffer_account_pin() charges for all
                // of it (6.12).
                let is_one = [part, all].map(|pages| charged_for(shows, pages));
                if !is_one.iter().any(Result::is_ok) {
                    return is_one.into_iter().collect();
                }
                drop(held);
                charged_for(shows, 0)
            })
        },
    );
}

/// What an object is charged for without memory of ours, in pages: the smallest limit under which it can be had.
fn own<B>(bare: &mut impl FnMut() -> Test<B>) -> Test<usize> {
    let mut why = String::new();
    for pages in 0..=MOST_OWN {
        allow(pages)?;
        // What was given back before may be charged for a moment longer, and would be why.
        for _ in 0..3 {
            std::thread::sleep(APART);
            match bare() {
                Ok(_) => return Ok(pages),
                Err(Stop::Fail(said)) => why = said,
                Err(skip) => return Err(skip),
            }
        }
    }
    Err(Stop::Fail(format!(
        "refused with nothing in it under a limit of {MOST_OWN} pages: {why}"
    )))
}

/// Takes what the limit allows. It is refused at first where what others gave back in a work queue is still charged.
fn at_last<H>(mut take: impl FnMut() -> Test<H>, what: &str) -> Test<H> {
    let mut tries = 0;
    loop {
        match take() {
            Ok(held) => return Ok(held),
            Err(Stop::Fail(why)) if tries == TRIES => {
                let why = format!(
                    "{what}: refused although the limit allows it, so that too much is charged: {why}"
                );
                return Err(Stop::Fail(why));
            }
            Err(Stop::Fail(_)) => {}
            Err(skip) => return Err(skip),
        }
        tries += 1;
        std::thread::sleep(APART);
    }
}

/// Fails unless this process, which has nothing else, is charged for `pages` pages where it shows.
fn charged_for(shows: Shows, pages: usize) -> Test {
    let nothing = Charged {
        pinned: 0,
        locked: 0,
    };
    since(Some(nothing), shows, pages)
}

/// Fails unless the process is charged for `pages` pages more than when `before` was read.
pub(crate) fn since(before: Option<Charged>, shows: Shows, pages: usize) -> Test {
    let Some(before) = before else {
        return Ok(());
    };
    let of = |counter| match shows == counter {
        true => (pages * PAGE / 1024) as u64,
        false => 0,
    };
    let expected = Charged {
        pinned: before.pinned + of(Shows::Pinned),
        locked: before.locked + of(Shows::Locked),
    };
    let Some(now) = pins::charged_settled(Some(expected), pins::SETTLE) else {
        return Ok(());
    };
    ensure(
        now == expected,
        format!(
            "the process is charged for {} KiB pinned and {} KiB locked, not {} and {}",
            now.pinned, now.locked, expected.pinned, expected.locked
        ),
    )
}

/// Sets the limit to `pages`.
fn allow(pages: usize) -> Test {
    let bytes = Some((pages * PAGE) as u64);
    let limit = Rlimit {
        current: bytes,
        maximum: bytes,
    };
    attempt("set the limit", setrlimit(Resource::Memlock, limit))
}

/// What `body` came to in a child of ours.
pub(crate) fn in_child(body: impl FnOnce() -> Test) -> Test {
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
