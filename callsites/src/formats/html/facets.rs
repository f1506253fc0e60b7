// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the lines of a page can be filtered by, so that a click on the overview leaves the same thing in every list: the
//! groups, the findings in their functions, and the patches and results that are about them.

use super::standing::{Standing, causes};
use crate::formats::words;
use crate::report::{Callsite, Finding, Group, Report, Verdict};
use page::Facet;
use std::collections::{BTreeMap, BTreeSet};

/// The name of what spans more than one subsystem.
pub(super) const SEVERAL: &str = "several subsystems";

/// A function of a file.
type Place<'r> = (&'r str, &'r str);

/// What is known of the functions of a report.
#[derive(Debug, Default)]
pub(super) struct Facets<'r> {
    /// Severity and rule of the findings in a function.
    findings: BTreeMap<Place<'r>, BTreeSet<Facet>>,
    /// State and cause of the groups that have a call in a function.
    groups: BTreeMap<Place<'r>, BTreeSet<Facet>>,
}

impl<'r> Facets<'r> {
    pub(super) fn of(report: &'r Report, groups: &[(&'r Group, Vec<&'r Callsite>)]) -> Self {
        let mut facets = Facets::default();
        for finding in &report.findings {
            let known = facets.findings.entry((&finding.path, &finding.function));
            known.or_default().extend(of_finding(finding));
        }
        for (group, members) in groups {
            let state = states(Standing::of(group, members), members);
            for site in members {
                let known = facets.groups.entry((&site.path, &site.function));
                known.or_default().extend(state.iter().cloned());
            }
        }
        facets
    }

    /// Of a group: where it lies, where it stands, what its calls are, and what was found in their functions.
    pub(super) fn group(&self, group: &Group, members: &[&Callsite]) -> Vec<Facet> {
        let mut facets: BTreeSet<Facet> =
            members.iter().flat_map(|site| under(&site.path)).collect();
        facets.insert(("under", subsystem(group).to_owned()));
        facets.extend(states(Standing::of(group, members), members));
        for site in members {
            facets.insert(("call", words::verdict(site.verdict).to_owned()));
            facets.extend(self.found(site));
        }
        facets.into_iter().collect()
    }

    /// Of a call that belongs to no group.
    pub(super) fn alone(&self, site: &Callsite) -> Vec<Facet> {
        let mut facets = under(&site.path);
        facets.push(("call", words::verdict(site.verdict).into()));
        let standing = match site.verdict {
            Verdict::Convert => Standing::Convert,
            Verdict::Mixed | Verdict::Unknown => Standing::Blocked,
            Verdict::Done => Standing::Done,
            Verdict::Keep => Standing::Keep,
        };
        facets.push(("state", standing.word().into()));
        facets.extend(self.found(site));
        facets
    }

    /// Of a finding: of the groups that have a call in its function too.
    pub(super) fn finding(&self, finding: &Finding) -> Vec<Facet> {
        let mut facets = under(&finding.path);
        facets.extend(of_finding(finding));
        let place: Place<'_> = (&finding.path, &finding.function);
        facets.extend(self.groups.get(&place).into_iter().flatten().cloned());
        facets
    }

    fn found(&self, site: &Callsite) -> Vec<Facet> {
        let place: Place<'_> = (&site.path, &site.function);
        let found = self.findings.get(&place).into_iter();
        found.flatten().cloned().collect()
    }
}

/// What every group of `report` can be filtered by, by its id.
pub fn of_groups(report: &Report) -> BTreeMap<String, Vec<Facet>> {
    let groups = words::groups(report);
    let facets = Facets::of(report, &groups);
    groups
        .iter()
        .map(|(group, members)| (group.id.clone(), facets.group(group, members)))
        .collect()
}

fn states(standing: Standing, members: &[&Callsite]) -> Vec<Facet> {
    let mut facets = vec![("state", standing.word().to_owned())];
    if standing == Standing::Blocked {
        let causes = causes(members).into_iter();
        facets.extend(causes.map(|(cause, ..)| ("cause", cause.to_owned())));
    }
    facets
}

fn of_finding(finding: &Finding) -> [Facet; 2] {
    [
        ("severity", words::severity(finding.severity).to_owned()),
        ("rule", finding.name.clone()),
    ]
}

/// What a place can be filtered by: the directory in which it lies.
pub(super) fn under(path: &str) -> Vec<Facet> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let directory = Some(directory).filter(|directory| !directory.is_empty());
    directory
        .map(|directory| ("under", directory.to_owned()))
        .into_iter()
        .collect()
}

/// What a group's subsystem is called: of one whose calls share no directory, that there are several.
pub(super) fn subsystem(group: &Group) -> &str {
    match group.subsystem.as_str() {
        "" | "." => SEVERAL,
        subsystem => subsystem,
    }
}
