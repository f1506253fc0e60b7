// SPDX-License-Identifier: MIT OR Apache-2.0
//! SG_IO with the caller's own pages, on an adapter made of memory.
//!
//! Interface: include/scsi/sg.h; drivers/scsi/sg.c with sg.allow_dio=1 (6.12).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::sys::{ioctl, open};

const SG_IO: u64 = 0x2285;
/// SG_FLAG_DIRECT_IO: the kernel maps the caller's pages instead of copying.
const DIRECT: u32 = 1;
/// Data comes from the device.
const FROM_DEVICE: i32 = -3;

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
pub fn run(check: &mut Check) {
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
    check.repeat("SG_IO, many times", 600, 1, || inquiry().map(drop));
}

fn inquiry() -> Test<SgHeader> {
    let mut page = attempt("map", Pages::new(1))?;
    sg(&[0x12, 0, 0, 0, 96, 0], &mut page)
}

fn sg(command: &[u8], pages: &mut Pages) -> Test<SgHeader> {
    let file = attempt("open /dev/sg0", open("/dev/sg0"))?;
    let mut sense = [0u8; 64];
    let bytes = if command.len() == 6 { 96 } else { pages.len() };
    let mut header = SgHeader {
        interface: i32::from(b'S'),
        direction: FROM_DEVICE,
        command_bytes: command.len() as u8,
        sense_bytes: sense.len() as u8,
        vectors: 0,
        data_bytes: bytes as u32,
        data: pages.address(),
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
    };
    attempt("SG_IO", ioctl(&file, SG_IO, &mut header))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_size_that_the_kernel_expects() {
        assert_eq!(size_of::<SgHeader>(), 88);
    }
}
