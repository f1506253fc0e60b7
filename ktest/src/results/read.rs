// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reader of a results file.

use super::{Report, Results, Tainted, VERDICT};
use crate::verdict::{Drift, Inner, Outcome, Pins, Subtest};
use std::collections::BTreeMap;

/// A week: no subtest of a guest that has a deadline takes longer.
const LONGEST_SECONDS: f64 = 604_800.0;

impl Results {
    /// Of the bytes of the results port.
    pub fn parse(text: &str) -> Results {
        let mut results = Results::default();
        let mut details: BTreeMap<String, Details> = BTreeMap::new();
        // What a crash cut off in the middle of a line is no line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for raw in text[..whole].lines() {
            let line = &clean(raw);
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
                        drift: detail.drift,
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
            "tainted" => self.tainted = hexadecimal(name),
            "unwatched" => {
                let why = rest.join(" ");
                self.unwatched.insert(name.to_owned(), why);
            }
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
                    rest.first().map_or(0.0, |word| seconds(word));
            }
            "pins" | "drift" | "probe" | "taint" => {
                let Some((_, report)) = self.targets.last_mut() else {
                    self.problems
                        .push(format!("counters outside a target: {text}"));
                    return;
                };
                match kind {
                    "pins" => report.pins = pins(),
                    "drift" => {
                        if let (Some(subtest), Some(drift)) =
                            (fields.get("subtest"), drift(&fields))
                        {
                            details.entry((*subtest).to_owned()).or_default().drift = Some(drift);
                        }
                        let pages = fields.get("pages").and_then(|v| v.parse::<i64>().ok());
                        report.drift_pages = match (report.drift_pages, pages) {
                            (Some(a), Some(b)) => Some(a.saturating_add(b)),
                            (a, b) => a.or(b),
                        };
                    }
                    "taint" => {
                        let bits = |key: &str| hexadecimal(fields.get(key)?);
                        report.taint =
                            bits("before")
                                .zip(bits("after"))
                                .map(|(before, after)| Tainted {
                                    before,
                                    after,
                                    warnings: number("warnings"),
                                    oopses: number("oopses"),
                                });
                    }
                    _ => {
                        let function = fields.get("function").copied().unwrap_or("").to_owned();
                        let hits = report.hits.entry(function).or_default();
                        *hits = hits.saturating_add(number("hits").unwrap_or(0));
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
    drift: Option<Drift>,
    seconds: f64,
}

/// `repetitions=48 rounds=0,1,0`: repetitions are those of all rounds.
fn drift(fields: &BTreeMap<&str, &str>) -> Option<Drift> {
    let numbers = fields.get("rounds")?.split(',').map(str::parse::<i64>);
    let rounds = numbers.collect::<Result<Vec<i64>, _>>().ok()?;
    let all: u64 = fields.get("repetitions")?.parse().ok()?;
    Some(Drift {
        repetitions: all / (rounds.len() as u64).max(1),
        rounds,
    })
}

/// A line without what a terminal or a document would obey.
pub(crate) fn clean(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    line.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// Seconds of a guest's clock; what is no time of a run is none.
fn seconds(word: &str) -> f64 {
    let said = word.parse::<f64>().unwrap_or(0.0);
    match said.is_finite() && (0.0..=LONGEST_SECONDS).contains(&said) {
        true => said,
        false => 0.0,
    }
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
