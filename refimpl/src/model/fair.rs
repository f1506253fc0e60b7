// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds runs in which something waits forever although everyone who must act does act.
//!
//! A liveness property fails when there is an infinite fair run that stays in "pending" states from some point on. In a finite graph
//! such a run ends in a strongly connected component of pending states, so the components are computed and each is asked whether
//! fairness allows a run to stay in it: for every weak class the component takes a step of it or has a state where none is possible;
//! for every strong class it takes a step of it or none is possible anywhere. Where a strong class fails, the states that offer its
//! step are removed and the rest is split again. Nothing is bounded: an answer "no" covers runs of every length.
//!
//! A run may also simply stop: in a state where no promised step is possible, nothing ever has to happen.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::graph::{Edge, Graph, STRONG};

/// A counterexample to liveness: how to get there, and what then repeats forever.
#[derive(Clone, Debug)]
pub(crate) struct Lasso<T> {
    /// A shortest path from the start to the cycle, as (state before, edge).
    pub(crate) prefix: Vec<(u32, Edge<T>)>,
    /// The repeating part; empty when the system stands still.
    pub(crate) cycle: Vec<(u32, Edge<T>)>,
    /// The state the cycle starts in, or the state in which everything stands still.
    pub(crate) knot: u32,
}

/// Looks for a fair run that is pending forever.
///
/// `Err` never happens for lack of depth; `None` means that no such run exists.
pub(crate) fn lasso<S: Copy + Eq + Hash, T: Copy>(
    graph: &Graph<S, T>,
    pending: impl Fn(&S) -> bool,
) -> Option<Lasso<T>> {
    let inside: Vec<bool> = graph.states.iter().map(&pending).collect();
    let all: Vec<u32> = (0..graph.states.len() as u32)
        .filter(|&at| inside[at as usize])
        .collect();
    let mut marks = Marks {
        member: vec![0; graph.states.len()],
        next: 1,
    };
    let mut work = vec![all];
    let mut best: Option<Vec<u32>> = None;
    while let Some(part) = work.pop() {
        for component in components(graph, &part, &mut marks) {
            match verdict(graph, &component, &mut marks) {
                Verdict::Fair => {
                    let entry = component.iter().min();
                    if best.as_ref().is_none_or(|b| b.iter().min() > entry) {
                        best = Some(component);
                    }
                }
                Verdict::Unfair => {}
                Verdict::Without(rest) => work.push(rest),
            }
        }
    }
    best.map(|component| tie(graph, &component, &mut marks))
}

/// Marks which states belong to the set in hand, without clearing between sets.
struct Marks {
    member: Vec<u32>,
    next: u32,
}

impl Marks {
    fn set(&mut self, states: &[u32]) -> u32 {
        let mark = self.next;
        self.next += 1;
        for &state in states {
            self.member[state as usize] = mark;
        }
        mark
    }
}

enum Verdict {
    Fair,
    Unfair,
    /// Unfair as a whole; a smaller run may avoid the states that were dropped.
    Without(Vec<u32>),
}

/// Does fairness allow a run to stay in this component?
fn verdict<S: Copy + Eq + Hash, T: Copy>(
    graph: &Graph<S, T>,
    component: &[u32],
    marks: &mut Marks,
) -> Verdict {
    let mark = marks.set(component);
    let mut anywhere = 0;
    let mut everywhere = u64::MAX;
    let mut taken = 0;
    let mut moves = false;
    for &state in component {
        let enabled = graph.enabled(state);
        anywhere |= enabled;
        everywhere &= enabled;
        for edge in graph.edges(state) {
            if marks.member[edge.to as usize] == mark {
                taken |= edge.class;
                moves = true;
            }
        }
    }
    if !moves {
        // A lone state without a step to itself: a run stays only by standing still, and may do so if nothing is promised.
        return if anywhere == 0 {
            Verdict::Fair
        } else {
            Verdict::Unfair
        };
    }
    if everywhere & !STRONG & !taken != 0 {
        return Verdict::Unfair;
    }
    let starved = anywhere & STRONG & !taken;
    if starved == 0 {
        return Verdict::Fair;
    }
    let rest: Vec<u32> = component
        .iter()
        .copied()
        .filter(|&state| graph.enabled(state) & starved == 0)
        .collect();
    if rest.is_empty() {
        Verdict::Unfair
    } else {
        Verdict::Without(rest)
    }
}

