// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verbs as commands written to /dev/infiniband/uverbsN: a context, a protection domain, memory regions, queues.
//!
//! include/uapi/rdma/ib_user_verbs.h (the same from 4.19 to 7.3); drivers/infiniband/core/uverbs_main.c:
//! ib_uverbs_write(). A command is its header (number, lengths in words of 4 bytes), the address of its answer if it has
//! one, and its structure. What a driver adds to an answer follows the answer.

use crate::check::{Test, attempt};
use crate::memory::Pages;
use crate::sys::open;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};

const GET_CONTEXT: u32 = 0;
const ALLOC_PD: u32 = 3;
const REG_MR: u32 = 9;
const DEREG_MR: u32 = 13;
const CREATE_CQ: u32 = 18;
const CREATE_QP: u32 = 24;
const MODIFY_QP: u32 = 26;
const POST_SEND: u32 = 28;
/// sizeof(struct ib_uverbs_send_wr): the kernel wants to hear it even where no work request is sent with the command.
const SEND_WR_BYTES: u32 = 56;
/// IB_QPT_RC
const RELIABLE_CONNECTED: u8 = 2;
/// No completion channel: the ring is looked at.
const NO_CHANNEL: i32 = -1;

/// IB_ACCESS_LOCAL_WRITE of include/rdma/ib_verbs.h.
pub(super) const LOCAL_WRITE: u32 = 1;
/// IB_ACCESS_REMOTE_WRITE.
pub(super) const REMOTE_WRITE: u32 = 1 << 1;
/// IB_UVERBS_ACCESS_ON_DEMAND of include/uapi/rdma/ib_user_ioctl_verbs.h.
pub(super) const ON_DEMAND: u32 = 1 << 6;

/// enum ib_qp_state.
pub(super) mod state {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const READY_TO_RECEIVE: u8 = 2;
    pub(crate) const READY_TO_SEND: u8 = 3;
}

/// enum ib_qp_attr_mask: which attributes of a queue pair a change sets.
pub(super) mod attribute {
    pub(crate) const STATE: u32 = 1;
    pub(crate) const ACCESS_FLAGS: u32 = 1 << 3;
    pub(crate) const PKEY_INDEX: u32 = 1 << 4;
    pub(crate) const PORT: u32 = 1 << 5;
    pub(crate) const ADDRESS_VECTOR: u32 = 1 << 7;
    pub(crate) const PATH_MTU: u32 = 1 << 8;
    pub(crate) const TIMEOUT: u32 = 1 << 9;
    pub(crate) const RETRY_COUNT: u32 = 1 << 10;
    pub(crate) const RNR_RETRY: u32 = 1 << 11;
    pub(crate) const RQ_PSN: u32 = 1 << 12;
    pub(crate) const MAX_RD_ATOMIC: u32 = 1 << 13;
    pub(crate) const MIN_RNR_TIMER: u32 = 1 << 15;
    pub(crate) const SQ_PSN: u32 = 1 << 16;
    pub(crate) const MAX_DEST_RD_ATOMIC: u32 = 1 << 17;
    pub(crate) const DEST_QPN: u32 = 1 << 20;
}

/// A structure of the kernel's interface.
///
/// # Safety
/// It is `repr(C)`, has no padding, and every pattern of bits is a value of it.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: numbers, of no or of one field.
unsafe impl Plain for () {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: an array has no padding of its own.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The bytes of a structure, as the kernel reads it.
pub(super) fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: a `Plain` value is bytes without padding, borrowed for as long as the slice.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// struct ib_uverbs_reg_mr, from its second field on. The last word is for drivers that want a key.
#[repr(C)]
#[derive(Clone, Copy)]
struct RegMr {
    start: u64,
    length: u64,
    hca_va: u64,
    pd_handle: u32,
    access_flags: u32,
    driver_data: u64,
}
const _: () = assert!(size_of::<RegMr>() == 40);
// SAFETY: numbers, and the size says that nothing lies between them.
unsafe impl Plain for RegMr {}

/// struct ib_uverbs_create_cq, from its second field on.
#[repr(C)]
#[derive(Clone, Copy)]
struct CreateCq {
    user_handle: u64,
    cqe: u32,
    comp_vector: u32,
    comp_channel: i32,
    reserved: u32,
}
const _: () = assert!(size_of::<CreateCq>() == 24);
// SAFETY: as above.
unsafe impl Plain for CreateCq {}

/// struct ib_uverbs_create_qp, from its second field on.
#[repr(C)]
#[derive(Clone, Copy)]
struct CreateQp {
    user_handle: u64,
    pd_handle: u32,
    send_cq_handle: u32,
    recv_cq_handle: u32,
    srq_handle: u32,
    max_send_wr: u32,
    max_recv_wr: u32,
    max_send_sge: u32,
    max_recv_sge: u32,
    max_inline_data: u32,
    sq_sig_all: u8,
    qp_type: u8,
    is_srq: u8,
    reserved: u8,
}
const _: () = assert!(size_of::<CreateQp>() == 48);
// SAFETY: as above.
unsafe impl Plain for CreateQp {}

/// struct ib_uverbs_qp_dest: where the other end is.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct QpDest {
    pub dgid: [u8; 16],
    pub flow_label: u32,
    pub dlid: u16,
    pub reserved: u16,
    pub sgid_index: u8,
    pub hop_limit: u8,
    pub traffic_class: u8,
    pub sl: u8,
    pub src_path_bits: u8,
    pub static_rate: u8,
    pub is_global: u8,
    pub port_num: u8,
}
const _: () = assert!(size_of::<QpDest>() == 32);

