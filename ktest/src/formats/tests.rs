// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts of every kind, written and read again.

use super::*;
use crate::verdict::{Boot, Build, Exercise, NotRun, Pins, Splat, Subtest, Target, summarise};

fn stage(subject: &str, target: Target) -> Stage {
    let build = Build {
        new_warnings: vec!["d/a.c: unused variable [-Wunused-variable]".into()],
        uncompared_warnings: vec!["i/a.h: odd [-Wodd]".into()],
        seconds: 2.5,
        ..Build::of(Outcome::Pass, None)
    };
    Stage {
        subject: subject.into(),
        targets: vec![target],
        ..Stage::new(0, build)
    }
}

fn target(result: Outcome, pins: Pins, reason: Option<&str>) -> Target {
    let subtest = |name: &str, result, reason: Option<&str>| Subtest {
        name: name.into(),
        result,
        reason: reason.map(Into::into),
        seconds: 0.25,
        pins: Some(pins),
        drift: None,
        inner: None,
    };
    Target {
        result,
        reason: reason.map(Into::into),
        subtests: vec![
            subtest("notify", result, reason),
            subtest("huge", Outcome::Skip, Some("no huge pages")),
        ],
        pins: Some(pins),
        drift_pages: Some(0),
        ..Target::named("vmci")
    }
}

pub(super) fn verdict() -> Verdict {
    let base = stage("Linux 6.12", target(Outcome::Pass, Pins::new(0, 0), None));
    let reason = Some("pins acquired 1, released 0");
    let mut bad = target(Outcome::Fail, Pins::new(1, 0), reason);
    bad.splats.push(Splat {
        kind: "warning".into(),
        first_line: "WARNING: CPU: 0 PID: 1 at mm/gup.c:84 f".into(),
        console_line: 300,
        function: Some("f".into()),
        trace: vec!["g".into()],
        times: 3,
    });
    summarise("0001-abcd", base, vec![stage("misc: pin pages", bad)])
}

