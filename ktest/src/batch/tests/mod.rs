// SPDX-License-Identifier: MIT OR Apache-2.0
//! Batches on a Slurm that small scripts stand in for: each test says what becomes of which attempt at which shard. None of what goes
//! wrong may be taken for a pass, nothing may be lost, and the reason must be named.

mod desk;
mod real;

use super::{shards, submit};
use crate::error::Error;
use crate::options::KtestOptions;
use crate::run::Prepared;
use crate::verdict::{Outcome, Verdict};
use camino::Utf8PathBuf;
use desk::{Desk, HOME, SHARD};
use failure::{Exit, Failure as _};
use std::time::{Duration, Instant};

/// What a task runs: this test program again, in place of `xtask ktest --prepared . --shard K/N`.
#[test]
#[ignore = "started by the other tests"]
fn boots_a_shard() {
    proc::interrupt::install(|| {});
    let home = Utf8PathBuf::from(std::env::var(HOME).unwrap());
    let mut options = KtestOptions::new(&home, &home);
    options.qemu = Some(home.parent().unwrap().join("emulator"));
    options.at_once = Some(1);
    let shard = std::env::var(SHARD).unwrap().parse().unwrap();
    let booted = Prepared::read(&home).and_then(|prepared| prepared.boot(Some(shard), &options));
    let code = match booted {
        Ok(verdict) => verdict.exit().code(),
        Err(error) => {
            eprintln!("error: failed to {error}");
            error.exit().code()
        }
    };
    std::process::exit(code.into());
}

/// What a person compares: not how long it took and in which run.
fn gist(verdict: &Verdict) -> Verdict {
    let mut verdict = verdict.clone();
    verdict.run = String::new();
    verdict.shard = None;
    for stage in std::iter::once(&mut verdict.base).chain(&mut verdict.patches) {
        for test in stage.targets.iter_mut().flat_map(|t| &mut t.subtests) {
            test.seconds = 0.0;
        }
    }
    verdict
}

