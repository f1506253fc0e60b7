// SPDX-License-Identifier: MIT OR Apache-2.0
//! Soft iWARP: two queue pairs of one device, connected with each other by the connection manager, and their rings.
//!
//! include/uapi/rdma/siw-abi.h (the same from 5.4 to 7.3); drivers/infiniband/sw/siw/siw_verbs.c: siw_create_qp() and
//! siw_create_cq(), siw_qp_tx.c: siw_activate_tx() (6.12). An element is valid while its flags say so: whoever has taken
//! it clears them.

use super::connection::{Ends, Place, connect as connect_ends};
use super::ring::{Completion, RdmaWrite, Shared, wait};
use super::verbs::{CompletionQueue, ModifyQp, Plain, Verbs, open_device};
use super::verbs::{LOCAL_WRITE, REMOTE_WRITE, attribute, state};
use super::write::Connection;
use crate::check::{Test, attempt, ensure};
use crate::memory::PAGE;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU16, Ordering};

/// Work requests and completions that a ring has room for.
const ROOM: u32 = 16;
/// Each connection listens at a port of its own: one that was just given up may not be free yet.
static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);

/// enum siw_wqe_flags
const VALID: u16 = 1;
const SIGNALLED: u16 = 1 << 2;
/// SIW_OP_WRITE
const RDMA_WRITE: u8 = 0;
/// SIW_WC_LOC_QP_OP_ERR
const LOCAL_OPERATION_ERROR: u32 = 3;

/// struct siw_uresp_create_cq.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CqAnswer {
    cq_id: u32,
    num_cqe: u32,
    cq_key: u64,
}
const _: () = assert!(size_of::<CqAnswer>() == 16);
// SAFETY: numbers, and the size says that nothing lies between them.
unsafe impl Plain for CqAnswer {}

/// struct siw_uresp_create_qp.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct QpAnswer {
    qp_id: u32,
    num_sqe: u32,
    num_rqe: u32,
    pad: u32,
    sq_key: u64,
    rq_key: u64,
}
const _: () = assert!(size_of::<QpAnswer>() == 32);
// SAFETY: as above.
unsafe impl Plain for QpAnswer {}

/// struct siw_sqe.
#[repr(C)]
#[derive(Clone, Copy)]
struct SendElement {
    id: u64,
    /// Flags (two bytes), number of pieces, operation; written last and at once.
    control: u32,
    rkey: u32,
    remote: u64,
    local: u64,
    local_length: u32,
    lkey: u32,
    more_pieces: [u64; 10],
}
const _: () = assert!(size_of::<SendElement>() == 120);
// SAFETY: as above.
unsafe impl Plain for SendElement {}

/// struct siw_cqe.
#[repr(C)]
#[derive(Clone, Copy)]
struct CompletionElement {
    id: u64,
    /// Flags, operation, status (two bytes).
    control: u32,
    bytes: u32,
    immediate: u64,
    qp_id: u64,
}
const _: () = assert!(size_of::<CompletionElement>() == 32);
/// struct siw_cq_ctrl, behind the completions.
const NOTIFY_BYTES: usize = 8;

/// Two connected queue pairs; we write from the first.
pub(super) struct Connected {
    ends: Ends,
    verbs: Verbs,
    sender: u32,
    sends: Shared,
    sends_room: u32,
    completions: Shared,
    completions_room: u32,
    sent: u32,
    taken: u32,
}