/// struct ib_uverbs_modify_qp.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct ModifyQp {
    pub dest: QpDest,
    pub alt_dest: QpDest,
    pub qp_handle: u32,
    pub attr_mask: u32,
    pub qkey: u32,
    pub rq_psn: u32,
    pub sq_psn: u32,
    pub dest_qp_num: u32,
    pub qp_access_flags: u32,
    pub pkey_index: u16,
    pub alt_pkey_index: u16,
    pub qp_state: u8,
    pub cur_qp_state: u8,
    pub path_mtu: u8,
    pub path_mig_state: u8,
    pub en_sqd_async_notify: u8,
    pub max_rd_atomic: u8,
    pub max_dest_rd_atomic: u8,
    pub min_rnr_timer: u8,
    pub port_num: u8,
    pub timeout: u8,
    pub retry_cnt: u8,
    pub rnr_retry: u8,
    pub alt_port_num: u8,
    pub alt_timeout: u8,
    pub reserved: [u8; 2],
}
const _: () = assert!(size_of::<ModifyQp>() == 112);
// SAFETY: as above.
unsafe impl Plain for ModifyQp {}

/// A registered region: its handle and its keys (lkey for work requests of ours, rkey for those of the other end).
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    pub handle: u32,
    pub lkey: u32,
    pub rkey: u32,
}

/// A completion queue, with what the driver says of its ring.
pub(super) struct CompletionQueue<R> {
    pub handle: u32,
    pub ring: R,
}

/// A queue pair, with what the driver says of its rings.
pub(super) struct QueuePair<R> {
    pub handle: u32,
    /// The number by which the other end knows it.
    pub number: u32,
    pub rings: R,
}

/// A device with an open context and a protection domain.
pub(super) struct Verbs {
    file: File,
    domain: u32,
    _events: OwnedFd,
}

/// Opens device `name`, gets a context and allocates a protection domain.
pub(super) fn open_device(name: &str) -> Test<Verbs> {
    let node = attempt("find the device", node_of(name))?;
    let file = attempt("open the device", open(format!("/dev/infiniband/{node}")))?;
    // Room for what drivers add to an answer.
    let mut answer = [0u32; 16];
    let context = ask(&file, GET_CONTEXT, &(), &mut answer);
    attempt("get a context", context)?;
    // SAFETY: the kernel has just made this descriptor, for asynchronous events; nobody else owns it.
    let events = unsafe { OwnedFd::from_raw_fd(answer[0] as i32) };
    let domain = ask(&file, ALLOC_PD, &(), &mut answer);
    attempt("allocate a domain", domain)?;
    Ok(Verbs {
        file,
        domain: answer[0],
        _events: events,
    })
}

