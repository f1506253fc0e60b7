// SPDX-License-Identifier: MIT OR Apache-2.0
//! RDS over soft RoCE: memory of the caller handed over for remote access.
//!
//! Interface: include/uapi/linux/rds.h; net/rds/rdma.c: __rds_rdma_map() and rds_cmsg_rdma_args() (6.12). Nobody answers
//! at the other end: a message that carries our pages waits in its queue and holds them until the socket is closed, and a
//! region that is asked for without a connection is refused after its pages were pinned.

use crate::check::{Check, OFTEN, Stop, Test, attempt, ensure};
use crate::memory::Pages;
use crate::sys::{killed_while_holding, set_socket_option, socket};
use crate::window::{Window, only_read, shapes};
use crate::{failing, longterm, netlink, outlive, pins};
use std::os::fd::{AsRawFd, OwnedFd};

/// The least round number whose loss is more than what chance takes in a round (`check::FEW`): a request here takes few pages.
const COUNT: usize = 64;
const DEVICE: &str = "dummy1";
const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [192, 0, 2, 2];
const SOL_RDS: i32 = 276;
const GET_MR: i32 = 2;
const RDMA_ARGS: i32 = 1;
/// RDS_RDMA_NOTIFY_ME; and with RDS_RDMA_READWRITE, which says that our memory is read and not written.
const TELL: u64 = 0x20;
const FROM_US_AND_TELL: u64 = 1 | TELL;

#[repr(C)]
struct Vector {
    address: u64,
    bytes: u64,
}

#[repr(C)]
struct GetRegion {
    vector: Vector,
    cookie: u64,
    flags: u64,
}

#[repr(C)]
struct RdmaArgs {
    cookie: u64,
    remote: Vector,
    local: u64,
    local_count: u64,
    flags: u64,
    token: u64,
}

/// A control message with its argument; already aligned as CMSG_ALIGN() wants it.
#[repr(C)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    argument: RdmaArgs,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(error) = device() {
        check.skip("device", &format!("no soft RDMA device: {error}"));
        return;
    }
    let bound = match bound() {
        Ok(socket) => socket,
        Err(error) => {
            check.skip(
                "socket",
                &format!("RDS does not bind to soft RoCE: {error}"),
            );
            return;
        }
    };
    drop(bound);
    check.run_pinning_for_long("region, refused without a connection", COUNT as u64, || {
        let socket = attempt("bind", bound_socket())?;
        let pages = attempt("map", Pages::new(COUNT))?;
        refused(region(&socket, &pages, pages.len()))
    });
    for (offset, length) in shapes() {
        let spans = Window::new(offset, length).map_or(0, |window| window.spans());
        let name = format!("region, {length} bytes at {offset}, refused without a connection");
        // net/rds/rds.h: RDS_MAX_MSG_SIZE is a MiB; one page more may be touched.
        if spans > 256 {
            continue;
        }
        check.run_pinning_for_long(&name, spans, || {
            let (socket, window) = (
                attempt("bind", bound_socket())?,
                Window::new(offset, length)?,
            );
            refused(region_at(&socket, window.address(), length))
        });
    }
    longterm::refuses_files(check, "region", longterm::COUNT, |pages| {
        let socket = attempt("bind", bound_socket())?;
        // Without a connection it is refused after the pages were taken, with another number.
        refused(region(&socket, pages, pages.len()))
    });
    longterm::refuses_read_only(check, "region", COUNT, |pages| {
        let socket = attempt("bind", bound_socket())?;
        // As above.
        refused(region(&socket, pages, pages.len()))
    });
    outlive::run(check, "message with our pages", |pages| {
        let socket = attempt("bind", bound_socket())?;
        send(&socket, pages)?;
        Ok(socket)
    });
    longterm::leaves_movable(check, "message with our pages", longterm::COUNT, |pages| {
        let socket = attempt("bind", bound_socket())?;
        send(&socket, pages)?;
        Ok(socket)
    });
    failing::run(check, "region", |failing| {
        let (socket, pages) = (
            attempt("bind", bound_socket())?,
            attempt("map", Pages::small(COUNT))?,
        );
        let _refused = failing.during(|| region(&socket, &pages, pages.len()));
        Ok(())
    });
    failing::run(check, "message with our pages", |failing| {
        let (socket, pages) = (
            attempt("bind", bound_socket())?,
            attempt("map", Pages::small(COUNT))?,
        );
        let _sent_or_not = failing.during(|| send(&socket, &pages));
        Ok(())
    });
    check.run("region, half not mapped", || {
        let socket = attempt("bind", bound_socket())?;
        let pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        longterm::not_there(region(&socket, &pages, 2 * pages.len()), "made a region")
    });
    check.hold(
        "message with our pages, closed",
        COUNT as u64,
        sent,
        |(socket, pages)| {
            drop(socket);
            drop(pages);
            Ok(())
        },
    );
    check.run(
        "message that our pages are written by, marked dirty when given back",
        || {
            let socket = attempt("bind", bound_socket())?;
            let pages = attempt("map", Pages::small(COUNT))?;
            let (marked, taken) = (
                attempt("read page flags", pages.marked_dirty())?,
                pins::read(),
            );
            let all = Vector {
                address: pages.address(),
                bytes: pages.len() as u64,
            };
            send_with(&socket, &[all], TELL)?;
            drop(socket);
            let _given_back = pins::settled(taken);
            let dirty = attempt("read page flags", pages.marked_dirty())?;
            ensure(
                marked > 0 || dirty == COUNT,
                format!(
                    "{dirty} of {COUNT} pages that the other end could write were marked dirty"
                ),
            )
        },
    );
    check.run(
        "message that our pages are only read by, not marked dirty when given back",
        || {
            let socket = attempt("bind", bound_socket())?;
            let pages = attempt("map", Pages::small(COUNT))?;
            let (marked, taken) = (
                attempt("read page flags", pages.marked_dirty())?,
                pins::read(),
            );
            send(&socket, &pages)?;
            drop(socket);
            let _given_back = pins::settled(taken);
            let dirty = attempt("read page flags", pages.marked_dirty())?;
            only_read(marked as u64, dirty as u64, COUNT as u64)
        },
    );
    check.run("message, the second of three places not there", || {
        let socket = attempt("bind", bound_socket())?;
        let pages = attempt("map", Pages::small(COUNT))?;
        let half = pages.len() as u64 / 2;
        let vectors = [pages.address(), 1 << 40, pages.address() + half].map(|address| Vector {
            address,
            bytes: half,
        });
        let refused = send_with(&socket, &vectors, FROM_US_AND_TELL).is_err();
        ensure(refused, "memory that is not there was sent")
    });
    check.run("message with our pages, sender killed", || {
        killed_while_holding(sent)
    });
    check.repeat(
        "message with our pages, sender killed many times",
        16,
        COUNT as u64,
        || killed_while_holding(sent),
    );
    if let (Ok(socket), Ok(pages)) = (bound_socket(), Pages::small(COUNT)) {
        check.repeat("region, very often", OFTEN, 0, || {
            refused(region(&socket, &pages, pages.len()))
        });
    }
    check.repeat("region, many times", 48, COUNT as u64, || {
        let socket = attempt("bind", bound_socket())?;
        let pages = attempt("map", Pages::new(COUNT))?;
        let _refused = region(&socket, &pages, pages.len());
        Ok(())
    });
}

