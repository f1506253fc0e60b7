// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs one configuration to the end and keeps what is needed to answer for every property.

use super::config::{Config, Storage, Waiting};
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
pub const DEFAULT_LIMIT: u32 = 4_000_000;

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
        Property::MissedPin => false,
        Property::TruncStuck => config.truncate,
        Property::ThrottleStuck => config.dirty_limit > 0,
        Property::OneCpuBusy | Property::AllCpusBusy => {
            config.policy.writeback() == Writeback::Wait
        }
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
    pub fn transitions(&self) -> usize {
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
        Property::ALL
            .into_iter()
            .filter(|&property| self.outcome(property) == Outcome::Broken)
            .collect()
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
