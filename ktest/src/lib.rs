// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds patched kernels, boots them in QEMU, runs targets in them, and gives a verdict for every patch.
//!
//! ```text
//! config    fragments (data, a reason for each option) merged on tinyconfig, then proven in the resulting .config
//! shadow    a tree of links beside the user's, where patches are laid over and taken off; nothing is written to theirs
//! build     make, one patch after another; warnings are compared with the base
//! image     our static init and its programs as an initramfs
//! boot      QEMU, deadlines, the console watched with patterns that are data
//! judge     exactly one guest verdict, the pin counters, splats, taint, drift: what each target is worth, and what ran of a patch
//! batch     a prepared run's shards as jobs of a batch engine: written, submitted, followed, put together
//! verdict   the outcome as plain data, and what the kernels of a series and the shards of a run come to together
//! ```
//!
//! # Entry points
//!
//! - [`run()`]`(&Tree, Option<series_dir>, &KtestOptions) -> Result<Verdict, Error>`: base first, then every patch.
//!   [`Verdict::exit`] says which exit code it means; [`formats::write`] renders text, JSON, JUnit and KTAP;
//!   [`target::all`] lists the targets.
//! - [`build::run`]`(&Tree, Option<series_dir>, &BuildOptions) -> Result<BuildReport, Error>`: compiles the touched
//!   objects of every patch, or the image; [`BuildReport::is_clean`], [`BuildReport::text`].
//! - [`host::doctor`]`() -> Vec<Tool>` and [`host::install`]: what this machine has and lacks.
//!
//! # Errors and exit codes
//!
//! An [`Error`] means that no verdict could be reached: its [`exit`](failure::Failure::exit) is 2 (a request that cannot be met), 3 (the
//! series does not apply), 69 (the machine or the base is at fault), 70 or 130 (143 after SIGTERM, which the process itself sets). Everything the patched kernel does,
//! panics and hangs included, is a [`Verdict`]: [`Verdict::exit`] is 0 only when every chosen target of every patch
//! passed and something of every patch ran; 1 failed, inconclusive, not exercised or all skipped; 4 a patch did not compile; 5 crashed; 6 hung; 69 the base failed.
//!
//! # What this crate deliberately does not know
//!
//! How to convert a caller, or what a callsite means: it is given callsites and says whether they ran. It never
//! guesses: a missing, doubled or unknown guest verdict is inconclusive, and a skipped test never counts as passed.

pub mod batch;
pub mod boot;
pub mod build;
mod config;
mod conformance;
mod console;
mod error;
pub mod formats;
pub mod fuzz;
pub mod host;
mod image;
pub mod judge;
pub mod measure;
mod options;
mod perl;
mod progress;
mod results;
mod run;
mod series;
mod source;
pub mod target;
pub mod userspace;
pub mod verdict;

pub use build::BuildReport;
pub use error::Error;
pub use options::{BuildOptions, Driver, KtestOptions, Stages, What};
pub use progress::{Event, Progress};
pub use run::{Prepared, Rehearsal, begun, prepare, rehearse, run};
pub use verdict::{Shard, Verdict};
