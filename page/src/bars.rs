// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headline figures and stacked bars. A click on either filters what is below.

use crate::mark::Mark;
use crate::row::{Facet, value};
use crate::soft::soft;
use maud::{Markup, html};

/// Bars that are seen at once, so that what is beside and below them is not pushed off the screen; the rest opens.
const AT_ONCE: usize = 14;

/// A number with the sentence that says what it means.
#[derive(Debug)]
pub struct Figure {
    /// How many.
    pub count: usize,
    /// Of what: "groups to convert".
    pub what: String,
    /// How it is marked.
    pub mark: Mark,
    /// What that means to the reader.
    pub sentence: String,
    /// What a click filters by; None where there is nothing to filter.
    pub facet: Option<Facet>,
}

/// A bar of several states.
#[derive(Debug)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// How many of each state, in the order in which they are stacked.
    pub parts: Vec<(Mark, &'static str, usize)>,
    /// What a click filters by.
    pub facet: Facet,
}

/// The figures in a row that wraps.
pub fn figures(figures: &[Figure]) -> Markup {
    html! {
        // Four beside each other or eight: no row of them is left with one alone.
        div class=(if figures.len() % 4 == 0 { "figures by-four" } else { "figures" }) {
            @for figure in figures {
                @match &figure.facet {
                    Some((name, of)) => {
                        button type="button" class={ "figure " (figure.mark.class()) } data-facet=(name) data-value=(value(of)) aria-pressed="false" {
                            (inside(figure))
                        }
                    }
                    None => { div class={ "figure " (figure.mark.class()) } { (inside(figure)) } }
                }
            }
        }
    }
}

fn inside(figure: &Figure) -> Markup {
    html! {
        span class="count" { (figure.count) }
        span class={ "mark " (figure.mark.class()) } { (figure.what) }
        span class="sentence" { (figure.sentence) }
    }
}

/// The bars, on one scale.
pub fn bars(heading: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(total).max().unwrap_or(0).max(1);
    html! {
        @if !bars.is_empty() {
            section class="bars" {
                h3 { (heading) }
                @for bar in bars.iter().take(AT_ONCE) { (one(bar, most)) }
                @if bars.len() > AT_ONCE {
                    details {
                        summary { (bars.len() - AT_ONCE) " more" }
                        @for bar in &bars[AT_ONCE..] { (one(bar, most)) }
                    }
                }
            }
        }
    }
}

fn total(bar: &Bar) -> usize {
    bar.parts.iter().map(|part| part.2).sum()
}

fn one(bar: &Bar, most: usize) -> Markup {
    html! {
        button type="button" class="bar" data-facet=(bar.facet.0) data-value=(value(&bar.facet.1)) aria-pressed="false" {
            span class="label" { (soft(&bar.label)) }
            (drawn(bar, most))
            span class="total" { (total(bar)) }
            span class="said" { (said(bar)) }
        }
    }
}

/// The bar itself; thousandths of the longest.
fn drawn(bar: &Bar, most: usize) -> Markup {
    let mut at = 0;
    let parts: Vec<(usize, usize, Mark)> = bar
        .parts
        .iter()
        .filter(|part| part.2 > 0)
        .map(|(mark, _, count)| {
            let (from, width) = (at, count * 1000 / most);
            at += width;
            (from, width, *mark)
        })
        .collect();
    html! {
        svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            @for (from, width, mark) in parts {
                // A gap tells neighbours apart for those who see no colour.
                rect class=(mark.class()) x=(from) y="0" width=(width.saturating_sub(4).max(2)) height="10" {}
            }
        }
    }
}

fn said(bar: &Bar) -> String {
    let parts = bar.parts.iter().filter(|part| part.2 > 0);
    let parts: Vec<String> = parts
        .map(|(_, word, count)| format!("{word} {count}"))
        .collect();
    parts.join(", ")
}
