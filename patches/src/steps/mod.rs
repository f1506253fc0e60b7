// SPDX-License-Identifier: MIT OR Apache-2.0
//! Series whose steps are described in data and made by rewrites.
//!
//! In go a tree, its audit and the name of a series; out comes a [`Series`](crate::Series) as from
//! [`convert`](crate::convert()). `first-steps/series.toml` has the one that there is: the first steps on trees of before
//! 5.2. Its steps are of three kinds:
//!
//! ```text
//! one-exit    the returns inside of a function's loop become jumps to one label
//! introduce   new functions, placed after existing ones; a static function of the same name elsewhere is renamed
//! convert     the groups under some paths, by the ordinary edits
//! ```
//!
//! Nothing is a stored diff: each rewrite finds its place by names and structure, and refuses with a reason where the
//! structure is another. Edits of all steps are ranges of the base, so a file that two steps touch is right after each.
//!
//! Deliberately absent: any judgement. A callsite that the audit leaves alone is changed only where the series names it
//! and says why.

mod clash;
mod definition;
mod introduce;
mod one_exit;
mod run;

#[cfg(test)]
mod tests;

pub use definition::names;
pub use run::convert;
pub(crate) use run::{introduced, prepare};
