// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flow of a group: acquires on the left, what holds their pages in the middle, what dirties and releases them on the right.
//!
//! A line goes from an acquire over its holders to every call that names it among its origins. Where no call of the group
//! names any acquire, each acquire is joined to each release with a dashed line, since all that is known is that they share
//! pages.

use super::standing::marked;
use crate::formats::words;
use crate::report::{Callsite, Role};
use maud::Markup;
use page::{Edge, Flow, Ids, Node};

/// Calls in a column beyond which a drawing is taller than a wall.
const TALLEST: usize = 40;
/// Holders that are named in one box; the rest are counted.
const HOLDERS: usize = 4;

/// Draws `members`; None when there is nothing to connect or the drawing would be too tall.
pub(super) fn flow(members: &[&Callsite], ids: &Ids) -> Option<Markup> {
    let (acquires, others): (Vec<&Callsite>, Vec<&Callsite>) =
        members.iter().partition(|site| site.role == Role::Acquire);
    if acquires.is_empty() || others.is_empty() || acquires.len().max(others.len()) > TALLEST {
        return None;
    }
    let mut nodes: Vec<Node> = acquires.iter().map(|site| boxed(site, 0, ids)).collect();
    let mut edges = Vec::new();
    // From where the lines of each acquire go on: its holders where there are any.
    let mut ends: Vec<usize> = (0..acquires.len()).collect();
    for (index, site) in acquires.iter().enumerate() {
        let holders: Vec<&str> = site
            .origins
            .iter()
            .filter_map(|origin| holder(origin))
            .collect();
        if holders.is_empty() {
            continue;
        }
        ends[index] = nodes.len();
        edges.push(Edge {
            from: index,
            to: nodes.len(),
            sure: true,
            label: None,
        });
        nodes.push(middle(&holders));
    }
    let last = if ends.iter().any(|end| *end >= acquires.len()) {
        2
    } else {
        1
    };
    let mut sure = Vec::new();
    let first = nodes.len();
    for (index, site) in others.iter().enumerate() {
        nodes.push(boxed(site, last, ids));
        for (acquire, end) in acquires.iter().zip(&ends) {
            if names(site, acquire) {
                sure.push(Edge {
                    from: *end,
                    to: first + index,
                    sure: true,
                    label: condition(site),
                });
            }
        }
    }
    if sure.is_empty() {
        for (index, site) in others.iter().enumerate() {
            let to = first + index;
            if site.role == Role::Release {
                sure.extend(ends.iter().map(|end| Edge {
                    from: *end,
                    to,
                    sure: false,
                    label: condition(site),
                }));
            }
        }
    }
    edges.extend(sure);
    let columns = match last {
        1 => vec!["taken", "dirtied and given back"],
        _ => vec!["taken", "held in, passed to", "dirtied and given back"],
    };
    Some(page::flow(&Flow {
        title: "the way of the pages from acquire to release".into(),
        columns,
        nodes,
        edges,
    }))
}

/// Whether a call names an acquire among its origins.
fn names(site: &Callsite, acquire: &Callsite) -> bool {
    let place = format!("{}:{}", acquire.path, acquire.line);
    site.origins.iter().any(|origin| {
        let mut words = origin.split_whitespace();
        words.any(|word| word.trim_end_matches([',', ';', ')']) == place)
    })
}

/// Where an acquire's pages are kept or passed on; where they are released is drawn as a box of its own.
fn holder(origin: &str) -> Option<&str> {
    (!origin.starts_with("released in ")).then_some(origin)
}

/// Under which condition the call runs, as far as the audit says.
fn condition(site: &Callsite) -> Option<String> {
    let dirty = site
        .edit
        .as_ref()
        .and_then(|edit| edit.dirty_condition.as_deref());
    match (dirty, site.guards.as_slice()) {
        (Some(when), _) if when != "true" => Some(format!("dirty if {when}")),
        (_, []) => None,
        (_, guards) => Some(format!("with {}", guards.join(" and "))),
    }
}

fn middle(holders: &[&str]) -> Node {
    let more = holders.len().saturating_sub(HOLDERS);
    let mut lines: Vec<String> = holders
        .iter()
        .skip(1)
        .take(HOLDERS - 1)
        .map(|line| (*line).to_owned())
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Node {
        column: 1,
        mark: None,
        head: holders.first().copied().unwrap_or_default().to_owned(),
        lines,
        link: None,
        title: holders.join("; "),
    }
}

fn boxed(site: &Callsite, column: usize, ids: &Ids) -> Node {
    let file = site.path.rsplit('/').next().unwrap_or(&site.path);
    let verdict = words::verdict(site.verdict);
    let becomes = words::change(site);
    let mut lines = Vec::new();
    if let Some((_, new)) = becomes.split_once(" -> ") {
        lines.push(format!("becomes {new}"));
    }
    lines.push(format!("{}()", site.function));
    lines.push(format!("{file}:{}, {verdict}", site.line));
    Node {
        column,
        mark: Some(marked(site.verdict)),
        head: site.call.clone(),
        lines,
        link: Some(ids.of("call", &site.id)),
        title: format!(
            "{verdict}: {}:{} {}() {becomes}",
            site.path, site.line, site.function
        ),
    }
}
