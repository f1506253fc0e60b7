// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places in files.

use serde::{Deserialize, Serialize};

/// A byte range into the original bytes of one file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}
