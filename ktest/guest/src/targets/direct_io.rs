// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct reads and writes through O_DIRECT: on a memory disk, on a virtio disk, and on a file of an ext4 upon it.
//!
//! block/fops.c: __blkdev_direct_IO_simple(), fs/iomap/direct-io.c and lib/iov_iter.c: iov_iter_extract_pages() (6.12:
//! pins; before 6.3 plain references).

use crate::check::{Check, Test, attempt, ensure};
use crate::memory::Pages;
use crate::targets::ext4;
use rustix::fs::{Mode, OFlags};
use rustix::io::{pread, pwrite};
use std::os::fd::OwnedFd;
use std::path::Path;

const COUNT: usize = 256;
const MEMORY: &str = "/dev/ram0";
const VIRTIO: &str = "/dev/vda";
const MOUNT: &str = "/tmp/ext4";

/// Runs every subtest.
pub fn run(check: &mut Check) {
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

/// A file whose blocks are there already.
fn filled(path: &str) -> Test {
    let zeroes = vec![0u8; COUNT * crate::memory::PAGE];
    attempt("fill a file", std::fs::write(path, zeroes))?;
    rustix::fs::sync();
    Ok(())
}

fn direct(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDWR | OFlags::DIRECT, Mode::empty())
}
