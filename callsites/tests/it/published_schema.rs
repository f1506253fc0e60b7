// SPDX-License-Identifier: MIT OR Apache-2.0
//! The logs of audits, validated against the JSON schema of SARIF 2.1.0 that OASIS publishes.
//!
//! The schema is not kept here: its licence is not ours. SARIF_SCHEMA names the file,
//! `sarif-2.1/schema/sarif-schema-2.1.0.json` of the repository oasis-tcs/sarif-spec. The validator knows the keywords of JSON
//! Schema draft 4 that this schema uses, and refuses a schema with another one.

use callsites::formats::{Format, write};
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use regex::Regex;
use serde_json::{Value, json};

/// Keywords that say nothing of what is valid; `format` is an annotation.
const TALK: [&str; 8] = [
    "$schema",
    "title",
    "id",
    "$id",
    "description",
    "default",
    "definitions",
    "format",
];

/// Where a value is not as its schema wants it.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        panic!("{at}: a schema is an object");
    };
    for (keyword, wanted) in keywords {
        let mut fault = |why: String| faults.push(format!("{at}: {keyword}: {why}"));
        let number = wanted.as_f64();
        match (keyword.as_str(), value) {
            (word, _) if TALK.contains(&word) => {}
            ("$ref", _) => {
                let name = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = root.pointer(name).unwrap();
                self::faults(root, schema, value, at, faults);
            }
            ("type", _) => {
                let one = std::slice::from_ref(wanted);
                let types = wanted.as_array().map_or(one, Vec::as_slice);
                if !types.iter().any(|name| is(name.as_str().unwrap(), value)) {
                    fault(format!("{value} is no {wanted}"));
                }
            }
            ("enum", _) => {
                if !wanted.as_array().unwrap().contains(value) {
                    fault(format!("{value} is none of {wanted}"));
                }
            }
            ("anyOf" | "oneOf", _) => {
                let fits = |schema: &&Value| {
                    let mut found = Vec::new();
                    self::faults(root, schema, value, at, &mut found);
                    found.is_empty()
                };
                let count = wanted.as_array().unwrap().iter().filter(fits).count();
                if count == 0 || (keyword == "oneOf" && count > 1) {
                    fault(format!("{count} fit"));
                }
            }
            ("required", Value::Object(fields)) => {
                for name in wanted.as_array().unwrap() {
                    if !fields.contains_key(name.as_str().unwrap()) {
                        fault(format!("{name} is missing"));
                    }
                }
            }
            ("properties", Value::Object(fields)) => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(value) = fields.get(name) {
                        self::faults(root, schema, value, &format!("{at}/{name}"), faults);
                    }
                }
            }
            ("additionalProperties", Value::Object(fields)) => {
                let known = keywords.get("properties").and_then(Value::as_object);
                let others = fields
                    .iter()
                    .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
                for (name, value) in others {
                    match wanted {
                        Value::Bool(true) => {}
                        Value::Bool(false) => faults.push(format!("{at}: {name} is not known")),
                        schema => {
                            self::faults(root, schema, value, &format!("{at}/{name}"), faults);
                        }
                    }
                }
            }
            ("items", Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    self::faults(root, wanted, item, &format!("{at}/{n}"), faults);
                }
            }
            ("minItems", Value::Array(items)) => {
                if items.len() < usize::try_from(wanted.as_u64().unwrap()).unwrap() {
                    fault(format!("only {}", items.len()));
                }
            }
            ("uniqueItems", Value::Array(items)) => {
                let again = |n: usize| items[..n].contains(&items[n]);
                if wanted == true && (0..items.len()).any(again) {
                    fault("one is there twice".into());
                }
            }
            ("minimum", Value::Number(_)) => {
                if value.as_f64() < number {
                    fault(format!("{value}"));
                }
            }
            ("maximum", Value::Number(_)) => {
                if value.as_f64() > number {
                    fault(format!("{value}"));
                }
            }
            ("pattern", Value::String(text)) => {
                if !Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text) {
                    fault(format!("`{text}`"));
                }
            }
            // They are about values of another type.
            (
                "required"
                | "properties"
                | "additionalProperties"
                | "items"
                | "minItems"
                | "uniqueItems"
                | "minimum"
                | "maximum"
                | "pattern",
                _,
            ) => {}
            (other, _) => panic!("{at}: this validator does not know `{other}`"),
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("there is no type `{other}`"),
    }
}

fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    faults(schema, schema, value, "", &mut found);
    found
}

/// The log of an audit.
pub(crate) fn log(report: &Report) -> Value {
    let mut out = Vec::new();
    write(report, Format::Sarif, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The audits of the trees that come with the program: findings, groups of every kind.
pub(crate) fn audits() -> [Report; 2] {
    [Era::Pin, Era::PutUserPage].map(|era| {
        let report = audit(&Tree::embedded(era), &AuditOptions::default()).unwrap();
        assert!(!report.findings.is_empty());
        report
    })
}

#[test]
#[ignore = "it needs the schema that OASIS publishes, in SARIF_SCHEMA"]
fn every_log_is_valid_by_the_schema_that_oasis_publishes() {
    let path = std::env::var("SARIF_SCHEMA").unwrap();
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for report in audits() {
        let good = log(&report);
        assert_eq!(check(&schema, &good), [] as [String; 0]);
        for (pointer, spoilt) in [
            ("/version", json!("2.0.0")),
            ("/runs/0/results/0/level", json!("fatal")),
            ("/runs/0/results/0/message", json!("text")),
            (
                "/runs/0/results/0/locations/0/physicalLocation/region/startLine",
                json!(0),
            ),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = spoilt;
            assert!(!check(&schema, &bad).is_empty(), "{pointer}");
        }
        let mut bad = good.clone();
        bad["runs"][0]["results"][0]["colour"] = json!("red");
        assert!(!check(&schema, &bad).is_empty());
    }
}

#[test]
fn the_validator_finds_what_a_schema_forbids() {
    let schema = json!({
        "definitions": { "name": { "type": "string", "pattern": "^[a-z]+$" } },
        "type": "object",
        "required": ["a"],
        "additionalProperties": false,
        "properties": {
            "a": { "$ref": "#/definitions/name" },
            "b": { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "integer", "minimum": 0, "maximum": 9 } },
            "c": { "oneOf": [{ "enum": ["x"] }, { "type": "null" }] },
        },
    });
    let good = json!({ "a": "q", "b": [1, 2], "c": null });
    assert_eq!(check(&schema, &good), [] as [String; 0]);
    for bad in [
        json!([]),
        json!({}),
        json!({ "a": "Q" }),
        json!({ "a": 1 }),
        json!({ "a": "q", "d": 1 }),
        json!({ "a": "q", "b": [] }),
        json!({ "a": "q", "b": [1, 1] }),
        json!({ "a": "q", "b": [-1] }),
        json!({ "a": "q", "b": [10] }),
        json!({ "a": "q", "b": [1.5] }),
        json!({ "a": "q", "c": "y" }),
    ] {
        assert!(!check(&schema, &bad).is_empty(), "{bad}");
    }
}

#[test]
fn every_log_is_one_that_github_takes_and_shows() {
    for report in audits() {
        let good = log(&report);
        crate::sarif_schema::check(&good).unwrap();
        crate::sarif_schema::check_for_github(&good).unwrap();
        for (pointer, spoilt) in [
            ("/runs/0/tool/driver/rules/0/help/text", json!("")),
            (
                "/runs/0/tool/driver/rules/0/fullDescription/text",
                json!("x".repeat(1025)),
            ),
            ("/runs/0/results/0/partialFingerprints", json!({})),
            ("/runs/0/results/0/locations", json!([])),
            (
                "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri",
                json!("/a.c"),
            ),
            (
                "/runs/0/results/0/locations/0/physicalLocation/region/endColumn",
                json!(null),
            ),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = spoilt;
            assert!(
                crate::sarif_schema::check_for_github(&bad).is_err(),
                "{pointer}"
            );
        }
    }
}
