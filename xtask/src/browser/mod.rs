// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page looked at in a real browser: what it costs, what breaks at which width, what it complains of, and pictures of it.
//!
//! The browser is the host's Chromium without a window, driven by its own protocol ([`devtools`]) over a socket on this machine
//! ([`socket`]). Nothing here is needed to make a page.

pub(crate) mod devtools;
pub(crate) mod look;
pub(crate) mod many;
mod socket;
#[cfg(test)]
mod tests;
