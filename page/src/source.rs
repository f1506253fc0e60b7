// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of source and of consoles with their numbers, some of them marked.

use crate::soft::soft;
use maud::{Markup, html};

/// What is said of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// 1-based.
    pub line: u32,
    /// "1", "convert", …; what is said first counts.
    pub label: String,
    /// A class for its colour, or nothing.
    pub class: &'static str,
}

/// Lines of `path` from line `first` on, those that have a note marked. The script of the page colours them when they are seen.
pub fn excerpt<'a>(
    path: &str,
    first: u32,
    lines: impl IntoIterator<Item = &'a str>,
    notes: &[Note],
) -> Markup {
    html! {
        figure class="src" {
            figcaption { (soft(path)) }
            (numbered(first, lines, notes))
        }
    }
}

/// Lines of a console.
pub fn console<'a>(
    title: &str,
    first: u32,
    lines: impl IntoIterator<Item = &'a str>,
    notes: &[Note],
) -> Markup {
    html! {
        figure class="src console" {
            figcaption { (soft(title)) }
            (numbered(first, lines, notes))
        }
    }
}

fn numbered<'a>(first: u32, lines: impl IntoIterator<Item = &'a str>, notes: &[Note]) -> Markup {
    html! {
        ol start=(first) {
            @for (number, line) in (first..).zip(lines) {
                @let said: Vec<&Note> = notes.iter().filter(|note| note.line == number).collect();
                @match said.first() {
                    Some(note) => {
                        li class={ "hit " (note.class) } {
                            (line)
                            @for note in &said { span class="note" { (note.label) } }
                        }
                    }
                    None => { li { (line) } }
                }
            }
        }
    }
}
