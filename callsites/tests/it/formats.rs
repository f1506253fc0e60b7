// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every format of one small report, word for word.

use callsites::formats::{Format, write};
use callsites::index::ir::Span;
use callsites::report::*;

const PATH: &str = "drivers/misc/frobber/frobber.c";

fn site(id: &str, line: u32, call: &str, role: Role, verdict: Verdict) -> Callsite {
    Callsite {
        id: id.into(),
        path: PATH.into(),
        line,
        column: 9,
        function: "frob_map".into(),
        call: call.into(),
        role,
        verdict,
        case: None,
        confidence: Confidence::High,
        reason: "the pages come from get_user_pages_fast() in this function".into(),
        origins: vec![],
        group: Some("0a1b2c".into()),
        replacement: None,
        shape: None,
        guards: vec![],
        evidence: vec![],
        span: Span {
            start: 10 * line,
            end: 10 * line + 8,
        },
        edit: None,
    }
}

fn group(id: &str, acquires: &[&str], releases: &[&str], blocked_by: &[&str]) -> Group {
    let owned = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    Group {
        id: id.into(),
        subsystem: "drivers/misc/frobber".into(),
        acquires: owned(acquires),
        releases: owned(releases),
        dirties: vec![],
        convertible: blocked_by.is_empty(),
        blocked_by: owned(blocked_by),
        plan: Vec::new(),
    }
}

fn evidence(line: u32, text: &str) -> Evidence {
    Evidence {
        path: PATH.into(),
        line,
        text: text.into(),
    }
}

pub(crate) fn report() -> Report {
    let mut acquire = site(
        "a1",
        12,
        "get_user_pages_fast",
        Role::Acquire,
        Verdict::Convert,
    );
    acquire.case = Some(2);
    acquire.reason = "the device reads and writes the pages until user space unmaps them".into();
    acquire.replacement = Some("pin_user_pages_fast".into());
    acquire.guards = vec!["CONFIG_FROB".into()];
    let mut release = site("r1", 30, "put_page", Role::Release, Verdict::Convert);
    release.replacement = Some("unpin_user_pages_dirty_lock".into());
    release.shape = Some("loop-dirty-lock".into());
    release.origins = vec![format!("get_user_pages_fast {PATH}:12")];
    release.evidence = vec![
        evidence(12, "n = get_user_pages_fast(addr, n, 0, f->pages);"),
        evidence(30, "put_page(f->pages[i]);"),
    ];
    let mut keep = site("k1", 44, "put_page", Role::Release, Verdict::Keep);
    keep.group = None;
    keep.reason = "the page comes from alloc_page(), \"not a user page\"".into();
    let mut unknown = site("u1", 51, "put_page", Role::Release, Verdict::Unknown);
    unknown.group = Some("3d4e5f".into());
    unknown.reason = "nothing in the tree calls this function".into();
    let unread = UnreadItem {
        path: PATH.into(),
        function: Some("frob_odd".into()),
        line: 70,
        why: "syntax error".into(),
    };
    Report {
        schema: SCHEMA.into(),
        tree: TreeInfo {
            version: "6.12.117".into(),
            module: false,
            defines: Vec::new(),
            decided: Vec::new(),
            era: Era::Pin,
            revision: None,
        },
        coverage: Coverage {
            files_walked: 20,
            files_with_hits: 3,
            files_parsed: 3,
            functions: 9,
            releases_of_other_pages: 7,
            not_compiled: Vec::new(),
            asked: None,
            unread: vec![unread],
        },
        callsites: vec![acquire, release, keep, unknown],
        groups: vec![
            group("3d4e5f", &[], &["u1"], &["put_page at line 51 is unknown"]),
            group("0a1b2c", &["a1"], &["r1"], &[]),
        ],
        findings: vec![Finding {
            id: "f1".into(),
            rule: "R3".into(),
            name: "leak-on-error-path".into(),
            severity: Severity::Error,
            path: PATH.into(),
            line: 18,
            column: 3,
            function: "frob_map".into(),
            message: "pages taken at line 12 are not released on this path".into(),
            evidence: vec![evidence(18, "return -ENOMEM;")],
            fix: Some(Fix {
                path: PATH.into(),
                span: Span {
                    start: 180,
                    end: 195,
                },
                text: "goto release;".into(),
            }),
        }],
    }
}