fn written(format: Format) -> String {
    let mut bytes = Vec::new();
    write(&verdict(), format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn people_read_the_imbalance_and_the_first_bad_patch() {
    insta::assert_snapshot!(written(Format::Text));
}

#[test]
fn ktap_nests_subtests_in_targets_in_kernels() {
    insta::assert_snapshot!(written(Format::Ktap));
}

#[test]
fn junit_has_a_case_with_class_and_time_for_each_leaf() {
    let xml = written(Format::Junit);
    assert!(
        xml.contains("tests=\"13\" failures=\"5\" errors=\"0\""),
        "{xml}"
    );
    assert!(
        xml.contains("<skipped message=\"no huge pages\" type=\"skip\"/>"),
        "{xml}"
    );
    let notify = "<testcase classname=\"misc: pin pages.vmci\" name=\"notify\" time=\"0.250\"";
    assert!(xml.contains(notify), "{xml}");
    assert!(
        xml.contains("<system-out>console:300: warning: WARNING: CPU: 0"),
        "{xml}"
    );
}

/// Every way a run can end, and whether it may be read as a pass.
fn endings() -> Vec<(&'static str, Verdict)> {
    let good = || target(Outcome::Pass, Pins::new(1, 1), None);
    let base = || stage("Linux 6.12", good());
    let of = |bad: Stage| summarise("0001-abcd", base(), vec![bad]);
    let with = |result, reason: &str| {
        of(stage(
            "patch",
            Target {
                result,
                reason: Some(reason.into()),
                ..good()
            },
        ))
    };
    let mut boot = stage("patch", good());
    boot.boot = Some(Boot {
        result: Outcome::Fail,
        reason: Some("console while booting".into()),
        taint: 0,
        splats: Vec::new(),
    });
    let mut idle = stage("patch", good());
    let not_run = NotRun {
        function: "a.c:f".into(),
        why: None,
    };
    idle.exercise = Some(Exercise::new(Vec::new(), vec![not_run], Vec::new()));
    let mut unbuilt = stage("patch", good());
    unbuilt.build = Build::of(Outcome::Fail, Some("a.c: error".into()));
    unbuilt.targets.clear();
    let nothing = Target {
        subtests: Vec::new(),
        pins: None,
        ..Target::named("vmci")
    };
    let skipped = Target {
        result: Outcome::Skip,
        reason: Some("no device".into()),
        ..nothing.clone()
    };
    vec![
        ("pass", of(stage("patch", good()))),
        (
            "pins",
            of(stage(
                "patch",
                Target {
                    pins: Some(Pins::new(2, 1)),
                    result: Outcome::Fail,
                    ..good()
                },
            )),
        ),
        ("splat", with(Outcome::Fail, "warning while it ran")),
        ("drift", with(Outcome::Fail, "31 free pages gone")),
        ("crash", with(Outcome::Crash, "kernel BUG at mm/gup.c:1!")),
        ("timeout", with(Outcome::Timeout, "the guest hung in it")),
        ("inconclusive", of(stage("patch", nothing))),
        ("skip", of(stage("patch", skipped))),
        ("boot", of(boot)),
        ("not exercised", of(idle)),
        ("unbuilt", of(unbuilt)),
    ]
}

#[test]
fn a_reader_that_counts_leaves_comes_to_the_same_result() {
    for (what, verdict) in endings() {
        let passes = verdict.result == Outcome::Pass;
        assert_eq!(passes, what == "pass", "{what}: {}", verdict.reason);
        let text = ktap::ktap(&verdict);
        // A leaf is a result line that no line of a group before it, indented further, belongs to; each bad group has a
        // bad leaf.
        let bad = |line: &&str| line.trim_start().starts_with("not ok ");
        let bad_leaves = text
            .lines()
            .filter(bad)
            .filter(|line| line.starts_with("    ") || line.contains(" verdict # "));
        assert_eq!(bad_leaves.count() == 0, passes, "{what}\n{text}");
        let xml = junit::junit(&verdict, stages(&verdict)).unwrap();
        let head = xml
            .lines()
            .find(|line| line.contains("<testsuites"))
            .unwrap();
        let none = head.contains("failures=\"0\" errors=\"0\"");
        assert!(!head.contains("skipped="), "no schema has it there: {head}");
        assert_eq!(none, passes, "{what}: {head}");
    }
}

#[test]
fn plans_names_and_numbers_are_those_that_readers_of_ktap_ask_for() {
    for (what, verdict) in endings() {
        let text = ktap::ktap(&verdict);
        let mut open: Vec<(usize, usize, usize, Option<String>)> = Vec::new();
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.trim_start().splitn(3, ' ').collect();
            if line.trim_start() == "KTAP version 1" {
                open.push((depth, 0, 0, None));
            } else if let Some(name) = line.trim_start().strip_prefix("# Subtest: ") {
                open.last_mut().unwrap().3 = Some(name.to_owned());
            } else if let Some(plan) = line.trim_start().strip_prefix("1..") {
                open.last_mut().unwrap().1 = plan.parse().unwrap();
                assert_ne!(plan, "0", "{what}");
            } else if let Some(rest) = line
                .trim_start()
                .strip_prefix("not ok ")
                .or(line.trim_start().strip_prefix("ok "))
            {
                let (number, name) = rest.split_once(' ').unwrap();
                let last = open.last().unwrap();
                if last.0 == depth + 2 {
                    let (_, planned, done, own) = open.pop().unwrap();
                    assert_eq!(planned, done, "{what}");
                    assert_eq!(own.as_deref(), name.split(" # ").next(), "{what}");
                }
                let group = open.last_mut().unwrap();
                group.2 += 1;
                assert_eq!(number, group.2.to_string(), "{what}: {line}");
            } else {
                assert!(words[0].is_empty() || words[0] == "#", "{what}: {line}");
            }
        }
        let (_, planned, done, _) = open.pop().unwrap();
        assert!(open.is_empty() && planned == done, "{what}");
    }
}

/// An element's name, its attributes, and the element that it stands in.
type Element = (String, Vec<(String, String)>, Option<String>);

fn elements(xml: &str) -> Vec<Element> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut open, mut all): (Vec<String>, Vec<Element>) = (Vec::new(), Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Eof => return all,
            Event::End(_) => drop(open.pop()),
            Event::Start(tag) | Event::Empty(tag) => {
                let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let attributes = tag.attributes().map(|one| one.unwrap());
                let attributes =
                    attributes.map(|one| (string(one.key.as_ref()), string(&one.value)));
                let name = string(tag.name().as_ref());
                all.push((name.clone(), attributes.collect(), open.last().cloned()));
                if !is_empty {
                    open.push(name);
                }
            }
            _ => {}
        }
    }
}

