// SPDX-License-Identifier: MIT OR Apache-2.0
//! Soft RoCE: two reliable connected queue pairs of one device, connected with each other, and their rings.
//!
//! include/uapi/rdma/rdma_user_rxe.h; struct rxe_queue_buf is in drivers/infiniband/sw/rxe/rxe_queue.h of 4.19 and 5.4.
//! What is used here lies at the same offsets in 4.19, 5.4, 6.1, 6.12 and 7.3: when the address moved from the element into
//! its union of requests, the union grew by just that much.

use super::ring::{Completion, RdmaWrite, Shared, wait};
use super::verbs::{CompletionQueue, ModifyQp, Plain, QpDest, QueuePair, Verbs, open_device};
use super::verbs::{LOCAL_WRITE, REMOTE_WRITE, attribute, state};
use super::write::Connection;
use crate::check::{Test, attempt, ensure};
use std::mem::offset_of;

/// Work requests and completions that a ring has room for.
const ROOM: u32 = 16;
const PORT: u8 = 1;
/// IB_MTU_1024: an Ethernet frame of 1500 bytes has room for it, and no more.
const MTU_1024: u8 = 3;
/// IB_SEND_SIGNALED
const SIGNALED: u32 = 2;
/// IB_WC_REM_ACCESS_ERR: the other end has no such memory for us.
const REMOTE_ACCESS_ERROR: u32 = 10;
/// IB_WC_RETRY_EXC_ERR. An old responder that has no receive request to complete refuses a write without saying so:
/// drivers/infiniband/sw/rxe/rxe_resp.c: do_complete() (4.19).
const RETRY_EXCEEDED: u32 = 12;
/// IB_WR_RDMA_WRITE
const RDMA_WRITE: u32 = 0;

/// struct mminfo: where a ring can be mapped.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MmapInfo {
    offset: u64,
    size: u32,
    pad: u32,
}
const _: () = assert!(size_of::<MmapInfo>() == 16);
// SAFETY: numbers, and the size says that nothing lies between them.
unsafe impl Plain for MmapInfo {}

/// struct rxe_create_qp_resp.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct QpRings {
    receive: MmapInfo,
    send: MmapInfo,
}
const _: () = assert!(size_of::<QpRings>() == 32);
// SAFETY: as above.
unsafe impl Plain for QpRings {}

/// struct rxe_queue_buf: what a ring begins with.
#[repr(C)]
struct QueueHead {
    log2_element_bytes: u32,
    index_mask: u32,
    pad_1: [u32; 30],
    producer_index: u32,
    pad_2: [u32; 31],
    consumer_index: u32,
    pad_3: [u32; 31],
}
const _: () = assert!(offset_of!(QueueHead, producer_index) == 128);
const _: () = assert!(offset_of!(QueueHead, consumer_index) == 256);
const _: () = assert!(size_of::<QueueHead>() == 384);

/// struct rxe_send_wqe with one piece of local memory, as an RDMA WRITE fills it.
#[repr(C)]
#[derive(Clone, Copy)]
struct SendElement {
    wr_id: u64,
    reserved: u32,
    opcode: u32,
    send_flags: u32,
    immediate: u32,
    remote_addr: u64,
    rkey: u32,
    /// The rest of the union, and in 4.19 and 5.4 the address vector behind it; a reliable connection needs neither.
    rest: [u32; 27],
    status: u32,
    state: u32,
    iova: u64,
    mask: u32,
    first_psn: u32,
    last_psn: u32,
    ack_length: u32,
    ssn: u32,
    has_rd_atomic: u32,
    length: u32,
    resid: u32,
    cur_sge: u32,
    num_sge: u32,
    sge_offset: u32,
    dma_reserved: u32,
    local: u64,
    local_length: u32,
    lkey: u32,
}
const _: () = assert!(offset_of!(SendElement, status) == 144);
const _: () = assert!(offset_of!(SendElement, iova) == 152);
const _: () = assert!(offset_of!(SendElement, length) == 184);
const _: () = assert!(offset_of!(SendElement, local) == 208);
const _: () = assert!(size_of::<SendElement>() == 224);
// SAFETY: as above.
unsafe impl Plain for SendElement {}

/// struct ib_uverbs_wc.
#[repr(C)]
#[derive(Clone, Copy)]
struct WorkCompletion {
    wr_id: u64,
    status: u32,
    rest: [u32; 9],
}
const _: () = assert!(size_of::<WorkCompletion>() == 48);
// SAFETY: as above.
unsafe impl Plain for WorkCompletion {}

/// A ring, as its head describes it.
struct Ring {
    memory: Shared,
    log2_bytes: u32,
    mask: u32,
}

