// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios by name: what can go wrong with pinned pages, each as a configuration and the answers worth comparing.
//!
//! They are data (`refimpl/data/scenarios.toml`).

use serde::Deserialize;
use std::sync::LazyLock;

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::interleaving::{COLLAPSE, FORK, GUP_FAST, Interleaving, MIGRATE, PARTIAL, TRANSFER};
use super::policy::Policy;
use super::property::Property;

/// A named question to the model.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Such as "S7b".
    pub name: String,
    /// What happens, in a line.
    pub title: String,
    /// What the answers show, and where the question comes from.
    pub about: String,
    /// What is explored.
    pub subject: Subject,
    /// The properties it is about.
    pub shows: Vec<Property>,
}

/// What a scenario explores.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The protocol, once for each combination.
    Protocol {
        /// Sizes and everything else.
        config: Config,
        /// Policies worth comparing.
        policies: Vec<Policy>,
        /// Drivers worth comparing.
        drivers: Vec<Driver>,
        /// Callsites worth comparing.
        callsites: Vec<Callsites>,
    },
    /// A small machine (a race, an error path), with mutants.
    Race(&'static [Interleaving]),
}

/// The machines that a file may name.
const RACES: [(&str, &[Interleaving]); 6] = [
    ("gup_fast", &GUP_FAST),
    ("fork", &FORK),
    ("collapse", &COLLAPSE),
    ("transfer", &TRANSFER),
    ("partial", &PARTIAL),
    ("migrate", &MIGRATE),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    title: String,
    about: String,
    shows: Vec<Property>,
    race: Option<String>,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    drivers: Vec<Driver>,
    #[serde(default)]
    callsites: Vec<Callsites>,
    #[serde(default)]
    config: toml::Table,
}

/// All scenarios, in order: "S7a" before "S7b" before "S8" before "S11".
pub fn scenarios() -> Vec<&'static Scenario> {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        let text = include_str!("../../data/scenarios.toml");
        read(text).expect("the scenarios are part of the program, and a test reads them")
    });
    ALL.iter().collect()
}

fn read(text: &str) -> Result<Vec<Scenario>, toml::de::Error> {
    #[derive(Deserialize)]
    struct File {
        scenario: Vec<Entry>,
    }
    let entries = toml::from_str::<File>(text)?.scenario.into_iter();
    let mut all = entries
        .map(Entry::scenario)
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
    Ok(all)
}

impl Entry {
    fn scenario(self) -> Result<Scenario, toml::de::Error> {
        let wrong = <toml::de::Error as serde::de::Error>::custom;
        let race = self.race.map(|race| {
            let known = RACES.into_iter().find(|(name, _)| *name == race);
            let known = known.ok_or_else(|| wrong(format!("{}: no race {race}", self.name)));
            known.map(|(_, variants)| Subject::Race(variants))
        });
        let protocol = || {
            let base = Config::base(Policy::None, Driver::Eventually, Callsites::Converted);
            let mut config =
                toml::Table::try_from(base).map_err(|error| wrong(error.to_string()))?;
            config.extend(self.config);
            let none = self.callsites.is_empty();
            Ok(Subject::Protocol {
                config: config.try_into()?,
                policies: self.policies,
                drivers: self.drivers,
                callsites: if none {
                    vec![Callsites::Converted]
                } else {
                    self.callsites
                },
            })
        };
        Ok(Scenario {
            subject: race.unwrap_or_else(protocol)?,
            name: self.name,
            title: self.title,
            about: self.about,
            shows: self.shows,
        })
    }
}

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
    let found = all.iter().find(|one| one.name.eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| Error::Unknown {
        kind: "scenario",
        name: name.to_owned(),
        known: all.iter().map(|scenario| scenario.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that is none, a value that is none, and a race that nobody knows.
    #[test]
    fn a_scenario_that_says_something_else_is_noticed() {
        let good = "[[scenario]]\nname = 'S1'\ntitle = ''\nabout = ''\nshows = ['torn']\n";
        assert_eq!(read(good).unwrap().len(), 1);
        for wrong in [
            "policy = []",
            "policies = ['x']",
            "race = 'x'",
            "config = { page = 2 }",
        ] {
            assert!(read(&format!("{good}{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
