// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict as JUnit: a suite per kernel, a case for its build, for every target and for every subtest.
//!
//! The form is that of the schema which Jenkins, GitLab and GitHub's reporters share: counts on every suite and on the
//! whole, seconds as decimals, a non-empty `message` on whatever did not pass.

use super::leaves::{Leaf, groups, run};
use super::word;
use crate::verdict::{Outcome, Stage, Verdict};
use callsites::formats::visible::hidden;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

/// A test case: a leaf and the class that it stands in.
struct Case {
    class: String,
    leaf: Leaf,
}

/// How many cases there are of each kind.
#[derive(Default)]
struct Counts {
    tests: usize,
    skipped: usize,
    failures: usize,
    errors: usize,
}

/// Renders `verdict`, which covers the kernels `stages`.
///
/// # Errors
/// None in practice: memory is written to.
pub(super) fn junit<'a>(
    verdict: &Verdict,
    stages: impl Iterator<Item = &'a Stage>,
) -> io::Result<String> {
    let mut suites: Vec<(&str, Vec<Case>)> = stages
        .map(|stage| (&*stage.subject, cases(stage)))
        .collect();
    let whole = Case {
        class: "run".into(),
        leaf: run(verdict),
    };
    suites.push(("run", vec![whole]));
    let all = Counts::of(suites.iter().flat_map(|(_, cases)| cases));
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 4);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attribute(("name", &*text(&format!("ktest {}", verdict.run))))
        // A suite may say how many were skipped; the schema of Jenkins' xunit plugin (junit-10.xsd) does not have it of all suites.
        .with_attributes(
            all.attributes()
                .iter()
                .filter(|(key, _)| *key != "skipped")
                .map(|(key, n)| (*key, n.as_str())),
        )
        .write_inner_content(|writer| {
            for (subject, cases) in &suites {
                suite(writer, subject, cases)?;
            }
            Ok(())
        })?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn suite(writer: &mut Writer<Vec<u8>>, subject: &str, cases: &[Case]) -> io::Result<()> {
    let counts = Counts::of(cases.iter()).attributes();
    let seconds: f64 = cases.iter().map(Case::seconds).sum();
    writer
        .create_element("testsuite")
        .with_attribute(("name", &*text(subject)))
        .with_attributes(counts.iter().map(|(key, n)| (*key, n.as_str())))
        .with_attribute(("time", &*format!("{seconds:.3}")))
        .write_inner_content(|writer| cases.iter().try_for_each(|case| case.write(writer)))?;
    Ok(())
}

/// The cases of one kernel.
fn cases(stage: &Stage) -> Vec<Case> {
    let of = |group: super::leaves::Group| {
        let class = format!("{}.{}", stage.subject, group.name);
        let leaves = group.leaves.into_iter();
        leaves.map(move |leaf| Case {
            class: class.clone(),
            leaf,
        })
    };
    groups(stage).into_iter().flat_map(of).collect()
}

impl Case {
    /// A verdict that is read from a file may hold any number.
    fn seconds(&self) -> f64 {
        match self.leaf.seconds.is_finite() {
            true => self.leaf.seconds.max(0.0),
            false => 0.0,
        }
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let element = writer
            .create_element("testcase")
            .with_attribute(("classname", &*text(&self.class)))
            .with_attribute(("name", &*text(&self.leaf.name)))
            .with_attribute(("time", &*format!("{:.3}", self.seconds())));
        let kind = match self.leaf.result {
            Outcome::Pass => None,
            Outcome::Skip => Some("skipped"),
            Outcome::Fail => Some("failure"),
            Outcome::Inconclusive | Outcome::Crash | Outcome::Timeout => Some("error"),
        };
        if kind.is_none() && self.leaf.output.is_empty() {
            element.write_empty()?;
            return Ok(());
        }
        element.write_inner_content(|writer| {
            if let Some(kind) = kind {
                let reason = self.leaf.reason.as_deref().unwrap_or("no reason given");
                writer
                    .create_element(kind)
                    .with_attribute(("message", &*text(reason)))
                    .with_attribute(("type", &*word(self.leaf.result).to_lowercase()))
                    .write_empty()?;
            }
            if !self.leaf.output.is_empty() {
                let output = text(&self.leaf.output.join("\n"));
                writer
                    .create_element("system-out")
                    .write_text_content(BytesText::new(&output))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Counts {
    fn of<'a>(cases: impl Iterator<Item = &'a Case>) -> Counts {
        let mut counts = Counts::default();
        for case in cases {
            counts.tests += 1;
            match case.leaf.result {
                Outcome::Pass => {}
                Outcome::Skip => counts.skipped += 1,
                Outcome::Fail => counts.failures += 1,
                Outcome::Inconclusive | Outcome::Crash | Outcome::Timeout => counts.errors += 1,
            }
        }
        counts
    }

    fn attributes(&self) -> [(&'static str, String); 4] {
        [
            ("tests", self.tests.to_string()),
            ("skipped", self.skipped.to_string()),
            ("failures", self.failures.to_string()),
            ("errors", self.errors.to_string()),
        ]
    }
}

/// What XML 1.0 can hold and a terminal can show: a console may print any byte, and a control character makes a file that no
/// parser reads.
fn text(raw: &str) -> String {
    raw.chars()
        .map(|c| match c {
            c if hidden(c) => '\u{fffd}',
            '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => c,
            _ => '\u{fffd}',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced_and_what_it_reserves_is_escaped() {
        assert_eq!(
            text("a\u{1b}[31m\u{0}b\u{ffff}\t"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}\t"
        );
        let case = Case {
            class: "c".into(),
            leaf: Leaf {
                name: "<a href=\"x\">&\u{1b}".into(),
                result: Outcome::Fail,
                reason: Some("]]> </testcase>\nsecond".into()),
                seconds: f64::INFINITY,
                output: vec!["</system-out>".into()],
            },
        };
        let mut writer = Writer::new(Vec::new());
        case.write(&mut writer).unwrap();
        let xml = String::from_utf8(writer.into_inner()).unwrap();
        assert_eq!(xml.matches("</testcase>").count(), 1, "{xml}");
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) => {
                    names.extend(tag.attributes().map(|a| {
                        a.unwrap()
                            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                            .unwrap()
                            .into_owned()
                    }));
                }
                _ => {}
            }
        }
        assert_eq!(
            names,
            [
                "c",
                "<a href=\"x\">&\u{fffd}",
                "0.000",
                // A reader of XML takes a line break in an attribute for a blank.
                "]]> </testcase> second",
                "fail"
            ]
        );
    }
}
