// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fuzz` finds nothing, says what it has run, and runs the same again.

use crate::sandbox::Sandbox;
use serde_json::Value;

#[test]
fn a_few_cases_of_every_kind_end_well_and_are_counted() {
    let sandbox = Sandbox::new();
    let words = [
        "fuzz", "--files", "17", "--series", "4", "--guest", "21", "-j2", "-q", "--json",
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(
        outcome.code,
        Some(0),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(value["schema"], "fuzz/1");
    assert_eq!(value["finds"], Value::Array(Vec::new()));
    let kinds: Vec<(&str, u64)> = value["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let cases = kind["tally"]["cases"].as_u64().unwrap();
            assert!(kind["tally"]["peak_mib"].as_f64().unwrap() > 1.0);
            (kind["kind"].as_str().unwrap(), cases)
        })
        .collect();
    let expected = [
        ("whole", 5),
        ("guest", 21),
        ("runs", 4),
        ("series", 4),
        ("files", 17),
    ];
    assert_eq!(kinds, expected);
    let whole = value["kinds"][0]["tally"]["whole"].as_array().unwrap();
    assert_eq!(whole.len(), 5);
    assert!(
        whole
            .iter()
            .all(|whole| whole["callsites"].as_u64() > Some(20))
    );
}

#[test]
fn what_a_worker_cannot_read_is_usage() {
    let outcome = Sandbox::new().run(&["fuzz", "--worker", "{}"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
}
