// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results as text for a terminal: plain, aligned, the same bytes for the same result.

use std::fmt::Write as _;

use super::growth::Growth;
use super::mutants::MutantResult;
use super::property::Property;
use super::run::{Report, Row, ScenarioReport};
use super::scenario::Scenario;
use super::table::{Cell, Table};
use super::trace::Trace;
use failure::counted;

/// The scenarios by name, one line each.
pub fn listing(scenarios: &[&Scenario]) -> String {
    let mut text = String::new();
    for scenario in scenarios {
        line(
            &mut text,
            format_args!("{:<10} {}", scenario.name, scenario.title),
        );
    }
    text
}

/// A report; `stories` adds a counterexample for each broken property that a scenario is about.
pub fn report(report: &Report, stories: bool) -> String {
    let mut text = String::new();
    for (i, scenario) in report.scenarios.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        one(&mut text, scenario, stories);
    }
    text
}

fn one(text: &mut String, scenario: &ScenarioReport, stories: bool) {
    line(text, format_args!("{}: {}", scenario.name, scenario.title));
    wrap(text, "    ", &scenario.about);
    let label = |row: &Row| {
        row.variant.clone().unwrap_or_else(|| {
            row.config
                .map_or_else(String::new, |config| config.label(""))
        })
    };
    let width = scenario
        .rows
        .iter()
        .map(|row| label(row).len())
        .max()
        .unwrap_or(0);
    for row in &scenario.rows {
        let states = counted(row.states, "state");
        line(
            text,
            format_args!("  {:<width$}  {states:>13}  {}", label(row), verdict(row)),
        );
    }
    let nobody = |property: &Property| {
        let of_races = [
            Property::MissedPin,
            Property::Unbalanced,
            Property::PinStuck,
        ];
        !of_races.contains(property)
            && scenario
                .rows
                .iter()
                .all(|row| row.not_asked.contains(property))
    };
    let not_asked: Vec<Property> = Property::ALL.into_iter().filter(nobody).collect();
    if !not_asked.is_empty() {
        line(text, format_args!("  not asked: {}", names(&not_asked)));
    }
    if stories {
        for row in &scenario.rows {
            for (i, trace) in row.traces.iter().enumerate() {
                text.push('\n');
                let heading = format!("{} under {}", trace.property.name(), label(row));
                match row.traces[..i]
                    .iter()
                    .find(|other| other.steps == trace.steps)
                {
                    Some(other) => {
                        line(
                            text,
                            format_args!("{heading}: the story of {}", other.property.name()),
                        );
                        line(text, format_args!("  so  {}", trace.meaning));
                    }
                    None => {
                        line(text, format_args!("{heading}"));
                        text.push_str(&story(trace));
                    }
                }
            }
        }
    }
}

fn verdict(row: &Row) -> String {
    let broken = names(&row.broken);
    match (broken.is_empty(), row.device_writes) {
        (true, true) => format!("holds{}", rests_on(&row.rests_on)),
        (true, false) => "holds: no device writes".to_owned(),
        (false, _) => format!("broken: {broken}{}", rests_on(&row.rests_on)),
    }
}

/// What else holds, but only as long as an assumption does.
fn rests_on(properties: &[Property]) -> String {
    let (safe, live): (Vec<Property>, Vec<Property>) =
        properties.iter().partition(|property| property.is_safety());
    let word = |all: &[Property], why: &str| match all {
        [] => String::new(),
        all => format!("; {} rests on {why}", names(all)),
    };
    word(&live, "fair waits for I/O") + &word(&safe, "reserving again")
}

fn names(properties: &[Property]) -> String {
    properties
        .iter()
        .map(|property| property.name())
        .collect::<Vec<_>>()
        .join(" ")
}

/// One counterexample, numbered.
pub(crate) fn story(trace: &Trace) -> String {
    let mut text = String::new();
    let width = trace
        .steps
        .iter()
        .map(|step| step.actor.len())
        .max()
        .unwrap_or(0);
    for step in &trace.steps {
        if trace.repeats_from == Some(step.number) {
            text.push_str("      from here on, again and again:\n");
        }
        line(
            &mut text,
            format_args!("{:>4}. {:<width$}  {}", step.number, step.actor, step.what),
        );
        for change in &step.changes {
            line(&mut text, format_args!("      {:<width$}    {change}", ""));
        }
    }
    if trace
        .repeats_from
        .is_some_and(|from| from > trace.steps.len())
    {
        text.push_str("      from here on nothing that anyone waits for can happen:\n");
    }
    for wait in &trace.waits {
        line(&mut text, format_args!("      {:<width$}    {wait}", ""));
    }
    line(&mut text, format_args!("  so  {}", trace.meaning));
    text
}

