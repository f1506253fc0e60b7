// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which definitions of each local variable reach a point of a function.

use super::graph::Node;
use super::hash::FastMap;

/// An interned set of definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct SetId(u32);

/// The sets of one function; set 0 is empty.
#[derive(Debug)]
pub(super) struct Sets {
    sets: Vec<Vec<Node>>,
    ids: FastMap<Vec<Node>, SetId>,
    unions: FastMap<(u32, u32), SetId>,
}

impl Default for Sets {
    fn default() -> Self {
        let mut ids = FastMap::default();
        ids.insert(Vec::new(), SetId(0));
        Self {
            sets: vec![Vec::new()],
            ids,
            unions: FastMap::default(),
        }
    }
}

impl Sets {
    /// The definitions of a set.
    pub(super) fn get(&self, id: SetId) -> &[Node] {
        &self.sets[id.0 as usize]
    }

    /// The set of these definitions.
    pub(super) fn intern(&mut self, mut nodes: Vec<Node>) -> SetId {
        nodes.sort_unstable();
        nodes.dedup();
        if let Some(id) = self.ids.get(&nodes) {
            return *id;
        }
        let id = SetId(self.sets.len() as u32);
        self.sets.push(nodes.clone());
        self.ids.insert(nodes, id);
        id
    }

    /// Both.
    pub(super) fn union(&mut self, a: SetId, b: SetId) -> SetId {
        if a == b || b == SetId(0) {
            return a;
        }
        if a == SetId(0) {
            return b;
        }
        let key = (a.0.min(b.0), a.0.max(b.0));
        if let Some(id) = self.unions.get(&key) {
            return *id;
        }
        let mut nodes = self.get(a).to_vec();
        nodes.extend_from_slice(self.get(b));
        let id = self.intern(nodes);
        self.unions.insert(key, id);
        id
    }
}

/// The definitions that reach a point. Not live after a jump.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Env {
    sets: Vec<SetId>,
    /// Whether control can get here.
    pub live: bool,
}

impl Env {
    /// The entry of a function.
    pub(super) fn entry() -> Self {
        Self {
            sets: Vec::new(),
            live: true,
        }
    }

    /// A point no control reaches yet.
    pub(super) fn dead() -> Self {
        Self::default()
    }

    /// The definitions of a variable.
    pub(super) fn get(&self, variable: usize) -> SetId {
        self.sets.get(variable).copied().unwrap_or_default()
    }

    /// From here on, only this.
    pub(super) fn set(&mut self, variable: usize, set: SetId) {
        if self.sets.len() <= variable {
            self.sets.resize(variable + 1, SetId::default());
        }
        self.sets[variable] = set;
    }

    /// The variables that have more definitions than `most`.
    pub(super) fn crowded(&self, sets: &Sets, most: usize) -> Vec<usize> {
        let crowded = |(at, set): (usize, &SetId)| (sets.get(*set).len() > most).then_some(at);
        self.sets.iter().enumerate().filter_map(crowded).collect()
    }

    /// Both ways lead here. True when that changed anything.
    pub(super) fn join(&mut self, other: &Env, sets: &mut Sets) -> bool {
        if !other.live {
            return false;
        }
        if !self.live {
            *self = other.clone();
            return true;
        }
        let mut changed = false;
        for (variable, set) in other.sets.iter().enumerate() {
            let old = self.get(variable);
            let new = sets.union(old, *set);
            if new != old {
                self.set(variable, new);
                changed = true;
            }
        }
        changed
    }
}

/// The joins of one statement, as tags of the values that stand for many definitions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Join {
    /// Behind it.
    After = 220,
    /// Before a turn of a loop.
    Head = 221,
    /// Before the step of a loop.
    Next = 222,
}
