// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a guest writes, it is read without a panic, it is never a pass by accident, and what is written of it can be read again.

use super::guest::{CONSOLE, Guest, ODD, RESULTS, verdict, written_and_read_again};
use super::laid;
use crate::boot::Ended;
use crate::verdict::Outcome;
use camino::Utf8Path;
use patches::fuzz::Desk;
use proptest::prelude::*;

/// A text with some of its pieces replaced, doubled or left out.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..24_usize,
        prop::sample::select(ODD),
        any::<bool>(),
    );
    prop::collection::vec(edit, 0..6).prop_map(move |edits| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, odd, again) in edits {
            let start = at.index(chars.len() + 1);
            let end = (start + length).min(chars.len());
            let cut: Vec<char> = chars.splice(start..end, odd.chars()).collect();
            if again {
                chars.splice(start..start, cut.iter().chain(&cut).copied());
            }
        }
        chars.into_iter().collect()
    })
}

fn endings() -> impl Strategy<Value = Ended> {
    prop::sample::select(vec![Ended::Exited, Ended::Deadline, Ended::Flooded])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mutated_outputs_do_no_harm(ended in endings(), console in mutated(CONSOLE), results in mutated(RESULTS)) {
        prop_assert_eq!(written_and_read_again(&verdict(ended, &console, &results).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn random_bytes_are_never_a_pass(ended in endings(), console in prop::collection::vec(any::<u8>(), 0..600), results in prop::collection::vec(any::<u8>(), 0..600)) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let verdict = verdict(ended, &text(&console), &text(&results)).unwrap();
        prop_assert_ne!(verdict.result, Outcome::Pass);
        prop_assert_eq!(written_and_read_again(&verdict), Vec::<String>::new());
    }

    #[test]
    fn without_its_last_line_no_results_file_is_a_pass(cut in 1..RESULTS.len()) {
        let results = &RESULTS[..RESULTS.len() - cut];
        let clean = "ktest: begin vmci\nktest: end vmci\n";
        let verdict = verdict(Ended::Exited, clean, results).unwrap();
        prop_assert!(verdict.base.targets.iter().all(|t| t.result != Outcome::Pass));
    }
}

#[test]
fn numbered_guests_are_the_same_again_and_do_no_harm() {
    for number in 0..100 {
        let guest = Guest::of_case(3, number);
        assert_eq!(guest, Guest::of_case(3, number));
        assert_eq!(guest.run().unwrap(), Vec::<String>::new(), "{guest:?}");
    }
}

#[test]
fn hostile_series_laid_over_a_tree_of_links_leave_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    let desk = Desk::new(root).unwrap();
    let (series, shadow) = (root.join("series"), root.join("shadow"));
    Desk::lay(desk.good(), &series).unwrap();
    let patches = laid(&desk.tree(), "6.12.0", &series, &shadow).unwrap();
    assert!(patches >= 2);
    let mut refused = 0;
    for number in 0..25 {
        std::fs::remove_dir_all(&series).unwrap();
        Desk::lay(&desk.case(11, number), &series).unwrap();
        refused += usize::from(laid(&desk.tree(), "6.12.0", &series, &shadow).is_err());
        assert_eq!(desk.wrong(&shadow), Vec::<String>::new(), "case {number}");
    }
    assert!(refused > 5, "{refused} of 25 are refused");
}
