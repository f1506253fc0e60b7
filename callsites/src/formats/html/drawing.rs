// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flow of a group: acquires on the left, what holds their pages in the middle, what dirties and releases them on the
//! right.
//!
//! A line goes from an acquire over its holders to every call that names it among its origins. Where no call of the group
//! names any acquire, each acquire is joined to each release with a dashed line, since all that is known is that they share
//! pages. What else a call of the group is given stands in a box of its own: it is what makes a release a mixed one.

use super::standing::marked;
use crate::formats::words;
use crate::report::{Callsite, Group, Role, When};
use maud::Markup;
use page::{Edge, Flow, Ids, Node};
use std::collections::BTreeSet;

/// Calls in a column beyond which a drawing is taller than a wall.
const TALLEST: usize = 40;
/// Holders that are named in one box; the rest are counted.
const HOLDERS: usize = 4;

/// Draws the calls of `group`; None when there is nothing to connect or the drawing would be too tall.
pub(super) fn flow(group: &Group, members: &[&Callsite], ids: &Ids) -> Option<Markup> {
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
        nodes.push(match holders.split_first() {
            Some((first, rest)) => named(1, first, rest),
            None => continue,
        });
    }
    let last = if ends.iter().any(|end| *end >= acquires.len()) {
        2
    } else {
        1
    };
    let strangers = strangers(&others, &acquires);
    let outside = (!strangers.is_empty()).then(|| {
        nodes.push(named(0, "pages of other origin", &strangers));
        nodes.len() - 1
    });
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
                    label: condition(group, site),
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
                    label: condition(group, site),
                }));
            }
        }
    }
    edges.extend(sure);
    for (index, site) in others.iter().enumerate() {
        let foreign = foreign(site, &acquires).next().is_some();
        edges.extend(outside.filter(|_| foreign).map(|from| Edge {
            from,
            to: first + index,
            sure: true,
            label: condition(group, site),
        }));
    }
    let columns = match last {
        1 => vec!["taken", "dirtied and given back"],
        _ => vec!["taken", "held in, passed to", "dirtied and given back"],
    };
    Some(page::flow(&Flow {
        id: ids.of("flow", &group.id),
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

/// The origins of a call that are no acquire of its group; what was dropped or passed on is none.
fn foreign<'s>(site: &'s Callsite, acquires: &[&Callsite]) -> impl Iterator<Item = &'s str> {
    let places: Vec<String> = acquires
        .iter()
        .map(|acquire| format!("{}:{}", acquire.path, acquire.line))
        .collect();
    let own = move |origin: &str| {
        let mut words = origin.split_whitespace();
        words.any(|word| {
            places
                .iter()
                .any(|place| word.trim_end_matches([',', ';', ')']) == place)
        })
    };
    let origins = site.origins.iter().map(String::as_str);
    origins.filter(move |origin| !own(origin))
}

/// All of them, each once.
fn strangers<'s>(others: &[&'s Callsite], acquires: &[&Callsite]) -> Vec<&'s str> {
    let all: BTreeSet<&str> = others
        .iter()
        .flat_map(|site| foreign(site, acquires))
        .collect();
    all.into_iter().collect()
}

/// Under which condition the call runs, as far as the audit says.
fn condition(group: &Group, site: &Callsite) -> Option<String> {
    let dirty = site
        .edit
        .as_ref()
        .and_then(|edit| edit.dirty_condition.as_deref())
        .filter(|when| *when != "true");
    let step = group.plan.iter().find(|step| step.id == site.id);
    let asks = step.is_some_and(|step| step.when == When::WillPin);
    let said = [
        asks.then(|| "if iov_iter_extract_will_pin()".to_owned()),
        dirty.map(|when| format!("dirtied if {when}")),
        (!site.guards.is_empty()).then(|| format!("with {}", site.guards.join(" and "))),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// A box of names: the first few, and how many more there are.
fn named(column: usize, head: &str, names: &[&str]) -> Node {
    let more = names.len().saturating_sub(HOLDERS);
    let mut lines: Vec<String> = names
        .iter()
        .take(HOLDERS)
        .map(|line| (*line).to_owned())
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Node {
        column,
        mark: None,
        head: head.to_owned(),
        lines,
        link: None,
        title: std::iter::once(head)
            .chain(names.iter().copied())
            .collect::<Vec<_>>()
            .join("; "),
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
