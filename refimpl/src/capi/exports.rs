// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions that C sees, by what they are for.
//!
//! Pointers to `struct page` point into one array; anything else that a driver passes for a page is taken for NULL and
//! reported, never followed.

mod acquire;
mod control;
mod device;
mod frames;
mod kmalloc;
mod page;
mod release;
#[cfg(test)]
mod tests;
mod user;
