// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where several ways lead: which definitions reach it.

use super::{MOST_DEFINITIONS, Walk};
use crate::flow::env::{Env, Join, SetId};
use crate::flow::graph::Node;
use crate::index::ir::Span;

impl Walk<'_, '_> {
    /// Whether a variable has as many definitions as are kept one by one.
    pub(in crate::flow) fn is_crowded(&self, variable: usize) -> bool {
        self.sets.get(self.env.get(variable)).len() >= MOST_DEFINITIONS
    }

    /// One value takes all the definitions of a set.
    pub(super) fn gather(&mut self, set: SetId, into: Node) {
        for definition in self.sets.get(set).iter().filter(|from| **from != into) {
            self.state.graph.copy(*definition, into);
        }
    }

    /// Both ways lead to the `join` of the statement at `place`. True when that changed anything.
    pub(super) fn merge(&mut self, env: &mut Env, other: &Env, place: Span, join: Join) -> bool {
        let before = env.clone();
        if !env.join(other, &mut self.sets) {
            return false;
        }
        let few = if self.crowded { 1 } else { MOST_DEFINITIONS };
        for variable in env.crowded(&self.sets, few) {
            // A join and a variable together are one place.
            let key = (
                place.start,
                self.variables[variable].home.1.start,
                join as u8,
            );
            let all = env.get(variable);
            let known = self.joins.get(&(self.context, key)).copied();
            let through = known.is_some_and(|node| self.sets.get(all).contains(&node));
            if !through && self.sets.get(all).len() <= MOST_DEFINITIONS {
                continue;
            }
            self.crowded = true;
            let span = Span {
                start: key.0,
                end: key.1,
            };
            let node = self.state.temp(self.context, span, key.2);
            self.joins.insert((self.context, key), node);
            self.gather(all, node);
            let one = self.sets.intern(vec![node]);
            env.set(variable, one);
        }
        before != *env
    }

    /// The same for the present point.
    pub(super) fn merge_here(&mut self, other: &Env, place: Span, join: Join) {
        let mut env = std::mem::take(&mut self.env);
        self.merge(&mut env, other, place, join);
        self.env = env;
    }
}
