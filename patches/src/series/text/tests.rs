// SPDX-License-Identifier: MIT OR Apache-2.0
//! What subjects and messages say of small plans.

use super::*;
use crate::edits::Functions;
use crate::fixture::header;
use callsites::report::Era;

#[test]
fn a_release_that_lags_behind_its_pin_is_the_subject_and_alone_it_is_a_fix() {
    let mut plan = Planned::default();
    plan.replaced
        .push(replaced("pin_user_pages_fast", "pin_user_pages_fast"));
    plan.replaced.push(replaced("put_page", "unpin_user_page"));
    let words = Words::of(
        Api::Auto,
        Era::Pin,
        &Functions::Header(header(Era::Pin).into()),
    )
    .expect("the era has it");
    assert_eq!(
        subject("misc: toy", &plan, &words),
        "misc: toy: convert put_page() to unpin_user_page()"
    );
    plan.fix = Some(Fix::Leak);
    assert_eq!(
        subject("misc: toy", &plan, &words),
        "misc: toy: fix pin leak in toy_run()"
    );
    let message = message("misc: toy: x", &plan, &words, "Not tested.", None);
    assert!(
        message.replace('\n', " ").contains(
            "toy_run() pins pages with pin_user_pages_fast(), but releases them with put_page()."
        ),
        "{message}"
    );
}

#[test]
fn a_dirtying_call_is_not_counted_among_those_that_release() {
    let mut plan = Planned::default();
    plan.replaced
        .push(replaced("get_user_pages_fast", "pin_user_pages_fast"));
    for call in ["set_page_dirty_lock", "put_page"] {
        plan.replaced
            .push(replaced(call, "unpin_user_pages_dirty_lock"));
    }
    let words = Words::of(
        Api::Auto,
        Era::Pin,
        &Functions::Header(header(Era::Pin).into()),
    )
    .expect("the era has it");
    let message = message("misc: toy: x", &plan, &words, "Not tested.", None);
    let flat = message.replace('\n', " ");
    assert!(
        flat.contains("The one call that releases them changes in the same patch"),
        "{message}"
    );
    assert!(!flat.contains("set_page_dirty_lock"), "{message}");
}

#[test]
fn what_belongs_to_the_conversion_of_a_tree_names_its_commit_on_lines_that_a_checker_reads() {
    let mut plan = Planned::default();
    plan.replaced
        .push(replaced("get_user_pages_fast", "get_user_pages_fast"));
    plan.replaced.push(replaced("put_page", "put_user_page"));
    let words = Words::of(
        Api::Auto,
        Era::PutUserPage,
        &Functions::Header(header(Era::PutUserPage).into()),
    )
    .expect("the era has it");
    let said = |words: &Words| message("misc: toy: x", &plan, words, "Not tested.", None);
    assert!(!said(&words).contains("fc1d8e7cca2d"));
    let words = Words {
        tree_wide: true,
        ..words
    };
    let said = said(&words);
    assert!(
        said.contains(
            "\ncommit fc1d8e7cca2d (\"mm: introduce put_user_page*(), placeholder\nversions\").\n"
        ),
        "{said}"
    );
}

#[test]
fn functions_that_keep_their_flags_are_named_in_one_note() {
    let mut plan = Planned::default();
    let note = |plan: &Planned| for_review(plan).map(|note| note.replace("\n   ", " "));
    assert_eq!(note(&plan), None);
    plan.keep_flags.insert("toy_run".into());
    let one = note(&plan).expect("a note");
    assert!(one.contains(" - toy_run() keeps its flags."), "{one}");
    plan.keep_flags.insert("toy_map".into());
    let two = note(&plan).expect("a note");
    assert!(
        two.contains(" - toy_map() and toy_run() keep their flags."),
        "{two}"
    );
}

fn replaced(call: &str, becomes: &str) -> crate::info::Replaced {
    crate::info::Replaced {
        id: call.into(),
        path: "drivers/misc/toy.c".into(),
        function: "toy_run".into(),
        line: 1,
        call: call.into(),
        becomes: becomes.into(),
    }
}
