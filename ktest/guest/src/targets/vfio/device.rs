// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the device behind the IOMMU reads and writes: QEMU's `edu` copies nearly a page to and from memory of its own.
//!
//! Interface: docs/specs/edu.rst of QEMU; include/uapi/linux/vfio.h: regions of a device are read and written at offsets of its file
//! (drivers/vfio/pci/vfio_pci_rdwr.c, 6.12).

use super::{Container, IOVA, mapped};
use crate::check::{Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl};
use crate::window::{bytes, compare, differing};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const GET_DEVICE: u64 = io(b';', 106);
const REGION_INFO: u64 = io(b';', 108);
/// VFIO_PCI_BAR0_REGION_INDEX and VFIO_PCI_CONFIG_REGION_INDEX.
const REGISTERS: u32 = 0;
const CONFIGURATION: u32 = 7;
/// PCI_COMMAND, and in it PCI_COMMAND_MEMORY and PCI_COMMAND_MASTER.
const COMMAND: u64 = 4;
const MEMORY_AND_MASTER: u16 = 2 | 4;
/// What `edu` says of itself at its beginning, but for the version.
const IDENTITY: u32 = 0xed;
/// Its registers, and where its memory lies for it.
const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const COUNT: u64 = 0x90;
const START: u64 = 0x98;
const BUFFER: u32 = 0x4_0000;
const RUN: u32 = 1;
const TO_MEMORY: u32 = 2;
/// It has a page of memory, and older emulators end where all of it is asked for: hw/misc/edu.c: edu_check_range() (QEMU 7.2).
const MOST: usize = 4000;
/// It takes a tenth of a second for each copy; software emulation may be late.
const PATIENCE: Duration = Duration::from_secs(10);

#[repr(C)]
struct RegionInfo {
    bytes: u32,
    flags: u32,
    index: u32,
    capabilities: u32,
    size: u64,
    offset: u64,
}

struct Device {
    file: File,
    registers: u64,
}

/// Pages are copied by the device from one place of a mapping to another: each must come from and go to the page that is mapped there.
pub(super) fn copies(group: &Path, name: &str) -> Test {
    // More than one word of a bitmap, and the last ones beyond its end.
    const PAGES: usize = 70;
    let (container, mut pages) = mapped(group, Pages::small(PAGES))?;
    let mut expected = bytes(31, pages.len());
    pages.bytes().copy_from_slice(&expected);
    let device = device(&container, name)?;
    for (from, to, length) in [
        (0, 5 * PAGE, MOST),
        (64 * PAGE + 100, 3 * PAGE + 7, 512),
        (69 * PAGE, PAGE, MOST),
        (2 * PAGE, 69 * PAGE, MOST),
    ] {
        device.copied(IOVA + from as u64, u64::from(BUFFER), length, RUN)?;
        device.copied(u64::from(BUFFER), IOVA + to as u64, length, RUN | TO_MEMORY)?;
        expected.copy_within(from..from + length, to);
    }
    let wrong = differing(pages.bytes(), &expected);
    ensure(
        wrong == 0,
        format!("{wrong} bytes are not those that the device copied"),
    )?;
    drop(device);
    container.unmap(pages.len() as u64)?;
    // A page that the device had nothing to do with.
    compare(&pages.bytes()[..PAGE], 31)
}

fn device(container: &Container, name: &str) -> Test<Device> {
    let name = std::ffi::CString::new(name).map_err(|error| Stop::Fail(error.to_string()))?;
    // SAFETY: the name ends with its NUL, and is alive for the call.
    let fd = unsafe { libc::ioctl(container.group.as_raw_fd(), GET_DEVICE, name.as_ptr()) };
    if fd < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Stop::Fail(format!("open the device: {error}")));
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let file = unsafe { File::from_raw_fd(fd) };
    let region = |index: u32| -> Test<u64> {
        let mut info = RegionInfo {
            bytes: size_of::<RegionInfo>() as u32,
            flags: 0,
            index,
            capabilities: 0,
            size: 0,
            offset: 0,
        };
        attempt("ask for a region", ioctl(&file, REGION_INFO, &mut info))?;
        Ok(info.offset)
    };
    let (registers, configuration) = (region(REGISTERS)?, region(CONFIGURATION)?);
    let enabled = file.write_all_at(&MEMORY_AND_MASTER.to_le_bytes(), configuration + COMMAND);
    attempt("enable the device", enabled)?;
    let device = Device { file, registers };
    let identity = device.register(0)?;
    if identity & 0xffff != IDENTITY {
        let why = format!("the device is no edu: {identity:#x}");
        return Err(Stop::Skip(why));
    }
    Ok(device)
}

impl Device {
    fn register(&self, at: u64) -> Test<u32> {
        let mut word = [0u8; 4];
        let read = self.file.read_exact_at(&mut word, self.registers + at);
        attempt("read a register", read)?;
        Ok(u32::from_le_bytes(word))
    }

    fn set(&self, at: u64, value: u32) -> Test {
        let written = self
            .file
            .write_all_at(&value.to_le_bytes(), self.registers + at);
        attempt("write a register", written)
    }

    fn copied(&self, from: u64, to: u64, length: usize, command: u32) -> Test {
        self.set(SOURCE, from as u32)?;
        self.set(DESTINATION, to as u32)?;
        self.set(COUNT, length as u32)?;
        self.set(START, command)?;
        let until = Instant::now() + PATIENCE;
        while self.register(START)? & RUN != 0 {
            ensure(Instant::now() < until, "the device does not come to an end")?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
