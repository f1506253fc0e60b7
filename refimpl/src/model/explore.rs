// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one configuration to the end and keeps what is needed to answer for every property.

use super::config::{Config, Fairness, Storage, Waiting};
use super::error::Error;
use super::fair::{self, Lasso};
use super::graph::Graph;
use super::policy::Writeback;
use super::property::Property;
use super::rules::{Protocol, waiters};
use super::state::{Cut, Hold, Pass, State};
use super::step::{Event, Step};
use super::trace::{self, Trace};

/// More states than this and an exploration gives up, in states. About 1 GB.
pub(crate) const DEFAULT_LIMIT: u32 = 4_000_000;

/// What is known of one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No reachable state, or no fair run, breaks it.
    Holds,
    /// It can be broken; [`Exploration::trace`] tells how.
    Broken,
    /// The configuration has nobody it could happen to.
    NotAsked,
}

/// A configuration explored to the end.
pub struct Exploration {
    config: Config,
    graph: Graph<State, Step>,
    stuck: Vec<(Property, Option<Lasso<Step>>)>,
}

/// Explores every reachable state of `config`.
///
/// # Errors
/// When a size does not fit, or there are more than [`DEFAULT_LIMIT`] states.
pub fn explore(config: &Config) -> Result<Exploration, Error> {
    explore_within(config, DEFAULT_LIMIT)
}

/// As [`explore`], with a limit of one's own, in states.
///
/// # Errors
/// When a size does not fit, or there are more than `limit` states.
pub fn explore_within(config: &Config, limit: u32) -> Result<Exploration, Error> {
    config.check()?;
    let graph =
        Graph::explore(&Protocol { config }, limit).ok_or_else(|| Error::TooManyStates {
            what: config.describe(),
            limit,
        })?;
    let stuck = Property::ALL
        .into_iter()
        .filter(|&property| !property.is_safety() && asks(config, property))
        .map(|property| (property, first_lasso(config, &graph, property)))
        .collect();
    Ok(Exploration {
        config: *config,
        graph,
        stuck,
    })
}

/// Has the configuration anyone to whom the property could happen?
fn asks(config: &Config, property: Property) -> bool {
    let paged = config.storage == Storage::PageCache;
    match property {
        Property::Nobuf | Property::Torn | Property::Noresv => paged,
        Property::LostDma => paged && config.reclaim,
        Property::FsyncLies | Property::FsyncStuck => config.fsyncs > 0,
        Property::Uaf | Property::SleepAtomic | Property::RelDeadlock => config.devices > 0,
        Property::MissedPin | Property::Unbalanced | Property::PinStuck => false,
        Property::TruncStuck => config.truncate,
        Property::FreedIo => config.truncate && paged,
        Property::ThrottleStuck => config.dirty_limit > 0,
        Property::OneCpuBusy | Property::AllCpusBusy => config.rules().writeback == Writeback::Wait,
    }
}

/// A fair run in which somebody the property is about waits forever. Each possible victim is asked for by itself: a run in which
/// two of them take turns at waiting starves neither.
fn first_lasso(
    config: &Config,
    graph: &Graph<State, Step>,
    property: Property,
) -> Option<Lasso<Step>> {
    let victims = match property {
        Property::FsyncStuck => config.fsyncs as usize,
        Property::RelDeadlock => config.devices as usize,
        _ => 1,
    };
    (0..victims).find_map(|i| {
        fair::lasso(graph, |state| match property {
            Property::FsyncStuck => state.fsyncs[i].pass != Pass::Idle,
            Property::TruncStuck => !matches!(state.cut, Cut::Idle | Cut::Done),
            Property::RelDeadlock => matches!(
                state.devices[i].hold,
                Hold::Done | Hold::WantLock | Hold::Dirtied | Hold::PutEarly | Hold::EarlyDirty
            ),
            Property::ThrottleStuck => state.throttled,
            Property::OneCpuBusy => config.waiting != Waiting::Queue && waiters(config, state) >= 1,
            Property::AllCpusBusy => {
                config.waiting != Waiting::Queue && waiters(config, state) >= config.cpus
            }
            _ => false,
        })
    })
}

