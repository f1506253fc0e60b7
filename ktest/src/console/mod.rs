// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a console log: which line is a complaint of the kernel, and which target it came in.
//!
//! Patterns are data (`config/splats.toml`), each with the place in the kernel that prints it; `config/console-lines.toml`
//! holds the shapes of lines from 4.19 to 7.3 that they must and must not match. The guest writes `ktest: begin NAME` and
//! `ktest: end NAME` into the kernel's own log, so that a complaint can be set against a target: what comes before the first
//! belongs to the boot, what comes between two to the one that has ended (its work queues, its grace periods).
//!
//! What stands here comes from a guest, which may be broken or hostile: any bytes give a [`Scan`], and it stays small.

mod line;
mod patterns;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use line::identity;
pub(crate) use patterns::Patterns;
pub(crate) use scan::{Found, Scan};
