// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists whose lines open: one line each to read, and everything else below it on a click.

use crate::mark::{Mark, mark};
use crate::soft::soft;
use maud::{Markup, html};

/// What a line can be filtered by: a facet's name and the line's value, such as `("state", "convert")`.
pub type Facet = (&'static str, String);

/// A facet's value as it stands in an attribute: values are told apart by their lines, so a stranger's name gets no second one.
pub(crate) fn value(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A line that opens.
#[derive(Debug)]
pub struct Row {
    /// The name by which a link finds it.
    pub id: String,
    /// Its state, and the word for that.
    pub state: (Mark, String),
    /// What it is called.
    pub name: String,
    /// What else stands on the line: a class for its column, and the text.
    pub cells: Vec<(&'static str, Markup)>,
    /// What it can be filtered by.
    pub facets: Vec<Facet>,
    /// How large it is, for those who sort by size.
    pub size: usize,
    /// What is below.
    pub body: Markup,
    /// Whether it is open from the beginning.
    pub open: bool,
}

/// Rows that are filtered and sorted together.
#[derive(Debug)]
pub struct List {
    /// What one of them is called: "group".
    pub what: &'static str,
    /// In the order in which they are shown at first.
    pub rows: Vec<Row>,
    /// What is said where there is none.
    pub nothing: &'static str,
}

/// The rows of a list; the script of the page hides those that are not asked for.
pub fn list(list: &List) -> Markup {
    html! {
        @if list.rows.is_empty() {
            p class="nothing" { (list.nothing) }
        } @else {
            div class="list" data-what=(list.what) {
                @for item in &list.rows { (row(item)) }
            }
        }
    }
}

fn row(row: &Row) -> Markup {
    let facets: Vec<String> = row
        .facets
        .iter()
        .map(|(name, of)| format!("{name}={}", value(of)))
        .collect();
    html! {
        details class="row" id=(row.id) data-facets=(facets.join("\n")) data-size=(row.size) open[row.open] {
            summary {
                (mark(row.state.0, &row.state.1))
                b class="name" { (soft(&row.name)) }
                @for (class, cell) in &row.cells { span class=(class) { (cell) } }
            }
            div class="body" { (row.body) }
        }
    }
}
