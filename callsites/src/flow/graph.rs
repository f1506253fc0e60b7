// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inclusion constraints and their least solution: which objects a value may be.
//!
//! Nodes are values (a definition of a local, a field of a struct type, what a function returns); objects are pages,
//! containers and functions. `copy(a, b)` says that b may be all that a is; `load` and `store` go through what the
//! objects contain. Solved by passing on differences, so constraints may be added while it runs.

use super::hash::{FastMap, FastSet};

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u32);

/// Something a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obj(pub u32);

/// A call through a function pointer; the number is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointerCall(pub u32);

/// The constraints and their solution.
#[derive(Debug, Default)]
pub struct Graph {
    values: Vec<Vec<Obj>>,
    fresh: Vec<Vec<Obj>>,
    copies: Vec<Vec<Node>>,
    loads: Vec<Vec<Node>>,
    stores: Vec<Vec<Node>>,
    calls: Vec<Vec<PointerCall>>,
    edges: FastSet<(u32, u32, u8)>,
    content: Vec<Option<Node>>,
    holds: Vec<bool>,
    waiting: Vec<Node>,
    queued: Vec<bool>,
}

impl Graph {
    /// A new value.
    pub fn node(&mut self) -> Node {
        let node = Node(self.values.len() as u32);
        self.values.push(Vec::new());
        self.fresh.push(Vec::new());
        self.copies.push(Vec::new());
        self.loads.push(Vec::new());
        self.stores.push(Vec::new());
        self.calls.push(Vec::new());
        self.queued.push(false);
        node
    }

    /// A new object; `holds` says whether anything can be stored in it.
    pub fn object(&mut self, holds: bool) -> Obj {
        let object = Obj(self.content.len() as u32);
        self.content.push(None);
        self.holds.push(holds);
        object
    }

    /// What an object contains, as a value. None for pages and functions.
    pub fn content(&mut self, object: Obj) -> Option<Node> {
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
    pub fn content_if_any(&self, object: Obj) -> Option<Node> {
        self.content[object.0 as usize]
    }

    /// Says that what `object` contains is the value `node`.
    pub fn bind_content(&mut self, object: Obj, node: Node) {
        self.content[object.0 as usize] = Some(node);
    }

    /// The objects a value may be, sorted.
    pub fn values(&self, node: Node) -> &[Obj] {
        &self.values[node.0 as usize]
    }

    /// The values a value is copied to.
    pub fn copies(&self, node: Node) -> &[Node] {
        &self.copies[node.0 as usize]
    }

    /// `node` may be `object`.
    pub fn add(&mut self, node: Node, object: Obj) {
        let at = node.0 as usize;
        if let Err(place) = self.values[at].binary_search(&object) {
            self.values[at].insert(place, object);
            self.fresh[at].push(object);
            if !self.queued[at] {
                self.queued[at] = true;
                self.waiting.push(node);
            }
        }
    }

    /// `to` may be all that `from` is.
    pub fn copy(&mut self, from: Node, to: Node) {
        if from == to || !self.edges.insert((from.0, to.0, 0)) {
            return;
        }
        self.copies[from.0 as usize].push(to);
        for object in self.values[from.0 as usize].clone() {
            self.add(to, object);
        }
    }

    /// `to` may be what the objects of `pointer` contain.
    pub fn load(&mut self, pointer: Node, to: Node) {
        if !self.edges.insert((pointer.0, to.0, 1)) {
            return;
        }
        self.loads[pointer.0 as usize].push(to);
        for object in self.values[pointer.0 as usize].clone() {
            if let Some(content) = self.content(object) {
                self.copy(content, to);
            }
        }
    }

    /// What the objects of `pointer` contain may be all that `from` is.
    pub fn store(&mut self, from: Node, pointer: Node) {
        if !self.edges.insert((pointer.0, from.0, 2)) {
            return;
        }
        self.stores[pointer.0 as usize].push(from);
        for object in self.values[pointer.0 as usize].clone() {
            if let Some(content) = self.content(object) {
                self.copy(from, content);
            }
        }
    }

    /// The functions that `pointer` may be are called.
    pub fn call(&mut self, pointer: Node, call: PointerCall) {
        self.calls[pointer.0 as usize].push(call);
    }

    /// Passes on what is new until nothing is; `link` is told each object a called pointer may be.
    pub fn solve(&mut self, mut link: impl FnMut(&mut Self, PointerCall, Obj)) {
        while let Some(node) = self.waiting.pop() {
            let at = node.0 as usize;
            self.queued[at] = false;
            let fresh = std::mem::take(&mut self.fresh[at]);
            for to in self.loads[at].clone() {
                for object in &fresh {
                    if let Some(content) = self.content(*object) {
                        self.copy(content, to);
                    }
                }
            }
            for from in self.stores[at].clone() {
                for object in &fresh {
                    if let Some(content) = self.content(*object) {
                        self.copy(from, content);
                    }
                }
            }
            for to in self.copies[at].clone() {
                for object in &fresh {
                    self.add(to, *object);
                }
            }
            for call in self.calls[at].clone() {
                for object in &fresh {
                    link(self, call, *object);
                }
            }
        }
    }
}

/// Makes each key one node.
#[derive(Debug)]
pub struct Interner<K> {
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
    pub fn node(&mut self, graph: &mut Graph, key: K) -> (Node, bool) {
        match self.nodes.entry(key) {
            std::collections::hash_map::Entry::Occupied(found) => (*found.get(), false),
            std::collections::hash_map::Entry::Vacant(free) => (*free.insert(graph.node()), true),
        }
    }

    /// The node of `key`, when there is one.
    pub fn get(&self, key: &K) -> Option<Node> {
        self.nodes.get(key).copied()
    }
}
