// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series: its mails, what it says of itself, and its directory.
//!
//! [`Info`] is series.toml and [`Checks`] is checks.json; the mails are bytes as git wrote them. Which groups share a
//! patch is decided in `unit`, the words are those of `text`, what builds and boots have shown goes in by `tested`, the tree's own
//! scripts run in `scripts`, and `maintainers` reads what MAINTAINERS says of a subsystem's customs.

pub(crate) mod cover;
mod directory;
pub(crate) mod maintainers;
mod reason;
pub(crate) mod scripts;
pub mod tested;
pub(crate) mod text;
pub(crate) mod unit;

pub use crate::info::{
    Base, Check, Checks, Digest, Info, Outcome, Patch, PatchChecks, Recipients, Refused, Replaced,
    SCHEMA,
};
pub use directory::Series;
pub use reason::shortened;
