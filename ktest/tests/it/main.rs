// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crate from outside: programs in the emulator's place, runs that are stopped, and, by name, real kernels.

mod interrupted;
mod planted;
mod real_boot;
mod stand_ins;
