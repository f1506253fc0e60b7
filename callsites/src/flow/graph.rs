// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inclusion constraints and their least solution: which objects a value may be.
//!
//! Nodes are values (a definition of a local, a field of a struct type, what a function returns); objects are pages,
//! containers and functions. `copy(a, b)` says that b may be all that a is; `load` and `store` go through what the
//! objects contain. Solved by passing on differences, sources before what they are copied to, so constraints may be
//! added while it runs. The nodes of a cycle of copy edges (a strongly connected component, SCC) share one points-to set,
//! which their representative keeps.

mod circles;

use super::hash::{FastMap, FastSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BinaryHeap;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Node(pub u32);

/// Something a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Obj(pub u32);

/// A call through a function pointer; the number is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PointerCall(pub u32);

/// A list that is mostly short: of up to four it needs no memory of its own.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// Sets larger than this are told apart by bits: in a small one a search costs less than making them. An estimate, and not a
/// measurement.
const LARGE: usize = 64;

/// The members of a large set, a bit each. While there are bits, the list of the set is in no order.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn of(objects: &[Obj]) -> Self {
        let mut bits = Self::default();
        for object in objects {
            bits.insert(*object);
        }
        bits
    }

    /// Whether the object is new.
    fn insert(&mut self, object: Obj) -> bool {
        let (word, bit) = (object.0 as usize / 64, 1 << (object.0 % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let known = self.0[word] & bit != 0;
        self.0[word] |= bit;
        !known
    }
}

/// What goes through a value as a pointer; most values are no pointers. Kept by the representative of an SCC for all of it.
/// Once several values are loaded, they go by one value of their own, a hub, so that a pointer to n objects with m loads has
/// n + m edges and not n * m; stores likewise.
#[derive(Debug, Default)]
struct Uses {
    loads: Few<Node>,
    loaded: Option<Node>,
    stores: Few<Node>,
    stored: Option<Node>,
    calls: Few<PointerCall>,
}

/// Which way through a pointer.
#[derive(Clone, Copy)]
enum Through {
    Load,
    Store,
}

impl Uses {
    fn of(&mut self, through: Through) -> (&mut Few<Node>, &mut Option<Node>) {
        match through {
            Through::Load => (&mut self.loads, &mut self.loaded),
            Through::Store => (&mut self.stores, &mut self.stored),
        }
    }
}

/// The constraints and their solution.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    values: Vec<Few<Obj>>,
    /// Of large sets, while the solution is sought.
    bits: FastMap<usize, Bits>,
    fresh: Vec<Few<Obj>>,
    copies: Vec<Few<Node>>,
    uses: Vec<Option<Box<Uses>>>,
    edges: FastSet<(u32, u32, u8)>,
    content: Vec<Option<Node>>,
    holds: Vec<bool>,
    waiting: BinaryHeap<(u32, Node)>,
    queued: Vec<bool>,
    /// The representative of a node's SCC, which keeps its objects; the node itself where it is in no cycle.
    keeper: Vec<Node>,
    /// The nodes of the SCC of a representative; no entry where that is the representative alone.
    circles: FastMap<usize, Vec<Node>>,
    /// High for sources; nodes without one are new.
    order: Vec<u32>,
    /// How many edges there were when SCCs were last computed.
    searched: usize,
}

impl Graph {
    /// Makes room for so many values.
    pub(crate) fn reserve(&mut self, nodes: usize) {
        self.values.reserve(nodes);
        self.fresh.reserve(nodes);
        self.copies.reserve(nodes);
        self.uses.reserve(nodes);
        self.queued.reserve(nodes);
        self.keeper.reserve(nodes);
    }

    /// A new value.
    pub(crate) fn node(&mut self) -> Node {
        let node = Node(self.values.len() as u32);
        self.values.push(Few::new());
        self.fresh.push(Few::new());
        self.copies.push(Few::new());
        self.uses.push(None);
        self.queued.push(false);
        self.keeper.push(node);
        node
    }

    /// A new object; `holds` says whether anything can be stored in it.
    pub(crate) fn object(&mut self, holds: bool) -> Obj {
        let object = Obj(self.content.len() as u32);
        self.content.push(None);
        self.holds.push(holds);
        object
    }

    /// What an object contains, as a value. None for pages and functions.
    pub(crate) fn content(&mut self, object: Obj) -> Option<Node> {
        if !self.holds[object.0 as usize] {
            return None;
        }
        if let Some(node) = self.content[object.0 as usize] {
            return Some(node);
        }
        let node = self.node();
        self.content[object.0 as usize] = Some(node);
        Some(node)
    }