impl Exploration {
    /// What was explored.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The exact number of unique states.
    pub fn states(&self) -> usize {
        self.graph.states.len()
    }

    /// The exact number of steps between them, those that change nothing included.
    pub(crate) fn transitions(&self) -> usize {
        self.graph.edge_count()
    }

    /// Does the device ever get to write? A policy that refuses every pin breaks nothing and helps nobody.
    pub fn device_writes(&self) -> bool {
        (0..self.graph.states.len() as u32).any(|at| {
            self.graph
                .edges(at)
                .iter()
                .any(|edge| edge.step.event == Event::DmaWrite)
        })
    }

    /// The answer for one property.
    pub fn outcome(&self, property: Property) -> Outcome {
        if !asks(&self.config, property) {
            return Outcome::NotAsked;
        }
        let broken = if property.is_safety() {
            self.graph.breaches[property as usize].is_some()
        } else {
            self.stuck
                .iter()
                .any(|(of, lasso)| *of == property && lasso.is_some())
        };
        if broken {
            Outcome::Broken
        } else {
            Outcome::Holds
        }
    }

    /// Every property that can be broken.
    pub fn broken(&self) -> Vec<Property> {
        self.with(Outcome::Broken)
    }

    /// Every property with that answer.
    pub(crate) fn with(&self, outcome: Outcome) -> Vec<Property> {
        let mut all = Property::ALL.to_vec();
        all.retain(|&property| self.outcome(property) == outcome);
        all
    }

    /// Every property that holds only because a wait for I/O is fair (liveness) and because reserving again succeeds (safety).
    ///
    /// # Errors
    /// As [`explore`].
    pub fn rests_on(&self) -> Result<Vec<Property>, Error> {
        let bare = explore(&Config {
            io_wait: Fairness::Weak,
            reserve_fails: true,
            ..self.config
        })?;
        let mut all = bare.broken();
        all.retain(|&property| self.outcome(property) == Outcome::Holds);
        Ok(all)
    }

