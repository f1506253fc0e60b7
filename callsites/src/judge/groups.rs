// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must change together: acquires, releases and dirtying calls that share pages.
//!
//! A group is convertible only when it holds an acquire and a release and every member is known to belong to the
//! conversion. One unknown member would leave a pin that a put_page() drops.

use crate::report::{Callsite, Group, Role, Verdict};
use std::collections::BTreeMap;

/// Joins members that share pages. `shares[i]` are the indices of the acquires whose pages callsite `i` is given.
///
/// Sets [`Callsite::group`] of every member; a callsite that shares with nobody and is to be converted is its own group.
pub(super) fn join(callsites: &mut [Callsite], shares: &[Vec<usize>]) -> Vec<Group> {
    let mut leaders: Vec<usize> = (0..callsites.len()).collect();
    for (member, acquires) in shares.iter().enumerate() {
        for acquire in acquires {
            let (a, b) = (leader(&mut leaders, member), leader(&mut leaders, *acquire));
            leaders[a.max(b)] = a.min(b);
        }
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..callsites.len() {
        members
            .entry(leader(&mut leaders, at))
            .or_default()
            .push(at);
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for (first, members) in members {
        let converted = members
            .iter()
            .any(|at| matches!(callsites[*at].verdict, Verdict::Convert | Verdict::Done));
        if members.len() < 2 && !converted {
            continue;
        }
        let group = group(callsites, &members);
        for at in &members {
            callsites[*at].group = Some(group.id.clone());
        }
        groups.push((first, group));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn leader(leaders: &mut [usize], mut at: usize) -> usize {
    while leaders[at] != at {
        leaders[at] = leaders[leaders[at]];
        at = leaders[at];
    }
    at
}

fn group(callsites: &[Callsite], members: &[usize]) -> Group {
    let ids = |role: Role| -> Vec<String> {
        members
            .iter()
            .map(|at| &callsites[*at])
            .filter(|site| site.role == role)
            .map(|site| site.id.clone())
            .collect()
    };
    let mut hasher = blake3::Hasher::new();
    let mut sorted: Vec<&str> = members
        .iter()
        .map(|at| callsites[*at].id.as_str())
        .collect();
    sorted.sort_unstable();
    for id in sorted {
        hasher.update(id.as_bytes());
        hasher.update(b"\0");
    }
    let acquires = ids(Role::Acquire);
    let releases = ids(Role::Release);
    let mut blocked_by: Vec<String> = members
        .iter()
        .filter_map(|at| blocks(&callsites[*at]))
        .collect();
    // Before 5.6 an acquire stays as it is: a group whose releases are converted already has nothing left to change.
    let converts = members
        .iter()
        .any(|at| callsites[*at].replacement.is_some());
    if converts && acquires.is_empty() {
        blocked_by.push("the call that acquires the pages was not found".to_owned());
    }
    if converts && releases.is_empty() {
        blocked_by.push("no call that releases the pages was found".to_owned());
    }
    Group {
        id: hasher.finalize().to_hex()[..12].to_owned(),
        subsystem: subsystem(members.iter().map(|at| callsites[*at].path.as_str())),
        acquires,
        releases,
        dirties: ids(Role::Dirty),
        convertible: converts && blocked_by.is_empty(),
        blocked_by,
        plan: Vec::new(),
    }
}

fn blocks(site: &Callsite) -> Option<String> {
    // A page is marked dirty in the same way whoever holds it, so such a call stays as it is and stops nobody.
    if site.role == Role::Dirty {
        return None;
    }
    let why = match site.verdict {
        Verdict::Convert | Verdict::Done => return None,
        Verdict::Keep => "must stay",
        Verdict::Mixed => "releases pages of more than one origin",
        Verdict::Unknown => "is not known",
    };
    Some(format!(
        "{}:{} {}() in {}() {why}: {}",
        site.path, site.line, site.call, site.function, site.reason
    ))
}

/// The directory all paths share; "." for the top, where a module outside the kernel may have its files.
fn subsystem<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    let mut shared: Option<Vec<&str>> = None;
    for path in paths {
        let directory: Vec<&str> = path
            .rsplit_once('/')
            .map_or(Vec::new(), |(directory, _)| directory.split('/').collect());
        shared = Some(match shared {
            None => directory,
            Some(before) => before
                .iter()
                .zip(&directory)
                .take_while(|(a, b)| a == b)
                .map(|(a, _)| *a)
                .collect(),
        });
    }
    match shared.unwrap_or_default().join("/") {
        top if top.is_empty() => ".".to_owned(),
        directory => directory,
    }
}
