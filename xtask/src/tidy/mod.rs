// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of this repository that no compiler checks.
//!
//! In go the tracked files and cargo's metadata, out comes a list of `Problem`s, sorted by path and line. Which crate
//! may import which, which module comes before which, and which files may be long is data: `xtask/data/rooms.toml`.

pub mod docs;
pub mod house;
pub mod imports;
pub mod problem;
pub mod rooms;
pub mod text;
