// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which labelled calls the audit judged as the maintainers did.

use super::tsv::{Error, Row, Table};
use crate::report::{Callsite, Report, Role, Verdict};
use camino::Utf8Path;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Lines that a label may be off, so that a call that is broken over lines is found by any of them.
const SLACK: u32 = 2;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Converted releases that the audit converts; at least 90 % wanted.
    ReleaseRecall,
    /// Converted acquires that the audit converts; at least 90 % wanted.
    AcquireRecall,
    /// Releases of other pages that the audit converts; none wanted.
    NegativesConverted,
    /// Callers that must stay and that the audit converts; at most 5 % wanted.
    MustStayConverted,
    /// Releases of several origins that the audit converts; none wanted.
    MixedConverted,
    /// Releases that the audit calls unknown, of all it lists in files that acquire; at most 10 % wanted.
    UnknownReleases,
}

/// A callsite that counts against the audit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Miss {
    /// Relative to the tree.
    pub path: String,
    /// 1-based, as labelled.
    pub line: u32,
    /// The callee.
    pub call: String,
    /// What the audit says of it, "absent" when nothing; of a negative the origin that the label names.
    pub why: String,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What was counted.
    pub side: Side,
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// Those that count against the audit, in the order of the labels.
    pub misses: Vec<Miss>,
}

/// The audit of one tree against one set of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// "5.4-5.9"
    pub pair: String,
    /// One a [`Side`], in its order.
    pub measures: Vec<Measure>,
}

impl Measure {
    /// Whether the bar is met.
    pub fn met(&self) -> bool {
        match self.side {
            Side::ReleaseRecall | Side::AcquireRecall => 10 * self.count >= 9 * self.of,
            Side::NegativesConverted | Side::MixedConverted => self.count == 0,
            Side::MustStayConverted => 20 * self.count <= self.of.max(1),
            Side::UnknownReleases => 10 * self.count <= self.of,
        }
    }
}

impl Score {
    /// Whether every bar is met.
    pub fn met(&self) -> bool {
        self.measures.iter().all(Measure::met)
    }
}

/// Scores `report`, the audit of the earlier tree of `pair` ("5.4-5.9"), against the tables in `set`.
///
/// # Errors
/// A table is missing, lacks a column, or holds a line number that is none.
pub fn score(set: &Utf8Path, pair: &str, report: &Report) -> Result<Score, Error> {
    let (before, _) = pair
        .split_once('-')
        .ok_or_else(|| Error::Pair(pair.to_owned()))?;
    let sites = Sites::of(report);
    let truth = Table::read(set, &format!("truth-sites-{pair}.tsv"))?;
    let negatives = Table::read(set, &format!("negatives-{before}.tsv"))?;
    let excluded = Table::read(set, &format!("excluded-{pair}.tsv"))?;
    let mut measures = vec![
        recall(Side::ReleaseRecall, "release", &truth, &sites)?,
        recall(Side::AcquireRecall, "acquire", &truth, &sites)?,
    ];
    let plain = |row: Row<'_>| Ok(row.get("label")? == "NEG");
    measures.push(converted(
        Side::NegativesConverted,
        &negatives,
        &sites,
        plain,
    )?);
    measures.push(must_stay(&excluded, &sites)?);
    let mixed = |row: Row<'_>| {
        let released_by_maintainers =
            row.optional("is_truth_release_of_this_pair").unwrap_or("N") == "Y";
        Ok(row.get("label")? != "NEG" && !released_by_maintainers)
    };
    measures.push(converted(Side::MixedConverted, &negatives, &sites, mixed)?);
    measures.push(unknown_releases(report));
    Ok(Score {
        pair: pair.to_owned(),
        measures,
    })
}

fn recall(side: Side, role: &str, table: &Table, sites: &Sites<'_>) -> Result<Measure, Error> {
    let mut measure = Measure {
        side,
        count: 0,
        of: 0,
        misses: Vec::new(),
    };
    for row in table.rows() {
        let kind = row
            .get("kind")?
            .split('-')
            .next()
            .unwrap_or_default()
            .trim_end_matches('*');
        if kind != role {
            continue;
        }
        measure.of += 1;
        let (path, line, call) = (row.get("file")?, row.line()?, row.get("call")?);
        match sites.find(path, line, call) {
            Some(site) if right(site) => measure.count += 1,
            site => measure.misses.push(Miss {
                path: path.to_owned(),
                line,
                call: call.to_owned(),
                why: site
                    .map_or("absent", |s| crate::formats::verdict(s.verdict))
                    .to_owned(),
            }),
        }
    }
    Ok(measure)
}