/// The matrix, one block per driver and callsites, one row per policy; 1 means that it can be broken.
pub fn table(table: &Table) -> String {
    let columns: Vec<Property> = Property::ALL
        .into_iter()
        .filter(|&property| {
            table
                .cells
                .iter()
                .any(|cell| cell.broken.contains(&property))
        })
        .collect();
    let mut text = String::new();
    for block in table
        .cells
        .chunk_by(|a, b| (a.driver, a.callsites) == (b.driver, b.callsites))
    {
        let (driver, callsites) = (block[0].driver, block[0].callsites);
        let like = table
            .cells
            .chunk_by(|a, b| (a.driver, a.callsites) == (b.driver, b.callsites))
            .find(|other| {
                other[0].driver == driver && other[0].callsites < callsites && same(other, block)
            });
        if let Some(other) = like {
            line(
                &mut text,
                format_args!(
                    "driver {}, callsites {}: as {}\n",
                    driver.name(),
                    callsites.name(),
                    other[0].callsites.name()
                ),
            );
            continue;
        }
        line(
            &mut text,
            format_args!("driver {}, callsites {}", driver.name(), callsites.name()),
        );
        let head: Vec<_> = columns.iter().map(|property| property.name()).collect();
        line(
            &mut text,
            format_args!("  {:<16}{}  device  states  rests on", "", head.join("  ")),
        );
        for cell in block {
            row(&mut text, cell, &columns);
        }
        text.push('\n');
    }
    let states: usize = table.cells.iter().map(|cell| cell.states).sum();
    line(
        &mut text,
        format_args!(
            "{}, {} states, each explored to the end",
            counted(table.cells.len(), "combination"),
            states
        ),
    );
    text
}

fn same(a: &[Cell], b: &[Cell]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            (a.policy, a.states, &a.broken, &a.rests_on)
                == (b.policy, b.states, &b.broken, &b.rests_on)
        })
}

fn row(text: &mut String, cell: &Cell, columns: &[Property]) {
    let _ = write!(text, "  {:<16}", cell.policy.name());
    for property in columns {
        let mark = match (cell.broken.contains(property), cell.device_writes) {
            (true, _) => "1",
            (false, true) => ".",
            (false, false) => "-",
        };
        let _ = write!(text, "{mark:<width$}", width = property.name().len() + 2);
    }
    let device = if cell.device_writes {
        "writes"
    } else {
        "refused"
    };
    let rests_on = rests_on(&cell.rests_on);
    let rests_on = rests_on
        .trim_start_matches("; ")
        .replace(" rests on ", ": ");
    line(
        text,
        format_args!("{device:<8}{:>6}  {rests_on}", cell.states),
    );
}

/// What each size costs.
pub fn growth(growth: &Growth) -> String {
    let mut text = String::new();
    for series in growth.rows.chunk_by(|a, b| a.what == b.what) {
        line(&mut text, format_args!("{}", series[0].what));
        let mut before = None;
        for row in series {
            match (row.states, row.transitions) {
                (Some(states), Some(transitions)) => {
                    let times = before.map_or_else(String::new, |before| {
                        format!("  x {:.1}", states as f64 / before as f64)
                    });
                    line(
                        &mut text,
                        format_args!(
                            "  {}  {states:>9} states  {transitions:>9} steps{times}",
                            row.count
                        ),
                    );
                }
                _ => line(
                    &mut text,
                    format_args!("  {}  more than the limit", row.count),
                ),
            }
            before = row.states;
        }
    }
    text
}

/// The mutants and what noticed them.
pub fn mutants(results: &[MutantResult]) -> String {
    let mut text = String::new();
    let width = results
        .iter()
        .map(|result| result.name.len())
        .max()
        .unwrap_or(0);
    for result in results {
        let fate = if result.is_killed() {
            "killed"
        } else {
            "SURVIVED"
        };
        line(
            &mut text,
            format_args!(
                "{fate:<8}  {:<width$}  {} in {}",
                result.name,
                result.property.name(),
                counted(result.steps, "step")
            ),
        );
    }
    text
}

/// Appends one line without blanks at its end.
fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let full = arguments.to_string();
    text.push_str(full.trim_end_matches(' '));
    text.push('\n');
}

fn wrap(text: &mut String, indent: &str, sentence: &str) {
    let mut width = 0;
    for word in sentence.split(' ') {
        if width > 0 && width + word.len() + 1 > 100 {
            text.push('\n');
            width = 0;
        }
        text.push_str(if width == 0 { indent } else { " " });
        text.push_str(word);
        width += word.len() + 1;
    }
    text.push('\n');
}
