// SPDX-License-Identifier: MIT OR Apache-2.0
//! Explores every reachable state of a machine, breadth first, and keeps the graph.
//!
//! In: a [`Machine`], which says where it starts and what can happen next. Out: a [`Graph`] with each unique state once, the edges
//! between them, and for each safety property the first edge that breaks it. Because the search is breadth first, the path to that
//! edge is a shortest counterexample. The graph knows nothing of pages; [`super::fair`] reads it for what never happens.

use super::property::Property;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A system of steps, each of which is taken by one actor.
pub(super) trait Machine {
    /// A plain value; two equal values are the same state.
    type State: Copy + Eq + Hash;
    /// What an actor did, for the story.
    type Step: Copy;

    /// The state everything starts from.
    fn initial(&self) -> Self::State;
    /// Every step possible in `from`.
    fn moves(&self, from: &Self::State, out: &mut Vec<Move<Self::State, Self::Step>>);
}

/// One possible step out of a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<S, T> {
    /// What happened.
    pub(crate) step: T,
    /// The state after it.
    pub(crate) to: S,
    /// Who may count on it happening.
    pub(crate) class: Class,
    /// The safety properties this very step breaks, one bit each.
    pub(crate) broken: u16,
}

/// What fairness promises about a step.
///
/// A run is fair when, for every class, the promise holds. Steps of one sequential process share a class per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The environment may take it or leave it forever.
    May,
    /// Taken in the end if it stays possible without a gap (the scheduler runs every task).
    Weak(u8),
    /// Taken in the end if it becomes possible again and again (first come, first served: the queue of a page lock).
    Strong(u8),
}

impl Class {
    /// The bit of this class in an enabled set: even for weak, odd for strong.
    pub(crate) fn bit(self) -> u64 {
        match self {
            Self::May => 0,
            Self::Weak(process) => 1 << (process * 2),
            Self::Strong(process) => 1 << (process * 2 + 1),
        }
    }
}

/// The bits of all strong classes.
pub(crate) const STRONG: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// An edge from the state that holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge<T> {
    /// The number of the state it leads to.
    pub(crate) to: u32,
    /// Fairness class as a bit, 0 for a step nobody may count on.
    pub(crate) class: u64,
    /// What happened.
    pub(crate) step: T,
}

/// A breach of a safety property: the last edge of a shortest path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breach<T> {
    /// The state before the step.
    pub(crate) from: u32,
    /// The step that broke it.
    pub(crate) edge: Edge<T>,
}

/// All reachable states and the steps between them.
pub(crate) struct Graph<S, T> {
    /// Unique states in the order they were found, which is by distance from the start.
    pub(crate) states: Vec<S>,
    /// For each state the state it was first reached from, and by which edge of that state; the start points to itself.
    parents: Vec<(u32, u32)>,
    /// Where the edges of each state begin; one longer than `states`.
    first: Vec<u32>,
    edges: Vec<Edge<T>>,
    /// For each safety bit the first breach.
    pub(crate) breaches: [Option<Breach<T>>; Property::ALL.len()],
}

impl<S: Copy + Eq + Hash, T: Copy> Graph<S, T> {
    /// Explores `machine` to the end, or gives `None` when there are more than `limit` states.
    pub(crate) fn explore<M: Machine<State = S, Step = T>>(
        machine: &M,
        limit: u32,
    ) -> Option<Self> {
        let initial = machine.initial();
        let mut index: HashMap<S, u32, BuildHasherDefault<Fold>> = HashMap::default();
        index.insert(initial, 0);
        let mut graph = Self {
            states: vec![initial],
            parents: vec![(0, 0)],
            first: vec![0],
            edges: Vec::new(),
            breaches: [None; Property::ALL.len()],
        };
        let mut moves = Vec::new();
        let mut at = 0;
        while at < graph.states.len() {
            moves.clear();
            machine.moves(&graph.states[at], &mut moves);
            for next in &moves {
                let edge_number = graph.edges.len() as u32 - graph.first[at];
                let to = *index.entry(next.to).or_insert_with(|| {
                    graph.states.push(next.to);
                    graph.parents.push((at as u32, edge_number));
                    graph.states.len() as u32 - 1
                });
                let edge = Edge {
                    to,
                    class: next.class.bit(),
                    step: next.step,
                };
                graph.edges.push(edge);
                for bit in 0..16 {
                    if next.broken & (1 << bit) != 0 && graph.breaches[bit].is_none() {
                        graph.breaches[bit] = Some(Breach {
                            from: at as u32,
                            edge,
                        });
                    }
                }
            }
            graph.first.push(graph.edges.len() as u32);
            if graph.states.len() > limit as usize {
                return None;
            }
            at += 1;
        }
        Some(graph)
    }

    /// The edges out of state `at`.
    pub(crate) fn edges(&self, at: u32) -> &[Edge<T>] {
        &self.edges[self.first[at as usize] as usize..self.first[at as usize + 1] as usize]
    }

    /// How many edges there are, steps that change nothing included.
    pub(crate) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// The classes that have a step possible in state `at`.
    pub(crate) fn enabled(&self, at: u32) -> u64 {
        self.edges(at)
            .iter()
            .fold(0, |bits, edge| bits | edge.class)
    }

    /// A shortest path from the start to state `at`, as (state before, edge) pairs.
    pub(crate) fn path_to(&self, at: u32) -> Vec<(u32, Edge<T>)> {
        let mut path = Vec::new();
        let mut state = at;
        while state != 0 {
            let (parent, edge) = self.parents[state as usize];
            path.push((parent, self.edges(parent)[edge as usize]));
            state = parent;
        }
        path.reverse();
        path
    }
}

/// A small multiplicative hasher: the states are short, trusted, and hashed millions of times.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Fold {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn write_u16(&mut self, word: u16) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word as u64);
    }
}