    /// The same, without making it.
    pub(crate) fn content_if_any(&self, object: Obj) -> Option<Node> {
        self.content[object.0 as usize]
    }

    /// Says that what `object` contains is the value `node`.
    pub(crate) fn bind_content(&mut self, object: Obj, node: Node) {
        self.content[object.0 as usize] = Some(node);
    }

    /// The objects a value may be; sorted but while the solution is sought.
    pub(crate) fn values(&self, node: Node) -> &[Obj] {
        &self.values[self.keeper(node)]
    }

    /// The values a value is copied to.
    pub(crate) fn copies(&self, node: Node) -> &[Node] {
        &self.copies[node.0 as usize]
    }

    /// What keeps the objects that values may be, each once: values with the same ones may be the same.
    pub(crate) fn keepers(&self, nodes: &[Node]) -> Few<Node> {
        let mut keepers: Few<Node> = nodes
            .iter()
            .map(|node| self.keeper[node.0 as usize])
            .collect();
        keepers.sort_unstable();
        keepers.dedup();
        keepers
    }

    fn keeper(&self, node: Node) -> usize {
        self.keeper[node.0 as usize].0 as usize
    }

    /// `node` may be `object`.
    pub(crate) fn add(&mut self, node: Node, object: Obj) {
        self.add_all(self.keeper(node), &[object]);
    }

    /// The node kept at `at` may be all of `objects`, of which none is there twice.
    fn add_all(&mut self, at: usize, objects: &[Obj]) {
        let before = self.fresh[at].len();
        let known = &mut self.values[at];
        if !self.bits.contains_key(&at) && known.len() + objects.len() > LARGE {
            self.bits.insert(at, Bits::of(known));
        }
        match self.bits.get_mut(&at) {
            Some(bits) => {
                let new = objects
                    .iter()
                    .copied()
                    .filter(|object| bits.insert(*object));
                self.fresh[at].extend(new);
                known.extend_from_slice(&self.fresh[at][before..]);
            }
            None => {
                for object in objects {
                    if let Err(place) = known.binary_search(object) {
                        known.insert(place, *object);
                        self.fresh[at].push(*object);
                    }
                }
            }
        }
        if self.fresh[at].len() > before {
            self.queue(at);
        }
    }

    /// Sorts what was told apart by bits: the solution is found.
    fn sort(&mut self) {
        for at in std::mem::take(&mut self.bits).into_keys() {
            self.values[at].sort_unstable();
        }
    }

    fn queue(&mut self, at: usize) {
        if !std::mem::replace(&mut self.queued[at], true) {
            self.waiting.push((self.rank(at), Node(at as u32)));
        }
    }

    /// The topological order of a node, as far as it is known.
    fn rank(&self, at: usize) -> u32 {
        self.order.get(at).copied().unwrap_or(u32::MAX)
    }

    /// `to` may be all that `from` is.
    pub(crate) fn copy(&mut self, from: Node, to: Node) {
        if from == to || !self.edges.insert((from.0, to.0, 0)) {
            return;
        }
        self.copies[from.0 as usize].push(to);
        let (from, to) = (self.keeper(from), self.keeper(to));
        if from != to && self.has_passed_on(from) {
            let objects = std::mem::take(&mut self.values[from]);
            self.add_all(to, &objects);
            self.values[from] = objects;
        }
    }

    /// Whether a value has told others of its objects: what has not will tell all of them, once it is its turn.
    fn has_passed_on(&self, at: usize) -> bool {
        self.fresh[at].len() < self.values[at].len()
    }

    /// The objects of a pointer of which it has told others, or may have.
    fn told(&self, pointer: Node) -> Few<Obj> {
        let at = self.keeper(pointer);
        let told = self.has_passed_on(at);
        Few::from_slice(if told { &self.values[at] } else { &[] })
    }

    /// `to` may be what the objects of `pointer` contain.
    pub(crate) fn load(&mut self, pointer: Node, to: Node) {
        if self.edges.insert((pointer.0, to.0, 1)) {
            self.through(pointer, to, Through::Load);
        }
    }

    /// What the objects of `pointer` contain may be all that `from` is.
    pub(crate) fn store(&mut self, from: Node, pointer: Node) {
        if self.edges.insert((pointer.0, from.0, 2)) {
            self.through(pointer, from, Through::Store);
        }
    }

    /// `node` is loaded from, or stored in, the objects of `pointer`: by the hub, where there are others.
    fn through(&mut self, pointer: Node, node: Node, through: Through) {
        let (all, hub) = self.uses_of(pointer).of(through);
        if let Some(hub) = *hub {
            return self.join(hub, node, through);
        }
        all.push(node);
        if all.len() > 1 {
            return self.make_hub(pointer, through);
        }
        for object in self.told(pointer) {
            self.reach(object, node, through);
        }
    }

