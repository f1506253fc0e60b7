// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel trees at hand: a cache of releases, and the two ways by which a release comes into it.
//!
//! In goes a wanted version ("6.12", "6.12.117"), out comes a directory of the cache, `linux-<full version>`, whose
//! Makefile says that version. A tree is unpacked beside its place and renamed into it, so it is whole or absent.
//!
//! Deliberately absent: any address of a package mirror. Where packages come from is what this machine's own apt says.

pub(crate) mod debian;
pub(crate) mod stable;
pub(crate) mod store;
pub(crate) mod version;