fn written(format: Format) -> String {
    let mut out = Vec::new();
    write(&report(), format, &mut out).expect("a Vec takes every byte");
    String::from_utf8(out).expect("all formats are UTF-8")
}

#[test]
fn text_shows_convertible_groups_first_and_counts_last() {
    insta::assert_snapshot!(written(Format::Text));
}

#[test]
fn who_asks_for_findings_is_shown_no_group_and_no_callsite() {
    let (all, findings) = (written(Format::Text), written(Format::Findings));
    let list = |text: &str| {
        let from = text.find("findings\n").expect("the list of findings");
        let end = text[from..].find("\n\n").expect("an end of the list");
        text[from..from + end].to_owned()
    };
    assert!(findings.starts_with(&list(&all)));
    for word in ["group", "callsite", "walked"] {
        assert!(all.contains(word) && !findings.contains(word), "{word}");
    }
}

#[test]
fn the_summary_says_by_subsystem_what_can_be_converted_what_is_blocked_and_by_what() {
    let mut report = report();
    let whole = written(Format::Summary);
    let head = whole.lines().next().unwrap();
    assert!(
        head.starts_with("drivers/misc/frobber  ") && head.contains("convertible with"),
        "{whole}"
    );
    for finding in &report.findings {
        let is_error = finding.severity == Severity::Error;
        assert_eq!(whole.contains(&finding.message), is_error, "{whole}");
    }
    assert!(!whole.contains("group 0a1b2c"), "{whole}");
    // A group of calls each of which is known may be blocked as a whole.
    report
        .callsites
        .retain(|site| site.verdict == Verdict::Convert);
    report.groups.retain(|group| group.id == "0a1b2c");
    report.groups[0].convertible = false;
    report.groups[0].blocked_by = vec!["one arm pins and the other does not".into()];
    let mut out = Vec::new();
    write(&report, Format::Summary, &mut out).unwrap();
    let blocked = String::from_utf8(out).unwrap();
    assert!(
        blocked.contains("1 group blocked")
            && blocked.contains("  blocked one arm pins and the other does not\n"),
        "{blocked}"
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let coloured = written(Format::ColouredText);
    assert!(coloured.contains("\x1b[32mconvert"));
    let mut pieces = coloured.split("\x1b[");
    let mut plain = pieces
        .next()
        .expect("text before the first sequence")
        .to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('m').expect("every sequence ends in m").1);
    }
    assert_eq!(plain, written(Format::Text));
}

#[test]
fn quickfix_lines_are_sorted_by_place() {
    insta::assert_snapshot!(written(Format::Quickfix));
}

#[test]
fn csv_quotes_what_must_be_quoted() {
    insta::assert_snapshot!(written(Format::Csv).replace("\r\n", "\n"));
}

#[test]
fn json_has_the_fields_of_the_contract_and_reads_back_as_the_same_report() {
    let text = written(Format::Json);
    assert_eq!(
        serde_json::from_str::<Report>(&text).expect("our own schema"),
        report()
    );
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    let has = |pointer: &str, names: &str| {
        let object = value
            .pointer(pointer)
            .and_then(|v| v.as_object())
            .expect("an object");
        for name in names.split_whitespace() {
            assert!(object.contains_key(name), "{pointer} lacks {name}");
        }
    };
    has("", "schema tree coverage callsites groups findings");
    has("/tree", "version era revision");
    has(
        "/coverage",
        "files_walked files_with_hits files_parsed functions unread",
    );
    has("/coverage/unread/0", "path function line why");
    has(
        "/callsites/0",
        "id path line column function call role verdict case confidence reason origins group",
    );
    has("/callsites/0", "replacement shape guards evidence");
    has("/callsites/1/evidence/0", "path line text");
    has(
        "/groups/0",
        "id subsystem acquires releases convertible blocked_by plan",
    );
    has(
        "/findings/0",
        "rule name severity path line function message evidence fix",
    );
    assert_eq!(value["callsites"][0]["verdict"], "convert");
    assert_eq!(value["tree"]["era"], "pin");
}

