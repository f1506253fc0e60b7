// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results as parts of a page: policies against properties as a table of colours, counterexamples with a lifeline each.

use super::config::Config;
use super::driver::{Callsites, Driver};
use super::property::Property;
use super::run::{Report, Row as Explored, ScenarioReport};
use super::table::{Cell, Table};
use super::trace::Trace;
use maud::{Markup, html};
use page::{
    Facet, Figure, Heat, Ids, List, Mark, Part, Row, Sequence, Sheet, Step, figures, heat, list,
    number, sequence, soft,
};

/// The page of a report on scenarios.
pub fn report(report: &Report) -> String {
    let ids = Ids::plain();
    let rows = report.scenarios.iter().map(|one| scenario(one, &ids));
    let listed = list(&List {
        what: "scenario",
        rows: rows.collect(),
        nothing: "No scenario was asked for.",
    });
    let count = Some(report.scenarios.len());
    Sheet {
        title: "What policies for pinned pages allow and break".into(),
        finds: "scenario, property or word",
        about: html! { "Every scenario explored to the end: a property that holds does so in every run, and one that is broken has a story that shows how." },
        parts: vec![
            part(&ids, "overview", "Overview", None, overview(&report.scenarios)),
            part(&ids, "scenarios", "Scenarios", count, listed),
        ],
    }
    .html()
}

fn part(ids: &Ids, id: &str, name: &str, count: Option<usize>, body: Markup) -> Part {
    Part {
        id: ids.part(id),
        name: name.into(),
        count,
        body,
    }
}

fn overview(scenarios: &[ScenarioReport]) -> Markup {
    let rows = || scenarios.iter().flat_map(|one| &one.rows);
    let states: usize = rows().map(|row| row.states).sum();
    let holding = rows().filter(|row| row.broken.is_empty()).count();
    totals(holding, rows().count(), states)
}

/// How many of all combinations hold, and what it took to know.
fn totals(holding: usize, all: usize, states: usize) -> Markup {
    figures(&[
        Figure {
            count: holding,
            what: "hold".into(),
            mark: Mark::Good,
            sentence: "combinations in which nothing can go wrong that the model knows of.".into(),
            facet: Some(("result", "holds".into())),
        },
        Figure {
            count: all - holding,
            what: "broken".into(),
            mark: Mark::Bad,
            sentence: "combinations in which a run ends badly.".into(),
            facet: Some(("result", "broken".into())),
        },
        Figure {
            count: states,
            what: "states".into(),
            mark: Mark::Note,
            sentence: "explored, each once and none left out.".into(),
            facet: None,
        },
    ])
}

fn scenario(report: &ScenarioReport, ids: &Ids) -> Row {
    let broken = report
        .rows
        .iter()
        .filter(|row| !row.broken.is_empty())
        .count();
    let (state, word) = match broken {
        0 => (Mark::Good, "holds"),
        _ => (Mark::Bad, "broken"),
    };
    Row {
        id: ids.of("scenario", &report.name),
        state: (state, word.into()),
        name: report.name.clone(),
        cells: vec![
            ("wide", soft(&report.title)),
            (
                "why",
                soft(&format!(
                    "{broken} of {} broken",
                    number(report.rows.len(), "combination")
                )),
            ),
        ],
        facets: results(report.rows.len() - broken, broken),
        size: report.rows.iter().map(|row| row.states).sum(),
        body: html! {
            p class="said-of" { (soft(&report.about)) }
            (compared(report, ids))
            @for (at, row) in report.rows.iter().enumerate() { (stories(report, at, row, ids)) }
        },
        open: false,
    }
}

/// What a list of combinations is found by.
fn results(holding: usize, broken: usize) -> Vec<Facet> {
    let words = [("holds", holding), ("broken", broken)];
    let there = words.into_iter().filter(|(_, count)| *count > 0);
    there.map(|(word, _)| ("result", word.to_owned())).collect()
}

/// Combinations against the properties that one of them breaks, and those that the scenario is about.
fn compared(report: &ScenarioReport, ids: &Ids) -> Markup {
    let seen = |property: &Property| {
        report.shows.contains(property)
            || report.rows.iter().any(|row| row.broken.contains(property))
    };
    let columns: Vec<Property> = Property::ALL.into_iter().filter(seen).collect();
    let rows = report.rows.iter().enumerate().map(|(at, row)| {
        let cells = columns.iter().map(|property| {
            let told = row.traces.iter().any(|trace| trace.property == *property);
            let link = told.then(|| story_id(report, at, *property, ids));
            cell(row.broken.contains(property), link)
        });
        let name = html! { (soft(&label(row))) " " span class="dim" { (number(row.states, "state")) @if !row.device_writes { ", the device is turned away" } } };
        (name, cells.collect())
    });
    heat(&Heat {
        title: format!("{}: combinations against properties", report.name),
        corner: "policy, device".into(),
        columns: columns.iter().map(heading).collect(),
        rows: rows.collect(),
    })
}

