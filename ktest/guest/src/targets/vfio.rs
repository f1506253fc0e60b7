// SPDX-License-Identifier: MIT OR Apache-2.0
//! VFIO type 1: memory mapped for a device behind an emulated IOMMU; it stays pinned until it is unmapped.
//!
//! Interface: include/uapi/linux/vfio.h; drivers/vfio/vfio_iommu_type1.c: vfio_dma_do_map() (6.12). The device is any
//! that no driver has taken; QEMU's `edu` is there for it.

mod device;

use crate::charge::{Charge, Shows};
use crate::check::{ARRAY, Check, OFTEN, Test, attempt, ensure, held_since};
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl, ioctl_value, killed_while_holding, open};
use crate::window::{SIZES, mapped_to_be_read, whole};
use crate::{charge, failing, longterm, outlive, pins};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// One page of pointers, which drivers/vfio/vfio_iommu_type1.c: vfio_pin_pages_remote() (6.12) fills at once.
const COUNT: usize = 512;
const IOVA: u64 = 1 << 24;
const TYPE1V2: u64 = 3;
const SET_IOMMU: u64 = io(b';', 102);
const SET_CONTAINER: u64 = io(b';', 104);
const MAP: u64 = io(b';', 113);
const UNMAP: u64 = io(b';', 114);
const READ: u32 = 1;
const READ_AND_WRITE: u32 = 3;

#[repr(C)]
struct Map {
    bytes: u32,
    flags: u32,
    address: u64,
    iova: u64,
    size: u64,
}

#[repr(C)]
struct Unmap {
    bytes: u32,
    flags: u32,
    iova: u64,
    size: u64,
}

/// An open container with the device's group in it.
struct Container {
    file: File,
    group: File,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    let (group, name) = match group() {
        Ok(found) => found,
        Err(why) => {
            check.skip("device", &why);
            return;
        }
    };
    let many = || mapped(&group, Pages::new(COUNT));
    check.hold(
        "memory, unmapped",
        COUNT as u64,
        many,
        |(container, pages)| container.unmap(pages.len() as u64),
    );
    check.hold(
        "memory, closed",
        COUNT as u64,
        many,
        |(container, pages)| {
            drop(container);
            drop(pages);
            Ok(())
        },
    );
    check.run("memory, copied by the device", || {
        device::copies(&group, &name)
    });
    check.run("memory, half not mapped", || {
        let container = container(&group)?;
        let pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        longterm::not_there(container.map(&pages, 2 * pages.len()), "mapped")
    });
    check.run("memory, holder killed", || killed_while_holding(many));
    for count in SIZES {
        check.hold(
            &format!("memory, {count} pages"),
            count as u64,
            || mapped(&group, Pages::small(count)),
            |(container, pages)| {
                container.unmap(pages.len() as u64)?;
                let dirty = attempt("read page flags", pages.marked_dirty())?;
                ensure(
                    dirty == count,
                    format!("{dirty} of {count} pages that a device could write were marked dirty"),
                )
            },
        );
    }
    let to_be_read = |pages: &Pages| -> Test<Container> {
        let container = container(&group)?;
        let mapped = container.map_for(READ, pages.address(), IOVA, pages.len());
        attempt("map for the device", mapped)?;
        Ok(container)
    };
    mapped_to_be_read(check, COUNT, to_be_read, Container::unmap);
    let taken = |address: u64, bytes: usize| -> Test<Container> {
        let container = container(&group)?;
        let mapped = container.map_at(address, IOVA, bytes);
        attempt("map for the device", mapped)?;
        Ok(container)
    };
    longterm::run(check, "memory", |pages| taken(pages.address(), pages.len()));
    outlive::run(check, "memory", |pages| taken(pages.address(), pages.len()));
    let charged = Charge {
        shows: Shows::Locked,
        shapes: &whole(),
        there: &charge::THERE,
    };
    charge::exact(check, "memory", &charged, || container(&group), taken);
    check.run("memory, the first of two unmapped", || one_of_two(&group));
    check.run("memory, unmapped by another process", || {
        unmapped_by_another(&group)
    });
    charge::run(check, "memory", COUNT * PAGE, || {
        let (container, pages) = many()?;
        container.unmap(pages.len() as u64)
    });
    failing::run(check, "memory", |failing| {
        let (container, pages) = (container(&group)?, attempt("map", Pages::small(70))?);
        let made = failing.during(|| container.map(&pages, pages.len()));
        match made {
            Ok(_) => container.unmap(pages.len() as u64),
            Err(_) => Ok(()),
        }
    });
    check.repeat("memory, holder killed many times", 8, COUNT as u64, || {
        killed_while_holding(many)
    });
    if let (Ok(space), Ok(pages)) = (container(&group), Pages::small(ARRAY)) {
        check.repeat("memory, very often", OFTEN, 0, || {
            attempt("map for the device", space.map(&pages, pages.len()))?;
            space.unmap(pages.len() as u64)
        });
    }
    check.repeat("memory, many times", 16, COUNT as u64, || {
        let (container, pages) = many()?;
        container.unmap(pages.len() as u64)
    });
}