impl Ring {
    fn map(verbs: &Verbs, info: MmapInfo, element: usize) -> Test<Ring> {
        let memory = Shared::map(verbs.file(), info.offset, info.size as usize)?;
        memory.holds(size_of::<QueueHead>())?;
        let log2_bytes = memory.load(offset_of!(QueueHead, log2_element_bytes));
        let mask = memory.load(offset_of!(QueueHead, index_mask));
        let sound = log2_bytes < 16 && mask < 1 << 16 && element <= 1 << log2_bytes;
        let why = format!("a ring of {mask} + 1 elements of 1 << {log2_bytes} bytes for {element}");
        ensure(sound, why)?;
        memory.holds(size_of::<QueueHead>() + ((mask as usize + 1) << log2_bytes))?;
        Ok(Ring {
            memory,
            log2_bytes,
            mask,
        })
    }

    fn element(&self, index: u32) -> usize {
        size_of::<QueueHead>() + (((index & self.mask) as usize) << self.log2_bytes)
    }
}

/// Two connected queue pairs; we write from the first.
pub(super) struct Connected {
    verbs: Verbs,
    sender: u32,
    sends: Ring,
    completions: Ring,
    sent: u32,
}

/// Connects two queue pairs of device `name` with each other.
pub(super) fn connect(name: &str) -> Test<Connected> {
    let (gid_index, gid) = gid_of(name)?;
    let verbs = open_device(name)?;
    let queue: CompletionQueue<MmapInfo> = attempt(
        "create a completion queue",
        verbs.create_cq(ROOM, MmapInfo::default()),
    )?;
    let completions = Ring::map(&verbs, queue.ring, size_of::<WorkCompletion>())?;
    let pair = || {
        let created = verbs.create_qp(queue.handle, ROOM, QpRings::default());
        attempt("create a queue pair", created)
    };
    let (ours, theirs) = (pair()?, pair()?);
    let sends = Ring::map(&verbs, ours.rings.send, size_of::<SendElement>())?;
    let to = QpDest {
        dgid: gid,
        sgid_index: gid_index,
        hop_limit: 64,
        is_global: 1,
        port_num: PORT,
        ..QpDest::default()
    };
    for (from, other) in [(&ours, &theirs), (&theirs, &ours)] {
        for (what, request) in transitions(from, other, to) {
            attempt(what, verbs.modify_qp(&request))?;
        }
    }
    Ok(Connected {
        verbs,
        sender: ours.handle,
        sends,
        completions,
        sent: 0,
    })
}

