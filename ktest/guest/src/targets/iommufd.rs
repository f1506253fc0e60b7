// SPDX-License-Identifier: MIT OR Apache-2.0
//! iommufd with its own mock device: memory mapped, held, given back by request, by close and by death.
//!
//! Interface: include/uapi/linux/iommufd.h and drivers/iommu/iommufd/iommufd_test.h;
//! drivers/iommu/iommufd/pages.c: iopt_pages_fill_xarray() and pfn_reader (6.12). Pages are pinned once a device stands
//! behind the address space.

use crate::charge::{Charge, Shows};
use crate::check::{ARRAY, Check, OFTEN, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::{io, ioctl, killed_while_holding, open};
use crate::window::{SIZES, Window, bytes, compare, differing, mapped_to_be_read, whole};
use crate::{charge, failing, longterm, outlive};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const DEVICE: &str = "/dev/iommu";
/// Two MiB: more than one batch on the stack holds (drivers/iommu/iommufd/pages.c: BATCH_BACKUP_SIZE, 6.12). [`SIZES`] has others.
const COUNT: usize = 512;
/// Where the mock device's addresses begin.
const IOVA: u64 = 1 << 24;
const ALLOCATE: u64 = io(b';', 0x81);
const MAP: u64 = io(b';', 0x85);
const UNMAP: u64 = io(b';', 0x86);
const TEST: u64 = io(b';', 0xa0);
const MOCK_DOMAIN: u32 = 2;
/// IOMMU_TEST_OP_MD_CHECK_MAP: that the addresses of the mock device lead to the pages of our memory.
const CHECK_MAP: u32 = 3;
/// IOMMU_TEST_OP_CREATE_ACCESS and IOMMU_TEST_OP_ACCESS_RW.
const CREATE_ACCESS: u32 = 5;
const ACCESS_RW: u32 = 8;
/// MOCK_ACCESS_RW_WRITE; MOCK_ACCESS_RW_SLOW_PATH, without which our own memory is copied as by copy_from_user().
const WRITE: u32 = 1;
const PAGE_FOR_PAGE: u32 = 4;
const FIXED_WRITABLE_READABLE: u32 = 7;
const FIXED_READABLE: u32 = 5;

#[repr(C)]
struct Allocate {
    size: u32,
    flags: u32,
    space: u32,
}

#[repr(C)]
struct Map {
    size: u32,
    flags: u32,
    space: u32,
    reserved: u32,
    address: u64,
    length: u64,
    iova: u64,
}

#[repr(C)]
struct Unmap {
    size: u32,
    space: u32,
    iova: u64,
    length: u64,
}

/// The head of struct iommu_test_cmd, and room for every variant of its union in every release.
#[repr(C)]
struct Mock {
    size: u32,
    operation: u32,
    space: u32,
    reserved: u32,
    rest: [u64; 14],
}

/// An address space with a mock device behind it.
struct Space {
    file: File,
    id: u32,
    /// The mock device's page table, if there is one.
    table: u32,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if !std::path::Path::new(DEVICE).exists() {
        check.skip("device", "no /dev/iommu: the interface came with 6.2");
        return;
    }
    check.hold(
        "memory, unmapped",
        COUNT as u64,
        mapped,
        |(space, pages)| space.unmap(pages.len() as u64),
    );
    check.hold("memory, closed", COUNT as u64, mapped, |(space, pages)| {
        drop(space);
        drop(pages);
        Ok(())
    });
    check.run("memory, half not mapped", || {
        let space = space()?;
        let pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        longterm::not_there(space.map(&pages, 2 * pages.len()), "mapped")
    });
    check.run("memory, holder killed", || killed_while_holding(mapped));
    for count in SIZES {
        let take = || -> Test<(Space, Pages)> {
            let (space, pages) = (space()?, attempt("map", Pages::small(count))?);
            attempt("map for the device", space.map(&pages, pages.len()))?;
            Ok((space, pages))
        };
        check.hold(
            &format!("memory, {count} pages"),
            count as u64,
            take,
            |(space, pages)| {
                space.leads_to(&pages)?;
                space.unmap(pages.len() as u64)?;
                let dirty = attempt("read page flags", pages.marked_dirty())?;
                ensure(
                    dirty == count,
                    format!("{dirty} of {count} pages that a device could write were marked dirty"),
                )
            },
        );
    }
    let to_be_read = |pages: &Pages| -> Test<Space> {
        let space = space()?;
        let mapped = space.map_for(FIXED_READABLE, pages.address(), pages.len());
        attempt("map for the device", mapped)?;
        Ok(space)
    };
    mapped_to_be_read(check, COUNT, to_be_read, Space::unmap);
    for (offset, length) in [
        (17, 100),
        (PAGE - 3, 6),
        (0, 2 * PAGE),
        (PAGE - 1, 64 * PAGE + 2),
    ] {
        check.run(
            &format!("memory, {length} bytes at {offset}, read and written by a driver"),
            || accessed(offset, length),
        );
    }
    let taken = |address: u64, bytes: usize| -> Test<Space> {
        let space = space()?;
        attempt("map for the device", space.map_at(address, bytes))?;
        Ok(space)
    };
    longterm::run(check, "memory", |pages| taken(pages.address(), pages.len()));
    outlive::run(check, "memory", |pages| taken(pages.address(), pages.len()));
    let charged = Charge {
        shows: Shows::Pinned,
        shapes: &whole(),
        there: &charge::THERE,
    };
    charge::exact(check, "memory", &charged, space, taken);
    charge::run(check, "memory", COUNT * PAGE, || {
        let (space, pages) = mapped()?;
        space.unmap(pages.len() as u64)
    });
    failing::run(check, "memory", |failing| {
        let (space, pages) = (space()?, attempt("map", Pages::small(70))?);
        let made = failing.during(|| space.map(&pages, pages.len()));
        match made {
            Ok(_) => space.unmap(pages.len() as u64),
            Err(_) => Ok(()),
        }
    });
    check.repeat("memory, holder killed many times", 8, COUNT as u64, || {
        killed_while_holding(mapped)
    });
    if let (Ok(space), Ok(pages)) = (space(), Pages::small(ARRAY)) {
        check.repeat("memory, very often", OFTEN, 0, || {
            attempt("map for the device", space.map(&pages, pages.len()))?;
            space.unmap(pages.len() as u64)
        });
    }
    check.repeat("memory, many times", 16, COUNT as u64, || {
        let (space, pages) = mapped()?;
        space.unmap(pages.len() as u64)
    });
}

fn mapped() -> Test<(Space, Pages)> {
    let space = space()?;
    let pages = attempt("map", Pages::new(COUNT))?;
    attempt("map for the device", space.map(&pages, pages.len()))?;
    Ok((space, pages))
}

/// A driver reads and writes part of the memory that an address space without a device has, page for page: every byte, no
/// other, and what was written to is marked dirty.
fn accessed(offset: usize, length: usize) -> Test {
    let space = bare()?;
    let count = (offset + length).div_ceil(PAGE);
    let mut pages = attempt("map", Pages::small(count))?;
    attempt("map for the device", space.map(&pages, pages.len()))?;
    let begun = space.command(CREATE_ACCESS, space.id, &[]);
    let descriptor = attempt("begin an access", begun)?[0] as u32;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let access = unsafe { OwnedFd::from_raw_fd(descriptor as i32) };
    let through = |buffer: &mut Window, flags: u32| -> Test {
        let iova = IOVA + offset as u64;
        let rest = [iova, length as u64, buffer.address(), flags.into()];
        let reached = space.command(ACCESS_RW, access.as_raw_fd() as u32, &rest);
        attempt("reach through", reached).map(drop)
    };
    let part = offset..offset + length;
    let at_first = bytes(71, pages.len());
    pages.bytes().copy_from_slice(&at_first);
    let mut buffer = Window::new(3, length)?;
    let before = attempt("read page flags", pages.marked_dirty())?;
    through(&mut buffer, PAGE_FOR_PAGE)?;
    let wrong = differing(buffer.inside(), &at_first[part.clone()]);
    ensure(
        wrong == 0,
        format!("{wrong} of {length} bytes were read wrong"),
    )?;
    buffer.nothing_beside()?;
    buffer.fill(72);
    through(&mut buffer, PAGE_FOR_PAGE | WRITE)?;
    compare(&pages.bytes()[part.clone()], 72)?;
    let mut expected = at_first;
    expected[part.clone()].copy_from_slice(&bytes(72, length));
    let wrong = differing(pages.bytes(), &expected);
    ensure(wrong == 0, format!("{wrong} bytes beside were overwritten"))?;
    let touched = part.end.div_ceil(PAGE) - part.start / PAGE;
    let dirty = attempt("read page flags", pages.marked_dirty())?;
    ensure(
        before > 0 || dirty >= touched,
        format!("{dirty} of {touched} pages that were written to were marked dirty"),
    )
}

/// An address space without a device.
fn bare() -> Test<Space> {
    let file = attempt("open", open(DEVICE))?;
    let mut space = Allocate {
        size: size_of::<Allocate>() as u32,
        flags: 0,
        space: 0,
    };
    attempt("make an address space", ioctl(&file, ALLOCATE, &mut space))?;
    let id = space.space;
    Ok(Space { file, id, table: 0 })
}

fn space() -> Test<Space> {
    let mut space = bare()?;
    let made = space.command(MOCK_DOMAIN, space.id, &[]);
    let mock = attempt("make a mock device", made)?;
    // struct iommu_test_cmd: out_stdev_id, then out_hwpt_id.
    space.table = (mock[0] >> 32) as u32;
    Ok(space)
}

impl Space {
    /// One of the commands for tests, about the object of that number: gives what stands behind it and was filled in.
    fn command(&self, operation: u32, about: u32, rest: &[u64]) -> std::io::Result<[u64; 14]> {
        let mut mock = Mock {
            size: size_of::<Mock>() as u32,
            operation,
            space: about,
            reserved: 0,
            rest: [0; 14],
        };
        mock.rest[..rest.len()].copy_from_slice(rest);
        ioctl(&self.file, TEST, &mut mock)?;
        Ok(mock.rest)
    }

    fn map(&self, pages: &Pages, bytes: usize) -> std::io::Result<i32> {
        self.map_at(pages.address(), bytes)
    }

    fn map_at(&self, address: u64, bytes: usize) -> std::io::Result<i32> {
        self.map_for(FIXED_WRITABLE_READABLE, address, bytes)
    }

    fn map_for(&self, flags: u32, address: u64, bytes: usize) -> std::io::Result<i32> {
        let mut map = Map {
            size: size_of::<Map>() as u32,
            flags,
            space: self.id,
            reserved: 0,
            address,
            length: bytes as u64,
            iova: IOVA,
        };
        ioctl(&self.file, MAP, &mut map)
    }

    /// Fails unless the mock device's addresses lead to these very pages.
    fn leads_to(&self, pages: &Pages) -> Test {
        let rest = [IOVA, pages.len() as u64, pages.address()];
        let seen = self.command(CHECK_MAP, self.table, &rest);
        attempt("find the pages where the device sees them", seen).map(drop)
    }

    fn unmap(&self, bytes: u64) -> Test {
        let mut unmap = Unmap {
            size: size_of::<Unmap>() as u32,
            space: self.id,
            iova: IOVA,
            length: bytes,
        };
        attempt("unmap", ioctl(&self.file, UNMAP, &mut unmap)).map(drop)
    }
}
