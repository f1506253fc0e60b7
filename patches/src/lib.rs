// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns audit verdicts into a patch series that `git am` takes.
//!
//! In go a tree and the [`Report`](callsites::report::Report) of its audit. Out comes a [`Series`]: one patch per driver
//! or subsystem, whole groups only, a cover letter, recipients, and the result of every check that ran. The way through:
//!
//! ```text
//! edits     a verdict becomes replaced byte ranges, or a refusal that says why
//! commit    edits become commits in a bare repository of our own
//! series    order, subjects, bodies, recipients, cover letter, series.toml
//! mbox      git format-patch, then every mail is read back and compared
//! apply     a series becomes a directory of its own; verify proves it applies, reverses, and is done
//! ```
//!
//! ```text
//! let tree = callsites::tree::Tree::open("linux-6.12")?;
//! let mut options = patches::ConvertOptions::new("cache/patches");
//! options.select = patches::Select::Paths(vec!["drivers/misc".into()]);
//! let series = patches::convert(&tree, &report, &options)?;
//! series.write("outgoing".as_ref())?;
//! let applied = patches::apply(&tree, "outgoing".as_ref(), &patches::ApplyOptions::touched("patched"))?;
//! for patch in &applied.patches {
//!     println!("{} changes {} files", patch.subject, patch.files.len());
//! }
//! ```
//!
//! [`preview()`] gives the files as a series leaves them, without making one.
//!
//! [`steps`] has series that are described in data: functions to introduce first, and rewrites of their own.
//!
//! [`series::tested::record`] adds to a written series what builds and boots have shown of it.
//!
//! [`verify::audited`] compares the audits of base and patched tree.
//!
//! [`series::Info`] is series.toml, [`series::Checks`] is checks.json. `Series { info, checks, mails }` has
//! `write(dir)` and `read(dir)`; `Applied { target, base, patches }` lists per patch its subject, commit, and the touched
//! files with their bytes.
//!
//! Every failure is an [`Error`], which implements [`failure::Failure`]: its exit code, and what mends it as data. What could not be converted is no error as long as something could: it stands in [`Series::refused`].
//!
//! Invariant: the user's tree, index, checkout and `.git` are only read. The two acts that write there are asked for by
//! name: [`ConvertOptions::export`] (a branch) and [`Form::Worktree`] (a linked worktree).
//!
//! Invariant: a series is a stranger's. Each path that it names is a [`TreePath`](callsites::tree::beneath::TreePath), and is
//! read and written beneath an open directory, over no link; no program that a repository or a series names is started.
//!
//! Invariant: nobody is named who did not sign: author and `Signed-off-by` come from `git config`, or the series is
//! unsigned and says so.
//!
//! This crate deliberately does not know how a verdict was found, how a kernel is built or booted, and no driver.

mod apply;
mod base;
mod commit;
pub mod conflict;
mod convert;
pub mod diff;
mod draft;
mod edits;
pub mod error;
pub mod fuzz;
mod info;
mod lines;
mod mbox;
mod options;
mod origin;
mod preview;
pub mod series;
pub mod shown;
pub mod steps;
pub mod truth;
pub mod verify;
mod version;
mod whole;

pub use apply::{Applied, AppliedPatch, Touched, apply, copy};
pub use error::{Error, Hunk};
pub use info::{Checks, Evidence, Info};
pub use mbox::Mail;
pub use options::{Api, ApplyOptions, ConvertOptions, Export, Form, Select, Signer};
pub use preview::{Change, Preview, Rewritten, preview};
pub use series::Series;
pub use whole::convert;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