/// The rules of the schema of Jenkins' xunit plugin (junit-10.xsd) for the elements that are used here.
#[test]
fn every_ending_has_the_form_that_the_schema_of_junit_asks_for() {
    let outcomes = ["skipped", "error", "failure"];
    for (what, verdict) in endings() {
        let xml = junit::junit(&verdict, stages(&verdict)).unwrap();
        let all = elements(&xml);
        for (name, attributes, inside) in &all {
            // Inside of which it may stand; attributes that it must have, and others that it may have.
            let (parent, must, may): (_, &[&str], &[&str]) = match name.as_str() {
                "testsuites" => (None, &[], &["name", "time", "tests", "failures", "errors"]),
                "testsuite" => (
                    Some("testsuites"),
                    &["name", "tests"],
                    &["failures", "errors", "skipped", "time"],
                ),
                "testcase" => (Some("testsuite"), &["name"], &["classname", "time"]),
                "system-out" => (Some("testcase"), &[], &[]),
                other if outcomes.contains(&other) => (Some("testcase"), &[], &["message", "type"]),
                other => panic!("{what}: {other}"),
            };
            assert_eq!(inside.as_deref(), parent, "{what}: {name}");
            let has = |key: &&str| attributes.iter().any(|(name, _)| name == key);
            assert!(must.iter().all(has), "{what}: {name} {attributes:?}");
            for (key, value) in attributes {
                let known = must.iter().chain(may).any(|one| one == key);
                assert!(known, "{what}: {name} has no {key}");
                let is_number = match key.as_str() {
                    "time" => value.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0),
                    "tests" | "failures" | "errors" | "skipped" => value.parse::<u32>().is_ok(),
                    _ => true,
                };
                assert!(is_number, "{what}: {name} {key}={value}");
            }
        }
        let count = |name: &str| all.iter().filter(|(of, _, _)| of == name).count();
        let head = &all[0].1;
        for (key, element) in [
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
        ] {
            let said = head.iter().find(|(name, _)| name == key).unwrap();
            assert_eq!(said.1, count(element).to_string(), "{what}: {key}");
        }
    }
}

/// The tree's own reader, where one is named.
#[test]
#[ignore = "needs python3 and KTEST_TREE, a kernel tree with tools/testing/kunit"]
fn kunit_py_agrees() {
    let tree = std::env::var("KTEST_TREE").expect("KTEST_TREE names a kernel tree");
    for (what, verdict) in endings() {
        let program = "import sys\nsys.path.insert(0, sys.argv[1] + '/tools/testing/kunit')\nimport kunit_parser\n\
            try:\n    test = kunit_parser.parse_run_tests(sys.stdin)\nexcept TypeError:\n    from kunit_printer import stdout\n    test = kunit_parser.parse_run_tests(sys.stdin, stdout)\n\
            sys.exit(0 if test.ok_status() and not test.counts.errors else 1)\n";
        let read = proc::Command::new("python3")
            .args(["-c", program, &tree])
            .stdin(ktap::ktap(&verdict))
            .run_unchecked()
            .unwrap();
        let said = read.stdout_text();
        assert_eq!(
            read.success(),
            verdict.result == Outcome::Pass,
            "{what}\n{said}"
        );
    }
}

#[test]
fn hostile_names_stay_names() {
    let mut verdict = verdict();
    let evil = "</testcase>\u{1b}[2J\nok 1 # SKIP ]]>&";
    verdict.patches[0].subject = evil.into();
    verdict.patches[0].targets[0].subtests[0].name = evil.into();
    verdict.patches[0].targets[0].subtests[0].seconds = f64::INFINITY;
    verdict.patches[0].targets[0].reason = Some(evil.into());
    for format in [Format::Junit, Format::Ktap] {
        let mut bytes = Vec::new();
        write(&verdict, format, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        match format {
            Format::Junit => {
                assert!(!text.contains("</testcase>\u{1b}") && !text.contains("name=\"</testcase>"))
            }
            _ => assert!(!text.lines().any(|line| line.starts_with("ok 1 # SKIP"))),
        }
    }
}

#[test]
fn json_keeps_the_contracts_names() {
    let value: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
    assert_eq!(value["schema"], "verdict/1");
    assert_eq!(value["result"], "fail");
    assert_eq!(value["first_bad"], "misc: pin pages");
    let target = &value["patches"][0]["targets"][0];
    assert_eq!(target["pins"]["acquired"], 1);
    assert_eq!(target["pins"]["balanced"], false);
    assert_eq!(target["subtests"][1]["result"], "skip");
    assert_eq!(target["splats"][0]["console_line"], 300);
}