fn heading(property: &Property) -> (String, String) {
    (property.name().into(), property.meaning().into())
}

fn cell(broken: bool, link: Option<String>) -> (Mark, String, Option<String>) {
    match broken {
        true => (Mark::Bad, "broken".into(), link),
        false => (Mark::Good, "holds".into(), None),
    }
}

fn label(row: &Explored) -> String {
    match (&row.variant, &row.config) {
        (Some(variant), _) => variant.clone(),
        (None, Some(config)) => short(config),
        (None, None) => "the only one".into(),
    }
}

fn short(config: &Config) -> String {
    let callsites = match config.callsites {
        Callsites::Converted => String::new(),
        other => format!(", {}", other.name()),
    };
    format!(
        "{}, {}{callsites}",
        config.policy.name(),
        config.driver.name()
    )
}

fn story_id(report: &ScenarioReport, at: usize, property: Property, ids: &Ids) -> String {
    ids.of(
        "story",
        &format!("{}/{}/{}", report.name, at + 1, property.name()),
    )
}

fn stories(report: &ScenarioReport, at: usize, row: &Explored, ids: &Ids) -> Markup {
    html! {
        @for trace in &row.traces {
            details id=(story_id(report, at, trace.property, ids)) {
                summary { b { (trace.property.name()) } " under " (soft(&label(row))) ": " (soft(&trace.meaning)) }
                (sequence(&story(trace)))
            }
        }
    }
}

fn story(trace: &Trace) -> Sequence {
    let steps = trace.steps.iter().map(|step| Step {
        who: step.actor.clone(),
        what: step.what.clone(),
        changes: step.changes.clone(),
    });
    let ending = std::iter::once(format!("So {}.", trace.meaning));
    Sequence {
        title: format!("how {} comes about", trace.property.name()),
        steps: steps.collect(),
        repeats_from: trace.repeats_from.map(|from| from.saturating_sub(1)),
        end: trace.waits.iter().cloned().chain(ending).collect(),
    }
}

/// The page of the matrix: a table for each driver and each kind of mistake.
pub fn table(table: &Table) -> String {
    let ids = Ids::plain();
    let columns = table.columns();
    let rows = table.blocks();
    let rows = rows.filter_map(|cells| block(cells, &columns, &ids));
    let rows: Vec<Row> = rows.collect();
    let count = Some(rows.len());
    let listed = list(&List {
        what: "combination of device and mistake",
        rows,
        nothing: "No combination was asked for.",
    });
    let meanings = html! { table class="plain" { @for property in &columns {
        tr { th scope="row" { (property.name()) } td { (property.meaning()) } }
    } } };
    Sheet {
        title: "Policies for pinned pages".into(),
        about: html! { (number(table.cells.len(), "combination")) " of policy, device and mistake, " (table.states()) " states, each explored to the end." },
        finds: "device, mistake or policy",
        parts: vec![
            part(&ids, "overview", "Overview", None, at_one_look(table, &ids)),
            part(&ids, "table", "Policy against property", count, listed),
            part(&ids, "properties", "What the properties mean", Some(columns.len()), meanings),
        ],
    }
    .html()
}

fn holding(cells: &[Cell]) -> usize {
    cells.iter().filter(|cell| cell.broken.is_empty()).count()
}

/// Each value once, in the order in which they come.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = Vec::new();
    for value in all {
        if !known.contains(&value) {
            known.push(value);
        }
    }
    known
}

/// What holds and what does not, and the whole matrix with a number for each combination: a table for each kind of mistake.
fn at_one_look(table: &Table, ids: &Ids) -> Markup {
    let holding = holding(&table.cells);
    let mistakes = distinct(table.cells.iter().map(|cell| cell.callsites));
    html! {
        (totals(holding, table.cells.len(), table.states()))
        @for (at, callsites) in mistakes.into_iter().enumerate() {
            details open[at == 0] {
                summary { "Policy against device, callsites " b { (callsites.name()) } }
                (of_mistake(table, callsites, ids))
            }
        }
    }
}

