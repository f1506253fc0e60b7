// SPDX-License-Identifier: MIT OR Apache-2.0
//! Soft RDMA over a dummy network device and over the loopback device: memory regions registered through uverbs and given
//! back by request, by close and by death, and written to by RDMA WRITE, on soft RoCE and on soft iWARP.
//!
//! Interface: include/uapi/rdma/rdma_netlink.h (a device is one netlink message), include/uapi/rdma/ib_user_verbs.h
//! (commands are written to /dev/infiniband/uverbsN); drivers/infiniband/core/umem.c: ib_umem_get() (6.12).

mod connection;
mod ring;
mod rxe;
mod siw;
mod verbs;
mod write;

use crate::charge::{Charge, Shows};
use crate::check::{ARRAY, Check, OFTEN, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::killed_while_holding;
use crate::window::{Window, shapes};
use crate::{charge, failing, longterm, netlink, outlive};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::BTreeSet;
use verbs::{LOCAL_WRITE, ON_DEMAND, Region, Verbs, open_device};

/// One page of pointers, which drivers/infiniband/core/umem.c: ib_umem_get() (6.12) fills at once: the next one is another call.
const COUNT: usize = 512;
/// Of blocks that are set aside for documentation (RFC 5737). The loopback device gets one of them because the connection
/// manager takes 127.0.0.1 for any address: drivers/infiniband/core/cma.c: cma_any_addr() (6.12).
const ADDRESS: [u8; 4] = [198, 51, 100, 1];

const LOOPBACK: [u8; 4] = [203, 0, 113, 1];

/// Kind, network device, its address, name of the soft RDMA device, what the subtests call it. The connection manager
/// takes the first device that an address leads to; as only siw asks it, siw comes first.
const DEVICES: &[(&str, &str, [u8; 4], &str, &str)] = &[
    ("siw", "dummy0", ADDRESS, "siw0", "siw"),
    ("rxe", "dummy0", ADDRESS, "rxe0", "rxe"),
    ("siw", "lo", LOOPBACK, "siw_lo", "siw over lo"),
    ("rxe", "lo", LOOPBACK, "rxe_lo", "rxe over lo"),
];

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if !std::path::Path::new("/sys/class/infiniband_verbs").exists() {
        check.skip("device", "no uverbs");
        return;
    }
    // siw of 5.10 and 6.1 keeps root to it too, and before 5.16 it is 64 KiB (drivers/infiniband/sw/siw/siw_verbs.c:
    // siw_reg_user_mr()).
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        check.skip("device", &format!("RLIMIT_MEMLOCK: {error}"));
        return;
    }
    if let Err(error) = networks() {
        check.skip("device", &format!("no network device: {error}"));
        return;
    }
    for (kind, network, address, name, title) in DEVICES {
        match add(kind, network, name) {
            Ok(name) => {
                device(check, title, &name);
                match *kind {
                    "rxe" => write::run(check, title, || rxe::connect(&name)),
                    _ => write::run(check, title, || siw::connect(&name, *address)),
                }
            }
            Err(error) => check.skip(title, &format!("no such device: {error}")),
        }
    }
}

/// A dummy device and the loopback device, both with an address. siw makes its GID of the hardware address, and one of
/// zeroes is none to the connection manager: drivers/infiniband/core/cache.c: add_modify_gid() (6.12).
fn networks() -> std::io::Result<()> {
    netlink::set_up("lo", [2, 0, 0, 0, 1, 0])?;
    netlink::add_dummy("dummy0")?;
    netlink::add_address("dummy0", ADDRESS)?;
    netlink::add_address("lo", LOOPBACK)
}

/// Makes a soft RDMA device and says what it is called.
fn add(kind: &str, network: &str, name: &str) -> std::io::Result<String> {
    let refused = match netlink::add_rdma_link(name, kind, network) {
        Ok(()) => return Ok(name.to_owned()),
        Err(error) => error,
    };
    let before = devices();
    if kind != "rxe" || netlink::add_rxe_by_parameter(network).is_err() {
        return Err(refused);
    }
    // The kernel has named it.
    let named = devices().difference(&before).next().cloned();
    named.ok_or(refused)
}

fn devices() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/sys/class/infiniband")
        .into_iter()
        .flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

