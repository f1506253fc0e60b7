// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other crates see of this one, tested in one program.

mod model;
mod model_docs;
mod mutants;
mod trees;
