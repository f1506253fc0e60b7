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

/// How many times longer than the shortest the longest bar may be before the bars are drawn logarithmically: a shorter
/// one would be thinner than two pixels where the page is as wide as a telephone.
const LINEAR: u64 = 100;

/// A pair of bars for every step, on one scale.
pub fn pins(steps: &[Pins]) -> Markup {
    let counts = || steps.iter().flat_map(|step| [step.taken, step.given_back]);
    let most = counts().max().unwrap_or(0).max(1);
    let least = counts().filter(|count| *count > 0).min().unwrap_or(1);
    let linear = most / least <= LINEAR;
    // Thousandths of the longest; what is not nothing is seen.
    let width = |count: u64| match count {
        0 => 0,
        some if linear => (u128::from(some) * 1000 / u128::from(most)).max(4),
        some => ((some as f64).ln_1p() / (most as f64).ln_1p() * 1000.0) as u128,
    };
    html! {
        @if !steps.is_empty() {
            table class="pins" {
                @if !linear { caption { "Bars on a logarithmic scale: some are more than " (LINEAR) " times as long as others." } }
                thead { tr {
                    th scope="col" { "step" }
                    th scope="col" { "taken (above) and given back" }
                    th scope="col" class="n" { "taken" } th scope="col" class="n" { "given back" } th scope="col" { "balance" }
                } }
                tbody { @for step in steps {
                    tr {
                        th scope="row" { (soft(&step.name)) }
                        td class="pair" {
                            svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" {
                                rect class="taken" x="0" y="1" width=(width(step.taken)) height="8" {}
                                rect class="given" x="0" y="11" width=(width(step.given_back)) height="8" {}
                            }
                        }
                        td class="n" data-of="taken" { (step.taken) }
                        td class="n" data-of="given back" { (step.given_back) }
                        td { (balance(step)) }
                    }
                } }
            }
        }
    }
}

fn balance(step: &Pins) -> Markup {
    match (step.taken, step.given_back) {
        (taken, given) if taken == given => mark(Mark::Good, "balanced"),
        (taken, given) if taken > given => mark(Mark::Bad, &format!("{} kept", taken - given)),
        (taken, given) => mark(Mark::Bad, &format!("{} too many", given - taken)),
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

/// Columns beyond which headings stand upright and a cell's word below its shape.
const UPRIGHT: usize = 11;
// In pixels: the names of rows, a cell whose heading lies, a character of a word below its shape, and what is around it.
const NAMES: usize = 260;
const CELL: usize = 86;
const CHARACTER: usize = 7;
const AROUND: usize = 12;
/// Widths, in pixels, up to which a table may be wider than what it stands in: the style sheet has a rule for each, which
/// writes a row's cells below its name.
const WIDTHS: [usize; 5] = [440, 620, 860, 1060, 1240];

/// The table; where it is wider than what it stands in, the cells of a row stand below its name.
pub fn heat(table: &Heat) -> Markup {
    let upright = table.columns.len() > UPRIGHT;
    let words = |at: usize| {
        table
            .rows
            .iter()
            .filter_map(move |(_, cells)| Some(cells.get(at)?.1.chars().count()))
    };
    let width: usize = match upright {
        false => table.columns.len() * CELL,
        true => (0..table.columns.len())
            .map(|at| words(at).max().unwrap_or(0) * CHARACTER + AROUND)
            .sum(),
    };
    let size = WIDTHS.iter().find(|most| NAMES + width <= **most);
    let size = size.map_or_else(String::new, |most| format!(" w{most}"));
    let class = format!("heat{}{size}", if upright { " upright" } else { "" });
    html! {
        div class="heats" {
            table class=(class) aria-label=(table.title) {
                thead { tr {
                    th scope="col" { (table.corner) }
                    @for (name, meaning) in &table.columns { th scope="col" title=(meaning) { span { (soft(name)) } } }
                } }
                tbody { @for (name, cells) in &table.rows {
                    tr {
                        th scope="row" { (name) }
                        @for ((state, word, to), (column, _)) in cells.iter().zip(&table.columns) {
                            td class={ "cell " (state.class()) } data-of=(column) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn step(taken: u64, given_back: u64) -> Pins {
        Pins {
            name: "step".into(),
            taken,
            given_back,
        }
    }

    #[test]
    fn bars_of_very_different_lengths_are_drawn_on_a_scale_that_shows_both_and_says_so() {
        let near = pins(&[step(1, 1), step(100, 100)]).into_string();
        assert!(!near.contains("logarithmic"));
        assert!(near.contains("width=\"10\""), "{near}");
        let far = pins(&[step(1, 1), step(100_000, 100_000)]).into_string();
        assert!(far.contains("logarithmic"));
        // ln 2 / ln 100,001 is 0.0602.
        assert!(
            far.contains("width=\"60\"") && far.contains("width=\"1000\""),
            "{far}"
        );
    }

    #[test]
    fn what_is_not_balanced_says_by_how_much() {
        let page = pins(&[step(40, 39), step(1, 3), step(7, 7)]).into_string();
        for word in ["1 kept", "2 too many", "balanced"] {
            assert!(page.contains(word), "{word}: {page}");
        }
    }

    fn table(columns: usize, word: &str) -> String {
        let cells = (0..columns).map(|_| (Mark::Good, word.to_owned(), None));
        let rows = vec![(html! { "row" }, cells.collect())];
        let columns = (0..columns).map(|at| (format!("c{at}"), String::new()));
        heat(&Heat {
            title: "a table".into(),
            corner: "row".into(),
            columns: columns.collect(),
            rows,
        })
        .into_string()
    }

    #[test]
    fn a_table_says_how_wide_it_is_and_where_its_headings_stand() {
        assert!(table(2, "pass").contains("class=\"heat w440\""));
        assert!(table(22, "pass").contains("class=\"heat upright w1240\""));
        // Its cells stand below the names at every width.
        assert!(table(60, "pass").contains("class=\"heat upright\""));
        assert!(table(2, "pass").contains("data-of=\"c1\""));
    }
}