fn device(check: &mut Check, title: &str, name: &str) {
    check.run(&format!("{title}, context and domain"), || {
        open_device(name).map(drop)
    });
    check.hold(
        &format!("{title}, region deregistered"),
        COUNT as u64,
        || region(name),
        |(verbs, region, _pages)| verbs.deregister(region),
    );
    check.hold(
        &format!("{title}, region closed"),
        COUNT as u64,
        || region(name),
        |(verbs, _, pages)| {
            drop(verbs);
            drop(pages);
            Ok(())
        },
    );
    check.run(
        &format!("{title}, region marked dirty when given back"),
        || {
            let verbs = open_device(name)?;
            let pages = attempt("map", Pages::small(COUNT))?;
            let before = attempt("read page flags", pages.marked_dirty())?;
            if before > 0 {
                return Err(Stop::Skip(format!("{before} pages are dirty already")));
            }
            let region = attempt(
                "register",
                verbs.register(&pages, pages.len() as u64, LOCAL_WRITE),
            )?;
            verbs.deregister(region)?;
            let dirty = attempt("read page flags", pages.marked_dirty())?;
            ensure(
                dirty == COUNT,
                format!("{dirty} of {COUNT} pages that a device could write were marked dirty"),
            )
        },
    );
    // Such a region pins nothing: its pages are faulted in, and the device is told when they go.
    check.run_pinning(&format!("{title}, region on demand"), 0, || {
        let verbs = open_device(name)?;
        let pages = attempt("map", Pages::new(COUNT))?;
        let bytes = pages.len() as u64;
        match verbs.register(&pages, bytes, LOCAL_WRITE | ON_DEMAND) {
            Ok(region) => verbs.deregister(region),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => {
                let why = format!("it has no on-demand paging here: {error}");
                Err(Stop::Skip(why))
            }
            Err(error) => Err(Stop::Fail(format!("register on demand: {error}"))),
        }
    });
    for (offset, length) in shapes() {
        let pages = Window::new(offset, length).map_or(0, |window| window.spans());
        let take = || -> Test<(Verbs, Region, Window)> {
            let (verbs, window) = (open_device(name)?, Window::new(offset, length)?);
            let region = verbs.register_at(window.address(), length as u64, LOCAL_WRITE);
            Ok((verbs, attempt("register", region)?, window))
        };
        check.hold(
            &format!("{title}, region of {length} bytes at {offset}"),
            pages,
            take,
            |(verbs, region, window)| {
                verbs.deregister(region)?;
                let (dirty, spans) = (window.marked_dirty()?, window.spans());
                ensure(
                    dirty == spans,
                    format!("{dirty} of {spans} pages that a device could write were marked dirty"),
                )
            },
        );
    }
    let taken = |address: u64, bytes: usize| -> Test<Verbs> {
        let verbs = open_device(name)?;
        let region = verbs.register_at(address, bytes as u64, LOCAL_WRITE);
        let _region = attempt("register", region)?;
        Ok(verbs)
    };
    longterm::run(check, &format!("{title}, region"), |pages| {
        taken(pages.address(), pages.len())
    });
    outlive::run(check, &format!("{title}, region"), |pages| {
        taken(pages.address(), pages.len())
    });
    check.run(
        &format!("{title}, region for reading of memory that may only be read"),
        || {
            let verbs = open_device(name)?;
            let pages = attempt("map", Pages::small(3))?;
            attempt("protect", pages.read_only())?;
            let region = attempt("register", verbs.register(&pages, pages.len() as u64, 0))?;
            verbs.deregister(region)
        },
    );
    let charged = Charge {
        shows: Shows::Pinned,
        shapes: &shapes(),
        there: &charge::THERE,
    };
    charge::exact(
        check,
        &format!("{title}, region"),
        &charged,
        || open_device(name),
        taken,
    );
    charge::run(check, &format!("{title}, region"), COUNT * PAGE, || {
        let (verbs, region, _pages) = region(name)?;
        verbs.deregister(region)
    });
    failing::run(check, &format!("{title}, region"), |failing| {
        let (verbs, window) = (open_device(name)?, Window::new(9, 530 * PAGE)?);
        let made = failing
            .during(|| verbs.register_at(window.address(), window.len() as u64, LOCAL_WRITE));
        match made {
            Ok(region) => verbs.deregister(region),
            Err(_) => Ok(()),
        }
    });
    check.run(&format!("{title}, region half not mapped"), || {
        let verbs = open_device(name)?;
        let pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = 2 * pages.len() as u64;
        longterm::not_there(verbs.register(&pages, bytes, LOCAL_WRITE), "registered")
    });
    check.run(&format!("{title}, holder killed"), || {
        killed_while_holding(|| region(name))
    });
    check.repeat(
        &format!("{title}, holder killed many times"),
        8,
        COUNT as u64,
        || killed_while_holding(|| region(name)),
    );
    if let (Ok(verbs), Ok(pages)) = (open_device(name), Pages::small(ARRAY)) {
        check.repeat(&format!("{title}, very often"), OFTEN, 0, || {
            let region = verbs.register(&pages, pages.len() as u64, LOCAL_WRITE);
            verbs.deregister(attempt("register", region)?)
        });
    }
    check.repeat(&format!("{title}, many times"), 16, COUNT as u64, || {
        let (verbs, region, _pages) = region(name)?;
        verbs.deregister(region)
    });
}

fn region(name: &str) -> Test<(Verbs, Region, Pages)> {
    let verbs = open_device(name)?;
    let pages = attempt("map", Pages::new(COUNT))?;
    let bytes = pages.len() as u64;
    let region = attempt("register", verbs.register(&pages, bytes, LOCAL_WRITE))?;
    Ok((verbs, region, pages))
}
