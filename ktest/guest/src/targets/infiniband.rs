// SPDX-License-Identifier: MIT OR Apache-2.0
//! Soft RDMA over a dummy network device: memory regions registered through uverbs and given back by request, by close
//! and by death, on soft RoCE and on soft iWARP.
//!
//! Interface: include/uapi/rdma/rdma_netlink.h (a device is one netlink message), include/uapi/rdma/ib_user_verbs.h
//! (commands are written to /dev/infiniband/uverbsN); drivers/infiniband/core/umem.c: ib_umem_get() (6.12).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::netlink;
use crate::sys::{killed_while_holding, open};
use std::fs::File;
use std::io::Write;

const COUNT: usize = 512;
const GET_CONTEXT: u32 = 0;
const ALLOC_PD: u32 = 3;
const REG_MR: u32 = 9;
const DEREG_MR: u32 = 13;
const LOCAL_WRITE: u32 = 1;
/// IB_UVERBS_ACCESS_ON_DEMAND of include/uapi/rdma/ib_user_ioctl_verbs.h.
const ON_DEMAND: u32 = 1 << 6;

/// A device with an open context and a protection domain.
struct Verbs {
    file: File,
    domain: u32,
}

/// Runs every subtest.
pub fn run(check: &mut Check) {
    if !std::path::Path::new("/sys/class/infiniband_verbs").exists() {
        check.skip("device", "no uverbs");
        return;
    }
    if let Err(error) = netlink::add_dummy("dummy0") {
        check.skip("device", &format!("no dummy network device: {error}"));
        return;
    }
    for kind in ["rxe", "siw"] {
        let name = format!("{kind}0");
        let added = netlink::add_rdma_link(&name, kind, "dummy0").or_else(|error| match kind {
            "rxe" => netlink::add_rxe_by_parameter("dummy0").map_err(|_| error),
            _ => Err(error),
        });
        match added {
            Ok(()) => device(check, kind, &name),
            Err(error) => check.skip(kind, &format!("no such device: {error}")),
        }
    }
}

fn device(check: &mut Check, kind: &str, name: &str) {
    check.run(&format!("{kind}, context and domain"), || {
        verbs(name).map(drop)
    });
    check.hold(
        &format!("{kind}, region deregistered"),
        || region(name),
        |(verbs, region, _pages)| verbs.deregister(region),
    );
    check.hold(
        &format!("{kind}, region closed"),
        || region(name),
        |(verbs, _, pages)| {
            drop(verbs);
            drop(pages);
            Ok(())
        },
    );
    check.run(
        &format!("{kind}, region marked dirty when given back"),
        || {
            let verbs = verbs(name)?;
            let pages = attempt("map", Pages::small(COUNT))?;
            let before = attempt("read page flags", pages.marked_dirty())?;
            if before > 0 {
                return Err(Stop::Skip(format!("{before} pages are dirty already")));
            }
            let region = attempt("register", verbs.register(&pages, pages.len() as u64))?;
            verbs.deregister(region)?;
            let dirty = attempt("read page flags", pages.marked_dirty())?;
            ensure(
                dirty == COUNT,
                format!("{dirty} of {COUNT} pages that a device could write were marked dirty"),
            )
        },
    );
    // Such a region pins nothing: its pages are faulted in, and the device is told when they go.
    check.run_pinning(&format!("{kind}, region on demand"), 0, || {
        let verbs = verbs(name)?;
        let pages = attempt("map", Pages::new(COUNT))?;
        let bytes = pages.len() as u64;
        match verbs.register_for(&pages, bytes, LOCAL_WRITE | ON_DEMAND) {
            Ok(region) => verbs.deregister(region),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => {
                let why = format!("it has no on-demand paging here: {error}");
                Err(Stop::Skip(why))
            }
            Err(error) => Err(Stop::Fail(format!("register on demand: {error}"))),
        }
    });
    check.run(&format!("{kind}, region half not mapped"), || {
        let verbs = verbs(name)?;
        let pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = 2 * pages.len() as u64;
        ensure(
            verbs.register(&pages, bytes).is_err(),
            "memory that is not there was registered",
        )
    });
    check.run(&format!("{kind}, holder killed"), || {
        let taken =
            killed_while_holding(|| region(name).map_err(|_| std::io::ErrorKind::Other.into()));
        attempt("in the child", taken)
    });
    check.repeat(&format!("{kind}, many times"), 16, COUNT as u64, || {
        let (verbs, region, _pages) = region(name)?;
        verbs.deregister(region)
    });
}

fn region(name: &str) -> Test<(Verbs, u32, Pages)> {
    let verbs = verbs(name)?;
    let pages = attempt("map", Pages::new(COUNT))?;
    let region = attempt("register", verbs.register(&pages, pages.len() as u64))?;
    Ok((verbs, region, pages))
}

fn verbs(name: &str) -> Test<Verbs> {
    let node = attempt("find the device", node_of(name))?;
    let file = attempt("open the device", open(format!("/dev/infiniband/{node}")))?;
    // Room for what drivers add to an answer.
    let mut context = [0u32; 16];
    attempt(
        "get a context",
        command(&file, GET_CONTEXT, &[], &mut context),
    )?;
    let mut domain = [0u32; 16];
    attempt(
        "allocate a domain",
        command(&file, ALLOC_PD, &[], &mut domain),
    )?;
    Ok(Verbs {
        file,
        domain: domain[0],
    })
}

/// The uverbs node whose `ibdev` is `name`.
fn node_of(name: &str) -> std::io::Result<String> {
    for entry in std::fs::read_dir("/sys/class/infiniband_verbs")? {
        let entry = entry?;
        let ibdev = std::fs::read_to_string(entry.path().join("ibdev")).unwrap_or_default();
        if ibdev.trim() == name {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Err(std::io::Error::other("no uverbs node"))
}

impl Verbs {
    fn register(&self, pages: &Pages, bytes: u64) -> std::io::Result<u32> {
        self.register_for(pages, bytes, LOCAL_WRITE)
    }

    fn register_for(&self, pages: &Pages, bytes: u64, rights: u32) -> std::io::Result<u32> {
        let address = pages.address();
        let access = u64::from(rights) << 32 | u64::from(self.domain);
        // The last word is for drivers that want a key.
        let mut answer = [0u32; 16];
        command(
            &self.file,
            REG_MR,
            &[address, bytes, address, access, 0],
            &mut answer,
        )?;
        Ok(answer[0])
    }

    fn deregister(&self, region: u32) -> Test {
        let header = [DEREG_MR, words(3, 0), region];
        let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
        attempt("deregister", (&self.file).write_all(&bytes))
    }
}

/// Writes one command: header (number, lengths in words of 4 bytes), address of the answer, payload.
fn command(
    file: &File,
    number: u32,
    payload: &[u64],
    answer: &mut [u32; 16],
) -> std::io::Result<()> {
    let length = 8 + 8 + 8 * payload.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(&words(length as u32 / 4, answer.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(&(answer.as_mut_ptr() as u64).to_ne_bytes());
    for word in payload {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let mut file = file;
    file.write_all(&bytes)
}

/// in_words and out_words of struct ib_uverbs_cmd_hdr.
fn words(input: u32, output: u32) -> u32 {
    output << 16 | input
}
