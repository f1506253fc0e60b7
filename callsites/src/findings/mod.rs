// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong, one file a rule.
//!
//! In goes what was read ([`FileFacts`](crate::index::ir::FileFacts)) and what was judged (callsites and groups of a
//! report); out come [`Finding`](crate::report::Finding)s, each with the way that leads to the mistake. A rule says what
//! it matches, why that is wrong, and which bug of the kernel's history it would have caught; its fixtures, good and bad,
//! stand under `tests/fixtures/rules/`.
//!
//! A rule that is not sure is silent: a list of findings is read only as long as most of them are right. No rule knows
//! a driver, a file, or a driver's own function or field by name.
//!
//! | rule | name | looks at |
//! |------|------|----------|
//! | R1   | [`kind_mismatch`] | ways through one function, and callsites whose origins the flow knows |
//! | R2   | [`kind_mismatch`], [`half_converted`] | the same across files; groups |
//! | R3   | [`leak`], [`overwritten`], [`never_released`] | ways through one function; members |
//! | R4   | [`wrong_count`], [`page_number`] | ways; what numbers are made of |
//! | R5   | [`errno`], [`partial`], [`none_taken`] | ways; comparisons |
//! | R6   | [`unfilled`] | ways |
//! | R7   | [`dirty`] | groups; ways |
//! | R8   | [`sleeping`] | ways with the locks held; callbacks that run in atomic context |
//! | R9   | [`double_release`], [`stale`] | ways; functions that release a member |
//! | R10  | [`compound`] | iterators over scatterlists |
//! | R11  | [`accounting`] | amounts charged and given back |
//! | R12  | [`gup_flags`] | flags arguments |
//! | R13  | [`look_alike`] | names |
//! | R16  | [`still_mapped`] | ways |
//! | R17  | [`slab`] | ways |
//! | R18  | [`locks`] | ways; callers in the directory |

pub(crate) mod accounting;
mod across;
pub(crate) mod atomic;
pub(crate) mod compound;
pub(crate) mod dirty;
pub(crate) mod double_release;
pub(crate) mod errno;
mod flags;
pub(crate) mod gup_flags;
pub(crate) mod half_converted;
mod helpers;
pub(crate) mod kind_mismatch;
pub(crate) mod leak;
mod locks;
pub(crate) mod look_alike;
mod manners;
mod nearby;
pub(crate) mod never_released;
mod none_taken;
mod notified;
pub(crate) mod overwritten;
mod page_number;
pub(crate) mod partial;
pub(crate) mod paths;
pub mod rules;
mod run;
pub(crate) mod slab;
pub(crate) mod sleeping;
mod stale;
pub(crate) mod still_mapped;
pub(crate) mod unfilled;
mod view;
pub(crate) mod visit;
pub(crate) mod wrong_count;

pub use run::run;
pub(crate) use run::{Kept, run_with};
pub(crate) use view::Walked;
pub use view::{AnyIn, Input};
