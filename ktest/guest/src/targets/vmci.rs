// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VMCI host device: a context, its notification page, and the three ways in which that page is given back.
//!
//! Interface: include/linux/vmw_vmci_defs.h; drivers/misc/vmw_vmci/vmci_host.c: vmci_host_setup_notify(),
//! vmci_context.c: vmci_ctx_unset_notify() (6.12). It needs no VMware hardware.

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::sys::{io, ioctl, ioctl_value, killed_while_holding, open};
use std::fs::File;

const VERSION: u64 = io(7, 0x9f);
const VERSION2: u64 = io(7, 0xa7);
const INIT_CONTEXT: u64 = io(7, 0xa0);
const SET_NOTIFY: u64 = io(7, 0xcb);

/// The version that brought doorbell notification; what a caller of that age says it speaks.
const SPEAKS: u32 = 10 << 16;
/// The kernel chooses the context's id.
const ANY_CID: u32 = 0;

#[repr(C)]
struct InitBlock {
    cid: u32,
    flags: u32,
}

#[repr(C)]
struct NotifyInfo {
    address: u64,
    result: i32,
    _unused: u32,
}

/// Runs every subtest.
pub fn run(check: &mut Check) {
    if !std::path::Path::new("/dev/vmci").exists() {
        check.skip("device", "no /dev/vmci");
        return;
    }
    check.run("version", || {
        let file = attempt("open /dev/vmci", open("/dev/vmci"))?;
        let version = attempt("version", ioctl_value(&file, VERSION, 0))?;
        ensure(version >= 8 << 16, format!("unknown version {version:#x}"))
    });
    check.run("context", || context().map(drop));
    let with_page = || -> Test<(File, Pages)> {
        let (file, page) = (context()?, attempt("map a page", Pages::new(1))?);
        notify(&file, page.address())?;
        Ok((file, page))
    };
    check.hold(
        "notify page, given back by request",
        with_page,
        |(file, _page)| notify(&file, 0),
    );
    check.hold(
        "notify page, given back by close",
        with_page,
        |(file, page)| {
            drop(file);
            drop(page);
            Ok(())
        },
    );
    check.run("notify page, second one refused", || {
        let (file, _page) = with_page()?;
        let other = attempt("map a page", Pages::new(1))?;
        let second = notify(&file, other.address());
        ensure(second.is_err(), "a second notify page was accepted")?;
        notify(&file, 0)
    });
    check.run("notify page, not mapped", || {
        let file = context()?;
        ensure(
            notify(&file, 1 << 40).is_err(),
            "an unmapped page was accepted",
        )
    });
    check.run("notify page, holder killed", || {
        let taken =
            killed_while_holding(|| with_page().map_err(|_| std::io::ErrorKind::Other.into()));
        attempt("in the child", taken)
    });
    check.repeat("notify page, many times", 256, 1, || {
        let (file, _page) = with_page()?;
        notify(&file, 0)
    });
}

fn context() -> Test<File> {
    let file = attempt("open /dev/vmci", open("/dev/vmci"))?;
    let mut version = SPEAKS;
    attempt("say our version", ioctl(&file, VERSION2, &mut version))?;
    let mut block = InitBlock {
        cid: ANY_CID,
        flags: 0,
    };
    attempt("make a context", ioctl(&file, INIT_CONTEXT, &mut block))?;
    Ok(file)
}

fn notify(file: &File, address: u64) -> Test {
    let mut info = NotifyInfo {
        address,
        result: i32::MIN,
        _unused: 0,
    };
    attempt("set the notify page", ioctl(file, SET_NOTIFY, &mut info))?;
    if info.result == 0 {
        return Ok(());
    }
    Err(Stop::Fail(format!(
        "set the notify page: VMCI error {}",
        info.result
    )))
}
