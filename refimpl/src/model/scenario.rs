// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios by name: what can go wrong with pinned pages, each as a configuration and the answers worth comparing.
//!
//! Numbers S1 to S20 are those of the toolkit's list of scenarios.

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::interleaving::Interleaving;
use super::policy::Policy;
use super::property::Property;

mod list;
mod more;

/// A named question to the model.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Such as "S7b".
    pub name: &'static str,
    /// What happens, in a line.
    pub title: &'static str,
    /// What the answers show, and where the question comes from.
    pub about: &'static str,
    /// What is explored.
    pub subject: Subject,
    /// The properties it is about.
    pub shows: &'static [Property],
}

/// What a scenario explores.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The protocol, once for each combination; policy, driver and callsites of `config` are the first of each list.
    Protocol {
        /// Sizes and everything else.
        config: Config,
        /// Policies worth comparing.
        policies: &'static [Policy],
        /// Drivers worth comparing.
        drivers: &'static [Driver],
        /// Callsites worth comparing.
        callsites: &'static [Callsites],
    },
    /// A small machine (a race, an error path), with mutants.
    Race(&'static [Interleaving]),
}

/// All scenarios.
pub fn scenarios() -> Vec<&'static Scenario> {
    let mut all: Vec<_> = list::SCENARIOS
        .iter()
        .chain(&more::SCENARIOS)
        .chain([&list::THROTTLE, &list::BEFORE, &list::READS])
        .collect();
    all.sort_by_key(|scenario| order(scenario.name));
    all
}

/// "S7a" before "S7b" before "S8" before "S11".
fn order(name: &str) -> (u32, &str) {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(0), name)
}

/// The scenario with this name, in any case.
///
/// # Errors
/// When no scenario bears the name.
pub fn scenario(name: &str) -> Result<&'static Scenario, Error> {
    let all = scenarios();
    all.iter()
        .copied()
        .find(|scenario| scenario.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| Error::Unknown {
            kind: "scenario",
            name: name.to_owned(),
            known: all
                .iter()
                .map(|scenario| scenario.name.to_owned())
                .collect(),
        })
}
