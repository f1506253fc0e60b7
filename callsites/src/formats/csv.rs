// SPDX-License-Identifier: MIT OR Apache-2.0
//! Comma-separated values as RFC 4180 has them: a heading, then one record a callsite, then one a finding.

use super::words;
use crate::report::Report;
use page::visible;
use std::io;

const HEADING: [&str; 18] = [
    "record",
    "id",
    "path",
    "line",
    "column",
    "function",
    "call",
    "role",
    "verdict",
    "case",
    "confidence",
    "group",
    "replacement",
    "shape",
    "guards",
    "origins",
    "severity",
    "text",
];

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    record(&HEADING.map(str::to_owned), out)?;
    for site in &report.callsites {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let fields = [
            "callsite".to_owned(),
            site.id.clone(),
            site.path.clone(),
            site.line.to_string(),
            site.column.to_string(),
            site.function.clone(),
            site.call.clone(),
            words::role(site.role).to_owned(),
            words::verdict(site.verdict).to_owned(),
            site.case.map(|n| n.to_string()).unwrap_or_default(),
            format!("{:?}", site.confidence).to_lowercase(),
            text(&site.group),
            text(&site.replacement),
            text(&site.shape),
            site.guards.join("; "),
            site.origins.join("; "),
            String::new(),
            site.reason.clone(),
        ];
        record(&fields, out)?;
    }
    for finding in &report.findings {
        let mut fields: [String; 18] = Default::default();
        fields[0] = "finding".to_owned();
        fields[1] = format!("{} {}", finding.rule, finding.name);
        fields[2].clone_from(&finding.path);
        fields[3] = finding.line.to_string();
        fields[5].clone_from(&finding.function);
        fields[16] = words::severity(finding.severity).to_owned();
        fields[17].clone_from(&finding.message);
        record(&fields, out)?;
    }
    Ok(())
}

fn record(fields: &[String], out: &mut dyn io::Write) -> io::Result<()> {
    let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
    write!(out, "{}\r\n", quoted.join(","))
}

/// What a sheet takes for the beginning of a formula; the wide forms are those of East Asian keyboards.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A field as it is written. What a sheet would take for a formula has an apostrophe before it.
fn quote(field: &str) -> String {
    let field = &match field.starts_with(FORMULA) {
        true => format!("'{}", visible(field, &[])),
        false => visible(field, &[]).into_owned(),
    };
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_field_with_a_quote_or_a_comma_is_quoted_and_its_quotes_doubled() {
        assert_eq!(quote("put_page"), "put_page");
        assert_eq!(quote("a, b"), "\"a, b\"");
        assert_eq!(quote("say \"pin\""), "\"say \"\"pin\"\"\"");
        assert_eq!(quote("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn a_field_is_no_formula_and_moves_no_cursor() {
        assert_eq!(quote("=1+1.c"), "'=1+1.c");
        assert_eq!(quote("@SUM"), "'@SUM");
        assert_eq!(quote("＝1+1"), "'＝1+1");
        assert_eq!(quote("a\x1b[31mb"), "a\\u{1b}[31mb");
    }
}
