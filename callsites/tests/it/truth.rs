// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scores of a small report against small tables, every way a row can count.

use callsites::index::ir::Span;
use callsites::report::*;
use callsites::truth::{Side, score};
use camino::Utf8PathBuf;
use failure::Failure as _;

fn site(path: &str, line: u32, call: &str, role: Role, verdict: Verdict) -> Callsite {
    Callsite {
        id: format!("{path}:{line}:{call}"),
        path: path.into(),
        line,
        column: 1,
        function: "f".into(),
        call: call.into(),
        role,
        verdict,
        case: None,
        confidence: Confidence::High,
        reason: "because".into(),
        origins: vec![],
        group: None,
        replacement: None,
        shape: None,
        guards: vec![],
        evidence: vec![],
        span: Span::default(),
        edit: None,
    }
}

fn report() -> Report {
    use Role::*;
    use Verdict::*;
    let mut callsites = vec![
        site("a.c", 12, "get_user_pages_fast", Acquire, Convert),
        site("a.c", 21, "put_page", Release, Convert),
        site("a.c", 23, "put_page", Release, Keep),
        site("a.c", 40, "put_page", Release, Unknown),
        site("b.c", 10, "unpin_user_page", Release, Done),
        site("b.c", 30, "put_page", Release, Done),
        site("c.c", 5, "put_page", Release, Convert),
        site("d.c", 7, "get_user_pages", Acquire, Convert),
        site("d.c", 9, "put_page", Release, Mixed),
    ];
    callsites.sort_by_key(|s| (s.path.clone(), s.line));
    Report {
        schema: SCHEMA.into(),
        tree: TreeInfo {
            version: "5.4.59".into(),
            module: false,
            defines: Vec::new(),
            decided: Vec::new(),
            era: Era::PutUserPage,
            revision: None,
        },
        coverage: Coverage::default(),
        callsites,
        groups: vec![],
        findings: vec![],
    }
}

fn set() -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/truth"))
}

#[test]
fn a_score_counts_every_kind_of_row_and_lists_the_misses() {
    let score = score(&set(), "5.4-5.9", &report()).expect("the tables are whole");
    insta::assert_snapshot!(score);
    assert!(!score.met());
}

#[test]
fn a_label_three_lines_off_does_not_match_and_the_nearest_wins() {
    let mut report = report();
    let recall = |report: &Report| {
        let score = score(&set(), "5.4-5.9", report).expect("the tables are whole");
        score
            .measures
            .into_iter()
            .find(|m| m.side == Side::ReleaseRecall)
            .expect("a measure")
            .count
    };
    assert_eq!(
        recall(&report),
        2,
        "line 22 is as near to 21 as to 23, and the first, which is converted, wins"
    );
    report
        .callsites
        .iter_mut()
        .filter(|s| s.line == 21)
        .for_each(|s| s.line = 19);
    assert_eq!(recall(&report), 1, "now line 23 is nearer, and it stays");
}

#[test]
fn a_missing_table_names_the_file_and_what_to_pass() {
    let error = score(&set(), "4.19-5.9", &report()).expect_err("no such table");
    assert!(
        error.to_string().contains("truth-sites-4.19-5.9.tsv"),
        "{error}"
    );
    assert!(matches!(
        error.hint(),
        Some(failure::Hint::Do(failure::Act::NameSet { file })) if file == "truth-sites-4.19-5.9.tsv"
    ));
    let error = score(&set(), "5.4", &report()).expect_err("no pair");
    insta::assert_snapshot!(error, @"read `5.4` as a pair of versions");
}
