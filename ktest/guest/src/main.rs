// SPDX-License-Identifier: MIT OR Apache-2.0
//! Grows in the next commits.
fn main() {}
