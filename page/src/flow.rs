// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boxes in columns with lines between them, as inline SVG: the way that pages take.

use crate::mark::Mark;
use maud::{Markup, html};

// In pixels: a box holds two or three lines of the small type of the page, and a line between boxes needs room to bend and to
// bear its condition.
const BOX_WIDTH: usize = 292;
const LINE: usize = 15;
const GAP_X: usize = 74;
const GAP_Y: usize = 12;
const HEAD: usize = 22;
const MARGIN: usize = 4;
/// Characters of the small type that fit a box beside its shape.
const FITS: usize = 35;

/// A box.
#[derive(Debug)]
pub struct Node {
    /// Counted from the left.
    pub column: usize,
    /// Its colour and shape; none for what is only passed through.
    pub mark: Option<Mark>,
    /// What stands first, in bold.
    pub head: String,
    /// What stands below.
    pub lines: Vec<String>,
    /// The id of what it leads to.
    pub link: Option<String>,
    /// The whole text, for whoever points at it or hears it.
    pub title: String,
}

/// A line from box to box, by their places in the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    /// The box at its left end.
    pub from: usize,
    /// The box at its right end.
    pub to: usize,
    /// Whether it was seen, rather than being possible.
    pub sure: bool,
    /// A condition.
    pub label: Option<String>,
}

/// A drawing.
#[derive(Debug)]
pub struct Flow {
    /// What it shows, for those who hear the page.
    pub title: String,
    /// What stands above each column.
    pub columns: Vec<&'static str>,
    /// From top to bottom within a column.
    pub nodes: Vec<Node>,
    /// Lines.
    pub edges: Vec<Edge>,
}

struct Placed {
    x: usize,
    y: usize,
    height: usize,
}

/// Draws it, in a frame of its own where it is wider than the page.
pub fn flow(flow: &Flow) -> Markup {
    let mut tops = vec![MARGIN + HEAD; flow.columns.len()];
    let mut placed = Vec::new();
    for node in &flow.nodes {
        let height = (1 + node.lines.len()) * LINE + 10;
        let Some(top) = tops.get_mut(node.column) else {
            continue;
        };
        placed.push(Placed {
            x: MARGIN + node.column * (BOX_WIDTH + GAP_X),
            y: *top,
            height,
        });
        *top += height + GAP_Y;
    }
    // A short column stands in the middle of a tall one, so that lines stay short.
    let bottom = tops.iter().copied().max().unwrap_or(0);
    for (node, place) in flow.nodes.iter().zip(&mut placed) {
        place.y += (bottom - tops.get(node.column).copied().unwrap_or(bottom)) / 2;
    }
    let columns = flow.columns.len();
    let width = 2 * MARGIN + columns * BOX_WIDTH + columns.saturating_sub(1) * GAP_X;
    let height = bottom - GAP_Y + MARGIN;
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(flow.title) {
            svg class="flow" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
                @for (column, heading) in flow.columns.iter().enumerate() {
                    text class="heading" x=(MARGIN + column * (BOX_WIDTH + GAP_X)) y="14" { (heading) }
                }
                @for edge in &flow.edges {
                    @if let (Some(from), Some(to)) = (placed.get(edge.from), placed.get(edge.to)) { (line(edge, from, to)) }
                }
                @for (node, place) in flow.nodes.iter().zip(&placed) {
                    @match &node.link {
                        Some(link) => a href={ "#" (link) } { (boxed(node, place)) },
                        None => (boxed(node, place)),
                    }
                }
            }
        }
    }
}

fn line(edge: &Edge, from: &Placed, to: &Placed) -> Markup {
    let (x1, y1) = (from.x + BOX_WIDTH, from.y + from.height / 2);
    let (x2, y2) = (to.x, to.y + to.height / 2);
    let bend = GAP_X / 2;
    let path = format!(
        "M{x1},{y1} C{},{y1} {},{y2} {},{y2}",
        x1 + bend,
        x2.saturating_sub(bend),
        x2.saturating_sub(6)
    );
    let head = format!(
        "{},{} {x2},{y2} {},{}",
        x2.saturating_sub(7),
        y2.saturating_sub(4),
        x2.saturating_sub(7),
        y2 + 4
    );
    html! {
        path class=(if edge.sure { "edge" } else { "edge unsure" }) d=(path) {}
        polygon class="head" points=(head) {}
        @if let Some(label) = &edge.label {
            text class="label" x=(x2.saturating_sub(9)) y=(y2.saturating_sub(6)) text-anchor="end" { (clip(label, 22)) title { (label) } }
        }
    }
}

fn boxed(node: &Node, place: &Placed) -> Markup {
    let class = node.mark.map_or("m-none", Mark::class);
    let indent = if node.mark.is_some() { 24 } else { 8 };
    html! {
        g class={ "node " (class) } {
            title { (node.title) }
            rect x=(place.x) y=(place.y) width=(BOX_WIDTH) height=(place.height) rx="3" {}
            @if let Some(mark) = node.mark {
                polygon class="shape" points=(mark.points()) transform=(format!("translate({},{})", place.x + 7, place.y + 6)) {}
            }
            text class="call" x=(place.x + indent) y=(place.y + 16) { (clip(&node.head, FITS)) }
            @for (index, text) in node.lines.iter().enumerate() {
                text x=(place.x + indent) y=(place.y + 16 + (index + 1) * LINE) { (clip(text, FITS)) }
            }
        }
    }
}

/// Text that fits a box; the whole of it is in the title.
fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
