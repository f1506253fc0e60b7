// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series: its mails, what it says of itself, and its directory.
//!
//! [`Info`] is series.toml and [`Checks`] is checks.json; the mails are bytes as git wrote them. Writing is all or
//! nothing: a directory appears whole or not at all.

pub mod info;

pub use info::{
    Base, Check, Checks, Info, Outcome, Patch, PatchChecks, Recipients, Refused, Replaced,
};
