// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel configurations: fragments merged on tinyconfig, then proven in the `.config` that kbuild made of them.
//!
//! A fragment is data: an option, its value, and why it is wanted. An option that kbuild did not take is an error
//! that names what its dependencies lack, never a kernel that silently tests something else.

mod fragment;
mod kconfig;
mod prove;
mod variant;

pub(crate) use fragment::{Fragment, Releases, Value, base, merge};
pub(crate) use kconfig::find_symbols;
pub(crate) use prove::{DotConfig, prove};
pub(crate) use variant::{Variant, variants};
