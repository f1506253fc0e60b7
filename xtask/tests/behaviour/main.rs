// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as its users meet it: what it says, what it leaves behind, how it ends.
//!
//! Every test has a home, a cache and a working directory of its own, and no user configuration of git.

mod about_something_else;
mod bad_input;
mod batch;
mod doctor;
mod editor;
mod findings;
mod fuzz;
mod hook;
mod kernels;
mod lsp;
mod lsp_input;
mod module_asking;
mod module_pipeline;
mod modules;
mod moments;
mod names;
mod output;
mod readme;
mod sandbox;
mod series;
mod stopping;
mod traced;
