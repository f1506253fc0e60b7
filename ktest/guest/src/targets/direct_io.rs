// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct reads and writes through O_DIRECT: on a memory disk, on a virtio disk, and on a file of an ext4 upon it.
//!
//! block/fops.c: __blkdev_direct_IO_simple(), fs/iomap/direct-io.c and lib/iov_iter.c: iov_iter_extract_pages() (6.12:
//! pins; before 6.3 plain references).

use crate::check::{Check, OFTEN, Stop, Test, attempt, ensure};
use crate::failing;
use crate::memory::{PAGE, Pages};
use crate::targets::ext4;
use crate::targets::io_uring::ring::{READ, Ring};
use crate::window::{Window, bytes, compare, differing, only_read, shapes};
use rustix::fs::{Mode, OFlags, SeekFrom, seek};
use rustix::io::{pread, preadv, pwrite, pwritev};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One MiB: its loss shows in each round, as chance takes a fraction of it (`check::FEW`). [`shapes`] has other sizes.
const COUNT: usize = 256;
/// The largest stretch of 513 pages, and blocks around it.
const FILE_PAGES: usize = 520;
/// What every disk here reads and writes at once: the ext4 has blocks of 1024 bytes.
const BLOCK: usize = 1024;
const MEMORY: &str = "/dev/ram0";
const VIRTIO: &str = "/dev/vda";
const MOUNT: &str = "/tmp/ext4";

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    for (name, path) in [("memory disk", MEMORY), ("virtio disk", VIRTIO)] {
        match direct(path) {
            Err(error) => check.skip(name, &format!("no {path}: {error}")),
            Ok(_) => file(check, name, path),
        }
    }
    // The memory disk serves where there is no other.
    let disk = [VIRTIO, MEMORY]
        .into_iter()
        .find(|disk| Path::new(disk).exists());
    let mounted = match disk {
        None => Err("no disk to make it on".to_owned()),
        Some(disk) => ext4::mount(disk, MOUNT),
    };
    if let Err(why) = mounted {
        check.skip("ext4", &why);
        return;
    }
    let path = format!("{MOUNT}/file");
    match filled(&path) {
        Err(error) => check.report("ext4", &Err(error)),
        Ok(()) => file(check, "ext4", &path),
    }
    check.run("ext4, unmounted", || {
        let unmounted = rustix::mount::unmount(MOUNT, rustix::mount::UnmountFlags::empty());
        attempt("unmount", unmounted)
    });
}

fn file(check: &mut Check, name: &str, path: &str) {
    check.run(&format!("{name}, written and read back"), || {
        let file = attempt("open", direct(path))?;
        let (mut out, mut back) = (
            attempt("map", Pages::new(COUNT))?,
            attempt("map", Pages::new(COUNT))?,
        );
        out.bytes().fill(0x3c);
        let written = attempt("write", pwrite(&file, out.bytes(), 0))?;
        let read = attempt("read", pread(&file, back.bytes(), 0))?;
        ensure(
            written == out.len() && read == back.len(),
            format!("{written} and {read} bytes"),
        )?;
        ensure(
            back.bytes().iter().all(|b| *b == 0x3c),
            "other bytes came back",
        )
    });
    check.run(&format!("{name}, half of it not mapped"), || {
        let file = attempt("open", direct(path))?;
        let mut pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = pages.read_beyond(&file, COUNT);
        ensure(bytes <= pages.len() as i64, format!("{bytes} bytes came"))
    });
    for (at, (offset, length)) in shapes().into_iter().enumerate() {
        let title = format!("{name}, {length} bytes at {offset}, written and read back");
        check.run(&title, || exchanged(path, (offset, length), at as u64 + 1));
    }
    check.run(
        &format!("{name}, written from several places and read into several"),
        || several(path),
    );
    check.run(
        &format!("{name}, of stretches that meet within a page"),
        || meeting(path),
    );
    check.run(&format!("{name}, read without waiting"), || {
        read_later(path)
    });
    check.run(&format!("{name}, a part of a huge page"), || {
        of_a_huge_page(path)
    });
    check.run(&format!("{name}, read beyond the end"), || {
        let file = attempt("open", direct(path))?;
        let size = attempt("seek", seek(&file, SeekFrom::End(0)))?;
        let mut window = Window::new(0, 8 * PAGE)?;
        let from = size.next_multiple_of(BLOCK as u64) - 2 * BLOCK as u64;
        let there = (size - from) as usize;
        let read = attempt("read", pread(&file, window.inside(), from))?;
        ensure(read == there, format!("{read} bytes came, not {there}"))?;
        // What lies behind the end of a file may come as zeroes.
        window.nothing_beside()
    });
    for (what, rights) in [("without rights", false), ("only to be read", true)] {
        check.run(&format!("{name}, the middle of it {what}"), || {
            let file = attempt("open", direct(path))?;
            let mut pages = attempt("map", Pages::small(COUNT))?;
            let middle = COUNT / 2..COUNT / 2 + 1;
            let protected = match rights {
                true => pages.read_only_in(middle),
                false => pages.protect(middle),
            };
            attempt("protect", protected)?;
            let bytes = pages.read_beyond(&file, COUNT);
            ensure(
                bytes <= (COUNT / 2 * PAGE) as i64,
                format!("{bytes} bytes came"),
            )
        });
    }
    failing::run(check, name, |failing| {
        let file = attempt("open", direct(path))?;
        let mut window = Window::new(0, 70 * PAGE)?;
        let _failed_or_not = failing.during(|| pread(&file, window.inside(), 0));
        Ok(())
    });
    check.repeat(
        &format!("{name}, half of it not mapped, many times"),
        16,
        COUNT as u64 / 2,
        || {
            let file = attempt("open", direct(path))?;
            let mut pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
            let _some_or_none = pages.read_beyond(&file, COUNT);
            Ok(())
        },
    );
    check.repeat(&format!("{name}, read very often"), OFTEN, 0, || {
        let file = attempt("open", direct(path))?;
        let mut page = attempt("map", Pages::small(1))?;
        attempt("read", pread(&file, page.bytes(), 0)).map(drop)
    });
    check.repeat(
        &format!("{name}, read many times"),
        32,
        COUNT as u64,
        || {
            let file = attempt("open", direct(path))?;
            let mut back = attempt("map", Pages::new(COUNT))?;
            attempt("read", pread(&file, back.bytes(), 0)).map(drop)
        },
    );
}

