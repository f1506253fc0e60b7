// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must change together: acquires, releases and dirtying calls that share pages.
//!
//! A group is convertible only when it holds an acquire and a release and every member is known to belong to the
//! conversion. One unknown member would leave a pin that a put_page() drops. A member that must stay mixed, or is not
//! known, stops each group whose pages it is given and joins none of them. What only marks pages dirty, or unpins what is
//! pinned already, joins nothing either. A group in which nothing is to be converted is stopped by nobody.

use crate::flow::places::{closeness, parent};
use crate::report::{Callsite, Group, Role, Verdict};
use camino::Utf8Path;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Joins members that share pages. `shares[i]` are the indices of the acquires whose pages callsite `i` is given.
///
/// A callsite that joins nothing stands in the group of the first acquire whose pages it is given. Sets
/// [`Callsite::group`] of every member; a callsite that shares with nobody and is to be converted is its own group.
pub(super) fn join(callsites: &mut [Callsite], shares: &[Vec<usize>]) -> Vec<Group> {
    let mut leaders: Vec<usize> = (0..callsites.len()).collect();
    for (member, acquires) in shares.iter().enumerate() {
        let known = if joins(callsites, member, acquires) {
            acquires.as_slice()
        } else {
            &[]
        };
        for acquire in known {
            let (a, b) = (leader(&mut leaders, member), leader(&mut leaders, *acquire));
            leaders[a.max(b)] = a.min(b);
        }
    }
    // Found before anybody who joins nothing is put into a group.
    let mut stopped: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut put: Vec<(usize, usize)> = Vec::new();
    for (member, acquires) in shares.iter().enumerate() {
        if joins(callsites, member, acquires) {
            continue;
        }
        for acquire in acquires {
            let of = leader(&mut leaders, *acquire);
            stopped.entry(of).or_default().insert(member);
        }
        // One more pin is its own.
        if callsites[member].role == Role::Acquire {
            continue;
        }
        // Its own place is with what is to be converted, and near.
        let rank = |acquire: &&usize| {
            let acquire = &callsites[**acquire];
            let done = matches!(acquire.verdict, Verdict::Done | Verdict::Keep);
            (
                done,
                acquire.path != callsites[member].path,
                parent(Utf8Path::new(&acquire.path))
                    != parent(Utf8Path::new(&callsites[member].path)),
            )
        };
        if let Some(first) = acquires.iter().min_by_key(rank) {
            put.push((member, leader(&mut leaders, *first)));
        }
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let home: BTreeMap<usize, usize> = put.into_iter().collect();
    for at in 0..callsites.len() {
        let group = match home.get(&at) {
            Some(first) => *first,
            None => leader(&mut leaders, at),
        };
        members.entry(group).or_default().push(at);
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for (first, members) in members {
        let converted = members
            .iter()
            .any(|at| matches!(callsites[*at].verdict, Verdict::Convert | Verdict::Done));
        if members.len() < 2 && !converted {
            continue;
        }
        let none = BTreeSet::new();
        let others = stopped.get(&first).unwrap_or(&none);
        let others: Vec<usize> = others
            .iter()
            .filter(|at| !members.contains(at))
            .copied()
            .collect();
        let group = group(callsites, &members, &others);
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

/// Whether a callsite joins the acquires whose pages it is given.
fn joins(callsites: &[Callsite], member: usize, acquires: &[usize]) -> bool {
    let site = &callsites[member];
    match (site.role, site.verdict) {
        (Role::Release, Verdict::Convert | Verdict::Keep) => true,
        // One more pin on pages that another call has pinned, or the end of one: nothing changes together with them.
        (Role::Acquire | Role::Release, Verdict::Done) => {
            let mut acquires = acquires.iter().map(|at| &callsites[*at]);
            acquires.any(|acquire| acquire.verdict != Verdict::Done)
        }
        (Role::Acquire, _) => true,
        (Role::Release, Verdict::Mixed | Verdict::Unknown) | (Role::Dirty, _) => false,
    }
}

/// The group of `members`; `others` are given pages of it and stand in another group.
fn group(callsites: &[Callsite], members: &[usize], others: &[usize]) -> Group {
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
    let mut blocking: Vec<usize> = members.iter().chain(others).copied().collect();
    blocking.sort_by_key(|at| Reverse(near(callsites, members, *at)));
    let mut blocked_by: Vec<String> = blocking
        .into_iter()
        .filter_map(|at| blocks(&callsites[at]))
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
    let undecided = |at: &usize| {
        matches!(callsites[*at].verdict, Verdict::Convert | Verdict::Unknown)
            && callsites[*at].role != Role::Dirty
    };
    if !members.iter().any(undecided) {
        blocked_by.clear();
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

/// How near a callsite stands to what takes the pages: whoever looks for what stops a group begins beside it.
fn near(callsites: &[Callsite], members: &[usize], at: usize) -> u32 {
    let acquires = members
        .iter()
        .map(|member| &callsites[*member])
        .filter(|other| other.role == Role::Acquire);
    let path = Utf8Path::new(&callsites[at].path);
    let steps = acquires.map(|other| closeness(Utf8Path::new(&other.path), path));
    steps.max().unwrap_or(0)
}

fn blocks(site: &Callsite) -> Option<String> {
    // A page is marked dirty in the same way whoever holds it, so such a call stays as it is and stops nobody.
    if site.role == Role::Dirty {
        return None;
    }
    let why = match site.verdict {
        Verdict::Convert | Verdict::Done => return None,
        Verdict::Keep => "must stay",
        Verdict::Mixed if site.role == Role::Acquire => "serves more than one purpose",
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
