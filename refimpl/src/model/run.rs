// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs scenarios and gathers what a person, or a program reading JSON, is told.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::explore::{Outcome, explore};
use super::own::Own;
use super::policy::Policy;
use super::property::Property;
use super::scenario::{Scenario, Subject};
use super::table::or_all;
use super::trace::Trace;

/// What the caller asks for in place of a scenario's own lists; an empty list leaves the scenario's.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Policies to compare.
    pub policies: Vec<Policy>,
    /// Drivers to compare.
    pub drivers: Vec<Driver>,
    /// Callsites to compare.
    pub callsites: Vec<Callsites>,
    /// Policies and devices from files; where there are any, those of the scenario are left out unless they are asked for.
    pub own: Vec<Own>,
    /// Sizes to take in place of a scenario's own.
    pub sizes: Sizes,
}

/// Sizes of a model; `None` leaves the scenario's own.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Pages of the file, 1 to 4.
    pub pages: Option<u8>,
    /// Devices, 0 to 4; device d uses page d modulo the pages.
    pub devices: Option<u8>,
    /// Tasks that call fsync, 0 to 4.
    pub fsyncs: Option<u8>,
    /// CPUs that the tasks share, 1 to 4.
    pub cpus: Option<u8>,
}

impl Selection {
    /// Every scenario as it stands.
    pub const OWN: Self = Self {
        policies: Vec::new(),
        drivers: Vec::new(),
        callsites: Vec::new(),
        own: Vec::new(),
        sizes: Sizes::OWN,
    };
}

impl Sizes {
    /// The scenario's own.
    pub const OWN: Self = Self {
        pages: None,
        devices: None,
        fsyncs: None,
        cpus: None,
    };

    fn apply(self, config: &Config) -> Config {
        Config {
            pages: self.pages.unwrap_or(config.pages),
            devices: self.devices.unwrap_or(config.devices),
            fsyncs: self.fsyncs.unwrap_or(config.fsyncs),
            cpus: self.cpus.unwrap_or(config.cpus),
            ..*config
        }
    }
}

/// The results of some scenarios.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// "model/1".
    pub schema: String,
    /// One entry per scenario asked for, in the order asked.
    pub scenarios: Vec<ScenarioReport>,
}

/// The results of one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Such as "S1".
    pub name: String,
    /// What happens, in a line.
    pub title: String,
    /// What the answers show.
    pub about: String,
    /// The properties it is about.
    pub shows: Vec<Property>,
    /// One per combination, or per variant of a race.
    pub rows: Vec<Row>,
}

/// One exploration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The variant of a race, or what comes from a file; null for the protocol as it is.
    pub variant: Option<String>,
    /// Policy, driver and callsites; null for a race.
    pub config: Option<Config>,
    /// Exact number of unique states.
    pub states: usize,
    /// Exact number of steps between them.
    pub transitions: usize,
    /// Does a device ever get to write? Where not, every pin was refused.
    pub device_writes: bool,
    /// Every property that can be broken.
    pub broken: Vec<Property>,
    /// What holds because waits for I/O are fair and reserving again succeeds.
    pub rests_on: Vec<Property>,
    /// What nobody in the model could break or suffer from.
    pub not_asked: Vec<Property>,
    /// A story for each property the scenario is about and that can be broken.
    pub traces: Vec<Trace>,
}

/// Explores the scenarios, each to the end.
///
/// # Errors
/// When a model does not fit, see [`Error`].
pub fn run(scenarios: &[&Scenario], selection: &Selection) -> Result<Report, Error> {
    let scenarios = scenarios
        .iter()
        .map(|scenario| one(scenario, selection))
        .collect::<Result<_, _>>()?;
    Ok(Report {
        schema: "model/1".to_owned(),
        scenarios,
    })
}

fn one(scenario: &Scenario, selection: &Selection) -> Result<ScenarioReport, Error> {
    let mut rows = Vec::new();
    match &scenario.subject {
        Subject::Race(variants) => {
            for variant in *variants {
                let result = variant.explore()?;
                rows.push(Row {
                    variant: Some(variant.name.to_owned()),
                    config: None,
                    states: result.states,
                    transitions: result.transitions,
                    device_writes: true,
                    broken: result.broken.iter().map(|trace| trace.property).collect(),
                    rests_on: Vec::new(),
                    not_asked: Vec::new(),
                    traces: result.broken.into_iter().collect(),
                });
            }
        }
        Subject::Protocol {
            config,
            policies,
            drivers,
            callsites,
        } => {
            let config = selection.sizes.apply(config);
            let policies = or_all(&selection.policies, policies);
            let drivers = or_all(&selection.drivers, drivers);
            let ways = policies_and_files(selection, policies);
            for &callsites in or_all(&selection.callsites, callsites) {
                for (at, &driver) in drivers.iter().enumerate() {
                    for &(policy, own) in &ways {
                        let habits = own.and_then(|own| own.device);
                        if habits.is_some() && at > 0 {
                            continue;
                        }
                        let mut config = Config {
                            policy,
                            driver,
                            callsites,
                            ..config
                        };
                        config.own_rules = own.and_then(|own| own.policy);
                        config.own_habits = habits;
                        let name = own.map(|own| config.label(&own.name));
                        rows.push(row(&config, name, &scenario.shows)?);
                    }
                }
            }
        }
    }
    Ok(ScenarioReport {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        about: scenario.about.clone(),
        shows: scenario.shows.clone(),
        rows,
    })
}

/// Each policy with the file that changes it, if any: a file that has a policy stands in place of all of them.
fn policies_and_files<'a>(
    selection: &'a Selection,
    policies: &[Policy],
) -> Vec<(Policy, Option<&'a Own>)> {
    let named = selection.own.is_empty() || !selection.policies.is_empty();
    let mut ways: Vec<_> = policies
        .iter()
        .filter(|_| named)
        .map(|&policy| (policy, None))
        .collect();
    for own in &selection.own {
        let times = if own.policy.is_some() {
            1
        } else {
            policies.len()
        };
        ways.extend(policies[..times].iter().map(|&policy| (policy, Some(own))));
    }
    ways
}

fn row(config: &Config, variant: Option<String>, shows: &[Property]) -> Result<Row, Error> {
    let explored = explore(config)?;
    Ok(Row {
        variant,
        config: Some(*config),
        states: explored.states(),
        transitions: explored.transitions(),
        device_writes: explored.device_writes(),
        broken: explored.broken(),
        rests_on: explored.rests_on()?,
        not_asked: explored.with(Outcome::NotAsked),
        traces: shows
            .iter()
            .filter_map(|&property| explored.trace(property))
            .collect(),
    })
}