fn converted(
    side: Side,
    table: &Table,
    sites: &Sites<'_>,
    counts: impl Fn(Row<'_>) -> Result<bool, Error>,
) -> Result<Measure, Error> {
    let mut measure = Measure {
        side,
        count: 0,
        of: 0,
        misses: Vec::new(),
    };
    for row in table.rows() {
        if !counts(row)? {
            continue;
        }
        measure.of += 1;
        let (path, line, call) = (row.get("file")?, row.line()?, row.get("call")?);
        if sites.find(path, line, call).is_some_and(wrong) {
            measure.count += 1;
            let why = row.get("origin")?.to_owned();
            measure.misses.push(Miss {
                path: path.to_owned(),
                line,
                call: call.to_owned(),
                why,
            });
        }
    }
    Ok(measure)
}

/// One row may name several calls: `get_user_pages@188, put_page@190`.
fn must_stay(table: &Table, sites: &Sites<'_>) -> Result<Measure, Error> {
    let calls = Regex::new(r"(\w+)@(\d+)").expect("a fixed pattern");
    let mut measure = Measure {
        side: Side::MustStayConverted,
        count: 0,
        of: 0,
        misses: Vec::new(),
    };
    for row in table.rows() {
        let class = row.get("final_class")?;
        if !["must-stay", "no reference", "not user"]
            .iter()
            .any(|prefix| class.starts_with(prefix))
        {
            continue;
        }
        for call in calls.captures_iter(row.get("old_calls")?) {
            measure.of += 1;
            let (path, line) = (row.get("file")?, row.number(&call[2])?);
            if sites.find(path, line, &call[1]).is_some_and(wrong) {
                measure.count += 1;
                let why = class.to_owned();
                measure.misses.push(Miss {
                    path: path.to_owned(),
                    line,
                    call: call[1].to_owned(),
                    why,
                });
            }
        }
    }
    Ok(measure)
}

fn unknown_releases(report: &Report) -> Measure {
    let acquiring: BTreeSet<&str> = report
        .callsites
        .iter()
        .filter(|s| s.role == Role::Acquire)
        .map(|s| s.path.as_str())
        .collect();
    let mut measure = Measure {
        side: Side::UnknownReleases,
        count: 0,
        of: 0,
        misses: Vec::new(),
    };
    for site in &report.callsites {
        if site.role != Role::Release || !acquiring.contains(site.path.as_str()) {
            continue;
        }
        measure.of += 1;
        if site.verdict == Verdict::Unknown {
            measure.count += 1;
            let Callsite {
                path,
                line,
                call,
                reason,
                ..
            } = site.clone();
            measure.misses.push(Miss {
                path,
                line,
                call,
                why: reason,
            });
        }
    }
    measure
}

/// Only calls of the pinning API may be `done`.
fn pinning(call: &str) -> bool {
    ["pin_", "unpin_", "put_user_page"]
        .iter()
        .any(|prefix| call.starts_with(prefix))
}

fn right(site: &Callsite) -> bool {
    site.verdict == Verdict::Convert || site.verdict == Verdict::Done && pinning(&site.call)
}

fn wrong(site: &Callsite) -> bool {
    site.verdict == Verdict::Convert || site.verdict == Verdict::Done && !pinning(&site.call)
}

struct Sites<'r>(BTreeMap<(&'r str, &'r str), Vec<&'r Callsite>>);

impl<'r> Sites<'r> {
    fn of(report: &'r Report) -> Self {
        let mut sites: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for site in &report.callsites {
            sites
                .entry((site.path.as_str(), site.call.as_str()))
                .or_default()
                .push(site);
        }
        Self(sites)
    }

    /// The nearest; of two equally near ones the first.
    fn find(&self, path: &str, line: u32, call: &str) -> Option<&'r Callsite> {
        let near = self
            .0
            .get(&(path, call))?
            .iter()
            .filter(|site| site.line.abs_diff(line) <= SLACK);
        near.min_by_key(|site| site.line.abs_diff(line)).copied()
    }
}
