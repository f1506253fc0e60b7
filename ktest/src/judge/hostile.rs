// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a guest writes, it is read without a panic, it is never a pass by accident, and what is written of it can be read again.

use super::{Changed, Converted, boot, exercise, judge};
use crate::boot::{Ended, Seen};
use crate::console::Patterns;
use crate::formats::{Format, write};
use crate::results::Results;
use crate::target::{TargetSpec, select};
use crate::verdict::{Build, Outcome, Stage, Verdict, summarise};
use proptest::prelude::*;

const CONSOLE: &str = "[    0.000000] Linux version 6.12.117\n[    1.000000] ktest: begin vmci\n\
    [    1.100000] WARNING: CPU: 0 PID: 41 at mm/gup.c:84 try_grab_folio+0x1/0x2\n[    1.100000] RIP: 0010:f+0x1/0x2\n\
    [    1.200000]  g+0x1/0x2\n[    1.300000] ktest: end vmci\n[    1.400000] ktest: begin gup-test\n\
    [    1.500000] kernel BUG at mm/gup.c:1!\n[    1.600000] ktest: end gup-test\n";
const RESULTS: &str = "KTAP version 1\n# unwatched f it has no symbol\n1..2\n# begin vmci FAILED\n    KTAP version 1\n\
    \x20   # pins notify held=1 acquired=1 released=1\n    # seconds notify 0.25\n    ok 1 notify\n    # inner notify passed=3 skipped=1\n\
    \x20   1..1\n# pins vmci acquired=1 released=1\n# drift vmci pages=-3 repetitions=64\n# probe vmci function=f symbol=f hits=2\n\
    # taint vmci before=0x0 after=0x200 warnings=1 oopses=0\n# end vmci pass\nok 1 vmci\n# begin gup-test FAILED\n    ok 1 pin\n\
    # end gup-test pass\nok 2 gup-test\n# noise machine acquired=0 released=0\n# tainted 0x0\nktest verdict: pass\n";
/// What breaks readers: the largest numbers, numbers that are none, control characters, marks in odd places.
const ODD: &[&str] = &[
    "18446744073709551615",
    "-9223372036854775808",
    "9223372036854775807",
    "inf",
    "NaN",
    "-1",
    "1e308",
    "\u{1b}[2J",
    "\0",
    "\r",
    "\n",
    "#",
    " # ",
    "=",
    "]]>",
    "\u{fffd}",
    "# begin ",
    "ktest: end ",
    "ktest verdict: ",
    "0xffffffffffffffff",
    "[",
    "+0x1/0x2",
];

fn specs() -> Vec<TargetSpec> {
    select(&["vmci,gup-test,refimpl-conformance".into()]).unwrap()
}

fn verdict(ended: Ended, console: &str, results: &str) -> Verdict {
    let seen = Seen {
        ended,
        scan: Patterns::built_in().unwrap().scan(console),
        results: Results::parse(results),
    };
    let stage = |number| {
        let base = (number > 0).then(|| boot(&[], None));
        Stage {
            subject: "a kernel".into(),
            boot: Some(boot(&[&seen], base.as_ref())),
            exercise: exercise(&[changed()], &[&seen]),
            targets: specs()
                .iter()
                .map(|spec| judge(spec, Converted::Yes, &seen))
                .collect(),
            ..Stage::new(number, Build::of(Outcome::Pass, None))
        }
    };
    summarise("run", stage(0), vec![stage(1)])
}

fn changed() -> Changed {
    Changed {
        path: "a.c".into(),
        function: "f".into(),
        within: vec!["g".into()],
        calls: vec![("f+0x1".into(), "unpin_user_page".into())],
    }
}

fn written_and_read_again(verdict: &Verdict) {
    for format in [Format::Text, Format::Json, Format::Junit, Format::Ktap] {
        let mut bytes = Vec::new();
        write(verdict, format, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!text.chars().any(control), "{text:?}");
        if format == Format::Json {
            let again: Verdict = serde_json::from_str(&text).unwrap();
            assert_eq!(&again, verdict);
        }
    }
}

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
        written_and_read_again(&verdict(ended, &console, &results));
    }

    #[test]
    fn random_bytes_are_never_a_pass(ended in endings(), console in prop::collection::vec(any::<u8>(), 0..600), results in prop::collection::vec(any::<u8>(), 0..600)) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let verdict = verdict(ended, &text(&console), &text(&results));
        prop_assert_ne!(verdict.result, Outcome::Pass);
        written_and_read_again(&verdict);
    }

    #[test]
    fn without_its_last_line_no_results_file_is_a_pass(cut in 1..RESULTS.len()) {
        let results = &RESULTS[..RESULTS.len() - cut];
        let clean = "ktest: begin vmci\nktest: end vmci\n";
        let verdict = verdict(Ended::Exited, clean, results);
        prop_assert!(verdict.base.targets.iter().all(|t| t.result != Outcome::Pass));
    }
}
