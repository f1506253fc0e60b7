// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of the functions that a patch changes ran in any target of its kernel.

use crate::boot::Seen;
use crate::verdict::{Exercise, NotRun};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A function that a patch changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// Relative to the tree.
    pub(crate) path: String,
    /// Its name.
    pub(crate) function: String,
    /// It has no code of its own: what it became stands in functions of the same file that differ though they were not edited.
    pub(crate) within: Vec<String>,
    /// Calls in it that were watched: where (`symbol+0x12`), and of what.
    pub(crate) calls: Vec<(String, String)>,
    /// Places of the lines that the patch adds to it.
    pub(crate) lines: Vec<String>,
    /// Whether one of the lines that the patch takes away from it ran in an earlier kernel, where they were watched.
    pub(crate) ran_before: Option<bool>,
}

/// What the boots of one kernel show of what ran in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ran {
    /// How often each place that was watched was hit, in all targets.
    hits: BTreeMap<String, u64>,
    /// The functions in the traces of what the kernel complained of during a target.
    traced: BTreeSet<String>,
    /// The functions that could not be watched, and why.
    unwatched: BTreeMap<String, String>,
}

impl Ran {
    /// Of these boots.
    pub(crate) fn of(seen: &[&Seen]) -> Ran {
        let mut ran = Ran::default();
        for seen in seen {
            for (_, report) in &seen.results.targets {
                ran.count(&report.hits);
            }
            let during = seen.scan.found.iter().filter(|f| f.target.is_some());
            let traced = during.flat_map(|f| f.splat.function.iter().chain(&f.splat.trace));
            ran.traced.extend(traced.cloned());
            ran.say(&seen.results.unwatched);
        }
        ran
    }

    /// And of boots of the same kernel elsewhere.
    pub(crate) fn add(&mut self, other: &Ran) {
        self.count(&other.hits);
        self.traced.extend(other.traced.iter().cloned());
        self.say(&other.unwatched);
    }

    /// How often a place was hit; `None` where it was not watched.
    pub(crate) fn hits(&self, place: &str) -> Option<u64> {
        self.hits.get(place).copied()
    }

    fn count(&mut self, hits: &BTreeMap<String, u64>) {
        for (place, count) in hits {
            let of_all = self.hits.entry(place.clone()).or_default();
            *of_all = of_all.saturating_add(*count);
        }
    }

    fn say(&mut self, unwatched: &BTreeMap<String, String>) {
        for (function, why) in unwatched {
            let known = self.unwatched.entry(function.clone());
            known.or_insert_with(|| why.clone());
        }
    }
}

/// Said of a function that ran without what is new in it.
const OTHER_LINES: &str = "it ran, but none of the lines that the patch changes in it";

/// `None` where the patch changes no function. A function ran where its probe was hit, or where it stands in the trace of what the
/// kernel complained of during a target; where its changed lines were watched, one of them must have been hit besides.
pub(crate) fn exercise(changed: &[Changed], seen: &[&Seen]) -> Option<Exercise> {
    exercised(changed, &Ran::of(seen))
}