    /// All that goes through `pointer` goes by a hub, which a pointer has once.
    fn make_hub(&mut self, pointer: Node, through: Through) {
        let hub = self.node();
        let (all, at) = self.uses_of(pointer).of(through);
        *at = Some(hub);
        for node in std::mem::take(all) {
            self.join(hub, node, through);
        }
        for object in self.told(pointer) {
            self.reach(object, hub, through);
        }
    }

    fn join(&mut self, hub: Node, node: Node, through: Through) {
        match through {
            Through::Load => self.copy(hub, node),
            Through::Store => self.copy(node, hub),
        }
    }

    /// `node` is what `object` contains, or goes into it.
    fn reach(&mut self, object: Obj, node: Node, through: Through) {
        let Some(content) = self.content(object) else {
            return;
        };
        match through {
            Through::Load => self.copy(content, node),
            Through::Store => self.copy(node, content),
        }
    }

    /// The functions that `pointer` may be are called.
    pub(crate) fn call(&mut self, pointer: Node, call: PointerCall) {
        self.uses_of(pointer).calls.push(call);
    }

    fn uses_of(&mut self, pointer: Node) -> &mut Uses {
        let keeper = self.keeper(pointer);
        self.uses[keeper].get_or_insert_default()
    }

    /// Passes on what is new until nothing is; `link` is told each object a called pointer may be.
    pub(crate) fn solve(&mut self, mut link: impl FnMut(&mut Self, PointerCall, Obj)) {
        self.join_circles(&mut link);
        while let Some((_, keeper)) = self.waiting.pop() {
            if self.edges.len() > self.searched + self.searched / 4 + 1000 {
                self.waiting.push((u32::MAX, keeper));
                self.join_circles(&mut link);
                continue;
            }
            let kept = keeper.0 as usize;
            self.queued[kept] = false;
            let fresh = std::mem::take(&mut self.fresh[kept]);
            self.go_through(keeper, &fresh, &mut link);
            match self.circles.remove(&kept) {
                None => self.pass_on(keeper, &fresh),
                Some(circle) => {
                    for node in &circle {
                        self.pass_on(*node, &fresh);
                    }
                    self.circles.insert(kept, circle);
                }
            }
        }
        self.sort();
    }

    /// What goes through the pointer `keeper` goes through its new objects.
    fn go_through(
        &mut self,
        keeper: Node,
        fresh: &[Obj],
        link: &mut impl FnMut(&mut Self, PointerCall, Obj),
    ) {
        // What is linked on the way is given all values of the pointer.
        let at = keeper.0 as usize;
        for through in [Through::Load, Through::Store] {
            let Some(uses) = self.uses[at].as_mut() else {
                return;
            };
            let (all, hub) = uses.of(through);
            for node in all.iter().copied().chain(*hub).collect::<Few<Node>>() {
                for object in fresh {
                    self.reach(*object, node, through);
                }
            }
        }
        let calls = self.uses[at].as_ref().map(|uses| uses.calls.clone());
        for call in calls.into_iter().flatten() {
            for object in fresh {
                link(self, call, *object);
            }
        }
    }

    /// Tells all that `node` is copied to of new objects.
    fn pass_on(&mut self, node: Node, fresh: &[Obj]) {
        for n in 0..self.copies[node.0 as usize].len() {
            let to = self.keeper(self.copies[node.0 as usize][n]);
            if to != self.keeper(node) {
                self.add_all(to, fresh);
            }
        }
    }
}

/// Makes each key one node.
#[derive(Debug)]
pub(crate) struct Interner<K> {
    nodes: FastMap<K, Node>,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self {
            nodes: FastMap::default(),
        }
    }
}

impl<K: Eq + std::hash::Hash> Interner<K> {
    /// The node of `key` and whether it is new.
    pub(crate) fn node(&mut self, graph: &mut Graph, key: K) -> (Node, bool) {
        match self.nodes.entry(key) {
            std::collections::hash_map::Entry::Occupied(found) => (*found.get(), false),
            std::collections::hash_map::Entry::Vacant(free) => (*free.insert(graph.node()), true),
        }
    }

    /// All keys with their nodes, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, Node)> {
        self.nodes.iter().map(|(key, node)| (key, *node))
    }

    /// The node of `key`, when there is one.
    pub(crate) fn get(&self, key: &K) -> Option<Node> {
        self.nodes.get(key).copied()
    }
}