/// The uverbs node whose `ibdev` is `name`.
fn node_of(name: &str) -> io::Result<String> {
    for entry in std::fs::read_dir("/sys/class/infiniband_verbs")? {
        let entry = entry?;
        let ibdev = std::fs::read_to_string(entry.path().join("ibdev")).unwrap_or_default();
        if ibdev.trim() == name {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Err(io::Error::other("no uverbs node"))
}

impl Verbs {
    /// The open device, whose rings can be mapped.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Registers `bytes` bytes from the start of `pages`, mapped or not.
    pub(super) fn register(&self, pages: &Pages, bytes: u64, rights: u32) -> io::Result<Region> {
        self.register_at(pages.address(), bytes, rights)
    }

    /// Registers `bytes` bytes from `address`.
    pub(super) fn register_at(&self, address: u64, bytes: u64, rights: u32) -> io::Result<Region> {
        let request = RegMr {
            start: address,
            length: bytes,
            hca_va: address,
            pd_handle: self.domain,
            access_flags: rights,
            driver_data: 0,
        };
        let mut answer = [0u32; 16];
        ask(&self.file, REG_MR, &request, &mut answer)?;
        let [handle, lkey, rkey, ..] = answer;
        Ok(Region { handle, lkey, rkey })
    }

    /// Gives a region back.
    pub(super) fn deregister(&self, region: Region) -> Test {
        attempt("deregister", tell(&self.file, DEREG_MR, &region.handle))
    }

    /// A completion queue of at least `cqe` elements.
    pub(super) fn create_cq<R: Plain>(&self, cqe: u32, ring: R) -> io::Result<CompletionQueue<R>> {
        let request = CreateCq {
            user_handle: 0,
            cqe,
            comp_vector: 0,
            comp_channel: NO_CHANNEL,
            reserved: 0,
        };
        let (answer, ring) = ask_driver(&self.file, CREATE_CQ, &request, [0u32; 2], ring)?;
        Ok(CompletionQueue {
            handle: answer[0],
            ring,
        })
    }

    /// A reliable connected queue pair with room for `wr` work requests of one piece each in both directions.
    pub(super) fn create_qp<R: Plain>(
        &self,
        cq: u32,
        wr: u32,
        rings: R,
    ) -> io::Result<QueuePair<R>> {
        let request = CreateQp {
            user_handle: 0,
            pd_handle: self.domain,
            send_cq_handle: cq,
            recv_cq_handle: cq,
            srq_handle: 0,
            max_send_wr: wr,
            max_recv_wr: wr,
            max_send_sge: 1,
            max_recv_sge: 1,
            max_inline_data: 0,
            sq_sig_all: 0,
            qp_type: RELIABLE_CONNECTED,
            is_srq: 0,
            reserved: 0,
        };
        let (answer, rings) = ask_driver(&self.file, CREATE_QP, &request, [0u32; 8], rings)?;
        Ok(QueuePair {
            handle: answer[0],
            number: answer[1],
            rings,
        })
    }

    /// Changes the attributes of a queue pair that `attr_mask` names.
    pub(super) fn modify_qp(&self, request: &ModifyQp) -> io::Result<()> {
        tell(&self.file, MODIFY_QP, request)
    }

    /// Tells the driver that work requests lie in a queue pair's ring: posting none is the doorbell of both soft devices.
    pub(super) fn ring_doorbell(&self, qp: u32) -> io::Result<()> {
        let mut answer = [0u32; 1];
        let request = [qp, 0, 0, SEND_WR_BYTES];
        ask(&self.file, POST_SEND, &request, &mut answer)
    }
}

/// Writes a command that has no answer.
fn tell<Q: Plain>(mut file: &File, number: u32, request: &Q) -> io::Result<()> {
    let mut bytes = header(number, 8 + size_of::<Q>(), 0);
    bytes.extend_from_slice(bytes_of(request));
    file.write_all(&bytes)
}

/// Writes a command whose answer the kernel puts into `answer`.
fn ask<Q: Plain, A: Plain>(
    mut file: &File,
    number: u32,
    request: &Q,
    answer: &mut A,
) -> io::Result<()> {
    let mut bytes = header(number, 16 + size_of::<Q>(), size_of::<A>());
    bytes.extend_from_slice(&(std::ptr::from_mut(answer) as u64).to_ne_bytes());
    bytes.extend_from_slice(bytes_of(request));
    file.write_all(&bytes)
}

/// The same where the driver's part `driver` follows the answer.
fn ask_driver<Q: Plain, A: Plain, R: Plain>(
    file: &File,
    number: u32,
    request: &Q,
    answer: A,
    driver: R,
) -> io::Result<(A, R)> {
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Both<A, R>(A, R);
    // SAFETY: both halves are plain, and the assertion below says that nothing lies between or behind them.
    unsafe impl<A: Plain, R: Plain> Plain for Both<A, R> {}
    const {
        assert!(size_of::<Both<A, R>>() == size_of::<A>() + size_of::<R>());
    }
    let mut both = Both(answer, driver);
    ask(file, number, request, &mut both)?;
    Ok((both.0, both.1))
}

/// struct ib_uverbs_cmd_hdr.
fn header(number: u32, input: usize, output: usize) -> Vec<u8> {
    let words = ((output as u32 / 4) << 16) | (input as u32 / 4);
    let mut bytes = number.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&words.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_counts_words_of_both_directions() {
        let expected = [REG_MR, (16 << 16) | 14].map(u32::to_ne_bytes).concat();
        assert_eq!(header(REG_MR, 16 + size_of::<RegMr>(), 64), expected);
    }
}
