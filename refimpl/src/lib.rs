// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every page-pinning function of the kernel means, said once: as data ([`api`]) and as a running model ([`model`]).
//!
//! The other rooms ask here and repeat nothing. This crate knows no tree, no file and no driver.

#![warn(unreachable_pub)]

pub mod api;
pub mod capi;
pub mod conformance;
pub mod guard;
pub mod gup;
pub mod mapping;
pub mod model;
pub mod page;
pub mod put;
pub mod version;
