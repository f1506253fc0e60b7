// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way a page takes from the call that made it to a value: which expressions it goes through.
//!
//! The solution of the graph says that a value may be a page, not how it comes to be. Here the copies are gone through
//! again, breadth first from the page, so that the way found is one of the shortest.

use super::analysis::Analysis;
use super::graph::{Graph, Node, Obj};
use super::hash::{FastMap, FastSet};
use super::program::FnId;
use super::sources::Sources;
use super::state::{Object, Owner, SiteKey};
use std::cell::RefCell;

/// More values than this are not gone through for one page: what lies further is no way that a person would follow. A bound
/// on time, and not a measurement.
const VALUES: usize = 60_000;

/// A step of a way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// An expression of a function: offset into the file the function stands in.
    Place(FnId, u32),
    /// A parameter.
    Parameter(FnId, u32),
    /// What a function returns.
    Returned(FnId),
    /// A field.
    Field(String),
}

/// What each value is, told from the tables that made them.
pub(crate) struct Names<'f> {
    /// The lines they stand on.
    pub(crate) sources: &'f Sources<'f>,
    steps: FastMap<Node, Step>,
    made: FastMap<Obj, Vec<Node>>,
    /// The search from the page that was asked for last: the next site most often asks for the same.
    search: RefCell<Option<(SiteKey, Search)>>,
}

/// Copies gone through breadth first, as far as somebody asked.
#[derive(Default)]
struct Search {
    /// Of each value the one it was copied from (itself where the page is made), and its number in the queue.
    before: FastMap<Node, (Node, u32)>,
    queue: Vec<Node>,
    at: usize,
}

impl Search {
    fn reach(&mut self, node: Node, from: Node) -> bool {
        let number = self.queue.len() as u32;
        let new = !self.before.contains_key(&node);
        if new {
            self.before.insert(node, (from, number));
            self.queue.push(node);
        }
        new
    }

    /// The first of `targets` that the search comes to.
    fn find(&mut self, graph: &Graph, targets: &FastSet<Node>) -> Option<Node> {
        let known = targets.iter().filter_map(|node| {
            let (_, number) = self.before.get(node)?;
            Some((*number, *node))
        });
        if let Some((_, node)) = known.min() {
            return Some(node);
        }
        while self.at < self.queue.len() && self.queue.len() < VALUES {
            let node = self.queue[self.at];
            self.at += 1;
            let mut found = None;
            for next in graph.copies(node) {
                if self.reach(*next, node) && found.is_none() && targets.contains(next) {
                    found = Some(*next);
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl<'f> Names<'f> {
    /// Names the values of a solved flow.
    pub(crate) fn new(analysis: &Analysis, sources: &'f Sources<'f>) -> Self {
        let state = &analysis.state;
        let mut steps: FastMap<Node, Step> = FastMap::default();
        steps.reserve(state.temps.len());
        let mut made: FastMap<Obj, Vec<Node>> = FastMap::default();
        let contexts = state.contexts();
        for ((context, start, ..), node) in state.temps.iter() {
            let (mut context, mut start) = (*context, *start);
            while let Some((outer, at)) = contexts.get(&context) {
                (context, start) = (*outer, *at);
            }
            steps.insert(*node, Step::Place(FnId(context), start));
        }
        for ((function, at), node) in state.params.iter() {
            steps.insert(node, Step::Parameter(*function, *at));
        }
        for (function, node) in state.returns.iter() {
            steps.insert(node, Step::Returned(*function));
        }
        for (field, (owner, name)) in state.fields() {
            let text = match owner {
                Owner::Record(tag) | Owner::Within(tag, _) => format!("{name} of struct {tag}"),
                Owner::Directory(_) => format!("a field {name}"),
            };
            steps.insert(state.field_node(field), Step::Field(text));
        }
        for at in 0.. {
            let Some(object) = state.objects_get(at) else {
                break;
            };
            let Some(node) = state.graph.content_if_any(Obj(at as u32)) else {
                continue;
            };
            let step = match object {
                Object::Memory(site, _) | Object::Opaque(site, _) | Object::Page(site) => {
                    Some(Step::Place(site.function, site.span.start))
                }
                Object::Local(context, span) if !contexts.contains_key(context) => {
                    Some(Step::Place(FnId(*context), span.start))
                }
                Object::Target(pointer) => steps.get(pointer).cloned(),
                _ => None,
            };
            if let Some(step) = step {
                steps.entry(node).or_insert(step);
            }
        }
        for (node, object) in &state.made {
            made.entry(*object).or_default().push(*node);
        }
        Self {
            sources,
            steps,
            made,
            search: RefCell::new(None),
        }
    }

    /// One of the shortest ways of the page made at `site` to any of `targets`, without steps that have no name.
    pub(crate) fn way(&self, analysis: &Analysis, site: SiteKey, targets: &[Node]) -> Vec<Step> {
        let graph = &analysis.state.graph;
        let Some(object) = analysis.state.object_id(&Object::Page(site)) else {
            return Vec::new();
        };
        let targets: FastSet<Node> = targets.iter().copied().collect();
        let mut last = self.search.borrow_mut();
        if last.as_ref().is_none_or(|(from, _)| *from != site) {
            let mut search = Search::default();
            for node in self.made.get(&object).into_iter().flatten() {
                search.reach(*node, *node);
            }
            *last = Some((site, search));
        }
        let Some((_, search)) = last.as_mut() else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        let mut here = search.find(graph, &targets);
        while let Some(node) = here {
            steps.extend(self.steps.get(&node).cloned());
            let from = search.before.get(&node).map(|(from, _)| *from);
            here = from.filter(|next| *next != node);
        }
        steps.reverse();
        steps.dedup();
        steps
    }
}
