// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boxes in columns with lines between them, as inline SVG: the way that pages take.
//!
//! A drawing that is wider than what it stands in is shown in its other form, one box below the other: nothing of it has to be
//! scrolled to.

use crate::mark::Mark;
use maud::{Markup, html};
use std::collections::BTreeSet;

// In pixels: a box holds some lines of the small type of the page, and a line between boxes needs room to bend.
const BOX_WIDTH: usize = 292;
const LINE: usize = 15;
const GAP_X: usize = 74;
const GAP_Y: usize = 12;
const HEAD: usize = 22;
const MARGIN: usize = 4;
/// Characters of the small type that fit a box beside its shape.
const FITS: usize = 35;
/// Characters of a condition that fit a line between boxes; a condition is written whole where someone points at it, and among
/// the calls below.
const LABEL_FITS: usize = 34;
/// In tenths of a pixel: a character of a condition.
const LABEL_CHARACTER: usize = 64;
/// Lines beside boxes that stand below each other, each with a place of its own; more share these.
const LANES: usize = 5;
/// In pixels: a lane, and the boxes' distance from the left edge, where the lanes are.
const LANE: usize = 8;
const RAIL: usize = 14 + LANES * LANE;
/// Widths, in pixels, up to which the drawing may be wider than what it stands in: the style sheet has a rule for each.
/// The last one holds three columns and a condition.
const WIDTHS: [usize; 4] = [690, 860, 1040, 1230];

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
    /// A name that no other drawing of the page has.
    pub id: String,
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

/// Draws it both ways; the style sheet shows the one that fits.
pub fn flow(flow: &Flow) -> Markup {
    let lines: Vec<Vec<String>> = flow.nodes.iter().map(lines).collect();
    let (width, across) = across(flow, &lines);
    let class = WIDTHS.iter().find(|most| width <= **most);
    let class = class.map_or_else(|| "flows".to_owned(), |most| format!("flows w{most}"));
    html! {
        div class=(class) role="group" aria-label=(flow.title) {
            (across)
            (down(flow, &lines))
        }
    }
}

/// The lines of a box: the first is what stands in bold.
fn lines(node: &Node) -> Vec<String> {
    let all = std::iter::once(&node.head).chain(&node.lines);
    all.flat_map(|line| folded(line)).collect()
}

/// `text` in pieces that fit a box, each ending behind whatever names are put together with where that is possible.
fn folded(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > FITS {
        let joint = |c: &char| matches!(c, ' ' | '/' | '_' | ',' | '(' | ':' | '-' | '.' | '>');
        let end = rest[..FITS]
            .iter()
            .rposition(joint)
            .map_or(FITS, |at| at + 1);
        let after = rest.split_off(end);
        pieces.push(rest.into_iter().collect());
        rest = after;
    }
    pieces.push(rest.into_iter().collect());
    pieces
}

fn height(lines: &[String]) -> usize {
    lines.len() * LINE + 10
}

/// The boxes of a column below each other, the columns beside each other.
fn across(flow: &Flow, lines: &[Vec<String>]) -> (usize, Markup) {
    let lefts = lefts(flow);
    let mut tops = vec![MARGIN + HEAD; flow.columns.len()];
    let mut placed = Vec::new();
    for (node, lines) in flow.nodes.iter().zip(lines) {
        let column = node.column.min(tops.len().saturating_sub(1));
        let (Some(top), Some(left)) = (tops.get_mut(column), lefts.get(column)) else {
            continue;
        };
        placed.push(Placed {
            x: *left,
            y: *top,
            height: height(lines),
        });
        *top += height(lines) + GAP_Y;
    }
    // A short column stands in the middle of a tall one, so that lines stay short.
    let bottom = tops.iter().copied().max().unwrap_or(0);
    for (node, place) in flow.nodes.iter().zip(&mut placed) {
        place.y += (bottom - tops.get(node.column).copied().unwrap_or(bottom)) / 2;
    }
    let width = lefts.last().map_or(0, |left| left + BOX_WIDTH) + MARGIN;
    let height = bottom - GAP_Y + MARGIN;
    let drawn = html! {
        svg class="flow across" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
            @for (heading, left) in flow.columns.iter().zip(&lefts) {
                text class="heading" x=(left) y="14" { (heading) }
            }
            @for edge in &flow.edges {
                @if let (Some(from), Some(to)) = (placed.get(edge.from), placed.get(edge.to)) { (line(edge, from, to)) }
            }
            @for edge in told(&flow.edges) {
                @if let Some(to) = placed.get(edge.to) {
                    (label(edge, to.x.saturating_sub(9), beside_arrow(flow, &placed, edge.to), "end"))
                }
            }
            @for (at, (node, place)) in flow.nodes.iter().zip(&placed).enumerate() {
                @let drawn = boxed(node, &lines[at], &node_id(flow, at));
                g transform=(format!("translate({},{})", place.x, place.y)) {
                    @match &node.link {
                        Some(link) => a href={ "#" (link) } { (drawn) },
                        None => (drawn),
                    }
                }
            }
        }
    };
    (width, drawn)
}

