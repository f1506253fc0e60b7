// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles kernels, one patch after another, from a tree of links beside the user's.
//!
//! In go a tree, a series and options; out comes a [`BuildReport`]. Output directories are kept between runs and keyed by
//! configuration and compiler, so that only what a patch touches is compiled again. Nothing is written to the user's tree.

mod calls;
mod changes;
mod dependents;
mod elf;
mod everything;
mod fault;
mod functions;
mod kbuild;
mod lines;
mod makefile;
mod module;
mod objects;
mod prepared;
mod reach;
mod record;
mod report;
mod run;
pub(crate) mod shadow;
pub(crate) mod stage;
mod warnings;
mod way;

pub(crate) use calls::Call;
pub(crate) use changes::{Ledger, edited};
pub(crate) use everything::Plan;
pub(crate) use fault::machine as machine_failed;
pub(crate) use kbuild::Kbuild;
pub(crate) use lines::Lines;
pub use module::{Compiled, ModuleBuild, ModuleReport, ModuleStage, run_module};
pub use objects::ObjectBuild;
pub(crate) use objects::compile_objects;
pub(crate) use record::learn;
pub use report::{BuildReport, BuildStage, not_compared};
pub use run::run;
pub(crate) use run::{Prepared, home, output_key, prepare, prepare_above};
pub(crate) use shadow::{Shadow, forget};
pub(crate) use warnings::{Known, Warnings, strings};
