// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each rule on its fixtures: C of our own in which the expected findings are marked, `//^^^^ name: message`, on the
//! lines under the one they belong to. What is marked must be found, and nothing else.

use callsites::findings::{Input, run};
use callsites::index::{Wanted, parse};
use callsites::report::Era;
use callsites::tree::VersionCode;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::Arc;

fn fixtures() -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules"))
}

/// The findings that the marks of `source` ask for.
fn marks(source: &str) -> Vec<String> {
    let mut marks = Vec::new();
    let mut line = 0;
    for (number, text) in source.lines().enumerate() {
        match text.trim_start().strip_prefix("//^^^^ ") {
            Some(mark) => marks.push(format!("{line} {mark}")),
            None => line = number + 1,
        }
    }
    marks.sort();
    marks
}

fn found(source: &str) -> Vec<String> {
    let path = Utf8Path::new("drivers/frob/frob.c");
    let files = [Arc::new(parse(path, source.as_bytes(), &Wanted::All))];
    assert!(files[0].unread.is_empty(), "{:?}", files[0].unread);
    let read = |_: &Utf8Path| Some(source.as_bytes().to_vec());
    let findings = run(&Input {
        files: &files,
        callsites: &[],
        groups: &[],
        era: Era::Pin,
        released: Era::Pin,
        code: VersionCode::of("6.12"),
        read: &read,
        any_in: &|_, _| false,
    });
    for finding in &findings {
        assert!(!finding.evidence.is_empty(), "{finding:?} shows nothing");
    }
    let mut found: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {}: {}", f.line, f.name, f.message))
        .collect();
    found.sort();
    found
}

fn check(name: &str) {
    let source = std::fs::read_to_string(fixtures().join(name)).expect("a fixture");
    let (marks, found) = (marks(&source).join("\n"), found(&source).join("\n"));
    assert!(!marks.is_empty(), "{name} marks nothing");
    assert_eq!(
        found, marks,
        "\nfound in {name}:\n{found}\nmarked:\n{marks}"
    );
}

#[test]
fn pages_nobody_knows_of_are_a_leak_and_pages_handed_on_are_not() {
    check("leak.c");
}

#[test]
fn what_is_lost_across_a_call_is_found_and_what_a_helper_gives_back_is_not() {
    check("across.c");
}

#[test]
fn turns_of_loops_and_what_is_freed_first_are_followed() {
    check("turns.c");
}

#[test]
fn releases_are_counted_page_by_page() {
    check("counts.c");
}

#[test]
fn kinds_flags_and_names_are_told_apart() {
    check("kinds.c");
}

#[test]
fn dirtying_under_a_spinlock_is_found_through_helpers() {
    check("atomic.c");
}

#[test]
fn scatterlist_entries_and_charged_amounts_are_compared() {
    check("carriers.c");
}

#[test]
fn members_that_hold_pages_are_followed_from_call_to_call() {
    check("lifetimes.c");
}

#[test]
fn what_is_charged_is_given_back_where_its_pages_are() {
    check("charges.c");
}

#[test]
fn an_iterator_may_give_less_than_it_is_asked_for() {
    check("iterators.c");
}

#[test]
fn handles_error_pointers_and_slab_pages_are_told_from_pages() {
    check("handles.c");
}

#[test]
fn a_part_of_the_pages_does_not_pass_for_all() {
    check("partial.c");
}

#[test]
fn objects_are_known_by_each_of_their_names_and_macros_by_what_they_stand_for() {
    check("objects.c");
}

#[test]
fn what_is_kept_in_a_result_or_referred_to_by_a_helper_is_followed() {
    check("results.c");
}

#[test]
fn an_array_that_is_freed_with_its_pins_is_found_where_nobody_unpins_them() {
    check("forgotten.c");
    // Another function that lets pages go may let these go.
    let source = std::fs::read_to_string(fixtures().join("forgotten.c")).expect("a fixture");
    let end =
        "void kiln_empty(struct kiln *kiln)\n{\n\tunpin_user_pages(kiln->bricks, kiln->nr);\n}\n";
    assert!(found(&(source + end)).is_empty());
}

#[test]
fn a_mark_for_a_finding_that_is_not_there_is_an_error() {
    let source = "int f(void)\n{\n\treturn 0;\n//^^^^ leak-on-error-path: nothing\n}\n";
    assert_eq!(marks(source), ["3 leak-on-error-path: nothing"]);
    assert!(found(source).is_empty());
}

#[test]
fn each_fixture_is_checked_by_a_test() {
    let mut names: Vec<String> = fixtures()
        .read_dir_utf8()
        .expect("the fixtures")
        .map(|entry| entry.expect("a file").file_name().to_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "across.c",
            "atomic.c",
            "carriers.c",
            "charges.c",
            "counts.c",
            "forgotten.c",
            "handles.c",
            "iterators.c",
            "kinds.c",
            "leak.c",
            "levels.c",
            "lifetimes.c",
            "loans.c",
            "locks.c",
            "made.c",
            "numbers.c",
            "objects.c",
            "partial.c",
            "results.c",
            "stale.c",
            "turns.c"
        ]
    );
}

#[test]
fn who_releases_pages_after_a_call_has_not_lost_them_to_it() {
    check("loans.c");
}

#[test]
fn locks_are_held_where_pages_are_taken_and_given_back_where_that_fails() {
    check("locks.c");
}

#[test]
fn no_page_is_no_success_and_an_offset_is_part_of_a_number_of_pages() {
    check("numbers.c");
}

#[test]
fn what_is_released_and_left_is_released_again() {
    check("stale.c");
}

#[test]
fn what_is_lost_is_found_two_calls_further_up() {
    check("levels.c");
}

#[test]
fn pages_in_memory_that_is_freed_are_lost() {
    check("made.c");
}
