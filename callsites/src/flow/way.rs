// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way a page takes from the call that made it to a value: which expressions it goes through.
//!
//! The solution of the graph says that a value may be a page, not how it comes to be. Here the copies are gone through
//! again, breadth first from the page, so that the way found is one of the shortest.

use super::analysis::Analysis;
use super::graph::{Node, Obj};
use super::hash::FastMap;
use super::program::FnId;
use super::sources::Sources;
use super::state::{Object, Owner, SiteKey};

/// More values than this are not gone through for one page.
const VALUES: usize = 60_000;

/// A step of a way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
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
pub struct Names<'f> {
    /// The lines they stand on.
    pub(super) sources: &'f Sources<'f>,
    steps: FastMap<Node, Step>,
    made: FastMap<Obj, Vec<Node>>,
}

impl<'f> Names<'f> {
    /// Names the values of a solved flow.
    pub fn new(analysis: &Analysis, sources: &'f Sources<'f>) -> Self {
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
        }
    }

    /// One of the shortest ways of the page made at `site` to any of `targets`, without steps that have no name.
    pub fn way(&self, analysis: &Analysis, site: SiteKey, targets: &[Node]) -> Vec<Step> {
        let graph = &analysis.state.graph;
        let Some(object) = analysis.state.object_id(&Object::Page(site)) else {
            return Vec::new();
        };
        let mut before: FastMap<Node, Node> = FastMap::default();
        let mut queue: Vec<Node> = self.made.get(&object).cloned().unwrap_or_default();
        for node in &queue {
            before.insert(*node, *node);
        }
        let mut at = 0;
        let mut found = queue.iter().copied().find(|node| targets.contains(node));
        while found.is_none() && at < queue.len() && queue.len() < VALUES {
            let node = queue[at];
            at += 1;
            for next in graph.copies(node) {
                if before.contains_key(next) {
                    continue;
                }
                before.insert(*next, node);
                queue.push(*next);
                if targets.contains(next) {
                    found = Some(*next);
                    break;
                }
            }
        }
        let mut steps = Vec::new();
        let mut here = found;
        while let Some(node) = here {
            steps.extend(self.steps.get(&node).cloned());
            here = before.get(&node).copied().filter(|next| *next != node);
        }
        steps.reverse();
        steps.dedup();
        steps
    }
}
