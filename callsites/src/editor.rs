// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an editor shows of an audit, as plain data: marks in the margin, what a place is about, where its other end is.
//!
//! Places are those of the files as the audit read them: lines and columns begin with 1, columns and lengths count bytes.
//! Nothing here knows of a protocol, of a buffer, or of what an editor has not saved.

use crate::explain::{UnknownId, explain};
use crate::formats::visible::visible;
use crate::report::{Callsite, Evidence, Finding, Group, Report, Role, Severity, Verdict};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// A word in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in bytes; 0 for the whole line.
    pub column: u32,
    /// In bytes; 0 for the word that begins there.
    pub length: u32,
}

/// What is shown in the margin of a file, and in a list of what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where.
    pub place: Place,
    /// How bad; a group that is blocked is worth knowing.
    pub severity: Severity,
    /// "R3 leak-on-error-path", "blocked"
    pub code: String,
    /// What is to be known, for a person.
    pub message: String,
    /// The way to it, or what blocks it.
    pub related: Vec<(Place, String)>,
}

/// What a place is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum About<'r> {
    /// A call.
    Callsite(&'r Callsite),
    /// Something wrong, where no call is.
    Finding(&'r Finding),
}

/// Findings and blocked groups, by file; in a file in their order.
///
/// A blocked group is told at its acquires, where its conversion begins; where it has none, at its first member.
pub fn marks(report: &Report) -> BTreeMap<&str, Vec<Mark>> {
    let mut marks: BTreeMap<&str, Vec<Mark>> = BTreeMap::new();
    for finding in &report.findings {
        let mark = of_finding(finding);
        marks.entry(&finding.path).or_default().push(mark);
    }
    for group in report.groups.iter().filter(|g| !g.blocked_by.is_empty()) {
        let members = members(report, group);
        let acquires = members.iter().filter(|site| site.role == Role::Acquire);
        let mut told: Vec<&&Callsite> = acquires.collect();
        if told.is_empty() {
            told.extend(members.first());
        }
        for site in told {
            let mark = of_blocked(group, &members, site);
            marks.entry(&site.path).or_default().push(mark);
        }
    }
    for marks in marks.values_mut() {
        marks.sort_by(|a, b| (&a.place, &a.code).cmp(&(&b.place, &b.code)));
    }
    marks
}

fn of_finding(finding: &Finding) -> Mark {
    let step = |Evidence { path, line, text }: &Evidence| {
        let place = Place {
            path: path.clone(),
            line: *line,
            column: 0,
            length: 0,
        };
        (place, visible(text, &[]).into_owned())
    };
    Mark {
        place: Place {
            path: finding.path.clone(),
            line: finding.line,
            column: finding.column,
            length: 0,
        },
        severity: finding.severity,
        code: format!("{} {}", finding.rule, finding.name),
        message: visible(&finding.message, &[]).into_owned(),
        related: finding.evidence.iter().map(step).collect(),
    }
}

fn of_blocked(group: &Group, members: &[&Callsite], site: &Callsite) -> Mark {
    let blocks = |other: &&&Callsite| {
        other.id != site.id && matches!(other.verdict, Verdict::Mixed | Verdict::Unknown)
    };
    let related = members.iter().filter(blocks);
    let message = format!(
        "{}() cannot be converted by a program: {}",
        site.call,
        group.blocked_by.join("; ")
    );
    Mark {
        place: place(site),
        severity: Severity::Note,
        code: "blocked".to_owned(),
        message: visible(&message, &[]).into_owned(),
        related: related
            .map(|other| (place(other), visible(&other.reason, &[]).into_owned()))
            .collect(),
    }
}

/// The name of the callee.
pub fn place(site: &Callsite) -> Place {
    Place {
        path: site.path.clone(),
        line: site.line,
        column: site.column,
        length: u32::try_from(site.call.len()).unwrap_or(u32::MAX),
    }
}

/// The members of a group in the order of the sources.
pub fn members<'r>(report: &'r Report, group: &Group) -> Vec<&'r Callsite> {
    let sites = report.callsites.iter();
    sites
        .filter(|site| site.group.as_ref() == Some(&group.id))
        .collect()
}

/// What stands at a line and column of a file, both 1-based, the column in bytes: the call whose name or arguments are
/// there, else the only call of the line, else a finding of the line.
pub fn about<'r>(report: &'r Report, path: &str, line: u32, column: u32) -> Option<About<'r>> {
    let here = |site: &&Callsite| site.path == path && site.line == line;
    let sites: Vec<&Callsite> = report.callsites.iter().filter(here).collect();
    let length = |site: &Callsite| site.span.end.saturating_sub(site.span.start);
    let named = |site: &&&Callsite| {
        // A call that goes on in later lines is longer than what is left of its line, which does no harm.
        let end = site
            .column
            .saturating_add(length(site).max(place(site).length));
        (site.column..=end).contains(&column)
    };
    let inner = sites.iter().filter(named).min_by_key(|site| length(site));
    if let Some(site) = inner {
        return Some(About::Callsite(site));
    }
    if let [site] = sites[..] {
        return Some(About::Callsite(site));
    }
    let findings = report.findings.iter();
    let mut findings = findings.filter(|f| f.path == path && f.line == line);
    let nearest = |finding: &&Finding| finding.column.abs_diff(column);
    let first = findings.next()?;
    let finding = std::iter::once(first).chain(findings).min_by_key(nearest);
    finding.map(About::Finding)
}

