// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can happen next, one file per actor. Each rule cites the kernel function it stands for.
//!
//! A step is as small as the interleavings that matter: what the kernel does under one spinlock is one step, what it does under the
//! page lock is several, because a driver that does not take the lock comes between them.

mod device;
mod protocol;
mod reclaim;
#[cfg(test)]
mod tests;
mod truncate;
mod user;
mod writeback;

pub(crate) use protocol::{Protocol, waiters};
