// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts become replaced byte ranges: whole groups, or a reason why not.
//!
//! In go the parsed files and the audit's report; out come [`Planned`] edits. The rules:
//!
//! * Only what must change changes. A loop that does nothing but release its array becomes one call; any other loop stays
//!   and the call inside gets its new name.
//! * Behaviour never changes silently. What changes is named in [`Planned::changes`]; where it could not be named safely
//!   (a count that may be an error code, dirtying that may now sleep under a lock) the loop stays.
//! * Variables and braces that lost their purpose go. Comments stay.
//! * Edits never overlap, and reversing them gives the base byte for byte.
//!
//! Deliberately absent: any look at which pages flow where. That is the audit's, and a member that it does not call
//! `convert` or `done` stops its group.

mod acquire;
mod after;
mod arms;
mod braces;
mod comment;
mod count;
mod extract;
mod filled;
mod flag;
mod fold;
mod folio;
mod freed;
mod guard;
mod header;
pub(crate) mod ladder;
pub(crate) mod layout;
mod literals;
mod named;
mod next;
mod noted;
mod pair;
mod plan;
mod reasons;
mod release;
mod rename;
mod replace;
mod seen;
mod source;
mod split;
pub(crate) mod unused;
pub(crate) mod walk;
mod words;

#[cfg(test)]
mod counts;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod iterators;
#[cfg(test)]
mod sentences;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

pub(crate) use freed::freed;
pub(crate) use next::next;
pub(crate) use plan::{Fix, Planned, Sources, files, group};
pub(crate) use replace::{Edit, carry_out, ordered, upon};
pub(crate) use source::Source;
pub(crate) use words::{Functions, Words};