    /// A shortest story of how the property is broken; for liveness the way into a cycle, and the cycle.
    pub fn trace(&self, property: Property) -> Option<Trace> {
        let state = |at: u32| &self.graph.states[at as usize];
        if property.is_safety() {
            let breach = self.graph.breaches[property as usize]?;
            let mut path = self.graph.path_to(breach.from);
            path.push((breach.from, breach.edge));
            Some(trace::safety(&self.config, property, &path, state))
        } else {
            let (_, lasso) = self.stuck.iter().find(|(of, _)| *of == property)?;
            let lasso = lasso.as_ref()?;
            Some(trace::liveness(&self.config, property, lasso, state))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::STRONG;
    use crate::model::state::{Page, flag};
    use crate::model::{Callsites, Driver, Policy};
    use crate::page::{Kind, Memory, Pfn};
    use crate::version::Version;

    /// Checks a lasso by its definition, without the algorithm that found it.
    fn keeps_every_promise(explored: &Exploration, lasso: &Lasso<Step>) {
        let mut at = 0;
        for (from, edge) in lasso.prefix.iter().chain(&lasso.cycle) {
            assert_eq!(*from, at, "each step begins where the last one ended");
            at = edge.to;
        }
        assert_eq!(at, lasso.knot, "the cycle closes");
        let circle: Vec<u32> = std::iter::once(lasso.knot)
            .chain(lasso.cycle.iter().map(|(from, _)| *from))
            .collect();
        let anywhere = circle
            .iter()
            .fold(0, |bits, &state| bits | explored.graph.enabled(state));
        let everywhere = circle.iter().fold(u64::MAX, |bits, &state| {
            bits & explored.graph.enabled(state)
        });
        let taken = lasso
            .cycle
            .iter()
            .fold(0, |bits, (_, edge)| bits | edge.class);
        assert_eq!(anywhere & STRONG & !taken, 0, "a strong promise is broken");
        assert_eq!(everywhere & !STRONG & !taken, 0, "a weak promise is broken");
    }

    #[test]
    fn every_story_of_waiting_forever_is_a_fair_run() {
        let mut stories = 0;
        for policy in Policy::ALL {
            for driver in Driver::ALL {
                let explored = explore(&Config::base(policy, driver, Callsites::Converted))
                    .expect("the base model fits");
                for lasso in explored
                    .stuck
                    .iter()
                    .filter_map(|(_, lasso)| lasso.as_ref())
                {
                    keeps_every_promise(&explored, lasso);
                    stories += 1;
                }
            }
        }
        assert!(stories > 10);
    }

    #[test]
    fn in_a_faithful_kernel_a_writable_entry_means_a_dirty_page() {
        for driver in Driver::ALL {
            let explored = explore(&Config::base(
                Policy::SkipReclaim,
                driver,
                Callsites::Converted,
            ))
            .expect("it fits");
            let pages = explored.graph.states.iter().map(|state| &state.pages[0]);
            assert!(
                pages
                    .clone()
                    .all(|page| !page.has(flag::WRITABLE) || page.has(flag::DIRTY))
            );
            assert!(
                pages
                    .clone()
                    .all(|page| page.pins >= 0 && page.refs >= page.pins)
            );
        }
    }

    /// A page of the running model with what a state says of it.
    fn running(page: &Page) -> (Memory, Pfn) {
        let mut memory = Memory::new(Version::V6_12);
        // The reference of alloc() stands for this test, so that nothing is freed between two steps.
        let pfn = memory.alloc(0, Kind::File { attached: true });
        let id = memory.page_folio(pfn).unwrap();
        for held in [flag::CACHED, flag::MAPPED, flag::BUFFERS] {
            memory.folio_ref_add(id, i32::from(page.has(held)));
        }
        memory.folio_ref_add(id, i32::from(page.refs - page.pins));
        memory.pin_refs(id, page.pins.into());
        memory.folio_mut(id).dirty = page.has(flag::DIRTY);
        (memory, pfn)
    }

    /// The explorer keeps pages in a few bytes of its own; `page` and `put` are the arithmetic. Every step of a device that takes, dirties or
    /// gives back is made there as well, from every state, and must lead to what the explorer says.
    #[test]
    fn the_explorer_and_the_running_model_count_alike() {
        let mut compared = 0;
        for (driver, callsites) in [
            (Driver::Eventually, Callsites::Converted),
            (Driver::Chain, Callsites::Converted),
            (Driver::Eventually, Callsites::OneMissing),
            (Driver::Eventually, Callsites::PutBeforeDirty),
        ] {
            let config = Config::base(Policy::SkipReclaim, driver, callsites);
            let graph = explore(&config).unwrap().graph;
            for (from, state) in graph.states.iter().enumerate() {
                for edge in graph.edges(from as u32) {
                    let (before, after) =
                        (&state.pages[0], &graph.states[edge.to as usize].pages[0]);
                    let (mut memory, pfn) = running(before);
                    let id = memory.page_folio(pfn).unwrap();
                    let done = match edge.step.event {
                        Event::Pin { plain: true, .. } => memory.get_page(Some(pfn)),
                        Event::Pin { plain: false, .. } => {
                            memory.pin_refs(id, 1);
                            Ok(())
                        }
                        Event::Put { pin: true } => memory.unpin_user_page(Some(pfn)),
                        Event::Put { pin: false } => memory.put_page(Some(pfn)),
                        Event::DirtyLocked if before.has(flag::CACHED) => {
                            memory.dirty_if_clean_lock(id)
                        }
                        _ => continue,
                    };
                    assert_eq!(done, Ok(()), "{:?}", edge.step);
                    let folio = memory.folio(id);
                    assert_eq!(folio.refcount, after.refcount(false) + 1, "{:?}", edge.step);
                    assert_eq!(folio.dirty, after.has(flag::DIRTY), "{:?}", edge.step);
                    assert_eq!(memory.folio_maybe_dma_pinned(id), after.is_pinned());
                    compared += 1;
                }
            }
        }
        assert!(compared > 10_000, "{compared} steps");
    }
}
