// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one look of every page that is made for a browser.
//!
//! In go [`Part`]s, each with its heading and its markup; out comes one file that needs no network and no file beside it:
//! [`Sheet::html`]. The other functions here make what parts are built of, so that a state, a line of source, a diff or a
//! flow looks the same in whichever room it was written: [`mark`](fn@mark), [`Row`], [`excerpt`], [`mail`],
//! [`bars`](fn@bars), [`flow`](fn@flow), [`sequence`](fn@sequence), [`pins`], [`heat`].
//!
//! Everything that is said comes in as text and is escaped by maud; names that are long get places where a line may end
//! ([`soft`](fn@soft)), and what moves a cursor or turns a line is written as its number ([`visible`](fn@visible)). The
//! policy in the head of the page runs no script but its own, whose nonce is a hash of the page itself: a stranger's text
//! cannot name it.
//!
//! Deliberately absent: what a callsite, a patch or a verdict is. Each room draws its own.

mod bars;
mod chart;
mod diff;
mod flow;
mod mark;
mod row;
mod sequence;
mod sheet;
mod soft;
mod source;
#[cfg(test)]
mod tests;
mod visible;

pub use bars::{Bar, Figure, bars, figures};
pub use chart::{Cell, Heat, Pins, heat, pins};
pub use diff::{diff, mail};
pub use flow::{Edge, Flow, Node, flow};
pub use mark::{Mark, mark};
pub use row::{Facet, List, Row, list};
pub use sequence::{Sequence, Step, sequence};
pub use sheet::{Ids, Part, Sheet};
pub use soft::{number, soft};
pub use source::{Note, Window, console, excerpt};
pub use visible::{hidden, line, visible};
