// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests and series that lie: what `xtask fuzz` gives to the reader of results, and to the overlay of a tree of links.
//!
//! A guest is its console and its results port, damaged by a seed. Whatever it writes is read, judged, written down in every
//! format and read again; a panic is the caller's to catch. A series is one of [`patches::fuzz`], laid over a shadow of the
//! tree as `build` and `ktest` do it.
//!
//! Deliberately absent: kernels. Nothing is compiled or booted here.

mod guest;
mod overlay;
#[cfg(test)]
mod tests;

pub use guest::Guest;
pub use overlay::laid;
