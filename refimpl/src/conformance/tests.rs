// SPDX-License-Identifier: MIT OR Apache-2.0
//! The model against what kernels answered: once kept, and flags that do not go together, where the answer is a warning,
//! an error number, and nothing taken.

use super::{Answer, Trace, World, answered};
use crate::page::GUP_PIN_COUNTING_BIAS;
use crate::version::Version;

/// What booted kernels answered, by release: the traces of a run of refimpl-conformance that passed, in which the guest
/// has compared every answer with the kernel's.
const ANSWERS: &[(&str, &str)] = &[
    ("6.1.192", include_str!("../../data/answers/6.1.192.traces")),
    (
        "6.12.117",
        include_str!("../../data/answers/6.12.117.traces"),
    ),
    ("7.3.4", include_str!("../../data/answers/7.3.4.traces")),
];

#[test]
fn the_model_answers_as_booted_kernels_did() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/data/answers");
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), ANSWERS.len());
    for (release, text) in ANSWERS {
        let version = Version::at(release.parse().unwrap());
        let (_, all) = text.split_once("\ntrace ").unwrap();
        let mut operations = 0;
        for one in all.split("\ntrace ") {
            let kernel = format!("trace {}\n", one.trim_end());
            let trace = Trace::parse(&kernel).unwrap();
            operations += trace.ops.len();
            let model = answered(&trace, version, GUP_PIN_COUNTING_BIAS).unwrap();
            for (kernel, model) in kernel.lines().zip(model.lines()) {
                assert_eq!(model, kernel, "{release}, trace {}", trace.name);
            }
            assert_eq!(model.lines().count(), kernel.lines().count());
        }
        assert!(operations > 1000, "{release}: {operations}");
    }
}

/// The answer to the last line, on a page that was written before.
fn last(version: Version, line: &str) -> Answer {
    let text = format!("trace one\nmap 0 anon 1\ntouch 0 0 w\n{line}\n");
    let trace = Trace::parse(&text).unwrap();
    let mut world = World::new(version, GUP_PIN_COUNTING_BIAS);
    let answers: Vec<Answer> = trace
        .ops
        .iter()
        .map(|op| world.apply(op).unwrap())
        .collect();
    answers.last().unwrap().clone()
}

fn seen(answer: &Answer) -> (i64, bool, i64) {
    (answer.returned, answer.warns, answer.stat.acquired)
}

/// get_user_pages_unlocked() until 6.1: `if (WARN_ON_ONCE(gup_flags & FOLL_LONGTERM)) return -EINVAL`, for pins too.
#[test]
fn the_unlocked_form_takes_longterm_since_6_2() {
    let line = "pin_user_pages_unlocked 0 0 1 wl -> 0";
    for version in [Version::V5_9, Version::V5_10, Version::V6_1] {
        assert_eq!(
            seen(&last(version, line)),
            (-22, true, 0),
            "{}",
            version.name()
        );
    }
    for version in [Version::V6_12, Version::V7_3] {
        assert_eq!(
            seen(&last(version, line)),
            (1, false, 1),
            "{}",
            version.name()
        );
    }
}

/// is_valid_gup_args(): WARN_ON_ONCE() for FOLL_LONGTERM without FOLL_PIN.
#[test]
fn a_plain_reference_for_long_is_refused_with_a_warning() {
    for (line, returned) in [
        ("get_user_pages 0 0 1 l -> 0", -22),
        ("get_user_pages_fast 0 0 1 wl -> 0", -22),
        ("get_user_pages_unlocked 0 0 1 l -> 0", -22),
        ("get_user_page_fast_only 0 0 1 l -> 0", 0),
    ] {
        assert_eq!(
            seen(&last(Version::V6_12, line)),
            (returned, true, 0),
            "{line}"
        );
    }
    let plain = last(Version::V6_12, "get_user_pages 0 0 1 w -> 0");
    assert_eq!(seen(&plain), (1, false, 0));
}