fn within(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < until, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_run_is_cut_into_no_more_shards_than_there_are_jobs_or_the_cluster_takes() {
    assert_eq!(shards(1000, 16_000, None, 1000), 250);
    assert_eq!(shards(2, 2, None, 1000), 1);
    assert_eq!(shards(2, 2, Some(9), 1000), 2);
    assert_eq!(shards(0, 5, Some(3), 1000), 3);
    assert_eq!(shards(9000, 9000, None, 1000), 1000);
    assert_eq!(shards(0, 0, None, 1000), 1);
}

#[test]
fn shards_on_nodes_come_to_the_verdict_of_one_machine_whatever_the_directory_is_called() {
    for name in [
        "plain",
        "it's a \"home\" with %j, $(false) and\na second line",
    ] {
        let desk = Desk::new(name, &["one", "two", "three"]);
        let here = desk.on_one_machine();
        let outcome = desk.batch(3).follow().unwrap();
        assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
        assert_eq!(gist(&outcome.verdict), gist(&here), "{name}");
        assert_eq!(outcome.verdict.patches.len(), 3);
        assert_eq!(desk.submitted(), ["1-3"]);
        let written = std::fs::read(desk.home.join("verdict.json")).unwrap();
        let written: Verdict = serde_json::from_slice(&written).unwrap();
        assert_eq!(written, outcome.verdict);
    }
}

#[test]
fn the_first_bad_patch_is_found_across_nodes() {
    let desk = Desk::new("home", &["one", "two", "three"]);
    desk.fails(2);
    let here = desk.on_one_machine();
    let outcome = desk.batch(3).follow().unwrap();
    assert_eq!(outcome.verdict.first_bad.as_deref(), Some("two"));
    assert_eq!(outcome.exit(), Exit::Findings);
    assert_eq!(gist(&outcome.verdict), gist(&here));
}

#[test]
fn lines_that_are_taken_away_are_seen_running_on_another_node_or_by_an_earlier_attempt() {
    for (number, shards, fate) in [(3, 3, None), (4, 2, Some("kill-at-04"))] {
        let desk = Desk::new("home", &["one", "two", "three", "four"][..number]);
        desk.takes_lines_away(number);
        let here = desk.on_one_machine();
        let exercise = here.patches[number - 1].exercise.as_ref().unwrap();
        assert_eq!(exercise.ran, ["a.c:g"]);
        assert_eq!(exercise.not_run[0].function, "a.c:f");
        if let Some(fate) = fate {
            desk.fate(2, &[fate]);
        }
        let outcome = desk.batch(shards).follow().unwrap();
        assert_eq!(gist(&outcome.verdict), gist(&here), "{shards} shards");
    }
}

#[test]
fn a_node_that_is_lost_costs_its_shard_one_more_attempt_and_nothing_else() {
    let desk = Desk::new("home", &["one", "two", "three"]);
    let here = desk.on_one_machine();
    desk.fate(2, &["lost"]);
    let outcome = desk.batch(3).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(gist(&outcome.verdict), gist(&here));
    assert_eq!(desk.submitted(), ["1-3", "2"]);
}

#[test]
fn what_an_attempt_has_finished_is_not_booted_again() {
    let desk = Desk::new("home", &["one", "two", "three", "four"]);
    // Killed while it boots the second of its two kernels.
    desk.fate(2, &["kill-at-04"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(desk.submitted(), ["1-2", "2"]);
    let boots = desk.boots();
    let count = |number: &str| boots.iter().filter(|boot| *boot == number).count();
    assert_eq!((count("03"), count("04")), (1, 2), "{boots:?}");
    // What is booted now is compared with a base on the same machine.
    assert_eq!(count("00"), 3, "{boots:?}");
}

#[test]
fn a_node_that_is_lost_again_and_again_is_no_pass_and_hides_no_other_shard() {
    let desk = Desk::new("home", &["one", "two", "three"]);
    desk.fate(2, &["lost", "lost", "lost", "lost"]);
    let outcome = desk.batch(3).follow().unwrap();
    let verdict = &outcome.verdict;
    assert_eq!(
        (verdict.result, outcome.exit()),
        (Outcome::Inconclusive, Exit::Infrastructure)
    );
    assert_eq!(verdict.first_bad, None);
    assert!(
        verdict
            .reason
            .contains("not there: shard 2/3 (1 job on 1 patched kernel)"),
        "{}",
        verdict.reason
    );
    assert!(verdict.reason.contains("NODE_FAIL"), "{}", verdict.reason);
    assert!(
        verdict.reason.contains("on n1, in the last of 3 attempts"),
        "{}",
        verdict.reason
    );
    let of = |number: usize| &verdict.patches[number - 1].targets[0];
    assert_eq!(
        (of(1).result, of(2).result, of(3).result),
        (Outcome::Pass, Outcome::Skip, Outcome::Pass)
    );
    assert!(
        of(2)
            .reason
            .as_deref()
            .unwrap()
            .starts_with("not run: shard 2/3: ")
    );
    assert_eq!(desk.submitted(), ["1-3", "2", "2"]);
    // Whoever goes on with it gets it done.
    desk.fate(2, &[]);
    let outcome = desk.again().follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(desk.submitted(), ["1-3", "2", "2", "2"]);
}

#[test]
fn a_bad_patch_is_bad_although_another_shard_is_lost() {
    let desk = Desk::new("home", &["one", "two", "three"]);
    desk.fails(3);
    desk.fate(1, &["cancelled"]);
    let outcome = desk.batch(3).follow().unwrap();
    assert_eq!(outcome.verdict.first_bad.as_deref(), Some("three"));
    assert_eq!(
        (outcome.verdict.result, outcome.exit()),
        (Outcome::Fail, Exit::Findings)
    );
    assert!(outcome.verdict.reason.contains("not there: shard 1/3"));
}

#[test]
fn a_shard_that_runs_out_of_time_goes_on_while_it_gets_further_and_is_given_up_when_it_does_not() {
    let desk = Desk::new("home", &["one", "two", "three", "four"]);
    desk.fate(2, &["timeout-at-04"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["timeout-at-00"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.verdict.result, Outcome::Inconclusive);
    let reason = &outcome.verdict.reason;
    assert!(
        reason.contains("it ran out of time on n1: in its"),
        "{reason}"
    );
    assert_eq!(desk.submitted(), ["1-2"]);
    assert_eq!(outcome.given_up.len(), 1);
    let second = &outcome.verdict.patches[1].targets[0];
    assert_eq!(second.result, Outcome::Pass);
}

#[test]
fn every_shard_cancelled_is_no_pass_and_is_done_when_it_is_resumed() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["cancelled"]);
    desk.fate(2, &["cancelled"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.verdict.result, Outcome::Inconclusive);
    assert_eq!(outcome.exit(), Exit::Infrastructure);
    let reason = &outcome.verdict.reason;
    assert_eq!(reason.matches("it was cancelled").count(), 2, "{reason}");
    assert_eq!(outcome.verdict.patches.len(), 2);
    assert_eq!(desk.again().follow().unwrap().exit(), Exit::Clean);
}

#[test]
fn memory_that_does_not_suffice_is_named() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["memory"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.verdict.result, Outcome::Inconclusive);
    let reason = &outcome.verdict.reason;
    assert!(
        reason.contains("it ran out of memory on n1: it may have 1024 MiB"),
        "{reason}"
    );
}

#[test]
fn a_full_directory_is_no_verdict_and_what_the_task_said_of_it_is_told() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["full"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Infrastructure);
    let reason = &outcome.verdict.reason;
    assert!(
        reason.contains("exit code 69 on n1: error: failed to"),
        "{reason}"
    );
    assert!(reason.contains("No space left on device"), "{reason}");
    assert_eq!(desk.again().follow().unwrap().exit(), Exit::Clean);
}

#[test]
fn a_verdict_that_is_half_written_missing_or_of_another_run_is_none() {
    let whole = r#"{"schema":"verdict/1","result":"pass","reason":"","run":"x","shard":{"index":2,"count":2},
        "inputs":"0000000000000000","first_bad":null,"patches":[],"base":{"number":0,"subject":"Linux 6.12","targets":[],
        "build":{"result":"pass","reason":null,"new_warnings":[],"image_hash":null,"seconds":0.0}}}"#;
    for (planted, why) in [
        (Some(&whole[..100]), "its verdict is not whole"),
        (None, "left no verdict"),
        (Some(whole), "its verdict is that of another run or shard"),
    ] {
        let desk = Desk::new("home", &["one", "two"]);
        planted.inspect(|text| desk.plant(2, 2, text));
        desk.fate(2, &["nothing"]);
        let outcome = desk.batch(2).follow().unwrap();
        let reason = &outcome.verdict.reason;
        assert_eq!(outcome.exit(), Exit::Clean, "{why}: {reason}");
        assert_eq!(desk.submitted(), ["1-2", "2"], "{why}");
        let desk = Desk::new("home", &["one", "two"]);
        planted.inspect(|text| desk.plant(2, 2, text));
        desk.fate(2, &["nothing"; 3]);
        let outcome = desk.batch(2).follow().unwrap();
        let reason = &outcome.verdict.reason;
        assert_eq!(outcome.verdict.result, Outcome::Inconclusive, "{why}");
        assert!(reason.contains(why), "{reason}");
        assert!(reason.contains("not there: shard 2/2"), "{reason}");
    }
}

#[test]
fn a_task_that_slurm_forgot_is_done_again() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["forgotten"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(desk.submitted(), ["1-2", "1"]);
}

#[test]
fn while_slurm_does_not_answer_nothing_is_decided() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.deaf(3);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    assert_eq!(desk.submitted(), ["1-2"]);
}

