// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results files, whole, cut off and hostile.

use super::{Results, Tainted};
use crate::verdict::{Inner, Outcome, Pins};

const GOOD: &str = "KTAP version 1\n1..1\n# begin vmci FAILED\n    KTAP version 1\n    # pins notify held=1 acquired=1 released=0\n\
    \x20   # seconds notify 0.25\n    not ok 1 notify # pins acquired 1, released 0\n    ok 2 huge # SKIP no huge pages\n    # inner huge passed=3 skipped=1\n    1..2\n\
    # pins vmci acquired=1 released=0\n# drift vmci pages=-3 repetitions=64\n# probe vmci function=f symbol=f.isra.0 hits=2\n\
    # probe vmci function=f symbol=f hits=1\n# end vmci fail notify\nnot ok 1 vmci\nktest verdict: fail\n";

#[test]
fn counters_reasons_and_hits_are_read() {
    let results = Results::parse(GOOD);
    assert_eq!(results.problems, Vec::<String>::new());
    assert_eq!(results.verdicts, ["fail"]);
    let report = results.target("vmci").unwrap();
    assert_eq!(report.subtests[0].result, Outcome::Fail);
    assert_eq!(report.subtests[0].seconds, 0.25);
    assert_eq!(report.subtests[0].pins.unwrap().held, Some(1));
    assert_eq!(report.subtests[1].result, Outcome::Skip);
    assert_eq!(report.subtests[1].reason.as_deref(), Some("no huge pages"));
    let inner = Inner {
        passed: 3,
        skipped: 1,
    };
    assert_eq!(report.subtests[1].inner, Some(inner));
    assert_eq!(report.pins, Some(Pins::new(1, 0)));
    assert_eq!(report.drift_pages, Some(-3));
    assert_eq!(report.hits["f"], 3);
    assert_eq!(report.end, Some(("fail".into(), "notify".into())));
}

#[test]
fn the_rounds_of_a_repetition_belong_to_its_subtest() {
    let results = Results::parse(
        "# begin vmci FAILED\n    # drift vmci pages=9 repetitions=48 subtest=pair:many rounds=3,-1,7\n\
        # drift vmci pages=2 repetitions=64\n    ok 1 pair:many\n    ok 2 other\n# end vmci pass\n",
    );
    let report = results.target("vmci").unwrap();
    let drift = report.subtests[0].drift.as_ref().unwrap();
    assert_eq!(
        (drift.repetitions, drift.rounds.as_slice()),
        (16, &[3, -1, 7][..])
    );
    assert_eq!(report.subtests[1].drift, None);
    assert_eq!(report.drift_pages, Some(11));
}

#[test]
fn what_a_machine_that_others_started_says_of_itself_is_read() {
    let results = Results::parse(
        "# kernel 6.12.1-test #0001-abc SMP\n# noise machine acquired=3 released=1\n# init not root\n",
    );
    assert_eq!(results.kernel.as_deref(), Some("6.12.1-test #0001-abc SMP"));
    assert_eq!(results.noise, Some(Pins::new(3, 1)));
    assert_eq!(results.refused.as_deref(), Some("not root"));
}

#[test]
fn two_verdicts_and_rubbish_are_kept_for_the_judge() {
    let results = Results::parse("ktest verdict: pass\nktest verdict: pass\n\u{fffd}oops\n");
    assert_eq!(results.verdicts.len(), 2);
    assert_eq!(results.problems.len(), 1);
}

#[test]
fn every_prefix_of_a_results_file_can_be_read() {
    for end in 0..GOOD.len() {
        let results = Results::parse(&GOOD[..end]);
        if end < GOOD.len() {
            assert!(results.verdicts.is_empty() && results.problems.is_empty());
        }
    }
}

#[test]
fn taint_and_what_could_not_be_watched_are_read() {
    let results = Results::parse(
        "# unwatched f 2 functions have this name\n# begin vmci FAILED\n# taint vmci before=0x1000 after=0x1200 warnings=1 oopses=0\n",
    );
    let tainted = Tainted {
        before: 0x1000,
        after: 0x1200,
        warnings: Some(1),
        oopses: Some(0),
    };
    assert_eq!(results.target("vmci").unwrap().taint, Some(tainted));
    assert_eq!(results.unwatched["f"], "2 functions have this name");
}

#[test]
fn numbers_beyond_all_bounds_and_control_characters_do_no_harm() {
    let most = u64::MAX;
    let results = Results::parse(&format!(
        "# begin a FAILED\n# drift a pages={max}\n# drift a pages={max}\n# probe a function=f hits={most}\n\
        # probe a function=f hits={most}\n    # seconds x inf\n    ok 1 x\n    # seconds y 1e300\n    ok 2 y\n\
        \x20   # seconds z NaN\n    ok 3 \x1b[31mz\n",
        max = i64::MAX,
    ));
    let report = results.target("a").unwrap();
    assert_eq!(report.drift_pages, Some(i64::MAX));
    assert_eq!(report.hits["f"], most);
    assert!(report.subtests.iter().all(|s| s.seconds == 0.0));
    assert!(report.subtests.iter().all(|s| !s.name.contains('\x1b')));
}
