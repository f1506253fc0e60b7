// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fuzz`: cases by the thousand, each in a process that is ended when it hangs or eats memory.
//!
//! The libraries make the cases ([`callsites::fuzz`], [`patches::fuzz`], [`ktest::fuzz`]). Here they are run: [`order`] is
//! what a worker is told and what it says, [`worker`] is this program again, which runs a stretch of numbered cases and
//! watches itself, [`herd`] starts workers until every case was run, [`tally`] counts, and [`finds`] makes small what was
//! found and keeps it.

pub(crate) mod finds;
pub(crate) mod herd;
pub(crate) mod order;
pub(crate) mod tally;
pub(crate) mod worker;
