// SPDX-License-Identifier: MIT OR Apache-2.0
//! The matrix: every policy against every driver and every kind of callsite mistake.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::explore::explore;
use super::policy::Policy;
use super::property::Property;

/// What to put into the table; an empty list means all.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// Rows.
    pub policies: Vec<Policy>,
    /// Blocks.
    pub drivers: Vec<Driver>,
    /// Blocks within blocks.
    pub callsites: Vec<Callsites>,
    /// Threads; 0 for one per CPU.
    pub jobs: usize,
}

/// The matrix, in the order drivers, callsites, policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// "model/1".
    pub schema: String,
    /// One per combination.
    pub cells: Vec<Cell>,
}

/// One combination, explored to the end with the model of [`Config::base`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What the kernel does.
    pub policy: Policy,
    /// How the device holds pages.
    pub driver: Driver,
    /// The caller's mistake.
    pub callsites: Callsites,
    /// Exact number of unique states.
    pub states: usize,
    /// Exact number of steps between them.
    pub transitions: usize,
    /// Does the device ever get to write?
    pub device_writes: bool,
    /// What can be broken.
    pub broken: Vec<Property>,
    /// What holds because waits for I/O are fair and reserving again succeeds, see [`super::Exploration::rests_on`].
    pub rests_on: Vec<Property>,
}

impl Table {
    /// States of all combinations.
    pub(crate) fn states(&self) -> usize {
        self.cells.iter().map(|cell| cell.states).sum()
    }

    /// What one of the combinations breaks.
    pub(crate) fn columns(&self) -> Vec<Property> {
        let mut all = Property::ALL.to_vec();
        all.retain(|property| self.cells.iter().any(|cell| cell.broken.contains(property)));
        all
    }

    /// The policies with one driver and one kind of mistake, in turn.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &[Cell]> {
        let block = |a: &Cell, b: &Cell| (a.driver, a.callsites) == (b.driver, b.callsites);
        self.cells.chunk_by(block)
    }
}

/// Explores every combination.
///
/// # Errors
/// When a model does not fit, see [`Error`].
pub fn table(options: &TableOptions) -> Result<Table, Error> {
    let mut configs = Vec::new();
    for &driver in or_all(&options.drivers, &Driver::ALL) {
        for &callsites in or_all(&options.callsites, &Callsites::ALL) {
            for &policy in or_all(&options.policies, &Policy::ALL) {
                configs.push(Config::base(policy, driver, callsites));
            }
        }
    }
    let jobs = match options.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let taken = next.fetch_add(1, Ordering::Relaxed);
            let Some(config) = configs.get(taken) else {
                break;
            };
            done.push((taken, cell(config)));
        }
        done
    };
    let mut cells: Vec<(usize, Result<Cell, Error>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..jobs).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for thread in threads {
            match thread.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    cells.sort_by_key(|(number, _)| *number);
    let cells = cells
        .into_iter()
        .map(|(_, cell)| cell)
        .collect::<Result<_, _>>()?;
    Ok(Table {
        schema: "model/1".to_owned(),
        cells,
    })
}

/// What was asked for, or else all.
pub(crate) fn or_all<'a, T>(asked: &'a [T], all: &'a [T]) -> &'a [T] {
    if asked.is_empty() { all } else { asked }
}

fn cell(config: &Config) -> Result<Cell, Error> {
    let explored = explore(config)?;
    Ok(Cell {
        policy: config.policy,
        driver: config.driver,
        callsites: config.callsites,
        states: explored.states(),
        transitions: explored.transitions(),
        device_writes: explored.device_writes(),
        broken: explored.broken(),
        rests_on: explored.rests_on()?,
    })
}
