// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run of the pipeline leaves: `target/runs/<id>/` with its record, its results and its logs.
//!
//! A run is locked while it is written; every file in it appears whole or not at all; what it has finished is not done
//! again by `--resume`. [`page`] makes one self-contained HTML page of one run or of several.

pub(crate) mod directory;
pub(crate) mod page;
pub(crate) mod record;
pub(crate) mod shown;
