// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which acquires' pages arrays hold.

use super::Analysis;
use crate::flow::graph::{Few, Node};
use crate::flow::hash::{FastMap, FastSet};
use crate::flow::state::SiteKey;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The acquires whose pages values may be or hold; what is in a value or an array is looked at once, however often it is
/// asked for.
pub(crate) struct Held<'a> {
    analysis: &'a Analysis,
    within: FastMap<Node, Vec<SiteKey>>,
    /// By what keeps the values, and whether what they hold is meant too.
    known: FastMap<(Few<Node>, bool), Rc<BTreeSet<SiteKey>>>,
}

impl<'a> Held<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Self {
        Self {
            analysis,
            within: FastMap::default(),
            known: FastMap::default(),
        }
    }

    /// The acquires whose pages a value may be.
    pub(crate) fn pages(&mut self, nodes: &[Node]) -> Rc<BTreeSet<SiteKey>> {
        self.known_or(nodes, false, |held, nodes| held.analysis.user_pages(nodes))
    }

    /// The acquires whose pages a value may be or hold.
    pub(crate) fn pages_within(&mut self, nodes: &[Node]) -> Rc<BTreeSet<SiteKey>> {
        self.known_or(nodes, true, Self::look_within)
    }

    fn known_or(
        &mut self,
        nodes: &[Node],
        within: bool,
        look: impl Fn(&mut Self, &[Node]) -> BTreeSet<SiteKey>,
    ) -> Rc<BTreeSet<SiteKey>> {
        let key = (self.analysis.state.graph.keepers(nodes), within);
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let pages = Rc::new(look(self, &key.0));
        self.known.insert(key, Rc::clone(&pages));
        pages
    }

    fn look_within(&mut self, nodes: &[Node]) -> BTreeSet<SiteKey> {
        let analysis = self.analysis;
        let mut out = analysis.user_pages(nodes);
        let mut seen = FastSet::default();
        for object in nodes.iter().flat_map(|node| analysis.values(*node)) {
            let content = Some(object).filter(|object| analysis.carries(*object));
            let content = content.and_then(|object| analysis.state.graph.content_if_any(object));
            if let Some(content) = content.filter(|content| seen.insert(*content)) {
                let within = self.within.entry(content).or_insert_with(|| {
                    let users = analysis.users(analysis.values(content));
                    users.collect::<BTreeSet<_>>().into_iter().collect()
                });
                out.extend(within.iter().copied());
            }
        }
        out
    }
}