/// The three steps from a new queue pair to one that sends, each with the attributes that it must have:
/// drivers/infiniband/core/verbs.c: qp_state_table (6.12).
fn transitions(
    from: &QueuePair<QpRings>,
    other: &QueuePair<QpRings>,
    to: QpDest,
) -> [(&'static str, ModifyQp); 3] {
    let step = ModifyQp {
        qp_handle: from.handle,
        ..ModifyQp::default()
    };
    let init = ModifyQp {
        attr_mask: attribute::STATE
            | attribute::PKEY_INDEX
            | attribute::PORT
            | attribute::ACCESS_FLAGS,
        qp_state: state::INIT,
        port_num: PORT,
        qp_access_flags: LOCAL_WRITE | REMOTE_WRITE,
        ..step
    };
    let receive = ModifyQp {
        attr_mask: attribute::STATE
            | attribute::ADDRESS_VECTOR
            | attribute::PATH_MTU
            | attribute::DEST_QPN
            | attribute::RQ_PSN
            | attribute::MAX_DEST_RD_ATOMIC
            | attribute::MIN_RNR_TIMER,
        qp_state: state::READY_TO_RECEIVE,
        dest: to,
        path_mtu: MTU_1024,
        dest_qp_num: other.number,
        max_dest_rd_atomic: 1,
        min_rnr_timer: 1,
        ..step
    };
    let send = ModifyQp {
        attr_mask: attribute::STATE
            | attribute::TIMEOUT
            | attribute::RETRY_COUNT
            | attribute::RNR_RETRY
            | attribute::SQ_PSN
            | attribute::MAX_RD_ATOMIC,
        qp_state: state::READY_TO_SEND,
        // 4.096 us << 14 is 67 ms, six times; seven means without end (rxe_comp.c: rxe_completer(), 4.19 to 7.3).
        timeout: 14,
        retry_cnt: 6,
        rnr_retry: 7,
        max_rd_atomic: 1,
        ..step
    };
    [
        ("bring a queue pair to INIT", init),
        ("bring a queue pair to RTR", receive),
        ("bring a queue pair to RTS", send),
    ]
}

impl Connection for Connected {
    /// A write is complete when the other end has answered for its last packet.
    const ACKNOWLEDGED: bool = true;

    fn verbs(&self) -> &Verbs {
        &self.verbs
    }

    fn write(&mut self, write: &RdmaWrite) -> Test<Completion> {
        let producer = offset_of!(QueueHead, producer_index);
        let index = self.sends.memory.load(producer);
        let element = element(write, self.sent);
        self.sends.memory.write(self.sends.element(index), element);
        let next = (index + 1) & self.sends.mask;
        self.sends.memory.store(producer, next);
        self.sent += 1;
        attempt("ring the doorbell", self.verbs.ring_doorbell(self.sender))?;
        wait("completion", || self.poll())
    }

    fn refused(&mut self, completion: Completion) -> Test<bool> {
        let status = completion.status;
        let why = format!("status {status}, not {REMOTE_ACCESS_ERROR} or {RETRY_EXCEEDED}");
        ensure(matches!(status, REMOTE_ACCESS_ERROR | RETRY_EXCEEDED), why)?;
        Ok(true)
    }
}

impl Connected {
    fn poll(&mut self) -> Option<Completion> {
        let memory = &self.completions.memory;
        let consumer = offset_of!(QueueHead, consumer_index);
        let index = memory.load(consumer);
        if memory.load(offset_of!(QueueHead, producer_index)) == index {
            return None;
        }
        let done: WorkCompletion = memory.read(self.completions.element(index));
        memory.store(consumer, (index + 1) & self.completions.mask);
        Some(Completion {
            id: done.wr_id,
            status: done.status,
        })
    }
}

fn element(write: &RdmaWrite, sent: u32) -> SendElement {
    SendElement {
        wr_id: write.id,
        reserved: 0,
        opcode: RDMA_WRITE,
        send_flags: SIGNALED,
        immediate: 0,
        remote_addr: write.remote,
        rkey: write.rkey,
        rest: [0; 27],
        status: 0,
        state: 0,
        iova: write.remote,
        mask: 0,
        first_psn: 0,
        last_psn: 0,
        ack_length: 0,
        ssn: sent,
        has_rd_atomic: 0,
        length: write.bytes,
        resid: write.bytes,
        cur_sge: 0,
        num_sge: 1,
        sge_offset: 0,
        dma_reserved: 0,
        local: write.local,
        local_length: write.bytes,
        lkey: write.lkey,
    }
}

/// The first GID of RoCE v2 that stands for an IPv4 address, and its index. The kernel enters it from a work queue, once
/// the network device has the address.
fn gid_of(name: &str) -> Test<(u8, [u8; 16])> {
    let port = format!("/sys/class/infiniband/{name}/ports/{PORT}");
    wait("GID with an IPv4 address", || {
        (0..=u8::MAX).find_map(|index| {
            let read = |file: &str| std::fs::read_to_string(format!("{port}/{file}/{index}")).ok();
            let gid = parse_gid(&read("gids")?)?;
            let mapped = gid[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
            (mapped && read("gid_attrs/types")?.trim() == "RoCE v2").then_some((index, gid))
        })
    })
}

/// Eight groups of four hexadecimal digits.
fn parse_gid(text: &str) -> Option<[u8; 16]> {
    let mut gid = [0; 16];
    let mut groups = text.trim().split(':');
    for pair in gid.chunks_exact_mut(2) {
        let group = u16::from_str_radix(groups.next()?, 16).ok()?;
        pair.copy_from_slice(&group.to_be_bytes());
    }
    groups.next().is_none().then_some(gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gid_is_read_as_sysfs_writes_it() {
        let gid = parse_gid("0000:0000:0000:0000:0000:ffff:c633:6401\n").unwrap();
        assert_eq!(gid[10..], [0xff, 0xff, 198, 51, 100, 1]);
        assert_eq!(parse_gid("0000:0000"), None);
        assert_eq!(parse_gid("0:0:0:0:0:0:0:0:0"), None);
    }

    #[test]
    fn each_step_names_the_attributes_that_it_sets() {
        let pair = |handle, number| QueuePair {
            handle,
            number,
            rings: QpRings::default(),
        };
        let steps = transitions(&pair(1, 17), &pair(2, 18), QpDest::default());
        let masks = steps.map(|(_, step)| step.attr_mask);
        // The required attributes of a reliable connection, by their numbers.
        assert_eq!(masks, [0x39, 0x12_9181, 0x1_2e01]);
        assert_eq!(steps[1].1.dest_qp_num, 18);
        assert!(steps.iter().all(|(_, step)| step.qp_handle == 1));
    }
}
