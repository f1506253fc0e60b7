// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every figure in docs/model.md and docs/thread.md is printed by the command above it.
//!
//! A console block begins with `$ cargo xtask model …` and holds all that the command prints. To renew the blocks after a change
//! of the model, run the test with UPDATE_DOCS=1 and read the difference.

use std::path::PathBuf;

use refimpl::model::{
    Callsites, Driver, GrowthOptions, Own, Policy, Selection, TableOptions, growth, mutants,
    render, run, scenario, scenarios, table,
};

/// What the command prints, by the same library calls that the verb makes.
fn output(command: &str) -> String {
    let mut words = command.split_whitespace();
    let mut names = Vec::new();
    let mut own = Selection::OWN;
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value after the flag");
        match word {
            "--policy" => match value() {
                file if file.ends_with(".toml") => {
                    let text = std::fs::read_to_string(root().join(file)).expect("a file");
                    own.own
                        .push(Own::read(file, &text).expect("a policy of one's own"));
                }
                name => own.policies.push(Policy::parse(name).expect("a policy")),
            },
            "--driver" => own.drivers.push(Driver::parse(value()).expect("a driver")),
            "--callsites" => own
                .callsites
                .push(Callsites::parse(value()).expect("callsites")),
            "--cpus" => own.sizes.cpus = Some(value().parse().expect("a count")),
            flag if flag.starts_with("--") => flags.push(flag),
            name => names.push(name),
        }
    }
    match names.as_slice() {
        ["table"] if flags.contains(&"--growth") => {
            render::growth(&growth(&GrowthOptions::STANDARD).expect("the standard sizes fit"))
        }
        ["table"] => {
            let Selection {
                policies,
                drivers,
                callsites,
                ..
            } = own;
            render::table(
                &table(&TableOptions {
                    policies,
                    drivers,
                    callsites,
                    jobs: 2,
                })
                .expect("the base model fits"),
            )
        }
        ["mutants"] => render::mutants(&mutants().expect("mutants fit")),
        ["list"] => render::listing(&scenarios()),
        names => {
            let chosen: Vec<_> = names
                .iter()
                .map(|name| scenario(name).expect("a scenario"))
                .collect();
            render::report(
                &run(&chosen, &own).expect("scenarios fit"),
                flags.contains(&"--trace"),
            )
        }
    }
}

/// The document with every block's output computed anew.
fn renewed(text: &str) -> (String, usize) {
    let mut fresh = String::new();
    let mut blocks = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        if let Some(command) = line.strip_prefix("$ cargo xtask model ") {
            blocks += 1;
            fresh.push_str(&output(command));
            fresh.push_str("```\n");
            lines
                .by_ref()
                .find(|line| *line == "```")
                .expect("a block ends");
        }
    }
    (fresh, blocks)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn check(name: &str, least: usize) {
    let path = root().join("docs").join(name);
    let text = std::fs::read_to_string(&path).expect("the document exists");
    let (fresh, blocks) = renewed(&text);
    assert!(blocks >= least, "{name} has {blocks} blocks");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &fresh).expect("the document can be written");
    } else {
        assert!(
            fresh == text,
            "{name} shows what the model no longer prints; run with UPDATE_DOCS=1"
        );
    }
}

#[test]
fn the_answers_to_the_thread_are_what_the_model_prints() {
    check("thread.md", 8);
}

#[test]
fn the_page_about_the_model_shows_what_the_model_prints() {
    check("model.md", 4);
}

#[test]
fn a_block_that_shows_something_else_is_noticed() {
    let text = "```console\n$ cargo xtask model S7a\nwait, never  1 state  holds\n```\n";
    assert_ne!(renewed(text).0, text);
}

#[test]
fn every_mutant_that_the_page_names_is_a_test() {
    let page = include_str!("../../../docs/model.md");
    let tests = include_str!("mutants.rs");
    let table = page.split("| mistake | noticed by |\n|---|---|\n").nth(1);
    let rows = table
        .expect("the table")
        .lines()
        .take_while(|line| line.starts_with('|'));
    let named: Vec<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        let is_test = tests.contains(&format!("fn {name}()"));
        let mut killed = page.lines().filter(|line| line.starts_with("killed "));
        let is_explored = killed.any(|line| line.contains(&format!(": {name} ")));
        assert!(
            is_test || is_explored,
            "{name} is neither a test nor killed by the explorer"
        );
    }
}

/// What a reader copies from the page is the file that the example runs.
#[test]
fn the_page_shows_the_file_of_its_example() {
    let file =
        std::fs::read_to_string(root().join("refimpl/examples/policies/lease-with-deadline.toml"));
    let file = file.expect("the example");
    let shown = file.split_once("\n#\n").expect("a licence first").1;
    let page = include_str!("../../../docs/model.md");
    assert!(page.contains(&format!("```toml\n{shown}```\n")), "{shown}");
}
