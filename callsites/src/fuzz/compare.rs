// SPDX-License-Identifier: MIT OR Apache-2.0
//! What two reports of the same files say, without the places that a rewritten file has elsewhere.

use crate::report::Report;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How the second report differs from the first, a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Callsites that are in the first only.
    pub lost: Vec<String>,
    /// Callsites that are in the second only.
    pub gained: Vec<String>,
    /// Callsites of another verdict or case.
    pub verdicts: Vec<String>,
    /// Groups of other members, or convertible in one of them only.
    pub groups: Vec<String>,
    /// Findings that are in one of them only.
    pub findings: Vec<String>,
}

impl Difference {
    /// Whether both say the same.
    pub fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }

    /// Every line.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let all = [
            &self.lost,
            &self.gained,
            &self.verdicts,
            &self.groups,
            &self.findings,
        ];
        all.into_iter().flatten().map(String::as_str)
    }
}

/// Compares two reports of the same functions.
pub fn difference(before: &Report, after: &Report) -> Difference {
    let mut found = Difference::default();
    let (was, is) = (sites(before), sites(after));
    for key in keys(&was, &is) {
        match (was.get(key), is.get(key)) {
            (Some(_), None) => found.lost.push(format!("lost: {key}")),
            (None, Some(_)) => found.gained.push(format!("gained: {key}")),
            (Some((was, _)), Some((is, why))) if was != is => {
                found
                    .verdicts
                    .push(format!("{key}: {was} became {is} ({why})"));
            }
            _ => {}
        }
    }
    let (was, is) = (groups(before), groups(after));
    for key in keys(&was, &is) {
        if was.get(key) != is.get(key) {
            let (was, is) = (was.get(key), is.get(key));
            found
                .groups
                .push(format!("group {key}: convertible {was:?} became {is:?}"));
        }
    }
    let (was, is) = (findings(before), findings(after));
    for key in keys(&was, &is) {
        if was.get(key) != is.get(key) {
            let count = |found: Option<&usize>| found.copied().unwrap_or(0);
            let (was, is) = (count(was.get(key)), count(is.get(key)));
            found.findings.push(format!("{key}: {was} became {is}"));
        }
    }
    found
}

fn keys<'a, V>(was: &'a BTreeMap<String, V>, is: &'a BTreeMap<String, V>) -> BTreeSet<&'a String> {
    was.keys().chain(is.keys()).collect()
}

/// The verdict of every callsite, and its reason, which may name a local and is not compared.
fn sites(report: &Report) -> BTreeMap<String, (String, &str)> {
    let sites = report.callsites.iter().map(|site| {
        let key = format!(
            "{} {}() {} {}",
            site.path, site.function, site.call, site.id
        );
        let case = site
            .case
            .map_or(String::new(), |case| format!(", case {case}"));
        (
            key,
            (format!("{:?}{case}", site.verdict), site.reason.as_str()),
        )
    });
    sites.collect()
}

fn groups(report: &Report) -> BTreeMap<String, bool> {
    let groups = report.groups.iter();
    groups
        .map(|group| (group.id.clone(), group.convertible))
        .collect()
}

fn findings(report: &Report) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for finding in &report.findings {
        let what = format!(
            "finding {} in {} {}()",
            finding.name, finding.path, finding.function
        );
        *counts.entry(what).or_default() += 1;
    }
    counts
}