#[test]
fn html_is_one_page_without_a_network_and_draws_the_flow() {
    let page = written(Format::Html);
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page reaches out: {outside}");
    }
    assert_eq!(
        page.matches("<svg class=\"flow across\"").count(),
        1,
        "one group has both ends"
    );
    assert!(
        page.contains("class=\"edge\""),
        "the release names its acquire, so the edge is sure"
    );
    let parts = page.find("<main").expect("opened")..page.find("</main>").expect("closed");
    insta::assert_snapshot!(page[parts].replace("><", ">\n<"));
}

#[test]
fn what_else_a_release_is_given_and_under_which_condition_it_runs_is_drawn() {
    let mut report = report();
    let elsewhere = "alloc_page drivers/misc/frobber/other.c:3";
    report.callsites[1].origins.push(elsewhere.into());
    let step = |becomes: &str, id: &str| Step {
        id: id.into(),
        becomes: becomes.into(),
        when: When::WillPin,
        because: vec![],
    };
    report.groups[1].plan = vec![
        step("iov_iter_extract_pages", "a1"),
        step("unpin_user_page", "r1"),
    ];
    let page = |report: &Report| {
        let mut out = Vec::new();
        write(report, Format::Html, &mut out).expect("a Vec takes every byte");
        String::from_utf8(out).expect("all formats are UTF-8")
    };
    let drawn = page(&report);
    let plain = written(Format::Html);
    for what in [
        "pages of other origin",
        elsewhere,
        "if iov_iter_extract_will_pin()<",
    ] {
        assert!(drawn.contains(what), "{what}");
        assert!(!plain.contains(what), "{what} is not said of every group");
    }
    let edges = |page: &str| page.matches("class=\"edge\"").count();
    // One more from the other pages to the release, in each of the two forms.
    assert_eq!(edges(&drawn), edges(&plain) + 2);
}

#[test]
fn a_group_is_found_by_where_it_stands_where_it_lies_and_what_was_found_in_its_functions() {
    let facets = callsites::formats::html::of_groups(&report());
    let of = |group: &str| {
        facets[group]
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    for wanted in [
        "state=convert",
        "severity=error",
        "rule=leak-on-error-path",
        "under=drivers/misc/frobber",
        "call=convert",
    ] {
        assert!(
            of("0a1b2c").contains(&wanted.to_owned()),
            "{wanted}: {:?}",
            of("0a1b2c")
        );
    }
    assert!(
        of("3d4e5f").contains(&"cause=not known".to_owned()),
        "{:?}",
        of("3d4e5f")
    );
}

fn log() -> serde_json::Value {
    serde_json::from_str(&written(Format::Sarif)).expect("json")
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let log = log();
    crate::sarif_schema::check(&log).expect("a valid log");
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert_eq!(
        results.len(),
        4,
        "one finding, two calls to convert, one unknown; the one that stays is no result"
    );
    insta::assert_json_snapshot!(results[0]);
}

#[test]
fn the_sarif_check_refuses_what_the_standard_forbids() {
    let spoil = |spoil: &dyn Fn(&mut serde_json::Value)| {
        let mut log = log();
        spoil(&mut log);
        crate::sarif_schema::check(&log).expect_err("a spoilt log")
    };
    insta::assert_snapshot!(spoil(&|log| log["runs"][0]["results"][1]["level"] = "none".into()), @"3.27.10: level `none` for kind `fail`");
    insta::assert_snapshot!(spoil(&|log| log["version"] = "2.0.0".into()), @"3.13.2: version is not 2.1.0");
    insta::assert_snapshot!(spoil(&|log| log["runs"][0]["results"][0]["message"] = serde_json::json!({})), @"3.11.8: `text` is required");
    insta::assert_snapshot!(spoil(&|log| log["runs"][0]["results"][0]["ruleIndex"] = 70.into()), @"3.27.6: ruleIndex points at no rule of this id");
}

#[test]
fn every_format_is_found_by_its_name() {
    for name in ["text", "json", "sarif", "csv", "html", "quickfix"] {
        assert_eq!(name.parse::<Format>().expect("a format").to_string(), name);
    }
    let error = "yaml".parse::<Format>().expect_err("no format");
    insta::assert_snapshot!(error, @"unknown format `yaml`: one of text, json, sarif, csv, html, quickfix is needed");
}
