// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a tree and a series to a verdict: base first, then patch after patch, every step recorded in the run's directory.

mod boots;
mod compiled;
mod directory;
mod evidence;
mod exercised;
mod flags;
mod inputs;
mod kept;
mod kernel;
mod limits;
mod lines;
mod machine;
mod perl;
mod plan;
mod prepared;
mod rehearse;
mod shorten;
mod stages;
mod whole;

pub use directory::begun;
pub(crate) use kept::Cost;
pub(crate) use limits::{Limits, foresee};
pub(crate) use prepared::{Held, Size};
pub use prepared::{Prepared, prepare};
pub use rehearse::{Rehearsal, rehearse};
pub use whole::run;
