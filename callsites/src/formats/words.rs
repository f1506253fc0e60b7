// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words for enums and the sentences that several formats share.

use crate::report::{Callsite, Era, Group, Report, Role, Severity, Verdict};
use std::collections::BTreeMap;

/// Verdicts in the order in which a reader wants them.
pub(super) const VERDICTS: [Verdict; 5] = [
    Verdict::Convert,
    Verdict::Mixed,
    Verdict::Unknown,
    Verdict::Done,
    Verdict::Keep,
];

/// The word of the contract for a verdict.
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Convert => "convert",
        Verdict::Keep => "keep",
        Verdict::Mixed => "mixed",
        Verdict::Unknown => "unknown",
        Verdict::Done => "done",
    }
}

/// The word of the contract for a role.
pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Acquire => "acquire",
        Role::Release => "release",
        Role::Dirty => "dirty",
    }
}

/// The word of the contract for a severity.
pub const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

pub(super) const fn era(era: Era) -> &'static str {
    match era {
        Era::PutPage => "put_page",
        Era::PutUserPage => "put_user_page",
        Era::Pin => "pin",
    }
}

/// `put_page -> unpin_user_page`, or the call alone where nothing replaces it.
pub(super) fn change(site: &Callsite) -> String {
    match &site.replacement {
        Some(new) if *new != site.call && matches!(site.verdict, Verdict::Convert) => {
            format!("{} -> {new}", site.call)
        }
        _ => site.call.clone(),
    }
}

/// What stands on a group's heading.
pub(super) fn state(group: &Group, members: &[&Callsite]) -> &'static str {
    if group.convertible {
        "convertible"
    } else if !group.blocked_by.is_empty() {
        "blocked"
    } else if members.iter().all(|site| site.verdict == Verdict::Done) {
        "done"
    } else {
        "stays"
    }
}

/// Groups with their members in source order: convertible ones first, then blocked ones, then those with nothing to do.
pub(super) fn groups(report: &Report) -> Vec<(&Group, Vec<&Callsite>)> {
    let by_id: BTreeMap<&str, &Callsite> = report
        .callsites
        .iter()
        .map(|s| (s.id.as_str(), s))
        .collect();
    let mut groups: Vec<_> = report
        .groups
        .iter()
        .map(|group| {
            let ids = group
                .acquires
                .iter()
                .chain(&group.dirties)
                .chain(&group.releases);
            let mut members: Vec<&Callsite> = ids
                .filter_map(|id| by_id.get(id.as_str()).copied())
                .collect();
            members.sort_by_key(|s| (&s.path, s.line, s.column));
            (group, members)
        })
        .collect();
    let rank = |state| {
        ["convertible", "blocked", "done", "stays"]
            .iter()
            .position(|s| *s == state)
    };
    // The sort is stable, so that groups of one state stay in the order of the report.
    groups.sort_by_key(|(group, members)| rank(state(group, members)));
    groups
}

/// Callsites that belong to no group of the report.
pub(super) fn ungrouped(report: &Report) -> Vec<&Callsite> {
    let known: std::collections::BTreeSet<&str> =
        report.groups.iter().map(|g| g.id.as_str()).collect();
    report
        .callsites
        .iter()
        .filter(|s| s.group.as_deref().is_none_or(|id| !known.contains(id)))
        .collect()
}

/// Callsites of each verdict, in the order of [`VERDICTS`].
pub(super) fn counts(report: &Report) -> Vec<(Verdict, usize)> {
    VERDICTS
        .iter()
        .map(|v| {
            (
                *v,
                report.callsites.iter().filter(|s| s.verdict == *v).count(),
            )
        })
        .collect()
}