/// Tarjan's strongly connected components of the states in `part`, without recursion.
fn components<S: Copy + Eq + Hash, T: Copy>(
    graph: &Graph<S, T>,
    part: &[u32],
    marks: &mut Marks,
) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let mark = marks.set(part);
    let mut number = vec![NEW; graph.states.len()];
    let mut low = vec![0; graph.states.len()];
    let mut on_stack = vec![false; graph.states.len()];
    let mut stack = Vec::new();
    let mut found = Vec::new();
    let mut counter = 0;
    for &root in part {
        if number[root as usize] != NEW {
            continue;
        }
        let mut calls: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some(&mut (state, ref mut cursor)) = calls.last_mut() {
            let at = state as usize;
            if *cursor == 0 {
                number[at] = counter;
                low[at] = counter;
                counter += 1;
                stack.push(state);
                on_stack[at] = true;
            }
            let edge = graph.edges(state).get(*cursor);
            *cursor += 1;
            match edge {
                Some(edge) => {
                    let to = edge.to as usize;
                    if marks.member[to] != mark {
                        continue;
                    }
                    if number[to] == NEW {
                        calls.push((edge.to, 0));
                    } else if on_stack[to] {
                        low[at] = low[at].min(number[to]);
                    }
                }
                None => {
                    calls.pop();
                    if let Some(&(caller, _)) = calls.last() {
                        low[caller as usize] = low[caller as usize].min(low[at]);
                    }
                    if low[at] == number[at] {
                        let mut component = Vec::new();
                        while let Some(member) = stack.pop() {
                            on_stack[member as usize] = false;
                            component.push(member);
                            if member == state {
                                break;
                            }
                        }
                        component.sort_unstable();
                        found.push(component);
                    }
                }
            }
        }
    }
    found
}

/// Builds the lasso: the way in, then a cycle that keeps every promise.
fn tie<S: Copy + Eq + Hash, T: Copy>(
    graph: &Graph<S, T>,
    component: &[u32],
    marks: &mut Marks,
) -> Lasso<T> {
    let mark = marks.set(component);
    let inside = |state: u32| marks.member[state as usize] == mark;
    let knot = component[0];
    let prefix = graph.path_to(knot);
    let mut cycle: Vec<(u32, Edge<T>)> = Vec::new();
    let taken = component
        .iter()
        .flat_map(|&state| graph.edges(state))
        .filter(|edge| inside(edge.to))
        .fold(0, |bits, edge| bits | edge.class);
    let anywhere = component
        .iter()
        .fold(0, |bits, &state| bits | graph.enabled(state));
    let mut here = knot;
    for class in (0..64)
        .map(|bit| 1u64 << bit)
        .filter(|bit| anywhere & bit != 0)
    {
        let met = cycle.iter().any(|(from, edge)| {
            edge.class == class || (class & STRONG == 0 && graph.enabled(*from) & class == 0)
        }) || (class & STRONG == 0 && graph.enabled(here) & class == 0);
        if met {
            continue;
        }
        let step = if taken & class != 0 {
            walk(graph, here, &inside, |_, edge| {
                edge.is_some_and(|edge| edge.class == class)
            })
        } else {
            walk(graph, here, &inside, |state, _| {
                graph.enabled(state) & class == 0
            })
        };
        if let Some(path) = step {
            here = path.last().map_or(here, |(_, edge)| edge.to);
            cycle.extend(path);
        }
    }
    let moves = component
        .iter()
        .any(|&state| graph.edges(state).iter().any(|edge| inside(edge.to)));
    if moves && (here != knot || cycle.is_empty()) {
        let back = walk(graph, here, &inside, |_, edge| {
            edge.is_some_and(|edge| edge.to == knot)
        });
        cycle.extend(back.unwrap_or_default());
    }
    Lasso {
        prefix,
        cycle,
        knot,
    }
}

/// For each state reached, the edge it was first reached by; none for where the walk began.
type Reached<T> = HashMap<u32, Option<(u32, Edge<T>)>>;

