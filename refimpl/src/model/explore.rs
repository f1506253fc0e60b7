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
            Some(trace::liveness(
                &self.config,
                property,
                lasso.as_ref()?,
                state,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::STRONG;
    use crate::model::{Callsites, Driver, Policy};

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
        use crate::model::state::flag;
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
}