/// The same of what was kept of boots.
pub(crate) fn exercised(changed: &[Changed], of_all: &Ran) -> Option<Exercise> {
    if changed.is_empty() {
        return None;
    }
    let hits = |name: &str| of_all.hits(name);
    let traced = &of_all.traced;
    let has_run = |name: &str| hits(name).unwrap_or(0) > 0 || traced.contains(name);
    let without_its_lines = |changed: &Changed| {
        let counts: Vec<u64> = changed.lines.iter().filter_map(|at| hits(at)).collect();
        let watched = !counts.is_empty() || changed.ran_before.is_some();
        let one_ran = counts.iter().any(|count| *count > 0) || changed.ran_before == Some(true);
        watched && !one_ran && !traced.contains(changed.function.as_str())
    };
    let (mut ran, mut not_run, mut calls_not_run) = (Vec::new(), Vec::new(), Vec::new());
    for changed in changed {
        let name = format!("{}:{}", changed.path, changed.function);
        let entered = has_run(&changed.function) || changed.within.iter().any(|w| has_run(w));
        if entered && without_its_lines(changed) {
            not_run.push(NotRun {
                function: name,
                why: Some(OTHER_LINES.into()),
            });
        } else if has_run(&changed.function) {
            for (place, callee) in &changed.calls {
                // A place without a count was not watched.
                if hits(place) == Some(0) {
                    let at = place.split_once('+').map_or("", |(_, at)| at);
                    calls_not_run.push(format!("{name}: {callee} at +{at}"));
                }
            }
            ran.push(name);
        } else if changed.within.iter().any(|within| has_run(within)) {
            ran.push(name);
        } else {
            let said = of_all.unwatched.get(&changed.function);
            not_run.push(NotRun {
                function: name,
                why: said.cloned(),
            });
        }
    }
    Some(Exercise::new(ran, not_run, calls_not_run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Ended;
    use crate::console::Patterns;
    use crate::results::Results;
    use crate::verdict::Exercised;

    fn seen(console: &str, results: &str) -> Seen {
        Seen {
            ended: Ended::Exited,
            scan: Patterns::built_in().unwrap().scan(console),
            results: Results::parse(results),
        }
    }

    fn changed(function: &str, within: &[&str], calls: &[(&str, &str)]) -> Changed {
        Changed {
            path: "a.c".into(),
            function: function.into(),
            within: within.iter().map(|w| (*w).to_owned()).collect(),
            calls: calls
                .iter()
                .map(|(at, of)| ((*at).into(), (*of).into()))
                .collect(),
            lines: Vec::new(),
            ran_before: None,
        }
    }

    #[test]
    fn what_was_hit_or_stands_in_a_trace_ran_and_the_rest_did_not() {
        let results = "# unwatched twin several functions have this name\n# begin vmci FAILED\n\
            # probe vmci function=take symbol=take hits=2\n# probe vmci function=take+0x12 symbol=take+0x12 hits=0\n\
            # probe vmci function=take+0x30 symbol=take+0x30 hits=1\n# probe vmci function=give symbol=give hits=0\n\
            # probe vmci function=caller symbol=caller hits=1\n";
        let console =
            "ktest: begin vmci\nkernel BUG at a.c:1!\nRIP: 0010:helper+0x1/0x2\n died+0x1/0x2\n";
        let seen = seen(console, results);
        let all = [
            changed(
                "take",
                &[],
                &[
                    ("take+0x12", "unpin_user_page"),
                    ("take+0x30", "pin_user_pages"),
                    ("take+0x44", "put"),
                ],
            ),
            changed("give", &[], &[]),
            changed("twin", &[], &[]),
            changed("died", &[], &[]),
            changed("inlined", &["caller"], &[]),
        ];
        let exercise = exercise(&all, &[&seen]).unwrap();
        assert_eq!(exercise.result, Exercised::Partly);
        assert_eq!(exercise.ran, ["a.c:died", "a.c:inlined", "a.c:take"]);
        assert_eq!(
            exercise.calls_not_run,
            ["a.c:take: unpin_user_page at +0x12"]
        );
        let reason = exercise.reason().unwrap();
        assert!(
            reason.contains("a.c:give, a.c:twin (several functions have this name)"),
            "{reason}"
        );
    }

    #[test]
    fn a_function_that_ran_without_its_changed_lines_is_not_exercised() {
        let results = "# begin vmci FAILED\n# probe vmci function=take symbol=take hits=9\n\
            # probe vmci function=take+0x12 symbol=take+0x12 hits=0\n# probe vmci function=take+0x30 symbol=take+0x30 hits=1\n";
        let seen = seen("", results);
        let of = |lines: &[&str], ran_before| {
            let changed = Changed {
                lines: lines.iter().map(|at| (*at).to_owned()).collect(),
                ran_before,
                ..changed("take", &[], &[])
            };
            exercise(&[changed], &[&seen]).unwrap()
        };
        let idle = of(&["take+0x12"], None);
        assert_eq!(idle.result, Exercised::NotExercised);
        let reason = idle.reason().unwrap();
        assert!(
            reason.contains("a.c:take (it ran, but none of the lines"),
            "{reason}"
        );
        assert_eq!(
            of(&["take+0x12"], Some(false)).result,
            Exercised::NotExercised
        );
        assert_eq!(of(&[], Some(false)).result, Exercised::NotExercised);
        // One line suffices, and so does one that was taken away.
        assert_eq!(
            of(&["take+0x12", "take+0x30"], None).result,
            Exercised::Exercised
        );
        assert_eq!(of(&["take+0x12"], Some(true)).result, Exercised::Exercised);
        // Where no line could be watched, the function stands for them.
        assert_eq!(of(&["take+0x77"], None).result, Exercised::Exercised);
        assert_eq!(of(&[], None).result, Exercised::Exercised);
    }

    #[test]
    fn a_patch_without_a_function_asks_for_nothing() {
        assert_eq!(exercise(&[], &[]), None);
        let none = exercise(&[changed("f", &[], &[])], &[]).unwrap();
        assert_eq!(none.result, Exercised::NotExercised);
    }
}