/// A shortest walk inside a component until `arrived` says so of a state, or of an edge, which is then walked too.
fn walk<S: Copy + Eq + Hash, T: Copy>(
    graph: &Graph<S, T>,
    from: u32,
    inside: &impl Fn(u32) -> bool,
    arrived: impl Fn(u32, Option<&Edge<T>>) -> bool,
) -> Option<Vec<(u32, Edge<T>)>> {
    let mut reached: Reached<T> = [(from, None)].into();
    let mut queue = VecDeque::from([from]);
    let trace = |reached: &Reached<T>, mut at: u32| {
        let mut path = Vec::new();
        while let Some(Some((before, edge))) = reached.get(&at) {
            path.push((*before, *edge));
            at = *before;
        }
        path.reverse();
        path
    };
    while let Some(state) = queue.pop_front() {
        if arrived(state, None) {
            return Some(trace(&reached, state));
        }
        for edge in graph.edges(state).iter().filter(|edge| inside(edge.to)) {
            if arrived(state, Some(edge)) {
                let mut path = trace(&reached, state);
                path.push((state, *edge));
                return Some(path);
            }
            if let Entry::Vacant(free) = reached.entry(edge.to) {
                free.insert(Some((state, *edge)));
                queue.push_back(edge.to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::{Class, Machine, Move};

    /// A machine written as a list of (from, to, class).
    struct Listed(&'static [(u8, u8, Class)]);

    impl Machine for Listed {
        type State = u8;
        type Step = ();

        fn initial(&self) -> u8 {
            0
        }

        fn moves(&self, from: &u8, out: &mut Vec<Move<u8, ()>>) {
            let moves = self.0.iter().filter(|(start, ..)| start == from);
            out.extend(moves.map(|&(_, to, class)| Move {
                step: (),
                to,
                class,
                broken: 0,
            }));
        }
    }

    fn waits_forever(
        list: &'static [(u8, u8, Class)],
        pending: impl Fn(&u8) -> bool,
    ) -> Option<Lasso<()>> {
        let graph = Graph::explore(&Listed(list), 100).expect("a handful of states");
        lasso(&graph, pending)
    }

    const A: Class = Class::Weak(0);
    const B: Class = Class::Weak(1);

    #[test]
    fn a_promised_way_out_is_taken() {
        assert!(waits_forever(&[(0, 1, A)], |&state| state == 0).is_none());
    }

    #[test]
    fn a_way_out_that_nobody_promises_may_be_left() {
        let found =
            waits_forever(&[(0, 1, Class::May)], |&state| state == 0).expect("it may stand still");
        assert_eq!(
            (found.prefix.len(), found.cycle.len(), found.knot),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_process_that_only_polls_may_starve_another_that_needs_a_gap() {
        // 0 and 1 alternate; the way out to 2 is open in 1 alone.
        let list = &[(0, 1, A), (1, 0, A), (1, 2, B)];
        assert!(waits_forever(list, |&state| state < 2).is_some());
    }

    #[test]
    fn the_queue_of_a_lock_lets_it_through_the_gap() {
        let list = &[(0, 1, A), (1, 0, A), (1, 2, Class::Strong(1))];
        assert!(waits_forever(list, |&state| state < 2).is_none());
    }

    #[test]
    fn a_strong_promise_does_not_help_where_the_gap_can_be_avoided() {
        // Round and round between 0 and 3, the gap in 1 is never visited.
        let list = &[
            (0, 1, A),
            (1, 0, A),
            (1, 2, Class::Strong(1)),
            (0, 3, A),
            (3, 0, A),
        ];
        let found = waits_forever(list, |&state| state != 2).expect("0 and 3 alternate");
        assert!(found.cycle.iter().all(|(from, _)| *from != 1));
    }

    #[test]
    fn a_weak_promise_open_throughout_is_kept() {
        // The way out is open in both states of the cycle.
        let list = &[(0, 1, A), (1, 0, A), (0, 2, B), (1, 2, B)];
        assert!(waits_forever(list, |&state| state < 2).is_none());
    }

    #[test]
    fn a_cycle_takes_a_step_of_every_process_that_could_always_move() {
        let list = &[(0, 0, A), (0, 1, B), (1, 0, B), (1, 1, A)];
        let found = waits_forever(list, |_| true).expect("both go on forever");
        for class in [A, B] {
            assert!(
                found
                    .cycle
                    .iter()
                    .any(|(_, edge)| edge.class == class.bit())
            );
        }
        assert_eq!(
            found.cycle.last().map(|(_, edge)| edge.to),
            Some(found.knot)
        );
    }

    #[test]
    fn a_deadlock_deep_inside_is_found_with_the_shortest_way_in() {
        let list = &[(0, 1, A), (1, 2, A), (0, 2, B), (2, 3, A)];
        let found = waits_forever(list, |&state| state == 3).expect("3 has no way out");
        assert_eq!((found.prefix.len(), found.cycle.len()), (2, 0));
    }
}