fn device() -> std::io::Result<()> {
    netlink::add_dummy(DEVICE)?;
    netlink::add_address(DEVICE, HERE)?;
    netlink::add_rdma_link("rxe1", "rxe", DEVICE)
}

/// Binding may have to wait: the device tells the stack of its address from a work queue.
fn bound() -> std::io::Result<OwnedFd> {
    let mut last = bound_socket();
    for _ in 0..100 {
        if last.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        last = bound_socket();
    }
    last
}

fn bound_socket() -> std::io::Result<OwnedFd> {
    let socket = socket(libc::AF_RDS, libc::SOCK_SEQPACKET, 0)?;
    let address = at(HERE, 0);
    // SAFETY: the address is alive, and its length is its own.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        )
    };
    if bound < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(socket)
}

fn at(address: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address),
        },
        sin_zero: [0; 8],
    }
}

/// Fails unless the region was refused because there is no connection: its pages were pinned before.
fn refused(made: std::io::Result<()>) -> Test {
    match made {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        Err(error) => Err(Stop::Fail(format!("get a region: {error}"))),
        Ok(()) => Err(Stop::Fail("a region without a connection".into())),
    }
}

fn region(socket: &OwnedFd, pages: &Pages, bytes: usize) -> std::io::Result<()> {
    region_at(socket, pages.address(), bytes)
}

fn region_at(socket: &OwnedFd, address: u64, bytes: usize) -> std::io::Result<()> {
    let mut cookie = 0u64;
    let request = GetRegion {
        vector: Vector {
            address,
            bytes: bytes as u64,
        },
        cookie: std::ptr::from_mut(&mut cookie) as u64,
        flags: 0,
    };
    set_socket_option(socket, SOL_RDS, GET_MR, &request)
}

/// A message to nobody that carries our pages.
fn sent() -> Test<(OwnedFd, Pages)> {
    let socket = attempt("bind", bound_socket())?;
    let pages = attempt("map", Pages::new(COUNT))?;
    send(&socket, &pages)?;
    Ok((socket, pages))
}

/// Sends it.
fn send(socket: &OwnedFd, pages: &Pages) -> Test {
    let all = Vector {
        address: pages.address(),
        bytes: pages.len() as u64,
    };
    send_with(socket, &[all], FROM_US_AND_TELL)
}

/// The same of several stretches of memory.
fn send_with(socket: &OwnedFd, vectors: &[Vector], flags: u64) -> Test {
    let mut control = Control {
        length: size_of::<Control>(),
        level: SOL_RDS,
        kind: RDMA_ARGS,
        argument: RdmaArgs {
            cookie: 1,
            remote: Vector {
                address: 0,
                bytes: vectors.iter().map(|vector| vector.bytes).sum(),
            },
            local: vectors.as_ptr() as u64,
            local_count: vectors.len() as u64,
            flags,
            token: 1,
        },
    };
    let mut to = at(THERE, 4000);
    // SAFETY: all of it zero is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = std::ptr::from_mut(&mut to).cast();
    message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    message.msg_control = std::ptr::from_mut(&mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: everything that the message names is alive for the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_DONTWAIT) };
    if sent < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Stop::Fail(format!("send: {error}")));
    }
    Ok(())
}
