// SPDX-License-Identifier: MIT OR Apache-2.0
//! `model [SCENARIO…]`, `model list`, `model table`, `model mutants`: what policies for pinned pages allow and what they break.

use crate::console::{deliver, deliver_json};
use crate::exit::{Exit, Failure};
use crate::flags::{Common, Model, ModelFormat};
use ::refimpl::model::{
    Callsites, Driver, Error, GrowthOptions, Own, Policy, Selection, Sizes, TableOptions, growth,
    html, mutants, render, run as explore, scenario, scenarios, table,
};
use serde::Serialize;
use serde_json::json;

/// Runs `model`.
pub(crate) fn run(common: &Common, args: &Model) -> Result<Exit, Failure> {
    let words: Vec<&str> = args.scenario.iter().map(String::as_str).collect();
    match words[..] {
        ["list" | "mutants"] | ["table"]
            if args.format == ModelFormat::Html && (args.growth || words != ["table"]) =>
        {
            return Err(
                Failure::new(Exit::Usage, "only scenarios and the table have a page")
                    .hint("cargo xtask model --format html"),
            );
        }
        ["list"] => {
            let all = scenarios();
            let names: Vec<_> = all
                .iter()
                .map(|one| json!({ "name": one.name, "title": one.title }))
                .collect();
            show(
                common,
                &json!({ "schema": "model-list/1", "scenarios": names }),
                || render::listing(&all),
            )?;
        }
        ["table"] if args.growth => {
            let rows = growth(&GrowthOptions::STANDARD)?;
            show(common, &rows, || render::growth(&rows))?;
        }
        ["table"] => {
            let table = table(&table_options(common, args)?)?;
            shown(
                common,
                args,
                &table,
                || render::table(&table),
                || html::table(&table),
            )?;
        }
        ["mutants"] => {
            let results = mutants()?;
            show(
                common,
                &json!({ "schema": "model-mutants/1", "mutants": results }),
                || render::mutants(&results),
            )?;
            let survived = results.iter().any(|result| !result.is_killed());
            return Ok(if survived {
                Exit::Findings
            } else {
                Exit::Clean
            });
        }
        _ => {
            let chosen = match words[..] {
                [] => scenarios(),
                _ => words
                    .iter()
                    .map(|name| scenario(name))
                    .collect::<Result<_, _>>()?,
            };
            let report = explore(&chosen, &selection(args)?)?;
            let text = || render::report(&report, args.trace);
            shown(common, args, &report, text, || html::report(&report))?;
        }
    }
    Ok(Exit::Clean)
}

fn parsed<T>(
    names: &[String],
    parse: impl Fn(&str) -> Result<T, Error>,
) -> Result<Vec<T>, Failure> {
    Ok(names
        .iter()
        .map(|name| parse(name))
        .collect::<Result<_, _>>()?)
}

fn selection(args: &Model) -> Result<Selection, Failure> {
    let is_file = |name: &&String| name.ends_with(".toml");
    let (files, names): (Vec<&String>, Vec<&String>) = args.policy.iter().partition(is_file);
    let names: Vec<String> = names.into_iter().cloned().collect();
    let read = |path: &String| {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Exit::Usage, format!("failed to read {path}: {error}"))
        })?;
        Own::read(path, &text).map_err(Failure::from)
    };
    Ok(Selection {
        policies: parsed(&names, Policy::parse)?,
        own: files
            .into_iter()
            .map(read)
            .collect::<Result<_, Failure>>()?,
        drivers: parsed(&args.driver, Driver::parse)?,
        callsites: parsed(&args.callsites, Callsites::parse)?,
        sizes: Sizes {
            pages: args.pages,
            devices: args.devices,
            fsyncs: args.fsyncs,
            cpus: args.cpus,
        },
    })
}

fn table_options(common: &Common, args: &Model) -> Result<TableOptions, Failure> {
    let Selection {
        policies,
        drivers,
        callsites,
        own,
        ..
    } = selection(args)?;
    if !own.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "a policy of one's own goes through scenarios, and `table` is of the named ones",
        )
        .hint("cargo xtask model S4 --policy FILE.toml"));
    }
    let or_all = |empty: bool| empty.then_some(());
    Ok(TableOptions {
        policies: or_all(policies.is_empty()).map_or(policies, |()| Policy::ALL.to_vec()),
        drivers: or_all(drivers.is_empty()).map_or(drivers, |()| Driver::ALL.to_vec()),
        callsites: or_all(callsites.is_empty()).map_or(callsites, |()| Callsites::ALL.to_vec()),
        jobs: common.jobs.map_or(0, Into::into),
    })
}

/// What has a page too.
fn shown(
    common: &Common,
    args: &Model,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
    page: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match args.format {
        ModelFormat::Html if !common.json => show(common, value, page),
        _ => show(common, value, text),
    }
}

fn show(
    common: &Common,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let output = common.output.as_deref();
    if common.json {
        deliver_json(output, value)
    } else {
        deliver(output, |to| Ok(to.write_all(text().as_bytes())?))
    }
}
