// SPDX-License-Identifier: MIT OR Apache-2.0
//! One callsite explained, two audits compared, findings drawn by lot.

use callsites::explain::explain_with;
use callsites::index::ir::Span;
use callsites::report::*;
use callsites::sample::sample;
use callsites::since::since;
use camino::Utf8Path;
use failure::Failure as _;

const SOURCE: &[u8] = b"int f(void)\n{\n\tn = get_user_pages_fast(a, n, 0, pages);\n\tput_page(pages[0]);\n\treturn 0;\n}\n";

fn site(id: &str, line: u32, call: &str, role: Role, verdict: Verdict) -> Callsite {
    Callsite {
        id: id.into(),
        path: "a.c".into(),
        line,
        column: 2,
        function: "f".into(),
        call: call.into(),
        role,
        verdict,
        case: Some(2),
        confidence: Confidence::High,
        reason: "the page comes from get_user_pages_fast()".into(),
        origins: vec!["get_user_pages_fast a.c:3".into()],
        group: Some("g1".into()),
        replacement: Some("unpin_user_page".into()),
        shape: None,
        guards: vec!["CONFIG_FROB".into()],
        evidence: vec![Evidence {
            path: "a.c".into(),
            line: 3,
            text: "n = get_user_pages_fast(a, n, 0, pages);".into(),
        }],
        span: Span::default(),
        edit: None,
    }
}

fn report() -> Report {
    let finding = |line: u32| Finding {
        id: format!("f00d{line:08}"),
        rule: "R4".into(),
        name: "wrong-count".into(),
        severity: Severity::Error,
        path: "a.c".into(),
        line,
        column: 2,
        function: "f".into(),
        message: "only the first page is released".into(),
        evidence: vec![],
        fix: None,
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
        coverage: Coverage::default(),
        callsites: vec![
            site(
                "1234abcd",
                3,
                "get_user_pages_fast",
                Role::Acquire,
                Verdict::Convert,
            ),
            site("12ffabcd", 4, "put_page", Role::Release, Verdict::Convert),
        ],
        groups: vec![Group {
            id: "g1".into(),
            subsystem: "lib".into(),
            acquires: vec!["1234abcd".into()],
            releases: vec!["12ffabcd".into()],
            dirties: vec![],
            convertible: true,
            blocked_by: vec![],
            plan: vec![],
        }],
        findings: (4..14).map(finding).collect(),
    }
}

fn read(path: &Utf8Path) -> Option<Vec<u8>> {
    (path == "a.c").then(|| SOURCE.to_vec())
}

#[test]
fn a_story_shows_the_source_the_way_and_the_group() {
    let mut report = report();
    report.findings.truncate(1);
    insta::assert_snapshot!(explain_with(&read, &report, "12ffabcd").expect("a callsite"));
}

#[test]
fn the_beginning_of_an_id_or_its_place_is_enough() {
    let report = report();
    let whole = explain_with(&read, &report, "12ffabcd").expect("a callsite");
    assert_eq!(
        explain_with(&read, &report, "12f").expect("a callsite"),
        whole
    );
    assert_eq!(
        explain_with(&read, &report, "a.c:4").expect("a callsite"),
        whole
    );
}

#[test]
fn an_unknown_or_ambiguous_id_is_an_error_with_the_nearest_ids() {
    let report = report();
    let unknown = explain_with(&read, &report, "12ffabce").expect_err("no such id");
    insta::assert_snapshot!(unknown, @"find callsite `12ffabce` among the 2 of this audit");
    assert_eq!(
        unknown.nearest.first().map(String::as_str),
        Some("12ffabcd")
    );
    let ambiguous = explain_with(&read, &report, "12").expect_err("two ids begin so");
    assert_eq!(
        ambiguous.hint(),
        Some("the nearest are 1234abcd, 12ffabcd".into())
    );
}

#[test]
fn a_place_without_a_callsite_is_an_error_with_the_nearest_places_of_its_file() {
    let report = report();
    let unknown = explain_with(&read, &report, "elsewhere/a.c:4").expect_err("no such place");
    assert_eq!(unknown.nearest.first().map(String::as_str), Some("a.c:4"));
    assert!(
        unknown
            .nearest
            .iter()
            .all(|place| place.starts_with("a.c:"))
    );
    let unknown = explain_with(&read, &report, "b.c:4").expect_err("no such file");
    assert_eq!(unknown.nearest, [""; 0]);
}

#[test]
fn since_lists_changed_new_and_gone_callsites_and_ignores_moved_ones() {
    let (before, mut after) = (report(), report());
    after.callsites[0].line = 30;
    after.callsites[1].verdict = Verdict::Unknown;
    after
        .callsites
        .push(site("77", 50, "put_page", Role::Release, Verdict::Keep));
    insta::assert_snapshot!(since(&before, &after), @r"
    a.c:4 f() put_page: convert -> unknown: the page comes from get_user_pages_fast()
    a.c:50 f() put_page: new, keep: the page comes from get_user_pages_fast()
    2 changed, 1 as before
    ");
    insta::assert_snapshot!(since(&after, &before), @r"
    a.c:4 f() put_page: unknown -> convert: the page comes from get_user_pages_fast()
    a.c:50 f() put_page: gone, was keep: the page comes from get_user_pages_fast()
    2 changed, 1 as before
    ");
}

#[test]
fn the_same_seed_draws_the_same_findings_and_another_seed_others() {
    let report = report();
    let lines = |seed| {
        sample(&report, 4, seed)
            .iter()
            .map(|f| f.line)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(1), lines(1));
    assert!(lines(1).is_sorted());
    assert!((2..10).any(|seed| lines(seed) != lines(1)));
    assert_eq!(sample(&report, 99, 1).len(), 10, "no more than there are");
}

#[test]
fn findings_groups_and_rules_have_stories_too() {
    let report = report();
    let none = |_: &Utf8Path| None;
    let told = |id: &str| explain_with(&none, &report, id);
    let finding = &report.findings[0];
    let story = told(&finding.id).unwrap();
    assert!(
        story.contains(&finding.message) && story.contains("R4 wrong-count"),
        "{story}"
    );
    let story = told(&report.groups[0].id).unwrap();
    assert!(story.contains("these share their pages"), "{story}");
    for rule in ["R7", "r7", "dirty-never"] {
        assert!(told(rule).unwrap().starts_with("R7, dirty: "));
    }
    assert!(told("R99").is_err());
}
