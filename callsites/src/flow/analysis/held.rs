// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which acquires' pages arrays hold.

use super::Analysis;
use crate::flow::graph::Node;
use crate::flow::hash::{FastMap, FastSet};
use crate::flow::state::SiteKey;
use std::collections::BTreeSet;

/// The acquires whose pages values may be or hold; what is in an array is looked at once, however many values it is in.
pub(crate) struct Held<'a> {
    analysis: &'a Analysis,
    within: FastMap<Node, Vec<SiteKey>>,
}

impl<'a> Held<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Self {
        Self {
            analysis,
            within: FastMap::default(),
        }
    }

    /// The acquires whose pages a value may be or hold.
    pub(crate) fn user_pages(&mut self, nodes: &[Node]) -> BTreeSet<SiteKey> {
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
