// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts of strangers in every field of a verdict, in every format: each stays the text of its field.

use super::tests::verdict;
use super::*;
use quick_xml::events::Event;
use serde_json::Value;

/// Texts that act where they are not escaped, forge a line or a result, or move a cursor.
const HOSTILE: &[&str] = &[
    "</testcase></testsuite><testsuite name=\"forged\"><testcase name=\"ok\"/>",
    "]]></system-out><![CDATA[<failure/>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;",
    "\" message=\"\" type=\"",
    "a\nok 1 forged\nnot ok 2 forged",
    "a # SKIP no reason",
    "\n    KTAP version 1\n    1..0\n",
    "a\r\nBail out!",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m",
    "\u{202e}live\u{2066}\u{2028}\u{2029}\u{0}\u{ffff}\u{7f}",
    "pass: 9 target(s) passed, 0 skipped\nrun 0001-forged",
    "",
    " \t ",
];

/// A copy of `value` with `text` in place of every string that no reader holds to a form.
fn with(value: &Value, text: &str) -> Value {
    match value {
        Value::String(_) => text.into(),
        Value::Array(all) => all.iter().map(|one| with(one, text)).collect(),
        Value::Object(fields) => {
            let kept = ["schema", "result", "evidence", "accelerator"];
            let field = |(name, value): (&String, &Value)| match kept.contains(&name.as_str()) {
                true => (name.clone(), value.clone()),
                false => (name.clone(), with(value, text)),
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn strange(text: &str) -> Verdict {
    let value = serde_json::to_value(verdict()).unwrap();
    serde_json::from_value(with(&value, text)).unwrap()
}

fn in_format(verdict: &Verdict, format: Format) -> String {
    let mut bytes = Vec::new();
    write(verdict, format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Names of elements and attributes in the order in which a parser meets them.
fn elements(xml: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return names,
            Event::Start(tag) | Event::Empty(tag) => {
                names.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned());
                names
                    .extend(tag.attributes().map(|one| {
                        String::from_utf8_lossy(one.unwrap().key.as_ref()).into_owned()
                    }));
            }
            Event::Decl(_) | Event::End(_) | Event::Text(_) | Event::GeneralRef(_) => {}
            other => panic!("{other:?} in {xml}"),
        }
    }
}

/// What a reader of KTAP sees of each line, without the names.
fn results(ktap: &str) -> Vec<String> {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.trim_start().split(' ').collect();
        let kind = match words.as_slice() {
            ["not", "ok", number, ..] => format!("not ok {number}"),
            ["ok", number, ..] => format!("ok {number}"),
            ["#", "Subtest:", ..] => "subtest".into(),
            ["#", ..] => "comment".into(),
            _ => line.trim_start().to_owned(),
        };
        let directive = line
            .split(" # ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        format!(
            "{indent} {kind} {}",
            directive
                .filter(|_| kind.contains("ok"))
                .unwrap_or_default()
        )
    };
    ktap.lines().map(line).collect()
}

#[test]
fn no_text_of_a_stranger_makes_an_element_a_result_or_a_line() {
    let harmless = strange("harmless");
    let of = |format| in_format(&harmless, format);
    for text in HOSTILE {
        let hostile = strange(text);
        let written = |format| in_format(&hostile, format);
        assert_eq!(
            elements(&written(Format::Junit)),
            elements(&of(Format::Junit)),
            "{text:?}"
        );
        assert_eq!(
            results(&written(Format::Ktap)),
            results(&of(Format::Ktap)),
            "{text:?}"
        );
        let lines = |text: &str| text.lines().count();
        assert_eq!(
            lines(&written(Format::Text)),
            lines(&of(Format::Text)),
            "{text:?}: {}",
            written(Format::Text)
        );
        for format in [Format::Junit, Format::Ktap, Format::Text, Format::Json] {
            let written = written(format);
            let hidden = written
                .chars()
                .find(|c| callsites::formats::visible::hidden(*c));
            assert_eq!(hidden, None, "{text:?} in {format:?}");
        }
        let again: Verdict = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(again, hostile, "JSON gives back what went in");
    }
}
