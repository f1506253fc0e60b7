// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection manager, as commands written to /dev/infiniband/rdma_cm: one end listens, the other connects to it.
//!
//! include/uapi/rdma/rdma_user_cm.h; drivers/infiniband/core/ucma.c: ucma_write() (6.12). A command is its header
//! (number, lengths in bytes) and its structure. Each end is a file of its own, so that events do not mix.

use super::ring::wait;
use super::verbs::{Plain, bytes_of};
use crate::check::{Test, attempt, ensure};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

const CREATE_ID: u32 = 0;
const BIND_IP: u32 = 2;
const RESOLVE_IP: u32 = 3;
const RESOLVE_ROUTE: u32 = 4;
const CONNECT: u32 = 6;
const LISTEN: u32 = 7;
const ACCEPT: u32 = 8;
const GET_EVENT: u32 = 12;

/// RDMA_PS_TCP
const PORT_SPACE_TCP: u16 = 0x0106;
/// IB_QPT_RC
const RELIABLE_CONNECTED: u8 = 2;
/// Both ends are here: an answer takes milliseconds, and software emulation may be a hundred times slower.
const TIMEOUT_MS: u32 = 2000;

/// enum rdma_cm_event_type of include/rdma/rdma_cm.h.
const ADDR_RESOLVED: u32 = 0;
const ROUTE_RESOLVED: u32 = 2;
const CONNECT_REQUEST: u32 = 4;
const ESTABLISHED: u32 = 9;
const DISCONNECTED: u32 = 10;

/// struct rdma_ucm_create_id.
#[repr(C)]
#[derive(Clone, Copy)]
struct CreateId {
    uid: u64,
    response: u64,
    ps: u16,
    qp_type: u8,
    reserved: [u8; 5],
}
const _: () = assert!(size_of::<CreateId>() == 24);
// SAFETY: numbers, and the size says that nothing lies between them.
unsafe impl Plain for CreateId {}

/// A struct sockaddr_in with the room of a struct sockaddr_in6.
#[repr(C)]
#[derive(Clone, Copy)]
struct Address {
    family: u16,
    port: [u8; 2],
    address: [u8; 4],
    rest: [u32; 5],
}
const _: () = assert!(size_of::<Address>() == size_of::<libc::sockaddr_in6>());

/// struct rdma_ucm_bind_ip.
#[repr(C)]
#[derive(Clone, Copy)]
struct BindIp {
    response: u64,
    address: Address,
    id: u32,
}
const _: () = assert!(size_of::<BindIp>() == 40);
// SAFETY: as above.
unsafe impl Plain for BindIp {}

/// struct rdma_ucm_resolve_ip.
#[repr(C)]
#[derive(Clone, Copy)]
struct ResolveIp {
    source: Address,
    destination: Address,
    id: u32,
    timeout_ms: u32,
}
const _: () = assert!(size_of::<ResolveIp>() == 64);
// SAFETY: as above.
unsafe impl Plain for ResolveIp {}

/// struct rdma_ucm_conn_param.
#[repr(C)]
#[derive(Clone, Copy)]
struct Parameters {
    qp_num: u32,
    qkey: u32,
    private_data: [u32; 64],
    private_data_len: u8,
    srq: u8,
    responder_resources: u8,
    initiator_depth: u8,
    flow_control: u8,
    retry_count: u8,
    rnr_retry_count: u8,
    valid: u8,
}
const _: () = assert!(size_of::<Parameters>() == 272);

/// struct rdma_ucm_connect as 5.4 has it; 6.1 has put something behind it that may be left out.
#[repr(C)]
#[derive(Clone, Copy)]
struct Connect {
    parameters: Parameters,
    id: u32,
    reserved: u32,
}
const _: () = assert!(size_of::<Connect>() == 280);
// SAFETY: as above.
unsafe impl Plain for Connect {}

/// struct rdma_ucm_accept, likewise.
#[repr(C)]
#[derive(Clone, Copy)]
struct Accept {
    uid: u64,
    parameters: Parameters,
    id: u32,
    reserved: u32,
}
const _: () = assert!(size_of::<Accept>() == 288);
// SAFETY: as above.
unsafe impl Plain for Accept {}

/// An IPv4 address and a port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub address: [u8; 4],
    pub port: u16,
}

/// One end; giving it up breaks its connection.
struct End {
    file: File,
    id: u32,
}

/// Both ends of a connection.
pub(super) struct Ends {
    active: End,
    _passive: End,
}