/// The height at which a condition is written: on the side of the arrow from which fewer lines come, so that none goes
/// through it.
fn beside_arrow(flow: &Flow, placed: &[Placed], to: usize) -> usize {
    let middle = |at: usize| placed.get(at).map_or(0, |place| place.y + place.height / 2);
    let sources = flow.edges.iter().filter(|edge| edge.to == to);
    let (above, below): (Vec<&Edge>, Vec<&Edge>) =
        sources.partition(|edge| middle(edge.from) <= middle(to));
    match above.len() > below.len() {
        true => middle(to) + 15,
        false => middle(to).saturating_sub(6),
    }
}

/// Where each column begins: a gap is as wide as the longest condition on a line that ends behind it.
fn lefts(flow: &Flow) -> Vec<usize> {
    let mut left = MARGIN;
    let gap = |column: usize| {
        let ends = |edge: &&Edge| {
            flow.nodes
                .get(edge.to)
                .is_some_and(|node| node.column == column)
        };
        let labels = flow
            .edges
            .iter()
            .filter(ends)
            .filter_map(|edge| edge.label.as_ref());
        let longest = labels
            .map(|label| label.chars().count().min(LABEL_FITS))
            .max();
        longest.map_or(GAP_X, |longest| {
            GAP_X.max(longest * LABEL_CHARACTER / 10 + 24)
        })
    };
    (0..flow.columns.len())
        .map(|column| {
            if column > 0 {
                left += BOX_WIDTH + gap(column);
            }
            left
        })
        .collect()
}

/// The lines whose conditions are written: what is said twice of one box stands there once.
fn told(edges: &[Edge]) -> Vec<&Edge> {
    let mut seen = BTreeSet::new();
    let with = edges.iter().filter(|edge| edge.label.is_some());
    with.filter(|edge| seen.insert((edge.to, edge.label.as_ref())))
        .collect()
}

fn node_id(flow: &Flow, at: usize) -> String {
    format!("{}.{at}", flow.id)
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
    html! { path class=(class(edge)) d=(path) {} (head(x2, y2)) }
}

fn class(edge: &Edge) -> &'static str {
    match edge.sure {
        true => "edge",
        false => "edge unsure",
    }
}

/// The head of an arrow that ends there.
fn head(x: usize, y: usize) -> Markup {
    let back = x.saturating_sub(7);
    html! { polygon class="head" points=(format!("{back},{} {x},{y} {back},{}", y.saturating_sub(4), y + 4)) {} }
}

fn label(edge: &Edge, x: usize, y: usize, anchor: &str) -> Markup {
    let label = edge.label.as_deref().unwrap_or_default();
    html! { text class="label" x=(x) y=(y) text-anchor=(anchor) { (clip(label, LABEL_FITS)) title { (label) } } }
}

/// A box with its upper left corner at the origin; the other form of the drawing shows it again by its id.
fn boxed(node: &Node, lines: &[String], id: &str) -> Markup {
    let class = node.mark.map_or("m-none", Mark::class);
    let indent = if node.mark.is_some() { 24 } else { 8 };
    html! {
        g id=(id) class={ "node " (class) } {
            title { (node.title) }
            rect width=(BOX_WIDTH) height=(height(lines)) rx="3" {}
            @if let Some(mark) = node.mark { polygon class="shape" points=(mark.points()) transform="translate(7,6)" {} }
            @for (index, text) in lines.iter().enumerate() {
                text class=[(index == 0).then_some("call")] x=(indent) y=(16 + index * LINE) { (text) }
            }
        }
    }
}