/// The story that `audit --explain` tells.
///
/// # Errors
/// The report has no such callsite or finding.
pub fn story(tree: &Tree, report: &Report, about: About<'_>) -> Result<String, UnknownId> {
    match about {
        About::Callsite(site) => explain(tree, report, &site.id),
        About::Finding(finding) => explain(tree, report, &finding.id),
    }
}

/// The other ends of a call: of an acquire the releases of its group, of anything else the acquires.
pub fn other_ends<'r>(report: &'r Report, site: &Callsite) -> Vec<&'r Callsite> {
    let wanted = match site.role {
        Role::Acquire => Role::Release,
        Role::Release | Role::Dirty => Role::Acquire,
    };
    let same = |other: &&Callsite| site.group.is_some() && other.group == site.group;
    let others = report.callsites.iter().filter(same);
    others.filter(|other| other.role == wanted).collect()
}

/// The groups with a member in some lines of a file, in the order of the report.
pub fn groups<'r>(
    report: &'r Report,
    path: &str,
    lines: &std::ops::RangeInclusive<u32>,
) -> Vec<&'r Group> {
    let here = |site: &&Callsite| site.path == path && lines.contains(&site.line);
    let named: Vec<&String> = report
        .callsites
        .iter()
        .filter(here)
        .filter_map(|site| site.group.as_ref())
        .collect();
    let groups = report.groups.iter();
    groups.filter(|group| named.contains(&&group.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditOptions, audit};
    use crate::report::Era;

    fn report() -> (Tree, Report) {
        let tree = Tree::embedded(Era::Pin);
        let report = audit(&tree, &AuditOptions::default()).unwrap();
        (tree, report)
    }

    fn site<'r>(report: &'r Report, path: &str, call: &str) -> &'r Callsite {
        let mut sites = report.callsites.iter();
        sites
            .find(|site| site.path == path && site.call == call)
            .unwrap()
    }

    #[test]
    fn a_call_is_found_by_its_name_and_by_the_rest_of_its_line() {
        let (tree, report) = report();
        let path = "drivers/misc/onebuf.c";
        let put = site(&report, path, "put_page");
        for column in [put.column, put.column + 3, 1, 70] {
            assert_eq!(
                about(&report, path, put.line, column),
                Some(About::Callsite(put)),
                "{column}"
            );
        }
        assert_eq!(about(&report, path, 1, 1), None);
        assert_eq!(about(&report, "no/such.c", put.line, 1), None);
        let told = story(&tree, &report, About::Callsite(put)).unwrap();
        assert_eq!(told, explain(&tree, &report, &put.id).unwrap());
        assert!(told.contains("verdict: convert"), "{told}");
    }

    #[test]
    fn an_acquire_leads_to_its_releases_and_they_lead_back() {
        let (_, report) = report();
        let path = "drivers/misc/onebuf.c";
        let (take, put) = (
            site(&report, path, "get_user_pages_fast"),
            site(&report, path, "put_page"),
        );
        assert_eq!(other_ends(&report, take), [put]);
        assert_eq!(other_ends(&report, put), [take]);
        let dirty = site(&report, path, "set_page_dirty_lock");
        assert_eq!(other_ends(&report, dirty), [take]);
        let alone = Callsite {
            group: None,
            ..put.clone()
        };
        assert_eq!(other_ends(&report, &alone), [] as [&Callsite; 0]);
        let groups = groups(&report, path, &(put.line..=put.line));
        assert_eq!(groups.len(), 1);
        assert_eq!(members(&report, groups[0]), [take, dirty, put]);
    }

    #[test]
    fn every_finding_and_every_blocked_group_has_a_mark_and_nothing_else_has() {
        let (_, mut report) = report();
        let count = |report: &Report| marks(report).values().map(Vec::len).sum::<usize>();
        let blocked = |group: &&Group| !group.blocked_by.is_empty();
        assert!(!report.findings.is_empty());
        assert!(report.groups.iter().any(|group| blocked(&group)));
        let at: usize = report
            .groups
            .iter()
            .filter(blocked)
            .map(|group| group.acquires.len().max(1))
            .sum();
        assert_eq!(count(&report), report.findings.len() + at);
        let finding = report.findings[0].clone();
        let mark = &marks(&report)[finding.path.as_str()][0];
        assert_eq!(mark.message, finding.message);
        assert_eq!(mark.related.len(), finding.evidence.len());
        let place = (finding.line, finding.column);
        assert!(about(&report, &finding.path, place.0, place.1).is_some());
        report.findings.clear();
        report
            .groups
            .iter_mut()
            .for_each(|group| group.blocked_by.clear());
        assert_eq!(count(&report), 0);
    }
}
