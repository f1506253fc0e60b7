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

/// Appends one line without blanks at its end.
macro_rules! line {
    ($text:expr, $($what:tt)*) => {{
        let full = format!($($what)*);
        $text.push_str(full.trim_end_matches(' '));
        $text.push('\n');
    }};
}

/// The scenarios by name, one line each.
pub fn listing(scenarios: &[&Scenario]) -> String {
    let mut text = String::new();
    for scenario in scenarios {
        line!(text, "{:<10} {}", scenario.name, scenario.title);
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
    line!(text, "{}: {}", scenario.name, scenario.title);
    wrap(text, "    ", &scenario.about);
    let label = |row: &Row| {
        row.variant.clone().unwrap_or_else(|| {
            row.config
                .map_or_else(String::new, |config| config.label(""))
        })
    };
    let width = longest(scenario.rows.iter().map(|row| label(row).len()));
    for row in &scenario.rows {
        let (label, states) = (label(row), counted(row.states, "state"));
        line!(text, "  {label:<width$}  {states:>13}  {}", verdict(row));
    }
    let rows = scenario.rows.iter();
    let nobody = |property: &Property| {
        use Property::{MissedPin, PinStuck, Unbalanced};
        !matches!(property, MissedPin | Unbalanced | PinStuck)
            && rows.clone().all(|row| row.not_asked.contains(property))
    };
    let not_asked: Vec<Property> = Property::ALL.into_iter().filter(nobody).collect();
    if !not_asked.is_empty() {
        line!(text, "  not asked: {}", names(&not_asked));
    }
    if stories {
        for row in &scenario.rows {
            for (i, trace) in row.traces.iter().enumerate() {
                text.push('\n');
                let heading = format!("{} under {}", trace.property.name(), label(row));
                let mut before = row.traces[..i].iter();
                if let Some(other) = before.find(|other| other.steps == trace.steps) {
                    line!(text, "{heading}: the story of {}", other.property.name());
                    line!(text, "  so  {}", trace.meaning);
                } else {
                    line!(text, "{heading}");
                    text.push_str(&story(trace));
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
    let names: Vec<_> = properties.iter().map(|property| property.name()).collect();
    names.join(" ")
}

fn longest(widths: impl Iterator<Item = usize>) -> usize {
    widths.max().unwrap_or(0)
}

/// One counterexample, numbered.
pub(crate) fn story(trace: &Trace) -> String {
    let mut text = String::new();
    let width = longest(trace.steps.iter().map(|step| step.actor.len()));
    for step in &trace.steps {
        if trace.repeats_from == Some(step.number) {
            text.push_str("      from here on, again and again:\n");
        }
        let (number, actor) = (step.number, &step.actor);
        line!(text, "{number:>4}. {actor:<width$}  {}", step.what);
        for change in &step.changes {
            line!(text, "      {:<width$}    {change}", "");
        }
    }
    let last = trace.steps.len();
    if trace.repeats_from.is_some_and(|from| from > last) {
        text.push_str("      from here on nothing that anyone waits for can happen:\n");
    }
    for wait in &trace.waits {
        line!(text, "      {:<width$}    {wait}", "");
    }
    line!(text, "  so  {}", trace.meaning);
    text
}

/// The matrix, one block per driver and callsites, one row per policy; 1 means that it can be broken.
pub fn table(table: &Table) -> String {
    let columns = table.columns();
    let head: Vec<_> = columns.iter().map(|property| property.name()).collect();
    let mut text = String::new();
    for block in table.blocks() {
        let (driver, callsites) = (block[0].driver, block[0].callsites);
        let like = table.blocks().find(|other| {
            other[0].driver == driver && other[0].callsites < callsites && same(other, block)
        });
        let title = format!("driver {}, callsites {}", driver.name(), callsites.name());
        if let Some(other) = like {
            line!(text, "{title}: as {}\n", other[0].callsites.name());
            continue;
        }
        line!(text, "{title}");
        let (empty, head) = ("", head.join("  "));
        line!(text, "  {empty:<16}{head}  device  states  rests on");
        for cell in block {
            row(&mut text, cell, &columns);
        }
        text.push('\n');
    }
    let (count, states) = (counted(table.cells.len(), "combination"), table.states());
    line!(text, "{count}, {states} states, each explored to the end");
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
    let rests_on = rests_on(&cell.rests_on).replace(" rests on ", ": ");
    let rests_on = rests_on.trim_start_matches("; ");
    line!(text, "{device:<8}{:>6}  {rests_on}", cell.states);
}

/// What each size costs.
pub fn growth(growth: &Growth) -> String {
    let mut text = String::new();
    for series in growth.rows.chunk_by(|a, b| a.what == b.what) {
        line!(text, "{}", series[0].what);
        let mut before = None;
        for row in series {
            let count = row.count;
            if let (Some(states), Some(steps)) = (row.states, row.transitions) {
                let times = before.map_or_else(String::new, |before| {
                    format!("  x {:.1}", states as f64 / before as f64)
                });
                line!(
                    text,
                    "  {count}  {states:>9} states  {steps:>9} steps{times}"
                );
            } else {
                line!(text, "  {count}  more than the limit");
            }
            before = row.states;
        }
    }
    text
}

/// The mutants and what noticed them.
pub fn mutants(results: &[MutantResult]) -> String {
    let mut text = String::new();
    let width = longest(results.iter().map(|result| result.name.len()));
    for result in results {
        let fate = match result.is_killed() {
            true => "killed",
            false => "SURVIVED",
        };
        let (name, noticed) = (&result.name, result.property.name());
        let steps = counted(result.steps, "step");
        line!(text, "{fate:<8}  {name:<width$}  {noticed} in {steps}");
    }
    text
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
