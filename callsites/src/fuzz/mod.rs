// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that break a reader, and files that must mean the same: what `xtask fuzz` and the tests give to the audit.
//!
//! In go a real file and a seed; out come other bytes, the same ones for the same seed. [`broken`] damages a file as an
//! editor, a merge or a disk would: nothing is promised of its callsites, but the audit ends, does not panic, and stays
//! within its memory. [`same`] rewrites a file into another that a compiler could not tell from it ([`layout`], [`rewrite`],
//! [`rename`]): no verdict may change, which [`compare`] looks at. [`case`] numbers the cases.
//!
//! There is no coverage feedback, and no nightly compiler is needed: the corpus is a kernel tree, which already has the
//! shapes that C has.
//!
//! Deliberately absent: processes, deadlines, and limits of memory. Whoever runs the cases has those.

pub mod broken;
pub mod case;
pub mod compare;
pub mod dice;
pub mod layout;
pub mod rename;
pub mod rewrite;
pub mod same;
pub mod trap;
