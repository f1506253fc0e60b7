// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cycles of copy edges: all nodes of one are the same, so they are solved as one.

use super::{Few, Graph, Node, Obj, PointerCall, Through, Uses};
use std::collections::BTreeMap;

/// The representative of an SCC that was found, and nodes of it with what they have passed on before, sorted.
type Joined = (Node, Vec<(Vec<Node>, Few<Obj>)>);

impl Graph {
    /// Collapses each cycle of copy edges (SCC) into one representative, and gives all nodes their topological order.
    pub(super) fn join_circles(&mut self, link: &mut impl FnMut(&mut Self, PointerCall, Obj)) {
        self.searched = self.edges.len();
        let (order, members) = circles(&self.copies);
        self.order = order;
        let joined: Vec<Joined> = members
            .into_iter()
            .filter_map(|circle| self.join_circle(circle))
            .collect();
        self.waiting = (0..self.queued.len())
            .filter(|at| self.queued[*at])
            .map(|at| (self.rank(at), Node(at as u32)))
            .collect();
        for (keeper, parts) in joined {
            let objects = self.values(keeper).to_vec();
            self.go_through(keeper, &objects, link);
            for (nodes, passed) in parts {
                let new = |object: &Obj| passed.binary_search(object).is_err();
                let missing: Few<Obj> = objects.iter().copied().filter(new).collect();
                for node in nodes {
                    self.pass_on(node, &missing);
                }
            }
        }
    }

    /// The nodes of an SCC share what each of them is; returned is what each has passed on so far. None where they did already.
    fn join_circle(&mut self, circle: Vec<Node>) -> Option<Joined> {
        let keeper = circle[0];
        let mut parts: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
        for node in &circle {
            parts.entry(self.keeper(*node)).or_default().push(*node);
        }
        if parts.len() == 1 {
            return None;
        }
        let (mut objects, mut uses, mut passed) = (Few::new(), Vec::new(), Vec::new());
        for (at, nodes) in parts {
            self.circles.remove(&at);
            self.bits.remove(&at);
            self.queued[at] = false;
            uses.extend(self.uses[at].take().map(|uses| *uses));
            let mut values = std::mem::take(&mut self.values[at]);
            objects.extend_from_slice(&values);
            let mut fresh = std::mem::take(&mut self.fresh[at]);
            fresh.sort_unstable();
            values.retain(|object| fresh.binary_search(object).is_err());
            values.sort_unstable();
            passed.push((nodes, values));
        }
        for node in &circle {
            self.keeper[node.0 as usize] = keeper;
        }
        objects.sort_unstable();
        objects.dedup();
        let at = keeper.0 as usize;
        self.values[at] = objects;
        self.circles.insert(at, circle);
        if !uses.is_empty() {
            self.join_uses(at, uses);
        }
        Some((keeper, passed))
    }

    /// What goes through the pointers of an SCC goes through all of them: one hub for each way.
    fn join_uses(&mut self, keeper: usize, uses: Vec<Uses>) {
        let mut all = Uses::default();
        for mut one in uses {
            all.calls.append(&mut one.calls);
            for through in [Through::Load, Through::Store] {
                let (nodes, hub) = one.of(through);
                let (all_nodes, all_hub) = all.of(through);
                all_nodes.append(nodes);
                match all_hub {
                    None => *all_hub = *hub,
                    Some(_) => all_nodes.extend(*hub),
                }
            }
        }
        for through in [Through::Load, Through::Store] {
            let (nodes, hub) = all.of(through);
            if hub.is_none() && nodes.len() < 2 {
                continue;
            }
            let nodes = std::mem::take(nodes);
            let hub = *hub.get_or_insert_with(|| self.node());
            for node in nodes {
                self.join(hub, node, through);
            }
        }
        self.uses[keeper] = Some(Box::new(all));
    }
}

/// Tarjan's strongly connected components: for each node the number of its SCC, higher for predecessors, and the SCCs of
/// more than one node.
fn circles(copies: &[Few<Node>]) -> (Vec<u32>, Vec<Vec<Node>>) {
    const NONE: u32 = u32::MAX;
    let (mut order, mut seen) = (vec![NONE; copies.len()], vec![NONE; copies.len()]);
    let mut low = vec![0; copies.len()];
    let (mut found, mut path, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let (mut count, mut components) = (0, 0);
    for root in 0..copies.len() {
        if seen[root] != NONE {
            continue;
        }
        path.push((root, 0));
        while let Some((at, next)) = path.pop() {
            if next == 0 {
                (seen[at], low[at]) = (count, count);
                count += 1;
                open.push(Node(at as u32));
            }
            if let Some(to) = copies[at].get(next) {
                let to = to.0 as usize;
                path.push((at, next + 1));
                if seen[to] == NONE {
                    path.push((to, 0));
                } else if order[to] == NONE {
                    low[at] = low[at].min(seen[to]);
                }
                continue;
            }
            if let Some((before, _)) = path.last() {
                low[*before] = low[*before].min(low[at]);
            }
            if low[at] == seen[at] {
                let from = open.iter().rposition(|node| node.0 as usize == at);
                let members = open.split_off(from.unwrap_or(0));
                for node in &members {
                    order[node.0 as usize] = components;
                }
                components += 1;
                if members.len() > 1 {
                    found.push(members);
                }
            }
        }
    }
    (order, found)
}
