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

/// Lines that follow each other: the number of the first, and the lines.
pub type Window<'a> = (u32, Vec<&'a str>);

/// Lines of `path`, those that have a note marked. The script of the page colours them when they are seen.
pub fn excerpt(path: &str, windows: &[Window<'_>], notes: &[Note]) -> Markup {
    figure("src", path, windows, notes)
}

/// Lines of a console.
pub fn console(title: &str, windows: &[Window<'_>], notes: &[Note]) -> Markup {
    figure("src console", title, windows, notes)
}

fn figure(class: &str, title: &str, windows: &[Window<'_>], notes: &[Note]) -> Markup {
    html! {
        figure class=(class) {
            figcaption { (soft(title)) }
            // A line between two lists says that lines are left out.
            @for (first, lines) in windows { (numbered(*first, lines, notes)) }
        }
    }
}

fn numbered(first: u32, lines: &[&str], notes: &[Note]) -> Markup {
    html! {
        ol start=(first) {
            @for (number, line) in (first..).zip(lines) {
                @let said: Vec<&Note> = notes.iter().filter(|note| note.line == number).collect();
                @match said.first() {
                    Some(note) => {
                        li class={ "hit " (note.class) } {
                            (line)
                            @for note in &said { " " span class="note" { (soft(&note.label)) } }
                        }
                    }
                    None => { li { (line) } }
                }
            }
        }
    }
}
