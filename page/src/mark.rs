// SPDX-License-Identifier: MIT OR Apache-2.0
//! A state as a word with a colour and a shape: nobody has to see colours to tell one from another.

use maud::{Markup, html};

/// What a state means to a reader; each has a colour and a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// There is something to do: a triangle.
    Do,
    /// Something stands in the way: an octagon.
    Stop,
    /// Two things at once: a diamond cut in half.
    Split,
    /// Not known: a diamond.
    Unsure,
    /// Nothing is left to do: a disc.
    Done,
    /// It stays as it is: a square.
    Keep,
    /// It passed: a tick.
    Good,
    /// It failed: a cross.
    Bad,
    /// It was not done: a dash.
    Skipped,
    /// Worth knowing: a small bar.
    Note,
}

impl Mark {
    /// The class that colours and shapes it.
    pub fn class(self) -> &'static str {
        match self {
            Mark::Do => "m-do",
            Mark::Stop => "m-stop",
            Mark::Split => "m-split",
            Mark::Unsure => "m-unsure",
            Mark::Done => "m-done",
            Mark::Keep => "m-keep",
            Mark::Good => "m-good",
            Mark::Bad => "m-bad",
            Mark::Skipped => "m-skip",
            Mark::Note => "m-note",
        }
    }

    /// Its shape as the points of an SVG polygon in a square of 12; the same as in the style sheet.
    pub(crate) fn points(self) -> &'static str {
        match self {
            Mark::Do => "1,0 12,6 1,12",
            Mark::Stop => "3.6,0 8.4,0 12,3.6 12,8.4 8.4,12 3.6,12 0,8.4 0,3.6",
            Mark::Split => "6,0 6,12 0,6",
            Mark::Unsure => "6,0 12,6 6,12 0,6",
            Mark::Done => "6,0 9,0.8 11.2,3 12,6 11.2,9 9,11.2 6,12 3,11.2 0.8,9 0,6 0.8,3 3,0.8",
            Mark::Keep => "1,1 11,1 11,11 1,11",
            Mark::Good => "1.7,5.3 0,7.8 6,12 12,2 9.6,0 5.2,7.4",
            Mark::Bad => {
                "2.4,0 6,3.6 9.6,0 12,2.4 8.4,6 12,9.6 9.6,12 6,8.4 2.4,12 0,9.6 3.6,6 0,2.4"
            }
            Mark::Skipped => "0,4.5 12,4.5 12,7.5 0,7.5",
            Mark::Note => "4.5,0 7.5,0 7.5,12 4.5,12",
        }
    }
}

/// `word` with the colour and the shape of `mark`.
pub fn mark(mark: Mark, word: &str) -> Markup {
    html! { span class={ "mark " (mark.class()) } { (word) } }
}