#[test]
fn an_attempt_that_was_given_up_for_lost_and_comes_to_its_end_does_no_harm() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fate(1, &["zombie"]);
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Clean, "{}", outcome.verdict.reason);
    within("the other attempt ends", || desk.verdicts() == 3);
    let again = desk.again().follow().unwrap();
    assert_eq!(gist(&again.verdict), gist(&outcome.verdict));
}

#[test]
fn a_kernel_that_is_not_the_one_that_was_prepared_is_not_booted() {
    let desk = Desk::new("home", &["one", "two"]);
    std::fs::write(desk.home.join("02/bzImage"), "half").unwrap();
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.verdict.result, Outcome::Inconclusive);
    let reason = &outcome.verdict.reason;
    assert!(
        reason.contains("is not the file that was prepared"),
        "{reason}"
    );
    assert!(!desk.boots().contains(&"02".to_owned()));
}

#[test]
fn a_patch_that_does_not_compile_is_found_by_whoever_puts_the_shards_together() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.does_not_compile(2);
    let here = desk.on_one_machine();
    assert_eq!(here.exit(), Exit::Build);
    let outcome = desk.batch(1).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Build);
    assert_eq!(gist(&outcome.verdict), gist(&here));
    // As `report` does it, which knows nothing of what was prepared.
    let shards: Vec<Verdict> = desk
        .prepared()
        .runs()
        .unwrap()
        .iter()
        .map(|run| {
            serde_json::from_slice(&std::fs::read(run.join("verdict.json")).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(gist(&crate::verdict::merge(&shards).unwrap()), gist(&here));
    assert!(!desk.boots().contains(&"02".to_owned()));
}

#[test]
fn a_base_that_is_bad_on_a_node_says_nothing_of_the_patches() {
    let desk = Desk::new("home", &["one", "two"]);
    desk.fails(0);
    let here = desk.on_one_machine();
    let outcome = desk.batch(2).follow().unwrap();
    assert_eq!(outcome.exit(), Exit::Infrastructure);
    assert_eq!(gist(&outcome.verdict), gist(&here));
}

#[test]
fn two_do_not_follow_one_batch() {
    let desk = Desk::new("home", &["one"]);
    let first = desk.batch(1);
    let second = submit(desk.prepared(), desk.options(1)).unwrap_err();
    assert!(matches!(second, Error::Locked(_)), "{second}");
    drop(first);
    let other = submit(desk.prepared(), desk.options(2)).unwrap_err();
    assert_eq!(other.exit(), Exit::Usage, "{other}");
}

#[test]
fn what_is_submitted_but_refused_is_an_error_that_carries_slurms_words() {
    let desk = Desk::new("home", &["one"]);
    let mut options = desk.options(1);
    options.partition = Some("no such; touch pwned".into());
    let error = submit(desk.prepared(), options).unwrap_err();
    assert_eq!(error.exit(), Exit::Infrastructure);
    let Error::Child { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        source.to_string().contains("invalid partition specified"),
        "{source}"
    );
    assert!(!desk.home.join("pwned").exists());
    // The same again, without it.
    assert_eq!(desk.batch(1).follow().unwrap().exit(), Exit::Clean);
}

#[test]
fn where_there_is_no_slurm_nothing_is_submitted() {
    let desk = Desk::new("home", &["one"]);
    let mut options = desk.options(1);
    options.slurm = proc::slurm::Slurm::at("/nonexistent");
    let error = submit(desk.prepared(), options).unwrap_err();
    assert!(matches!(error, Error::NoEngine));
    assert_eq!(error.exit(), Exit::Infrastructure);
}
