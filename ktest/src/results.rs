// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads what the guest wrote to its results port: KTAP, with the counters as diagnostic lines.
//!
//! Reading never fails: what is not understood is kept as a problem, and the judge makes of it what it deserves.

use crate::verdict::{Inner, Outcome, Pins, Subtest};
use std::collections::BTreeMap;

/// The line that ends every results file, followed by `pass` or `fail`.
pub const VERDICT: &str = "ktest verdict: ";

/// What one target reported.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Subtests in order.
    pub subtests: Vec<Subtest>,
    /// The counters over the whole target.
    pub pins: Option<Pins>,
    /// Pages gone, over all repetitions.
    pub drift_pages: Option<i64>,
    /// How many times a probed symbol ran, by function.
    pub hits: BTreeMap<String, u64>,
    /// What init said at its end: `pass`, `fail`, `skip`, `timeout`, `crash`, and the reason. `None`: it never ended.
    pub end: Option<(String, String)>,
}

/// A whole results file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// By target, in order of their beginning.
    pub targets: Vec<(String, Report)>,
    /// The words of every verdict line.
    pub verdicts: Vec<String>,
    /// What was not understood.
    pub problems: Vec<String>,
    /// Release and version of the kernel that ran, where the host did not start it.
    pub kernel: Option<String>,
    /// Why the init could do nothing at all.
    pub refused: Option<String>,
    /// Pins that others took while nothing of ours ran.
    pub noise: Option<Pins>,
}

impl Results {
    /// What `target` reported, if it began.
    pub fn target(&self, target: &str) -> Option<&Report> {
        let found = self.targets.iter().find(|(name, _)| name == target);
        found.map(|(_, report)| report)
    }

    /// Of the bytes of the results port.
    pub fn parse(text: &str) -> Results {
        let mut results = Results::default();
        let mut details: BTreeMap<String, Details> = BTreeMap::new();
        for raw in text.lines() {
            let line = raw.trim_end_matches('\r');
            let inner = line.trim_start();
            let indented = inner.len() < line.len();
            if let Some(word) = inner.strip_prefix(VERDICT) {
                results.verdicts.push(word.trim().to_owned());
            } else if let Some(diagnostic) = inner.strip_prefix("# ") {
                results.diagnostic(diagnostic, indented, &mut details);
            } else if let Some((outcome, name, reason)) = test_line(inner) {
                if !indented {
                    continue;
                }
                let detail = details.remove(&name).unwrap_or_default();
                match results.targets.last_mut() {
                    Some((_, report)) => report.subtests.push(Subtest {
                        name,
                        result: outcome,
                        reason,
                        seconds: detail.seconds,
                        pins: detail.pins,
                        inner: None,
                    }),
                    None => results
                        .problems
                        .push(format!("a result outside a target: {inner}")),
                }
            } else if !(inner.is_empty() || inner.starts_with("KTAP version ") || is_plan(inner)) {
                results.problems.push(inner.chars().take(200).collect());
            }
        }
        results
    }

    fn diagnostic(&mut self, text: &str, indented: bool, details: &mut BTreeMap<String, Details>) {
        let mut words = text.split(' ');
        let (kind, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let rest: Vec<&str> = words.collect();
        let fields: BTreeMap<&str, &str> = rest
            .iter()
            .filter_map(|word| word.split_once('='))
            .collect();
        let number = |key: &str| fields.get(key).and_then(|v| v.parse::<u64>().ok());
        let pins = || {
            let mut pins = Pins::new(number("acquired")?, number("released")?);
            pins.held = number("held");
            Some(pins)
        };
        match kind {
            "kernel" => self.kernel = text.split_once(' ').map(|(_, said)| said.to_owned()),
            "init" => self.refused = text.split_once(' ').map(|(_, said)| said.to_owned()),
            "noise" => self.noise = pins(),
            "begin" => {
                details.clear();
                self.targets.push((name.to_owned(), Report::default()));
            }
            "end" => {
                let word = rest.first().copied().unwrap_or("").to_owned();
                let reason = rest.get(1..).unwrap_or_default().join(" ");
                match self.targets.last_mut() {
                    Some((target, report)) if target == name && report.end.is_none() => {
                        report.end = Some((word, reason));
                    }
                    _ => self
                        .problems
                        .push(format!("an end without its beginning: {text}")),
                }
            }
            "pins" if indented => details.entry(name.to_owned()).or_default().pins = pins(),
            "inner" if indented => {
                let subtests = self
                    .targets
                    .last_mut()
                    .map(|(_, report)| &mut report.subtests);
                let subtest = subtests.and_then(|all| all.iter_mut().rfind(|s| s.name == name));
                if let (Some(subtest), Some(passed), Some(skipped)) =
                    (subtest, number("passed"), number("skipped"))
                {
                    subtest.inner = Some(Inner { passed, skipped });
                }
            }
            "seconds" if indented => {
                details.entry(name.to_owned()).or_default().seconds =
                    rest.first().and_then(|s| s.parse().ok()).unwrap_or(0.0);
            }
            "pins" | "drift" | "probe" => {
                let Some((_, report)) = self.targets.last_mut() else {
                    self.problems
                        .push(format!("counters outside a target: {text}"));
                    return;
                };
                match kind {
                    "pins" => report.pins = pins(),
                    "drift" => {
                        let pages = fields.get("pages").and_then(|v| v.parse::<i64>().ok());
                        report.drift_pages = match (report.drift_pages, pages) {
                            (Some(a), Some(b)) => Some(a + b),
                            (a, b) => a.or(b),
                        };
                    }
                    _ => {
                        let function = fields.get("function").copied().unwrap_or("").to_owned();
                        *report.hits.entry(function).or_default() += number("hits").unwrap_or(0);
                    }
                }
            }
            // Anything else is talk.
            _ => {}
        }
    }
}

#[derive(Default)]
struct Details {
    pins: Option<Pins>,
    seconds: f64,
}

fn is_plan(line: &str) -> bool {
    line.strip_prefix("1..")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `ok 1 name`, `not ok 2 name # reason`, `ok 3 name # SKIP reason`.
fn test_line(line: &str) -> Option<(Outcome, String, Option<String>)> {
    let (mut outcome, rest) = if let Some(rest) = line.strip_prefix("not ok ") {
        (Outcome::Fail, rest)
    } else {
        (Outcome::Pass, line.strip_prefix("ok ")?)
    };
    let (number, rest) = rest.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let rest = rest.trim_start_matches("- ");
    let (name, reason) = match rest.split_once(" # ") {
        Some((name, reason)) => (name, Some(reason)),
        None => (rest, None),
    };
    let reason = reason.map(|reason| match reason.strip_prefix("SKIP") {
        Some(why) => {
            outcome = Outcome::Skip;
            why.trim().to_owned()
        }
        None => reason.to_owned(),
    });
    Some((outcome, name.trim().to_owned(), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            if end < GOOD.len() - 1 {
                assert!(
                    results.verdicts.is_empty() || !results.verdicts.contains(&"fail".to_owned())
                );
            }
        }
    }
}
