// SPDX-License-Identifier: MIT OR Apache-2.0
//! SG_IO with the caller's own pages, on an adapter made of memory.
//!
//! Interface: include/scsi/sg.h; drivers/scsi/sg.c with sg.allow_dio=1 (6.12).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::failing;
use crate::memory::{PAGE, Pages};
use crate::sys::{ioctl, open};
use crate::window::Window;
use std::fs::File;

const SG_IO: u64 = 0x2285;
/// SG_FLAG_DIRECT_IO: the kernel maps the caller's pages instead of copying.
const DIRECT: u32 = 1;
/// Data goes to the device.
const TO_DEVICE: i32 = -2;
/// Data comes from the device.
const FROM_DEVICE: i32 = -3;
const DISK: &str = "/dev/sda";
const WRITE: u8 = 0x2a;
const READ: u8 = 0x28;
/// Bytes of a block of the adapter's disk.
const BLOCK: usize = 512;

/// include/scsi/sg.h: struct sg_io_hdr.
#[repr(C)]
struct SgHeader {
    interface: i32,
    direction: i32,
    command_bytes: u8,
    sense_bytes: u8,
    vectors: u16,
    data_bytes: u32,
    data: u64,
    command: u64,
    sense: u64,
    timeout_ms: u32,
    flags: u32,
    id: i32,
    user: u64,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residue: i32,
    duration_ms: u32,
    info: u32,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    match open("/dev/sg0") {
        Err(error) => check.skip("SG_IO", &format!("no /dev/sg0: {error}")),
        Ok(_) => scsi(check),
    }
}

fn scsi(check: &mut Check) {
    let _without = std::fs::write("/sys/module/sg/parameters/allow_dio", "1");
    check.run("SG_IO, inquiry into our page", || inquiry().map(drop));
    check.run("SG_IO, read into our pages", || {
        let mut pages = attempt("map", Pages::new(16))?;
        // READ(10) of 128 blocks from block 0.
        let command = [0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0];
        let header = sg(&command, &mut pages)?;
        let direct = header.info & 0x6 == 0x2;
        if direct {
            return Ok(());
        }
        Err(Stop::Skip(
            "the driver copied instead of mapping our pages".into(),
        ))
    });
    for (offset, blocks) in [(0, 1), (0, 8), (0, 128), (512, 9), (0, 1024)] {
        check.run(
            &format!("SG_IO, {blocks} blocks at {offset}, written and read back"),
            || {
                let length = blocks * BLOCK;
                let seed = (offset + blocks) as u64;
                let mut window = Window::new(offset, length)?;
                window.fill(seed);
                let before = window.marked_dirty()?;
                data(&command(WRITE, blocks), TO_DEVICE, window.address(), length)?;
                window.only_read_since(before)?;
                window.inside().fill(0);
                let before = window.marked_dirty()?;
                let header = data(
                    &command(READ, blocks),
                    FROM_DEVICE,
                    window.address(),
                    length,
                )?;
                window.holds(seed)?;
                if header.info & 0x6 != 0x2 {
                    return Err(Stop::Skip(
                        "the driver copied instead of mapping our pages".into(),
                    ));
                }
                window.written_since(before)
            },
        );
    }
    // As many as have room on the kernel's stack, and more: block/blk-map.c: UIO_FASTIOV (6.12).
    for pages in [3, 24] {
        let title =
            format!("SG_IO of the disk, {pages} pages in stretches that meet within a page");
        check.run(&title, || in_stretches(pages));
    }
    check.run("SG_IO, read into pages that are half not there", || {
        let pages = attempt("map", Pages::with_hole(16, 8))?;
        let command = [0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0];
        let refused = data(&command, FROM_DEVICE, pages.address(), 128 * BLOCK).is_err();
        ensure(refused, "memory that is not there was read into")
    });
    check.run(
        "SG_IO, read into pages of which half may only be read",
        || {
            let pages = attempt("map", Pages::small(16))?;
            attempt("protect", pages.read_only_in(8..16))?;
            let command = [0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0];
            let refused = data(&command, FROM_DEVICE, pages.address(), 128 * BLOCK).is_err();
            ensure(refused, "memory that may only be read was read into")
        },
    );
    // More pages than one bio has (BIO_MAX_VECS): what is refused is the second, and the first is given back.
    check.run(
        "SG_IO, read into many pages of which the last are not there",
        || {
            const MANY: usize = 300;
            let pages = attempt("map", Pages::scattered(MANY))?;
            attempt("protect", pages.protect(MANY - 20..MANY))?;
            let blocks = MANY * PAGE / BLOCK;
            let command = [0x28, 0, 0, 0, 0, 0, 0, (blocks >> 8) as u8, blocks as u8, 0];
            let refused = data(&command, FROM_DEVICE, pages.address(), pages.len()).is_err();
            ensure(refused, "memory that is not there was read into")
        },
    );
    check.repeat("SG_IO, read many times", 32, 16, || {
        let mut pages = attempt("map", Pages::new(16))?;
        sg(&[0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0], &mut pages).map(drop)
    });
    failing::run(check, "SG_IO", |failing| {
        let window = Window::new(0, 128 * BLOCK)?;
        let command = [0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0];
        let file = attempt("open /dev/sg0", open("/dev/sg0"))?;
        let mut sense = [0u8; 64];
        let mut header = header(
            &command,
            FROM_DEVICE,
            window.address(),
            window.len(),
            &mut sense,
        );
        let _failed_or_not = failing.during(|| ioctl(&file, SG_IO, &mut header));
        Ok(())
    });
    check.repeat("SG_IO, many times", 128, 1, || inquiry().map(drop));
}