/// Of two mappings of a container the second stays pinned and charged for when the first goes.
fn one_of_two(group: &Path) -> Test {
    let container = container(group)?;
    let (first, second) = (
        attempt("map", Pages::small(7))?,
        attempt("map", Pages::small(65))?,
    );
    let (pinned, charged) = (pins::read(), pins::charged());
    let behind = IOVA + first.len() as u64;
    let mapped = container
        .map(&first, first.len())
        .and_then(|_| container.map_at(second.address(), behind, second.len()));
    attempt("map for the device", mapped)?;
    for (mapping, left) in [
        (None, 72),
        (Some((IOVA, &first)), 65),
        (Some((behind, &second)), 0),
    ] {
        if let Some((iova, pages)) = mapping {
            container.unmap_at(iova, pages.len() as u64)?;
        }
        held_since(pinned, left)?;
        charge::since(charged, Shows::Locked, left as usize)?;
    }
    Ok(())
}

/// Who mapped is charged, and is charged no longer when another process unmaps.
fn unmapped_by_another(group: &Path) -> Test {
    let charged = pins::charged();
    let (container, pages) = mapped(group, Pages::small(65))?;
    charge::since(charged, Shows::Locked, 65)?;
    // Nothing is its own but the container.
    charge::in_child(|| container.unmap(pages.len() as u64))?;
    charge::since(charged, Shows::Locked, 0)
}

/// The file of the group of a device that no driver has, after it was given to vfio-pci, and the device's name.
fn group() -> Result<(PathBuf, String), String> {
    if !Path::new("/dev/vfio/vfio").exists() {
        return Err("no /dev/vfio/vfio".into());
    }
    // Interrupts are not remapped under software emulation; nothing here takes one.
    let _without = std::fs::write(
        "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
        "1",
    );
    let devices = std::fs::read_dir("/sys/bus/pci/devices").map_err(|error| error.to_string())?;
    let mut free: Vec<PathBuf> = devices
        .flatten()
        .map(|entry| entry.path())
        .filter(|device| device.join("iommu_group").exists() && !device.join("driver").exists())
        // A bridge is no device, and vfio-pci refuses it.
        .filter(|device| {
            let class = std::fs::read_to_string(device.join("class")).unwrap_or_default();
            !class.starts_with("0x06")
        })
        .collect();
    free.sort();
    let device = free
        .first()
        .ok_or("no device without a driver is in an IOMMU group")?;
    let name = device
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let bound = std::fs::write(device.join("driver_override"), "vfio-pci")
        .and_then(|()| std::fs::write("/sys/bus/pci/drivers_probe", &name));
    bound.map_err(|error| format!("give {name} to vfio-pci: {error}"))?;
    let number = std::fs::read_link(device.join("iommu_group")).map_err(|e| e.to_string())?;
    let number = number.file_name().unwrap_or_default();
    let file = Path::new("/dev/vfio").join(number);
    if file.exists() {
        return Ok((file, name));
    }
    Err(format!("vfio-pci did not take {name}"))
}

/// `pages`, mapped for the device.
fn mapped(group: &Path, pages: std::io::Result<Pages>) -> Test<(Container, Pages)> {
    let (container, pages) = (container(group)?, attempt("map", pages)?);
    attempt("map for the device", container.map(&pages, pages.len()))?;
    Ok((container, pages))
}

fn container(group: &Path) -> Test<Container> {
    let file = attempt("open the container", open("/dev/vfio/vfio"))?;
    let group = attempt("open the group", open(group))?;
    let mut fd = file.as_raw_fd();
    attempt("join the group", ioctl(&group, SET_CONTAINER, &mut fd))?;
    attempt("choose type 1", ioctl_value(&file, SET_IOMMU, TYPE1V2))?;
    Ok(Container { file, group })
}

impl Container {
    fn map(&self, pages: &Pages, bytes: usize) -> std::io::Result<i32> {
        self.map_at(pages.address(), IOVA, bytes)
    }

    fn map_at(&self, address: u64, iova: u64, bytes: usize) -> std::io::Result<i32> {
        self.map_for(READ_AND_WRITE, address, iova, bytes)
    }

    fn map_for(&self, flags: u32, address: u64, iova: u64, bytes: usize) -> std::io::Result<i32> {
        let mut map = Map {
            bytes: size_of::<Map>() as u32,
            flags,
            address,
            iova,
            size: bytes as u64,
        };
        ioctl(&self.file, MAP, &mut map)
    }

    fn unmap(&self, bytes: u64) -> Test {
        self.unmap_at(IOVA, bytes)
    }

    fn unmap_at(&self, iova: u64, bytes: u64) -> Test {
        let mut unmap = Unmap {
            bytes: size_of::<Unmap>() as u32,
            flags: 0,
            iova,
            size: bytes,
        };
        attempt("unmap", ioctl(&self.file, UNMAP, &mut unmap))?;
        ensure(
            unmap.size == bytes,
            format!("{} of {bytes} bytes unmapped", unmap.size),
        )
    }
}