/// Writes from a stretch of memory, and reads into it; as alignment of the disk demands it, the stretch and the range are
/// grown to blocks. What else the file holds is compared as well.
fn exchanged(path: &str, (offset, length): (usize, usize), seed: u64) -> Test {
    let (offset, length) = (offset / BLOCK * BLOCK, length.next_multiple_of(BLOCK));
    let file = attempt("open", direct(path))?;
    let whole = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path);
    let whole = attempt("open", whole)?;
    // Blocks before it and behind it stay as they are.
    let start = 2 * BLOCK;
    attempt(
        "write",
        whole.write_all_at(&bytes(99, start + length + BLOCK), 0),
    )?;
    attempt("sync", whole.sync_all())?;
    let mut window = Window::new(offset, length)?;
    window.fill(seed);
    let before = window.marked_dirty()?;
    let written = attempt("write", pwrite(&file, window.inside(), start as u64))?;
    ensure(
        written == length,
        format!("{written} of {length} bytes written"),
    )?;
    window.only_read_since(before)?;
    window.inside().fill(0);
    let before = window.marked_dirty()?;
    let read = attempt("read", pread(&file, window.inside(), start as u64))?;
    ensure(read == length, format!("{read} of {length} bytes read"))?;
    window.holds(seed)?;
    window.written_since(before)?;
    // Through the page cache, which holds nothing of it yet.
    let _not_there = std::fs::write("/proc/sys/vm/drop_caches", "1");
    let mut all = vec![0; start + length + BLOCK];
    attempt("read all", whole.read_exact_at(&mut all, 0))?;
    compare(&all[start..start + length], seed)?;
    all[start..start + length].copy_from_slice(&bytes(99, start + length)[start..]);
    compare(&all, 99)
}

/// One write from three stretches of memory, and one read into three others, none of which ends where another does.
fn several(path: &str) -> Test {
    let file = attempt("open", direct(path))?;
    let places = |shapes: [(usize, usize); 3]| -> Test<Vec<Window>> {
        let made = shapes.map(|(offset, length)| Window::new(offset, length));
        made.into_iter().collect()
    };
    let mut out = places([(BLOCK, 3 * BLOCK), (0, 5 * PAGE), (2 * BLOCK, BLOCK)])?;
    let mut back = places([
        (0, BLOCK),
        (3 * BLOCK, 2 * PAGE + BLOCK),
        (0, 3 * PAGE + 2 * BLOCK),
    ])?;
    for (window, seed) in out.iter_mut().zip(51..) {
        window.fill(seed);
    }
    let expected: Vec<u8> = out.iter_mut().flat_map(|w| w.inside().to_vec()).collect();
    let total = expected.len();
    let from: Vec<IoSlice<'_>> = out.iter_mut().map(|w| IoSlice::new(w.inside())).collect();
    let written = attempt("write", pwritev(&file, &from, 2 * BLOCK as u64))?;
    let mut into: Vec<IoSliceMut<'_>> = back
        .iter_mut()
        .map(|w| IoSliceMut::new(w.inside()))
        .collect();
    let read = attempt("read", preadv(&file, &mut into, 2 * BLOCK as u64))?;
    ensure(
        written == total && read == total,
        format!("{written} and {read} of {total} bytes"),
    )?;
    let found: Vec<u8> = back.iter_mut().flat_map(|w| w.inside().to_vec()).collect();
    let wrong = differing(&found, &expected);
    ensure(wrong == 0, format!("{wrong} bytes are wrong"))?;
    back.iter_mut().try_for_each(Window::nothing_beside)
}

