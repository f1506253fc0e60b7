// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of this repository that no compiler checks.
//!
//! In go the tracked files and cargo's metadata, out comes a list of `Problem`s, sorted by path and line. Which crate
//! may import which, which module comes before which, and which files may be long is data: `xtask/data/rooms.toml`.

pub(crate) mod docs;
pub(crate) mod house;
pub(crate) mod imports;
pub(crate) mod problem;
pub(crate) mod rooms;
pub(crate) mod text;
