// SPDX-License-Identifier: MIT OR Apache-2.0
//! A dma-buf made of the pages of a sealed memfd; it holds them for as long as its descriptor is open.
//!
//! Interface: include/uapi/linux/udmabuf.h; drivers/dma-buf/udmabuf.c: udmabuf_create() (6.12).

use crate::check::{ARRAY, Check, OFTEN, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::outlive;
use crate::sys::{ioctl, iorw, killed_while_holding, memory_file, open};
use crate::window::{SIZES, bytes, compare, differing};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

const DEVICE: &str = "/dev/udmabuf";
/// One MiB: its loss shows in each round, as chance takes a fraction of it (`check::FEW`). [`SIZES`] has others.
const COUNT: usize = 256;

#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

const CREATE: u64 = iorw(1, b'u', 0x42, size_of::<Create>());
const CREATE_LIST: u64 = iorw(1, b'u', 0x43, 8);
/// DMA_BUF_IOCTL_SYNC of include/uapi/linux/dma-buf.h.
const SYNC: u64 = iorw(1, b'b', 0, 8);
/// DMA_BUF_SYNC_RW, and with DMA_BUF_SYNC_END.
const BEGIN: u64 = 3;
const END: u64 = 3 | 4;

/// struct udmabuf_create_list with two items.
#[repr(C)]
struct CreateList {
    flags: u32,
    count: u32,
    items: [Item; 2],
}

#[repr(C)]
struct Item {
    memfd: u32,
    _padding: u32,
    offset: u64,
    size: u64,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if !std::path::Path::new(DEVICE).exists() {
        check.skip("device", "no /dev/udmabuf");
        return;
    }
    check.hold(
        "buffer, closed",
        COUNT as u64,
        buffer,
        |(buffer, memory)| {
            drop(memory);
            drop(buffer);
            Ok(())
        },
    );
    check.run("buffer, unsealed memory refused", || {
        let memory = unsealed(COUNT)?;
        ensure(create(&memory).is_err(), "an unsealed memfd was accepted")
    });
    check.run("buffer, holder killed", || killed_while_holding(buffer));
    for count in SIZES {
        let name = format!("buffer, {count} pages are those of the memory");
        check.hold(
            &name,
            count as u64,
            || buffer_of(count),
            |(buffer, memory)| {
                let memory = File::from(memory);
                // One page more than the buffer begins with is before it.
                attempt(
                    "fill",
                    memory.write_all_at(&bytes(count as u64, count * PAGE), PAGE as u64),
                )?;
                let mut mapped = attempt("map the buffer", Pages::of_file(&buffer, count))?;
                compare(mapped.bytes(), count as u64)?;
                mapped
                    .bytes()
                    .copy_from_slice(&bytes(count as u64 + 1000, count * PAGE));
                let mut back = vec![0; count * PAGE];
                attempt("read back", memory.read_exact_at(&mut back, PAGE as u64))?;
                compare(&back, count as u64 + 1000)
            },
        );
    }
    check.hold(
        "buffer of two memories",
        9,
        two_memories,
        |(buffer, first, second)| {
            let (first, second) = (File::from(first), File::from(second));
            attempt("fill", first.write_all_at(&bytes(41, 6 * PAGE), 0))?;
            attempt("fill", second.write_all_at(&bytes(42, 8 * PAGE), 0))?;
            let mut mapped = attempt("map the buffer", Pages::of_file(&buffer, 9))?;
            let (of_first, of_second) = (bytes(41, 6 * PAGE), bytes(42, 8 * PAGE));
            let expected = [&of_first[2 * PAGE..], &of_second[PAGE..6 * PAGE]].concat();
            let wrong = differing(mapped.bytes(), &expected);
            ensure(
                wrong == 0,
                format!("{wrong} bytes of the buffer are not those of its memories"),
            )?;
            // The kernel makes a table of its pages for that, and keeps it.
            for mut when in [BEGIN, END] {
                attempt("synchronise", ioctl(&buffer, SYNC, &mut when))?;
            }
            Ok(())
        },
    );
    outlive::run_of_file(check, "buffer", COUNT, buffer);
    check.run("buffer, the second memory unsealed", || {
        let (first, second) = (memory(6)?, unsealed(8)?);
        ensure(
            create_list(&first, &second).is_err(),
            "an unsealed memory was taken",
        )
    });
    // A refusal leaves the memory as it was: no lock of its file is kept, which sealing and writing want too.
    check.run(
        "buffer, memory that was refused is sealed and taken",
        || {
            let memory = unsealed(COUNT)?;
            ensure(create(&memory).is_err(), "an unsealed memfd was accepted")?;
            attempt("seal", fcntl_add_seals(&memory, SealFlags::SHRINK))?;
            let buffer = attempt("make a buffer", create(&memory))?;
            let memory = File::from(memory);
            attempt("fill", memory.write_all_at(&bytes(51, COUNT * PAGE), 0))?;
            let mut mapped = attempt("map the buffer", Pages::of_file(&buffer, COUNT))?;
            compare(mapped.bytes(), 51)
        },
    );
    check.run("buffer, of parts of huge pages", of_huge_pages);
    check.run("buffer, end of the memory", || {
        let memory = memory(COUNT)?;
        let beyond = create_at(&memory, (COUNT - 1) * PAGE, 2 * PAGE);
        ensure(beyond.is_err(), "a buffer reaches beyond its memory")
    });
    check.repeat("buffer, holder killed many times", 16, COUNT as u64, || {
        killed_while_holding(buffer)
    });
    check.repeat("buffer, very often", OFTEN, 0, || {
        buffer_of(ARRAY).map(drop)
    });
    check.repeat("buffer, many times", 16, COUNT as u64, || {
        buffer().map(drop)
    });
}

/// A buffer of a memory of three huge pages without the first and last pages of it: its beginning and its end lie within a
/// folio, and every other page is one of many in its own.
fn of_huge_pages() -> Test {
    const HUGE: usize = 512;
    // mm/shmem.c: shmem_huge (6.12); of memory files "force" alone takes effect.
    const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let set = |value| std::fs::write(SETTING, value);
    if let Err(error) = set("force") {
        return Err(Stop::Skip(format!(
            "no huge pages of memory files: {error}"
        )));
    }
    let made = memory(3 * HUGE);
    let filled = made.and_then(|memory| {
        let pages = attempt("map", Pages::of_file(&memory, 3 * HUGE))?;
        pages.touch();
        let frames = attempt("read frames", pages.frames())?;
        let is_whole = |frames: &[u64]| {
            frames[0] % HUGE as u64 == 0 && frames.windows(2).all(|pair| pair[1] == pair[0] + 1)
        };
        match frames.chunks(HUGE).any(is_whole) {
            true => Ok(memory),
            false => Err(Stop::Skip("the kernel gave no huge page".into())),
        }
    });
    let _as_it_was = set("never");
    let memory = filled?;
    let count = 3 * HUGE - 5;
    let buffer = attempt("make a buffer", create_at(&memory, 2 * PAGE, count * PAGE))?;
    let file = File::from(memory);
    attempt(
        "fill",
        file.write_all_at(&bytes(61, count * PAGE), 2 * PAGE as u64),
    )?;
    let mut mapped = attempt("map the buffer", Pages::of_file(&buffer, count))?;
    compare(mapped.bytes(), 61)?;
    mapped.bytes().copy_from_slice(&bytes(62, count * PAGE));
    let mut back = vec![0; count * PAGE];
    attempt("read back", file.read_exact_at(&mut back, 2 * PAGE as u64))?;
    compare(&back, 62)
}

/// A buffer of the last four pages of one memory and of five in the middle of another.
fn two_memories() -> Test<(OwnedFd, OwnedFd, OwnedFd)> {
    let (first, second) = (memory(6)?, memory(8)?);
    let buffer = attempt("make a buffer", create_list(&first, &second))?;
    Ok((buffer, first, second))
}

fn create_list(first: &OwnedFd, second: &OwnedFd) -> std::io::Result<OwnedFd> {
    let item = |memory: &OwnedFd, offset: usize, size: usize| Item {
        memfd: memory.as_raw_fd() as u32,
        _padding: 0,
        offset: offset as u64,
        size: size as u64,
    };
    let mut request = CreateList {
        flags: 1,
        count: 2,
        items: [
            item(first, 2 * PAGE, 4 * PAGE),
            item(second, PAGE, 5 * PAGE),
        ],
    };
    made(CREATE_LIST, &mut request)
}

/// The buffer that a request makes.
fn made<T>(request: u64, argument: &mut T) -> std::io::Result<OwnedFd> {
    let fd = ioctl(&open(DEVICE)?, request, argument)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A memory that may still shrink.
fn unsealed(count: usize) -> Test<OwnedFd> {
    let memory = memory_file(MemfdFlags::ALLOW_SEALING)?;
    attempt("size", ftruncate(&memory, (count * PAGE) as u64))?;
    Ok(memory)
}

/// A sealed memory of `count` pages.
fn memory(count: usize) -> Test<OwnedFd> {
    let memory = unsealed(count)?;
    attempt("seal", fcntl_add_seals(&memory, SealFlags::SHRINK))?;
    Ok(memory)
}

/// A buffer of all but the first page of a memory.
fn buffer_of(count: usize) -> Test<(OwnedFd, OwnedFd)> {
    let memory = memory(count + 1)?;
    let buffer = create_at(&memory, PAGE, count * PAGE);
    Ok((attempt("make a buffer", buffer)?, memory))
}

fn buffer() -> Test<(OwnedFd, OwnedFd)> {
    let memory = memory(COUNT)?;
    let buffer = create(&memory).map_err(|error| Stop::Fail(format!("make a buffer: {error}")))?;
    Ok((buffer, memory))
}

fn create(memory: &OwnedFd) -> std::io::Result<OwnedFd> {
    create_at(memory, 0, COUNT * PAGE)
}

fn create_at(memory: &OwnedFd, offset: usize, size: usize) -> std::io::Result<OwnedFd> {
    let mut request = Create {
        memfd: memory.as_raw_fd() as u32,
        flags: 1,
        offset: offset as u64,
        size: size as u64,
    };
    made(CREATE, &mut request)
}