/// A write from stretches of which each begins where the one before it ends, within a page, and a read into such: the page
/// that two of them lie in is taken twice, and is one of one and the same stretch to the disk.
fn meeting(path: &str) -> Test {
    let file = attempt("open", direct(path))?;
    let length = 3 * PAGE;
    let lengths = [BLOCK, PAGE, BLOCK, length - PAGE - 2 * BLOCK];
    let mut window = Window::new(0, length)?;
    window.fill(63);
    let from = parts(window.inside(), lengths);
    let from: Vec<IoSlice<'_>> = from.iter().map(|part| IoSlice::new(part)).collect();
    let written = attempt("write", pwritev(&file, &from, 0))?;
    window.inside().fill(0);
    let before = window.marked_dirty()?;
    let into = parts(window.inside(), lengths);
    let mut into: Vec<IoSliceMut<'_>> = into.into_iter().map(IoSliceMut::new).collect();
    let read = attempt("read", preadv(&file, &mut into, 0))?;
    ensure(
        written == length && read == length,
        format!("{written} and {read} of {length} bytes"),
    )?;
    window.holds(63)?;
    window.written_since(before)
}

/// `all`, cut into pieces of these lengths.
fn parts<const N: usize>(mut all: &mut [u8], lengths: [usize; N]) -> Vec<&mut [u8]> {
    let mut parts = Vec::with_capacity(N);
    for length in lengths {
        let (part, rest) = all.split_at_mut(length);
        parts.push(part);
        all = rest;
    }
    parts
}

/// A read that nobody waits for: its pages are marked dirty and given back where it ends, which may be in an interrupt.
fn read_later(path: &str) -> Test {
    let Ok(ring) = Ring::new() else {
        return Err(Stop::Skip("no io_uring".into()));
    };
    let file = attempt("open", direct(path))?;
    let mut window = Window::new(0, 70 * PAGE)?;
    window.fill(61);
    let length = window.len();
    attempt("write", pwrite(&file, window.inside(), 0))?;
    window.fill(62);
    let before = window.marked_dirty()?;
    let read = ring.one(READ, &file, 0, window.address(), length)?;
    if read == -libc::EINVAL {
        return Err(Stop::Skip("this kernel has no such request".into()));
    }
    ensure(
        read == length as i32,
        format!("{read} of {length} bytes read"),
    )?;
    window.holds(61)?;
    window.written_since(before)
}

/// A write from the middle of a folio of many pages, and a read into it: one stretch of it, however many pages that are.
fn of_a_huge_page(path: &str) -> Test {
    let Some(mut pages) = attempt("map", Pages::huge())? else {
        return Err(Stop::Skip("the kernel gave no huge page".into()));
    };
    let file = attempt("open", direct(path))?;
    let part = 3 * PAGE + BLOCK..303 * PAGE + 2 * BLOCK;
    let length = part.len();
    pages.bytes()[part.clone()].copy_from_slice(&bytes(71, length));
    let before = attempt("read page flags", pages.marked_dirty_in(0..1))?;
    let written = attempt("write", pwrite(&file, &pages.bytes()[part.clone()], 0))?;
    let dirty = attempt("read page flags", pages.marked_dirty_in(0..1))?;
    only_read(before as u64, dirty as u64, 1)?;
    pages.bytes()[part.clone()].fill(0);
    let before = attempt("read page flags", pages.marked_dirty_in(0..1))?;
    let read = attempt("read", pread(&file, &mut pages.bytes()[part.clone()], 0))?;
    ensure(
        written == length && read == length,
        format!("{written} and {read} of {length} bytes"),
    )?;
    compare(&pages.bytes()[part], 71)?;
    // The folio is marked as a whole, where its first page is.
    let dirty = attempt("read page flags", pages.marked_dirty_in(0..1))?;
    ensure(
        before > 0 || dirty == 1,
        "a huge page that was read into was not marked dirty",
    )
}

/// A file whose blocks are there already.
fn filled(path: &str) -> Test {
    let zeroes = vec![0u8; FILE_PAGES * PAGE];
    attempt("fill a file", std::fs::write(path, zeroes))?;
    rustix::fs::sync();
    Ok(())
}

fn direct(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDWR | OFlags::DIRECT, Mode::empty())
}
