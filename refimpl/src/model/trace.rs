// SPDX-License-Identifier: MIT OR Apache-2.0
//! A counterexample as a numbered story: who did what, and which facts about which page changed.

use serde::{Deserialize, Serialize};

use failure::counted;

use super::config::Config;
use super::driver::Callsites;
use super::fair::Lasso;
use super::graph::Edge;
use super::property::Property;
use super::state::{Page, State, flag};
use super::step::{Actor, Step};

/// A story that ends badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What is broken in the end.
    pub property: Property,
    /// What that means, in a sentence.
    pub meaning: String,
    /// What happens, in order.
    pub steps: Vec<TraceStep>,
    /// For a liveness property, the number of the first step that repeats forever; one past the end when everything stands still.
    pub repeats_from: Option<usize>,
    /// For a liveness property, who could still move and why it does not help, or who waits for whom.
    pub waits: Vec<String>,
}

/// One line of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// Counted from 1.
    pub number: usize,
    /// Who acts.
    pub actor: String,
    /// What they do.
    pub what: String,
    /// What is different afterwards, such as "page0 +dirty" or "page0 refcount 3 -> 1027".
    pub changes: Vec<String>,
}

type Path = [(u32, Edge<Step>)];

impl Trace {
    /// A story that ends with its last step.
    pub(crate) fn of(property: Property, steps: Vec<TraceStep>) -> Self {
        Trace {
            property,
            meaning: property.meaning().to_owned(),
            steps,
            repeats_from: None,
            waits: Vec::new(),
        }
    }
}

/// The story of a path whose last step breaks `property`.
pub(crate) fn safety<'a>(
    config: &Config,
    property: Property,
    path: &Path,
    state: impl Fn(u32) -> &'a State,
) -> Trace {
    Trace::of(property, tell(config, path.iter(), &state))
}

/// The story of a run that never fulfils `property`.
pub(crate) fn liveness<'a>(
    config: &Config,
    property: Property,
    lasso: &Lasso<Step>,
    state: impl Fn(u32) -> &'a State,
) -> Trace {
    let steps = tell(config, lasso.prefix.iter().chain(&lasso.cycle), &state);
    Trace {
        repeats_from: Some(lasso.prefix.len() + 1),
        waits: waits(config, state(lasso.knot)),
        ..Trace::of(property, steps)
    }
}

fn tell<'a, 'p>(
    config: &Config,
    path: impl Iterator<Item = &'p (u32, Edge<Step>)>,
    state: &impl Fn(u32) -> &'a State,
) -> Vec<TraceStep> {
    path.enumerate()
        .map(|(i, (before, edge))| TraceStep {
            number: 1 + i,
            actor: edge.step.actor.name(config),
            what: edge.step.event.tell().to_owned(),
            changes: changes(config, state(*before), state(edge.to)),
        })
        .collect()
}

/// What differs between two states, page by page.
fn changes(config: &Config, before: &State, after: &State) -> Vec<String> {
    let mut lines = Vec::new();
    let large = config.callsites == Callsites::UnpinOnGet;
    for p in 0..config.pages as usize {
        let name = page_name(config, p);
        let (old, new) = (&before.pages[p], &after.pages[p]);
        if old == new {
            continue;
        }
        let mut parts = Vec::new();
        for (bit, word) in flag::NAMES {
            match (old.has(bit), new.has(bit)) {
                (false, true) => parts.push(format!("+{word}")),
                (true, false) => parts.push(format!("-{word}")),
                _ => {}
            }
        }
        let mut number = |word: &str, old: i32, new: i32| {
            if old != new {
                parts.push(format!("{word} {old}->{new}"));
            }
        };
        number("refcount", old.refcount(large), new.refcount(large));
        number("pins", old.pins.into(), new.pins.into());
        number("ram", i32::from(old.ram), i32::from(new.ram));
        number("disk", i32::from(old.disk), i32::from(new.disk));
        if old.lock != new.lock {
            let locked = holder(config, new).map(|who| format!("locked by {who}"));
            parts.push(locked.unwrap_or_else(|| "unlocked".to_owned()));
        }
        if !parts.is_empty() {
            lines.push(format!("{name}: {}", parts.join(", ")));
        }
    }
    lines
}

fn page_name(config: &Config, p: usize) -> String {
    match config.pages {
        1 => "page".to_owned(),
        _ => format!("page{p}"),
    }
}

fn holder(config: &Config, page: &Page) -> Option<String> {
    page.is_locked()
        .then(|| Actor::from_code(page.lock - 1).name(config))
}

/// Who holds what in a state where someone waits forever.
fn waits(config: &Config, state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for p in 0..config.pages as usize {
        let page = &state.pages[p];
        let name = page_name(config, p);
        if let Some(who) = holder(config, page) {
            lines.push(format!("{name} is locked by {who}"));
        }
        if page.refs > 0 {
            let references = counted(page.refs as usize, "gup reference");
            lines.push(format!("{name} is held by {references}"));
        }
    }
    lines
}