/// All boxes below each other; the lines go beside them.
fn down(flow: &Flow, lines: &[Vec<String>]) -> Markup {
    let told = told(&flow.edges);
    let mut order: Vec<usize> = (0..flow.nodes.len()).collect();
    order.sort_by_key(|at| flow.nodes[*at].column);
    let mut placed: Vec<Option<Placed>> = flow.nodes.iter().map(|_| None).collect();
    let mut headings = Vec::new();
    let mut y = MARGIN;
    let mut column = None;
    for at in order {
        let node = &flow.nodes[at];
        if column != Some(node.column) {
            column = Some(node.column);
            if let Some(heading) = flow.columns.get(node.column) {
                headings.push((*heading, y + 12));
                y += HEAD;
            }
        }
        // A condition stands above the box that it is about.
        y += LINE * told.iter().filter(|edge| edge.to == at).count();
        placed[at] = Some(Placed {
            x: RAIL,
            y,
            height: height(&lines[at]),
        });
        y += height(&lines[at]) + GAP_Y;
    }
    let sources: BTreeSet<usize> = flow.edges.iter().map(|edge| edge.from).collect();
    let lane = |from: usize| sources.range(..from).count() % LANES;
    let place = |at: usize| placed.get(at).and_then(Option::as_ref);
    let (width, height) = (RAIL + BOX_WIDTH + MARGIN, y - GAP_Y + MARGIN);
    html! {
        svg class="flow down" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) {
            @for (heading, y) in headings { text class="heading" x=(RAIL) y=(y) { (heading) } }
            @for edge in &flow.edges {
                @if let (Some(from), Some(to)) = (place(edge.from), place(edge.to)) { (beside(edge, from, to, lane(edge.from))) }
            }
            @for (at, edge) in told.iter().enumerate() {
                // Where a box has several, the last stands nearest.
                @let below = told[at + 1..].iter().filter(|other| other.to == edge.to).count();
                @if let Some(to) = place(edge.to) { (label(edge, RAIL, to.y.saturating_sub(5 + below * LINE), "start")) }
            }
            @for (at, node) in flow.nodes.iter().enumerate() {
                @if let Some(to) = place(at) {
                    @let again = html! { use href={ "#" (node_id(flow, at)) } x=(to.x) y=(to.y) {} };
                    @match &node.link {
                        Some(link) => a href={ "#" (link) } aria-label=(node.title) { (again) },
                        None => (again),
                    }
                }
            }
        }
    }
}

/// A line that leaves a box to the left, goes along its lane and comes back to another.
fn beside(edge: &Edge, from: &Placed, to: &Placed, lane: usize) -> Markup {
    // Leaving below the middle and arriving above it keeps the two apart where a box has both.
    let (y1, y2) = (from.y + from.height / 2 + 5, to.y + to.height / 2 - 5);
    let x = RAIL - 14 - lane * LANE;
    html! {
        path class=(class(edge)) d=(format!("M{RAIL},{y1} H{x} V{y2} H{}", RAIL - 6)) {}
        (head(RAIL, y2))
    }
}

/// Text that fits; the whole of it is in the title.
fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(column: usize, head: &str) -> Node {
        Node {
            column,
            mark: Some(Mark::Do),
            head: head.into(),
            lines: vec![],
            link: Some(format!("call={head}")),
            title: head.into(),
        }
    }

    fn edge(from: usize, to: usize, label: Option<&str>) -> Edge {
        Edge {
            from,
            to,
            sure: true,
            label: label.map(str::to_owned),
        }
    }

    fn drawn(label: Option<&str>) -> String {
        flow(&Flow {
            id: "flow=1".into(),
            title: "a way".into(),
            columns: vec!["taken", "given back"],
            nodes: vec![node(0, "a"), node(0, "b"), node(1, "c")],
            edges: vec![edge(0, 2, label), edge(1, 2, label)],
        })
        .into_string()
    }

    #[test]
    fn a_long_name_is_folded_at_its_joints_and_nothing_of_it_is_lost() {
        let name = "becomes a_function_with_a_very_long_name_that_no_box_holds()";
        let pieces = folded(name);
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() <= FITS));
        assert!(pieces[0].ends_with('_'), "{pieces:?}");
        assert_eq!(pieces.concat(), name);
        assert_eq!(folded(&"x".repeat(FITS + 1)).concat().len(), FITS + 1);
        assert_eq!(folded(""), [""]);
    }

    #[test]
    fn a_condition_has_room_between_the_boxes_and_is_said_once_of_one_box() {
        let width = |drawn: &str| {
            let (_, rest) = drawn.split_once("flow across\" width=\"").unwrap();
            rest.split('"').next().unwrap().parse::<usize>().unwrap()
        };
        let (bare, with) = (drawn(None), drawn(Some("dirty if write && !failed")));
        let needs = "dirty if write && !failed".len() * LABEL_CHARACTER / 10;
        assert!(width(&with) >= width(&bare) - GAP_X + needs, "{with}");
        // Once across, once down.
        assert_eq!(with.matches("class=\"label\"").count(), 2, "{with}");
    }

    #[test]
    fn both_forms_show_every_box_and_every_line() {
        let drawn = drawn(None);
        for at in 0..3 {
            assert_eq!(drawn.matches(&format!("id=\"flow=1.{at}\"")).count(), 1);
            assert_eq!(drawn.matches(&format!("href=\"#flow=1.{at}\"")).count(), 1);
        }
        assert_eq!(drawn.matches("class=\"edge\"").count(), 4, "two each way");
        assert_eq!(drawn.matches("href=\"#call=a\"").count(), 2);
    }
}
