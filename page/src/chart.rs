// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pins taken and given back as pairs of bars, and tables whose cells are coloured by what they say.

use crate::mark::{Mark, mark};
use crate::soft::soft;
use maud::{Markup, html};

/// Counters over one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// What the step is called.
    pub name: String,
    /// Pins taken.
    pub taken: u64,
    /// Pins given back.
    pub given_back: u64,
}

/// A pair of bars for every step, on one scale.
pub fn pins(steps: &[Pins]) -> Markup {
    let most = steps.iter().map(|step| step.taken.max(step.given_back));
    let most = most.max().unwrap_or(0).max(1);
    // Thousandths of the longest; what is not nothing is seen.
    let width = |count: u64| match count {
        0 => 0,
        some => (u128::from(some) * 1000 / u128::from(most)).max(4),
    };
    html! {
        @if !steps.is_empty() {
            div class="scroll" tabindex="0" role="region" aria-label="pins taken and given back" { table class="pins" {
                thead { tr { th scope="col" { "step" } th scope="col" { "pins taken and given back" } th scope="col" class="n" { "taken" }
                    th scope="col" class="n" { "given back" } th scope="col" { "" } } }
                @for step in steps {
                    tr {
                        th scope="row" { (soft(&step.name)) }
                        td class="pair" {
                            svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" {
                                rect class="taken" x="0" y="1" width=(width(step.taken)) height="8" {}
                                rect class="given" x="0" y="11" width=(width(step.given_back)) height="8" {}
                            }
                        }
                        td class="n" { (step.taken) }
                        td class="n" { (step.given_back) }
                        td { @match step.taken == step.given_back {
                            true => (mark(Mark::Good, "balanced")),
                            false => (mark(Mark::Bad, "not balanced")),
                        } }
                    }
                }
            } }
        }
    }
}

/// A table of states.
#[derive(Debug)]
pub struct Heat {
    /// What it shows, for those who hear the page.
    pub title: String,
    /// What the first column holds.
    pub corner: String,
    /// Names of the columns, with what they mean.
    pub columns: Vec<(String, String)>,
    /// A name, and a cell for each column.
    pub rows: Vec<(Markup, Vec<Cell>)>,
}

/// A cell: its state, its word, and where a click on it leads.
pub type Cell = (Mark, String, Option<String>);

/// The table, in a frame of its own where it is wider than the page.
pub fn heat(table: &Heat) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(table.title) {
            table class="heat" {
                thead { tr {
                    th scope="col" { (table.corner) }
                    @for (name, meaning) in &table.columns { th scope="col" title=(meaning) { (soft(name)) } }
                } }
                tbody { @for (name, cells) in &table.rows {
                    tr {
                        th scope="row" { (name) }
                        @for (state, word, to) in cells {
                            td class={ "cell " (state.class()) } {
                                @match to {
                                    Some(to) => a href={ "#" (to) } { (mark(*state, word)) },
                                    None => (mark(*state, word)),
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}