/// Connects queue pair `connecting` with queue pair `listening` of the device that has `place`'s address.
pub(super) fn connect(place: Place, connecting: u32, listening: u32) -> Test<Ends> {
    let passive = End::create()?;
    attempt("bind", passive.bind(place))?;
    let listen = tell(&passive.file, LISTEN, &[passive.id, 1], 0);
    attempt("listen", listen)?;
    let active = End::create()?;
    attempt("resolve the address", active.resolve(place))?;
    active.event("resolved address", ADDR_RESOLVED)?;
    let route = tell(&active.file, RESOLVE_ROUTE, &[active.id, TIMEOUT_MS], 0);
    attempt("resolve the route", route)?;
    active.event("resolved route", ROUTE_RESOLVED)?;
    attempt("connect", active.connect(connecting))?;
    let request = passive.event("request to connect", CONNECT_REQUEST)?;
    attempt("accept", passive.accept(request, listening))?;
    passive.event("connection at the listener", ESTABLISHED)?;
    active.event("connection", ESTABLISHED)?;
    Ok(Ends {
        active,
        _passive: passive,
    })
}

impl Ends {
    /// Waits until the other end has broken the connection.
    pub(super) fn disconnected(&self) -> Test {
        self.active.event("end of the connection", DISCONNECTED)?;
        Ok(())
    }
}

impl End {
    fn create() -> Test<End> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        let opened = options
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/infiniband/rdma_cm");
        let file = attempt("open the connection manager", opened)?;
        let mut answer = [0u32; 1];
        let request = CreateId {
            uid: 1,
            response: answer.as_mut_ptr() as u64,
            ps: PORT_SPACE_TCP,
            qp_type: RELIABLE_CONNECTED,
            reserved: [0; 5],
        };
        let created = tell(&file, CREATE_ID, &request, size_of_val(&answer));
        attempt("create an identifier", created)?;
        Ok(End {
            file,
            id: answer[0],
        })
    }

    fn bind(&self, place: Place) -> io::Result<()> {
        let request = BindIp {
            response: 0,
            address: sockaddr(place),
            id: self.id,
        };
        tell(&self.file, BIND_IP, &request, 0)
    }

    /// From the same address to it, so that the device is the one that has it.
    fn resolve(&self, place: Place) -> io::Result<()> {
        let request = ResolveIp {
            source: sockaddr(Place { port: 0, ..place }),
            destination: sockaddr(place),
            id: self.id,
            timeout_ms: TIMEOUT_MS,
        };
        tell(&self.file, RESOLVE_IP, &request, 0)
    }

    fn connect(&self, qp: u32) -> io::Result<()> {
        let request = Connect {
            parameters: parameters(qp),
            id: self.id,
            reserved: 0,
        };
        tell(&self.file, CONNECT, &request, 0)
    }

    fn accept(&self, id: u32, qp: u32) -> io::Result<()> {
        let request = Accept {
            uid: 2,
            parameters: parameters(qp),
            id,
            reserved: 0,
        };
        tell(&self.file, ACCEPT, &request, 0)
    }

    /// Waits for the next event, which must be `wanted`; the identifier that it is about.
    fn event(&self, what: &str, wanted: u32) -> Test<u32> {
        // struct rdma_ucm_event_resp: uid (two words), id, event, status, and parameters.
        let mut answer = [0u32; 84];
        let request = [answer.as_mut_ptr() as u64];
        let got = wait(what, || {
            match tell(&self.file, GET_EVENT, &request, size_of_val(&answer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                got => Some(got),
            }
        })?;
        attempt("get an event", got)?;
        let [_, _, id, event, status, ..] = std::hint::black_box(answer);
        let why = format!(
            "event {event} with status {}: no {what}",
            i32::from_ne_bytes(status.to_ne_bytes())
        );
        ensure(event == wanted, why)?;
        Ok(id)
    }
}

fn parameters(qp_num: u32) -> Parameters {
    Parameters {
        qp_num,
        qkey: 0,
        private_data: [0; 64],
        private_data_len: 0,
        srq: 0,
        responder_resources: 1,
        initiator_depth: 1,
        flow_control: 0,
        retry_count: 7,
        rnr_retry_count: 7,
        valid: 1,
    }
}

fn sockaddr(place: Place) -> Address {
    Address {
        family: libc::AF_INET as u16,
        port: place.port.to_be_bytes(),
        address: place.address,
        rest: [0; 5],
    }
}

/// Writes a command; `output` is how many bytes its answer has room for.
fn tell<Q: Plain>(mut file: &File, number: u32, request: &Q, output: usize) -> io::Result<()> {
    let mut bytes = number.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&(size_of::<Q>() as u16).to_ne_bytes());
    bytes.extend_from_slice(&(output as u16).to_ne_bytes());
    bytes.extend_from_slice(bytes_of(request));
    file.write_all(&bytes)
}