/// `pages` pages, written from and read into by four stretches, of which two begin in a page that another ends in: the
/// kernel takes that page more than once, and what lies side by side becomes one.
fn in_stretches(pages: usize) -> Test {
    let Ok(disk) = open(DISK) else {
        return Err(Stop::Skip(format!("no {DISK}")));
    };
    let mut window = Window::new(0, pages * PAGE)?;
    let ends = [0, BLOCK, 2 * BLOCK, PAGE + BLOCK, pages * PAGE];
    let stretch = |ends: &[usize]| libc::iovec {
        iov_base: (window.address() + ends[0] as u64) as *mut libc::c_void,
        iov_len: ends[1] - ends[0],
    };
    let vectors: Vec<libc::iovec> = ends.windows(2).map(stretch).collect();
    let blocks = pages * PAGE / BLOCK;
    let move_by = |operation, direction| {
        let command = command(operation, blocks);
        let mut sense = [0u8; 64];
        let address = vectors.as_ptr() as u64;
        let mut header = header(&command, direction, address, pages * PAGE, &mut sense);
        header.vectors = vectors.len() as u16;
        done(&disk, header)
    };
    window.fill(41);
    let before = window.marked_dirty()?;
    move_by(WRITE, TO_DEVICE)?;
    window.only_read_since(before)?;
    window.inside().fill(0);
    let before = window.marked_dirty()?;
    move_by(READ, FROM_DEVICE)?;
    window.holds(41)?;
    window.written_since(before)
}

/// WRITE(10) or READ(10) of `blocks` blocks from block 0.
fn command(operation: u8, blocks: usize) -> [u8; 10] {
    let [high, low] = (blocks as u16).to_be_bytes();
    [operation, 0, 0, 0, 0, 0, 0, high, low, 0]
}

fn inquiry() -> Test<SgHeader> {
    let mut page = attempt("map", Pages::new(1))?;
    sg(&[0x12, 0, 0, 0, 96, 0], &mut page)
}

fn sg(command: &[u8], pages: &mut Pages) -> Test<SgHeader> {
    let bytes = if command.len() == 6 { 96 } else { pages.len() };
    data(command, FROM_DEVICE, pages.address(), bytes)
}

/// The command, with `bytes` bytes at `address` for its data.
fn data(command: &[u8], direction: i32, address: u64, bytes: usize) -> Test<SgHeader> {
    let file = attempt("open /dev/sg0", open("/dev/sg0"))?;
    let mut sense = [0u8; 64];
    done(
        &file,
        header(command, direction, address, bytes, &mut sense),
    )
}

/// What came of a command.
fn done(file: &File, mut header: SgHeader) -> Test<SgHeader> {
    attempt("SG_IO", ioctl(file, SG_IO, &mut header))?;
    let well = header.status == 0 && header.host_status == 0;
    ensure(
        well,
        format!(
            "SCSI status {:#x}, host {:#x}",
            header.status, header.host_status
        ),
    )?;
    Ok(header)
}

fn header(
    command: &[u8],
    direction: i32,
    address: u64,
    bytes: usize,
    sense: &mut [u8],
) -> SgHeader {
    SgHeader {
        interface: i32::from(b'S'),
        direction,
        command_bytes: command.len() as u8,
        sense_bytes: sense.len() as u8,
        vectors: 0,
        data_bytes: bytes as u32,
        data: address,
        command: command.as_ptr() as u64,
        sense: sense.as_mut_ptr() as u64,
        timeout_ms: 5000,
        flags: DIRECT,
        id: 0,
        user: 0,
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_written: 0,
        host_status: 0,
        driver_status: 0,
        residue: 0,
        duration_ms: 0,
        info: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_blocks_with_the_high_byte_first() {
        assert_eq!(command(READ, 0x102), [0x28, 0, 0, 0, 0, 0, 0, 1, 2, 0]);
    }

    #[test]
    fn the_header_has_the_size_that_the_kernel_expects() {
        assert_eq!(size_of::<SgHeader>(), 88);
    }
}