/// Every policy against every device, with one kind of mistake: how many properties are broken.
fn of_mistake(table: &Table, callsites: Callsites, ids: &Ids) -> Markup {
    let all = table.cells.iter();
    let cells = || all.clone().filter(|cell| cell.callsites == callsites);
    let devices = distinct(cells().map(|cell| cell.driver));
    let policies = distinct(cells().map(|cell| cell.policy));
    let rows = policies.iter().map(|policy| {
        let cell = |driver: &Driver| {
            let cell = cells().find(|cell| cell.policy == *policy && cell.driver == *driver);
            let to = Some(block_id(*driver, callsites, ids));
            match cell.map(|cell| cell.broken.len()) {
                None => (Mark::Skipped, "not asked".to_owned(), None),
                Some(0) => (Mark::Good, "holds".to_owned(), to),
                Some(count) => (Mark::Bad, format!("{count} broken"), to),
            }
        };
        (
            html! { (policy.name()) },
            devices.iter().map(cell).collect(),
        )
    });
    heat(&Heat {
        title: format!("policies against devices, callsites {}", callsites.name()),
        corner: "policy".into(),
        columns: devices
            .iter()
            .map(|driver| (driver.name().to_owned(), "device".to_owned()))
            .collect(),
        rows: rows.collect(),
    })
}

fn block_id(driver: Driver, callsites: Callsites, ids: &Ids) -> String {
    ids.of("table", &format!("{}/{}", driver.name(), callsites.name()))
}

fn block(cells: &[Cell], columns: &[Property], ids: &Ids) -> Option<Row> {
    let Cell {
        driver, callsites, ..
    } = *cells.first()?;
    let holding = holding(cells);
    let rows = cells.iter().map(|one| {
        let name =
            html! { (one.policy.name()) " " span class="dim" { (number(one.states, "state")) } };
        let mut row: Vec<_> = columns
            .iter()
            .map(|property| cell(one.broken.contains(property), None))
            .collect();
        row.push(match one.device_writes {
            true => (Mark::Note, "writes".into(), None),
            false => (Mark::Skipped, "refused".into(), None),
        });
        (name, row)
    });
    let mut headings: Vec<(String, String)> = columns.iter().map(heading).collect();
    headings.push((
        "device".into(),
        "whether the device ever gets to write".into(),
    ));
    Some(Row {
        id: block_id(driver, callsites, ids),
        state: match holding {
            0 => (Mark::Bad, "none holds".into()),
            some => (Mark::Good, format!("{some} hold")),
        },
        name: driver.name().into(),
        cells: vec![
            ("where", soft(&format!("callsites {}", callsites.name()))),
            (
                "why wide",
                soft(&format!(
                    "{holding} of {} hold under every run",
                    number(cells.len(), "policy").replace("policys", "policies")
                )),
            ),
        ],
        facets: {
            let mut facets = results(holding, cells.len() - holding);
            facets.push(("device", driver.name().into()));
            facets.push(("callsites", callsites.name().into()));
            facets
        },
        size: cells.iter().map(|cell| cell.states).sum(),
        body: heat(&Heat {
            title: format!("device {}, callsites {}", driver.name(), callsites.name()),
            corner: "policy".into(),
            columns: headings,
            rows: rows.collect(),
        }),
        open: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::model::{Selection, TableOptions, run, scenario, table};

    #[test]
    fn a_broken_property_leads_to_a_story_with_a_lifeline_for_everyone_in_it() {
        let report = run(&[scenario("S1").unwrap()], &Selection::OWN).unwrap();
        let page = super::report(&report);
        let row = &report.scenarios[0].rows[0];
        let trace = &row.traces[0];
        let id = format!("story=S1/1/{}", trace.property.name());
        for wanted in [format!("href=\"#{id}\""), format!("<details id=\"{id}\">")] {
            assert!(page.contains(&wanted), "{wanted}");
        }
        for step in &trace.steps {
            let lifeline = format!("<th scope=\"col\" class=\"who\">{}</th>", step.actor);
            assert!(page.contains(&lifeline), "{lifeline}");
        }
        let acts = page.matches("class=\"act\"").count();
        let steps: usize = report.scenarios[0]
            .rows
            .iter()
            .flat_map(|row| &row.traces)
            .map(|trace| trace.steps.len())
            .sum();
        assert_eq!(acts, steps, "one for each step of each story");
    }

    #[test]
    fn the_table_has_a_cell_for_each_policy_and_property_and_one_for_the_device() {
        let options = TableOptions {
            policies: vec![],
            drivers: vec![super::Driver::AtOnce],
            callsites: vec![super::Callsites::Converted],
            jobs: 1,
        };
        let table = table(&options).unwrap();
        let page = super::table(&table);
        let broken: usize = table.cells.iter().map(|cell| cell.broken.len()).sum();
        let (overview, rest) = page.split_once("id=\"table\"").unwrap();
        let bad = "<td class=\"cell m-bad\"";
        assert_eq!(rest.matches(bad).count(), broken);
        let not_holding = table
            .cells
            .iter()
            .filter(|cell| !cell.broken.is_empty())
            .count();
        assert_eq!(
            overview.matches(bad).count(),
            not_holding,
            "one for each combination"
        );
        let device = table.cells.iter().filter(|cell| cell.device_writes).count();
        assert_eq!(page.matches(">writes<").count(), device);
    }
}
