// SPDX-License-Identifier: MIT OR Apache-2.0
//! Planted bugs: each is the second of three patches, made from the tree at hand by a described edit, and must be caught
//! with the right reason and named as the first bad one. The first and the third change nothing.
//!
//! Whole kernels are built and booted, so they are run by name, each by itself or, those that let the guest go on, many
//! at once: `KTEST_TREE=…/linux-6.12 cargo test -p ktest --test it planted -- --ignored --test-threads 1`
//! `KTEST_TREE=…/linux-6.12 cargo test -p ktest --test it in_rounds -- --ignored --nocapture`

use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::verdict::{Outcome, Verdict};
use ktest::{KtestOptions, Progress};
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// An edit of one statement, whose result is a pass where nothing takes its path: the one that begins with the first call
/// of `call` in `function`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planted {
    what: String,
    target: String,
    file: Utf8PathBuf,
    function: String,
    call: String,
    act: Act,
    statement: String,
    result: Vec<Outcome>,
    reason: String,
    /// Other targets that notice what it leaves: what a user is charged is the machine's.
    #[serde(default)]
    noticed_by: Vec<String>,
}

impl Planted {
    /// Whether both can be in one kernel, each seen by its own target alone.
    fn goes_with(&self, other: &Planted) -> bool {
        let notices = |a: &Planted, b: &Planted| a.noticed_by.contains(&b.target);
        self.target != other.target && !notices(self, other) && !notices(other, self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Act {
    Replace,
    Before,
    After,
}

fn planted(name: &str) -> Planted {
    let file = format!("{}/tests/planted/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// `text` with the edit; `None` where there is no such statement.
fn edited(text: &str, bug: &Planted) -> Option<String> {
    // A head in column one, a body between braces in column one: kernel style.
    let head = Regex::new(&format!(
        r"(?m)^[A-Za-z_][^;{{}}]*\b{}\([^;{{}}]*\)\s*\n\{{\n",
        regex::escape(&bug.function)
    ))
    .unwrap();
    let body = head.find(text)?.end();
    let end = body + text[body..].find("\n}")?;
    let call = Regex::new(&format!(r"\b{}\(", regex::escape(&bug.call))).unwrap();
    let start = body + call.find(&text[body..end])?.start();
    let stop = start + text[start..end].find(';')? + 1;
    let statement = &text[start..stop];
    let new = match bug.act {
        Act::Replace => bug.statement.clone(),
        Act::Before => format!("{} {statement}", bug.statement),
        Act::After => format!("{statement} {}", bug.statement),
    };
    Some(format!("{}{new}{}", &text[..start], &text[stop..]))
}

/// Writes a mail for each step of `states`, which are the texts of files; the first is the tree's.
fn series(dir: &Utf8Path, states: &[BTreeMap<&Utf8Path, String>], subjects: &[String]) {
    for (number, (pair, subject)) in states.windows(2).zip(subjects).enumerate() {
        for (side, texts) in ["a", "b"].iter().zip(pair) {
            for (file, text) in texts {
                let file = dir.join(side).join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
        }
        let diff = proc::Command::new("git")
            .args(["diff", "--no-index", "--no-prefix", "--no-color", "a", "b"])
            .current_dir(dir)
            .run_unchecked()
            .unwrap();
        let mail = format!(
            "Subject: [PATCH] {subject}\n\n---\n{}\n",
            diff.stdout_text()
        );
        let number = number + 1;
        std::fs::write(dir.join(format!("{number:04}-patch.patch")), mail).unwrap();
    }
}

/// The files of `bugs` as the tree has them, with `comment` behind them, and as the bugs make them.
fn texts<'b>(
    tree: &Utf8Path,
    files: impl IntoIterator<Item = &'b Planted>,
    bugs: &[&Planted],
    comment: &str,
) -> BTreeMap<&'b Utf8Path, String> {
    let read = |bug: &'b Planted| {
        let text = std::fs::read_to_string(tree.join(&bug.file)).unwrap();
        let mut text = format!("{text}{comment}");
        for bug in bugs.iter().filter(|planted| planted.file == bug.file) {
            text = edited(&text, bug).expect("the tree has the statement that is edited");
        }
        (bug.file.as_path(), text)
    };
    files.into_iter().map(read).collect()
}

fn tree() -> Utf8PathBuf {
    let tree = std::env::var("KTEST_TREE").expect("KTEST_TREE names a kernel tree");
    tree.into()
}

/// The verdict on the series in `root`.
fn verdict(root: &Utf8Path, targets: Vec<String>) -> Verdict {
    // Without a word, the cache that the program uses.
    let cache = std::env::var("KTEST_CACHE").unwrap_or_else(|_| {
        let home = std::env::var("HOME").expect("HOME or KTEST_CACHE is set");
        format!("{home}/.cache/gup-toolkit")
    });
    let mut options = KtestOptions::new(cache, root.join("runs"));
    options.targets = targets;
    options.progress = Progress::new(|sentence| eprintln!("{sentence}"));
    let tree = Tree::open(tree().as_str()).unwrap();
    ktest::run(&tree, Some(root), &options).unwrap()
}

fn caught(name: &str) {
    let bug = planted(name);
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    // The second of three is the bug; the others change nothing.
    let (first, third) = (
        "/* the first of three changes nothing */\n",
        "/* the first of three changes nothing */\n/* nor does the third */\n",
    );
    let states = [("", false), (first, false), (first, true), (third, true)];
    let states = states.map(|(comment, is_planted)| {
        let bugs = [&bug];
        texts(&tree(), bugs, &bugs[..usize::from(is_planted)], comment)
    });
    let subjects = ["test: before", &bug.what, "test: after"].map(str::to_owned);
    series(root, &states, &subjects);
    let verdict = verdict(root, vec![bug.target.clone()]);
    eprintln!("{name}: {:?}: {}", verdict.result, verdict.reason);
    let expected = Regex::new(&bug.reason).unwrap();
    let unseen = bug.result == [Outcome::Pass];
    let first_bad = (!unseen).then_some(bug.what.as_str());
    assert_eq!(
        verdict.first_bad.as_deref(),
        first_bad,
        "{}",
        verdict.reason
    );
    if unseen {
        // Nothing ran of it, so nothing is said of it, whatever its target says.
        assert_eq!(verdict.result, Outcome::Inconclusive);
        assert!(expected.is_match(&verdict.reason), "{}", verdict.reason);
    }
    // It changes a comment: the same image as the base's, so there is nothing to boot, and nothing has passed.
    let first = &verdict.patches[0].targets[0];
    assert_eq!(first.result, Outcome::Skip);
    let why = first.reason.as_deref().unwrap_or_default();
    assert!(why.contains("byte for byte that of"), "{why}");
    let target = &verdict.patches[1].targets[0];
    assert!(bug.result.contains(&target.result), "{:?}", target.result);
    let reason = target.reason.as_deref().unwrap_or_default();
    assert!(
        unseen || expected.is_match(&format!("{reason} ")),
        "{reason}"
    );
}

/// Names in a variable of the environment; without it all are meant.
struct Chosen(Vec<String>);

impl Chosen {
    fn takes(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|chosen| chosen == name)
    }
}

fn chosen(variable: &str) -> Chosen {
    let names = std::env::var(variable).unwrap_or_default();
    let names = names.split(',').filter(|name| !name.is_empty());
    Chosen(names.map(str::to_owned).collect())
}

/// Those that let the guest go on, one for each target a kernel: a target that hangs is killed, a kernel that crashed is over.
/// `KTEST_TARGETS` names targets, `KTEST_BUGS` bugs.
fn rounds(bugs: &[Planted]) -> Vec<Vec<&Planted>> {
    let chosen = chosen("KTEST_TARGETS");
    let mut rounds: Vec<Vec<&Planted>> = Vec::new();
    for bug in bugs {
        let goes_on = |result| matches!(result, &Outcome::Fail | &Outcome::Timeout);
        if !bug.result.iter().all(goes_on) || !chosen.takes(&bug.target) {
            continue;
        }
        let mut free = rounds
            .iter_mut()
            .filter(|round| round.iter().all(|other| other.goes_with(bug)));
        match free.next() {
            Some(round) => round.push(bug),
            None => rounds.push(vec![bug]),
        }
    }
    rounds
}

/// The same bugs with fewer boots: each patch of one series takes the bugs of the one before it away and plants one for
/// each target.
#[test]
#[ignore = "builds and boots kernels; needs KTEST_TREE"]
fn all_that_let_the_guest_go_on_are_caught_in_rounds() {
    let chosen = chosen("KTEST_BUGS");
    let names = NAMES.iter().filter(|name| chosen.takes(name));
    let bugs: Vec<Planted> = names.map(|name| planted(name)).collect();
    let rounds = rounds(&bugs);
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    let all = || rounds.iter().flatten().copied();
    let planted = rounds.iter().map(Vec::as_slice);
    let states: Vec<BTreeMap<&Utf8Path, String>> = std::iter::once(&[][..])
        .chain(planted)
        .map(|bugs| texts(&tree(), all(), bugs, ""))
        .collect();
    let subjects: Vec<String> = (1..=rounds.len()).map(|n| format!("round {n}")).collect();
    series(root, &states, &subjects);
    let targets: BTreeSet<String> = all().map(|bug| bug.target.clone()).collect();
    let verdict = verdict(root, targets.into_iter().collect());
    eprintln!("{:?}: {}", verdict.result, verdict.reason);
    let mut missed = Vec::new();
    for (bugs, stage) in rounds.iter().zip(&verdict.patches) {
        for bug in bugs {
            let target = stage.targets.iter().find(|t| t.name == bug.target);
            let found = target.map(|t| (t.result, t.reason.as_deref().unwrap_or_default()));
            let expected = Regex::new(&bug.reason).unwrap();
            let caught = found.is_some_and(|(result, reason)| {
                bug.result.contains(&result) && expected.is_match(&format!("{reason} "))
            });
            let word = if caught { "caught" } else { "MISSED" };
            eprintln!("{word} {}: {}: {found:?}", bug.target, bug.what);
            if !caught {
                missed.push(&bug.what);
            }
        }
    }
    assert!(!rounds.is_empty(), "no such bug");
    assert_eq!(verdict.patches.len(), rounds.len());
    assert!(missed.is_empty(), "{missed:#?}");
}

macro_rules! bugs {
    ($($test:ident = $name:literal,)*) => {
        $(
            #[test]
            #[ignore = "builds and boots kernels; needs KTEST_TREE"]
            fn $test() {
                caught($name);
            }
        )*
        const NAMES: &[&str] = &[$($name),*];
    };
}

bugs! {
    a_release_with_put_page_is_caught = "put-page-for-a-pin",
    a_double_unpin_is_caught = "double-unpin",
    an_unpin_of_a_plain_reference_is_caught = "unpin-of-a-plain-reference",
    a_leak_on_an_error_path_is_caught = "leak-on-an-error-path",
    a_page_that_is_not_marked_dirty_is_caught = "dirty-forgotten",
    a_bit_beside_the_right_one_is_caught = "log-bit-beside",
    a_wrong_page_is_caught = "wrong-page",
    a_pin_that_is_not_for_long_is_caught = "longterm-forgotten",
    a_page_that_is_kept_on_a_copy_fault_is_caught = "kept-on-a-copy-fault",
    a_page_at_the_edge_of_a_size_is_caught = "size-edge",
    a_plain_reference_of_each_repetition_is_caught = "a-page-of-each-pair",
    a_plain_reference_that_the_dead_keep_is_caught = "kept-by-the-dead",
    a_wrong_byte_is_caught = "wrong-byte",
    a_charge_that_is_kept_is_caught = "charge-kept",
    a_limit_that_is_used_up_is_caught = "limit-kept",
    a_page_that_an_iommu_leaves_clean_is_caught = "not-dirty-for-a-device",
    a_release_with_put_page_by_the_pipe_is_caught = "pipe-with-put-page",
    a_write_without_the_flag_is_caught = "write-forgotten",
    a_page_held_in_place_of_another_is_caught = "held-in-place-of-another",
    a_queue_that_is_not_marked_dirty_is_caught = "dirty-forgotten-by-a-queue",
    a_wrong_byte_from_the_middle_is_caught = "wrong-byte-from-the-middle",
    a_limit_that_is_not_kept_is_caught = "beyond-the-limit",
    a_charge_for_what_was_refused_is_caught = "charged-for-what-was-refused",
    a_small_object_of_each_repetition_is_caught = "small-object-kept",
    the_memory_of_another_process_that_is_kept_is_caught = "memory-of-another-kept",
    a_bug_on_a_path_that_nothing_takes_is_not_exercised = "on-a-path-not-taken",
    one_page_given_back_for_all_is_caught = "first-page-for-all",
    a_513th_page_that_is_kept_is_caught = "the-513th-kept",
    a_65th_page_that_is_not_marked_dirty_is_caught = "the-65th-not-dirty",
    a_read_of_a_command_that_is_not_marked_dirty_is_caught = "not-dirty-for-a-command",
    a_command_that_keeps_what_was_there_is_caught = "kept-where-memory-ends",
    a_camera_that_does_not_pin_for_long_is_caught = "longterm-forgotten-by-a-camera",
    pages_given_back_before_their_buffer_are_caught = "given-back-before-the-buffer",
    pages_of_a_first_memory_that_are_kept_are_caught = "kept-of-a-first-memory",
    a_charge_for_one_more_is_caught = "charged-for-one-more",
    a_charge_of_a_refusal_is_caught = "charge-of-a-refusal-kept",
    a_charge_for_the_65th_is_caught = "charge-of-the-65th-kept",
    pages_given_back_before_the_answer_are_caught = "given-back-before-the-answer",
    pages_given_back_before_the_transfer_are_caught = "transfer-given-back-first",
    pages_given_back_before_the_copy_are_caught = "given-back-before-the-copy",
    a_page_of_a_full_array_that_is_kept_is_caught = "kept-of-a-full-array",
    one_pin_given_back_for_a_large_folio_is_caught = "one-of-a-large-folio",
    a_charge_of_one_for_a_huge_page_is_caught = "charged-one-for-a-huge-page",
    a_block_that_ends_and_keeps_its_pages_is_caught = "kept-where-a-block-ends",
    a_single_page_that_is_not_marked_dirty_is_caught = "not-dirty-within-a-page",
    a_first_page_that_is_not_marked_dirty_is_caught = "first-page-not-dirty",
    a_frame_that_ends_and_keeps_its_pages_is_caught = "kept-where-a-frame-ends",
    a_mapping_that_is_not_for_long_is_caught = "longterm-forgotten-by-an-iommu",
    a_rest_of_a_batch_that_is_kept_is_caught = "rest-of-a-batch-kept",
    a_charge_of_neighbours_is_caught = "charge-of-a-neighbour-kept",
    a_message_that_is_not_for_long_is_caught = "longterm-forgotten-by-a-message",
    pages_of_half_a_message_that_are_kept_are_caught = "kept-of-half-a-message",
    pages_that_a_refusal_keeps_are_caught = "kept-where-the-server-refuses",
    a_short_answer_that_leaves_its_page_clean_is_caught = "not-dirty-where-the-answer-is-short",
    a_memory_file_that_is_kept_is_caught = "memory-file-kept",
    a_page_of_the_log_that_is_left_clean_is_caught = "log-not-dirty",
    a_part_of_a_page_that_is_left_clean_is_caught = "not-dirty-below-a-page",
    pages_of_half_a_memory_that_are_kept_are_caught = "kept-of-half-a-memory",
    a_second_pin_of_a_page_that_is_kept_is_caught = "second-pin-of-a-page-kept",
    a_lock_that_is_kept_is_caught = "lock-kept-where-pages-are-refused",
    a_page_that_is_marked_dirty_after_its_release_is_caught = "dirty-after-release",
    pages_given_back_twice_on_a_refusal_are_caught = "given-back-twice-on-a-refusal",
    a_write_by_force_is_caught = "forced-write",
    a_page_that_is_dirty_though_a_disk_only_reads_it_is_caught = "dirty-though-only-read",
    a_page_that_is_dirty_though_a_command_only_reads_it_is_caught = "dirty-though-a-command-only-reads",
    a_count_that_wraps_is_caught = "count-wraps",
    an_offset_of_another_memory_is_caught = "offset-of-the-first",
    a_region_taken_for_writing_without_need_is_caught = "written-where-reading-suffices",
    a_replaced_buffer_that_is_kept_is_caught = "kept-where-replaced",
    a_lock_of_a_memory_file_that_is_kept_is_caught = "lock-of-a-memory-file-kept",
    an_offset_within_a_folio_that_is_forgotten_is_caught = "offset-within-a-folio-forgotten",
    a_log_that_is_not_taken_for_writing_is_caught = "log-not-taken-for-writing",
    a_write_over_the_edge_of_a_page_of_which_half_is_logged_is_caught = "half-of-a-write-logged",
    a_read_of_a_tape_that_is_not_for_writing_is_caught = "tape-not-taken-for-writing",
    a_read_of_a_pipe_that_is_not_for_writing_is_caught = "pipe-not-taken-for-writing",
    pages_of_another_process_that_are_read_for_writing_are_caught = "taken-for-writing-to-be-read",
    a_charge_of_who_unmaps_is_caught = "another-process-uncharged",
    a_request_that_leaves_the_servers_pages_clean_is_caught = "pages-of-a-server-clean",
    a_buffer_that_begins_within_a_page_is_asked_for = "beginning-of-a-buffer-ignored",
    a_pin_of_a_page_in_which_stretches_meet_is_caught = "pin-of-a-meeting-place-kept",
    an_error_of_another_number_is_caught = "another-error-number",
    a_page_that_a_driver_wrote_to_and_left_clean_is_caught = "accessed-page-clean",
    a_rest_of_the_longer_queue_that_is_kept_is_caught = "rest-of-the-longer-queue-kept",
    a_pin_of_a_huge_page_that_is_kept_is_caught = "pin-of-a-coalesced-page-kept",
    a_single_page_that_is_not_for_long_is_caught = "longterm-forgotten-for-one",
    a_full_page_of_a_server_that_is_kept_is_caught = "full-page-of-a-server-kept",
    a_fork_that_shares_pinned_pages_is_caught = "pinned-without-a-mark",
    a_hang_is_caught = "hang",
    a_panic_is_caught = "panic",
}

#[test]
fn every_described_edit_is_run_and_makes_a_different_text() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/planted");
    let mut on_disk: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| {
            e.unwrap()
                .file_name()
                .to_string_lossy()
                .replace(".toml", "")
        })
        .collect();
    let mut run: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    on_disk.sort();
    run.sort();
    assert_eq!(on_disk, run);
    for name in NAMES {
        let bug = planted(name);
        Regex::new(&bug.reason).unwrap();
        let (function, call) = (&bug.function, &bug.call);
        let text = format!(
            "int {function}_not(void)\n{{\n\t{call}(0);\n}}\n\nstatic int {function}(int a,\n\t\tint b)\n{{\n\tif (a)\n\t\t{call}(a,\n\t\t\tb);\n}}\n"
        );
        let now = edited(&text, &bug).unwrap();
        assert!(
            now.starts_with(&text[..text.find("static").unwrap()]),
            "{now}"
        );
        assert!(now.contains(&bug.statement), "{now}");
        assert!(edited("int other(void)\n{\n}\n", &bug).is_none());
    }
}
