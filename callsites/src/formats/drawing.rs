// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flow of a group as inline SVG: acquires on the left, what dirties in the middle, releases on the right.
//!
//! Lines go from an acquire to every release that names it among its origins; where no release of the group names
//! any acquire, each acquire is joined to each release with a dashed line, since all that is known is that they share
//! pages.

use super::words;
use crate::report::{Callsite, Role};
use maud::{Markup, html};

// In pixels: a box holds one line of a path and a function's name in the small type of the page, and an arrow needs a gap.
const BOX_WIDTH: usize = 250;
const BOX_HEIGHT: usize = 34;
const GAP_X: usize = 70;
const GAP_Y: usize = 10;
const MARGIN: usize = 6;

struct Placed<'a> {
    site: &'a Callsite,
    x: usize,
    y: usize,
}

/// Draws `members`; None when there is nothing to connect or the drawing would be taller than a wall.
pub(super) fn flow(members: &[&Callsite]) -> Option<Markup> {
    let column = |role| {
        members
            .iter()
            .copied()
            .filter(|s| s.role == role)
            .collect::<Vec<_>>()
    };
    let columns: Vec<Vec<&Callsite>> = [
        column(Role::Acquire),
        column(Role::Dirty),
        column(Role::Release),
    ]
    .into_iter()
    .filter(|c| !c.is_empty())
    .collect();
    let tallest = columns.iter().map(Vec::len).max()?;
    if columns.len() < 2 || tallest > 40 {
        return None;
    }
    let placed: Vec<Placed<'_>> = columns
        .iter()
        .enumerate()
        .flat_map(|(x, sites)| sites.iter().enumerate().map(move |(y, site)| (x, y, *site)))
        .map(|(x, y, site)| Placed {
            site,
            x: MARGIN + x * (BOX_WIDTH + GAP_X),
            y: MARGIN + y * (BOX_HEIGHT + GAP_Y),
        })
        .collect();
    let width = 2 * MARGIN + columns.len() * BOX_WIDTH + (columns.len() - 1) * GAP_X;
    let height = 2 * MARGIN + tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y;
    let edges = edges(&placed);
    Some(html! {
        svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="img" aria-label="flow of the group" {
            @for (from, to, sure) in &edges {
                (edge(from, to, *sure))
            }
            @for node in &placed {
                (node_box(node))
            }
        }
    })
}

fn edges<'p, 'a>(placed: &'p [Placed<'a>]) -> Vec<(&'p Placed<'a>, &'p Placed<'a>, bool)> {
    let of = |role| placed.iter().filter(move |p| p.site.role == role);
    let mut edges = Vec::new();
    for acquire in of(Role::Acquire) {
        let place = format!("{}:{}", acquire.site.path, acquire.site.line);
        for other in placed.iter().filter(|p| p.site.role != Role::Acquire) {
            let names = |origin: &String| {
                origin
                    .split_whitespace()
                    .any(|word| word.trim_end_matches([',', ';', ')']) == place)
            };
            if other.site.origins.iter().any(names) {
                edges.push((acquire, other, true));
            }
        }
    }
    if edges.is_empty() {
        for acquire in of(Role::Acquire) {
            edges.extend(of(Role::Release).map(|release| (acquire, release, false)));
        }
    }
    edges
}

fn edge(from: &Placed<'_>, to: &Placed<'_>, sure: bool) -> Markup {
    let (x1, y1) = (from.x + BOX_WIDTH, from.y + BOX_HEIGHT / 2);
    let (x2, y2) = (to.x, to.y + BOX_HEIGHT / 2);
    let bend = GAP_X / 2;
    let path = format!(
        "M{x1},{y1} C{},{y1} {},{y2} {x2},{y2}",
        x1 + bend,
        x2.saturating_sub(bend)
    );
    html! { path d=(path) class=(if sure { "edge" } else { "edge unsure" }) {} }
}

fn node_box(node: &Placed<'_>) -> Markup {
    let site = node.site;
    let file = site.path.rsplit('/').next().unwrap_or(&site.path);
    html! {
        a href=(format!("#{}", site.id)) {
            g class=(format!("node {}", words::verdict(site.verdict))) {
                title { (site.path) ":" (site.line) " " (site.function) "() " (words::change(site)) }
                rect x=(node.x) y=(node.y) width=(BOX_WIDTH) height=(BOX_HEIGHT) rx="4" {}
                text x=(node.x + 8) y=(node.y + 14) class="call" { (clip(&words::change(site), 44)) }
                text x=(node.x + 8) y=(node.y + 28) { (clip(&format!("{file}:{} {}()", site.line, site.function), 44)) }
            }
        }
    }
}

/// Text that fits a box; the whole of it is in the node's title.
fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
