// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every page-pinning function of the kernel means: as data ([`api`]), as a running model ([`page`], [`gup`], [`put`],
//! [`mapping`]), and what can come of it under every policy ([`model`]).
//!
//! The other rooms ask here and repeat nothing. This crate knows no tree, no file and no driver.

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