/// Connects two queue pairs of device `name`, whose network device has `address`, with each other.
pub(super) fn connect(name: &str, address: [u8; 4]) -> Test<Connected> {
    let verbs = open_device(name)?;
    let queue: CompletionQueue<CqAnswer> = attempt(
        "create a completion queue",
        verbs.create_cq(ROOM, CqAnswer::default()),
    )?;
    let completions_room = queue.ring.num_cqe;
    let bytes = completions_room as usize * size_of::<CompletionElement>() + NOTIFY_BYTES;
    let completions = map(&verbs, queue.ring.cq_key, bytes)?;
    let pair = || {
        let created = verbs.create_qp(queue.handle, ROOM, QpAnswer::default());
        let pair = attempt("create a queue pair", created)?;
        let init = ModifyQp {
            qp_handle: pair.handle,
            attr_mask: attribute::STATE | attribute::ACCESS_FLAGS | attribute::PORT,
            qp_state: state::INIT,
            port_num: 1,
            qp_access_flags: LOCAL_WRITE | REMOTE_WRITE,
            ..ModifyQp::default()
        };
        attempt("bring a queue pair to INIT", verbs.modify_qp(&init))?;
        Test::Ok(pair)
    };
    let (ours, theirs) = (pair()?, pair()?);
    let sends_room = ours.rings.num_sqe;
    let rooms = format!("rings for {sends_room} and {completions_room}");
    ensure(sends_room > 0 && completions_room > 0, rooms)?;
    let bytes = sends_room as usize * size_of::<SendElement>();
    let sends = map(&verbs, ours.rings.sq_key, bytes)?;
    let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
    let ends = connect_ends(Place { address, port }, ours.number, theirs.number)?;
    Ok(Connected {
        ends,
        verbs,
        sender: ours.handle,
        sends,
        sends_room,
        completions,
        completions_room,
        sent: 0,
        taken: 0,
    })
}

/// A ring is mapped as the whole pages that it lies in: rdma_user_mmap_entry_get() (6.12) takes no other length.
fn map(verbs: &Verbs, key: u64, bytes: usize) -> Test<Shared> {
    Shared::map(verbs.file(), key, bytes.next_multiple_of(PAGE))
}

impl Connection for Connected {
    /// A write is complete when it is sent.
    const ACKNOWLEDGED: bool = false;

    fn verbs(&self) -> &Verbs {
        &self.verbs
    }

    fn write(&mut self, write: &RdmaWrite) -> Test<Completion> {
        let place = (self.sent % self.sends_room) as usize * size_of::<SendElement>();
        self.sends.write(place, element(write));
        let [low, high] = (VALID | SIGNALLED).to_ne_bytes();
        let control = u32::from_ne_bytes([low, high, 1, RDMA_WRITE]);
        let at = place + offset_of!(SendElement, control);
        self.sends.store(at, control);
        self.sent += 1;
        attempt("ring the doorbell", self.verbs.ring_doorbell(self.sender))?;
        wait("completion", || self.poll())
    }

    /// Whether the other end took the bytes is not in the completion: a peer that refuses them ends the connection
    /// (RFC 5040, 7.2). If that comes while the sender still looks at what it has sent, its write ends with an error
    /// (siw_qp_sq_proc_tx() of 6.12: tx_suspend), as does one that could not be sent at all.
    fn refused(&mut self, completion: Completion) -> Test<bool> {
        let status = completion.status;
        let why = format!("not sent: status {status}");
        ensure(matches!(status, 0 | LOCAL_OPERATION_ERROR), why)?;
        self.ends.disconnected()?;
        Ok(status == 0)
    }
}

impl Connected {
    fn poll(&mut self) -> Option<Completion> {
        let size = size_of::<CompletionElement>();
        let place = (self.taken % self.completions_room) as usize * size;
        let at = place + offset_of!(CompletionElement, control);
        let [flags, _, low, high] = self.completions.load(at).to_ne_bytes();
        if u16::from(flags) & VALID == 0 {
            return None;
        }
        let id = self
            .completions
            .read(place + offset_of!(CompletionElement, id));
        self.completions.store(at, 0);
        self.taken += 1;
        Some(Completion {
            id,
            status: u16::from_ne_bytes([low, high]).into(),
        })
    }
}

fn element(write: &RdmaWrite) -> SendElement {
    SendElement {
        id: write.id,
        control: 0,
        rkey: write.rkey,
        remote: write.remote,
        local: write.local,
        local_length: write.bytes,
        lkey: write.lkey,
        more_pieces: [0; 10],
    }
}
