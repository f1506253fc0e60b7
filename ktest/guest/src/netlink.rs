// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink messages: make a dummy network device, give it an address, make a soft RDMA device on it.
//!
//! include/uapi/linux/netlink.h, rtnetlink.h, if_link.h, rdma/rdma_netlink.h (6.12).

use crate::sys::socket;
use std::io;
use std::os::fd::OwnedFd;

const NETLINK_ROUTE: i32 = 0;
const NETLINK_RDMA: i32 = 20;
const REQUEST_AND_ACK: u16 = 0x1 | 0x4;
const CREATE: u16 = 0x400;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_ADDRESS: u16 = 1;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFF_UP: u32 = 1;
/// RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK)
const RDMA_NEWLINK: u16 = (5 << 10) + 3;
const RDMA_DEV_NAME: u16 = 2;
const RDMA_NDEV_NAME: u16 = 51;
const RDMA_LINK_TYPE: u16 = 65;

/// `ip link add NAME type dummy` and `ip link set NAME up`.
pub(crate) fn add_dummy(name: &str) -> io::Result<()> {
    let mut payload = vec![0u8; 16];
    payload[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    payload[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    attribute(&mut payload, IFLA_IFNAME, &terminated(name));
    // A fixed address, made of the name's last digit: nothing about a run is random.
    let digit = name.bytes().last().unwrap_or(b'0');
    attribute(&mut payload, IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1 + digit]);
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, b"dummy\0");
    attribute(&mut payload, IFLA_LINKINFO, &info);
    send(
        NETLINK_ROUTE,
        RTM_NEWLINK,
        REQUEST_AND_ACK | CREATE,
        &payload,
    )
}

/// `ip link set NAME address HARDWARE up`.
pub(crate) fn set_up(name: &str, hardware: [u8; 6]) -> io::Result<()> {
    let mut payload = vec![0u8; 16];
    payload[4..8].copy_from_slice(&index_of(name)?.to_ne_bytes());
    payload[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    payload[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    attribute(&mut payload, IFLA_ADDRESS, &hardware);
    send(NETLINK_ROUTE, RTM_NEWLINK, REQUEST_AND_ACK, &payload)
}

/// `ip address add ADDRESS/24 dev NAME`.
pub(crate) fn add_address(name: &str, address: [u8; 4]) -> io::Result<()> {
    let index = index_of(name)?;
    let mut payload = vec![libc::AF_INET as u8, 24, 0, 0];
    payload.extend_from_slice(&index.to_ne_bytes());
    attribute(&mut payload, IFA_LOCAL, &address);
    attribute(&mut payload, IFA_ADDRESS, &address);
    send(
        NETLINK_ROUTE,
        RTM_NEWADDR,
        REQUEST_AND_ACK | CREATE,
        &payload,
    )
}

/// `rdma link add NAME type KIND netdev DEVICE`.
pub(crate) fn add_rdma_link(name: &str, kind: &str, device: &str) -> io::Result<()> {
    let mut payload = Vec::new();
    attribute(&mut payload, RDMA_DEV_NAME, &terminated(name));
    attribute(&mut payload, RDMA_LINK_TYPE, &terminated(kind));
    attribute(&mut payload, RDMA_NDEV_NAME, &terminated(device));
    send(NETLINK_RDMA, RDMA_NEWLINK, REQUEST_AND_ACK, &payload)
}

/// The same for soft RoCE before 5.2, which knows no such message: the device is called after its kind, with a number.
/// drivers/infiniband/sw/rxe/rxe_sysfs.c: rxe_param_set_add() (4.19).
pub(crate) fn add_rxe_by_parameter(device: &str) -> io::Result<()> {
    std::fs::write("/sys/module/rdma_rxe/parameters/add", device)
}

fn index_of(name: &str) -> io::Result<u32> {
    let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
    index.trim().parse().map_err(io::Error::other)
}

fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (value.len() + 4) as u16;
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    while message.len() % 4 != 0 {
        message.push(0);
    }
}

fn send(family: i32, kind: u16, flags: u16, payload: &[u8]) -> io::Result<()> {
    let socket = socket(
        libc::AF_NETLINK,
        libc::SOCK_RAW | libc::SOCK_CLOEXEC,
        family,
    )?;
    let mut message = Vec::new();
    message.extend_from_slice(&(16 + payload.len() as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(payload);
    rustix::io::write(&socket, &message)?;
    acknowledged(&socket)
}

/// The kernel answers with an error message; error 0 is its yes.
fn acknowledged(socket: &OwnedFd) -> io::Result<()> {
    let mut answer = [0u8; 4096];
    let count = rustix::io::read(socket, &mut answer)?;
    let Some(error) = answer[..count].get(16..20).and_then(|b| b.try_into().ok()) else {
        return Err(io::Error::other("a short answer"));
    };
    match i32::from_ne_bytes(error) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_their_length_is_not() {
        let mut message = Vec::new();
        attribute(&mut message, 3, b"abcde");
        assert_eq!(message.len(), 12);
        assert_eq!(u16::from_ne_bytes([message[0], message[1]]), 9);
    }
}
