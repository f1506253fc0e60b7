// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts of strangers in every field of a report, in every format: each stays the text of its field.

use crate::formats::report;
use callsites::formats::{Format, visible::hidden, write};
use callsites::report::Report;
use serde_json::Value;

/// Texts that act where they are not escaped, forge a line, a record or a place, or move a cursor.
const HOSTILE: &[&str] = &[
    "</script><script>hit()</script>",
    "<!--<script>",
    "a.c:1:1: warning: forged\nb.c:2:2: error: forged",
    "\"\",\"\"\r\ncallsite,forged",
    "=HYPERLINK(\"x\";\"y\")",
    "+1+1",
    "-1+1|cmd",
    "@SUM(A1)",
    "\t=1",
    "＝1+1",
    "../../../etc/passwd?a#b%2e",
    "file://host/a b",
    "\u{1b}[2J\u{1b}]8;;x\u{7}\u{9b}31m",
    "\u{202e}live\u{2066}\u{2028}\u{2029}\u{0}\u{ffff}\u{7f}",
    "group 000000000000  forged, convertible\n  convert forged.c:1",
    "",
];

/// A copy of `value` with `text` in place of every string that no reader holds to a form.
fn with(value: &Value, text: &str) -> Value {
    const FORMS: [&str; 12] = [
        "schema",
        "era",
        "role",
        "verdict",
        "confidence",
        "severity",
        "when",
        "group",
        "id",
        "acquires",
        "releases",
        "dirties",
    ];
    match value {
        Value::String(_) => text.into(),
        Value::Array(all) => all.iter().map(|one| with(one, text)).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| match FORMS.contains(&name.as_str()) {
                true => (name.clone(), value.clone()),
                false => (name.clone(), with(value, text)),
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn strange(text: &str) -> Report {
    let value = serde_json::to_value(report()).unwrap();
    serde_json::from_value(with(&value, text)).unwrap()
}

fn in_format(report: &Report, format: Format) -> String {
    let mut bytes = Vec::new();
    write(report, format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The records of a file as RFC 4180 has them.
fn records(csv: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, csv.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {
                chars.next();
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    assert!(record.is_empty() && field.is_empty() && !quoted, "{csv}");
    records
}

/// Every address in a SARIF log.
fn addresses(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| addresses(one, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "uri" => found.push(text.clone()),
                    other => addresses(other, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn no_text_of_a_stranger_makes_a_line_a_record_a_formula_or_an_address() {
    let harmless = strange("harmless");
    for text in HOSTILE {
        let hostile = strange(text);
        for format in [
            Format::Text,
            Format::Findings,
            Format::Summary,
            Format::Quickfix,
        ] {
            let (found, wanted) = (in_format(&hostile, format), in_format(&harmless, format));
            assert_eq!(
                found.lines().count(),
                wanted.lines().count(),
                "{text:?}: {found}"
            );
            assert_eq!(
                found.chars().find(|c| hidden(*c)),
                None,
                "{text:?}: {found}"
            );
        }
        let csv = in_format(&hostile, Format::Csv);
        let (found, wanted) = (records(&csv), records(&in_format(&harmless, Format::Csv)));
        let width = |records: &[Vec<String>]| records.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(width(&found), width(&wanted), "{text:?}: {csv}");
        for field in found.iter().flatten() {
            let formula =
                field.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
            assert!(!formula, "{text:?}: {field}");
        }
        let sarif = in_format(&hostile, Format::Sarif);
        let log: Value = serde_json::from_str(&sarif).unwrap();
        let results = |log: &Value| log["runs"][0]["results"].as_array().unwrap().len();
        let of_harmless: Value =
            serde_json::from_str(&in_format(&harmless, Format::Sarif)).unwrap();
        assert_eq!(results(&log), results(&of_harmless), "{text:?}");
        let mut found = Vec::new();
        addresses(&log, &mut found);
        for address in found {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/,+@%:".contains(&byte);
            assert!(address.bytes().all(plain), "{text:?}: {address}");
        }
        for format in [Format::Csv, Format::Sarif, Format::Json, Format::Html] {
            let written = in_format(&hostile, format);
            let found = written.chars().find(|c| hidden(*c) && *c != '\r');
            assert_eq!(found, None, "{text:?} in {format}");
        }
        let again: Report = serde_json::from_str(&in_format(&hostile, Format::Json)).unwrap();
        assert_eq!(again, hostile, "JSON gives back what went in");
    }
}
