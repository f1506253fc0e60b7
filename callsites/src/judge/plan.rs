// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a group is converted, member by member: what each call becomes, and under which condition.
//!
//! Pages of an iterator are pinned only where the iterator is user-backed. Where every iterator that can get to an
//! acquire is seen to be, the releases unpin without a condition; everywhere else they ask what
//! iov_iter_extract_will_pin() has said. A group has a plan when every member belongs to the conversion, or would if the
//! kind of the iterator were known.

use super::backed::Backed;
use super::verdict::{name_of, role};
use crate::flow::analysis::Analysis;
use crate::flow::origins::Origins;
use crate::flow::sites::Site;
use crate::flow::sources::Sources;
use crate::flow::state::SiteKey;
use crate::report::{Callsite, Group, Role, SetUp, Step, Verdict, When};
use camino::Utf8Path;
use refimpl::api::Count;
use std::collections::BTreeMap;

/// Gives a plan to every group that can have one.
pub(super) fn add(
    analysis: &Analysis,
    sources: &Sources<'_>,
    (callsites, sites, origins): (&[Callsite], &[Site], &[Origins]),
    groups: &mut [Group],
) {
    let places: BTreeMap<&str, usize> = callsites
        .iter()
        .enumerate()
        .map(|(at, site)| (site.id.as_str(), at))
        .collect();
    let mut files: BTreeMap<String, Option<Backed>> = BTreeMap::new();
    // What frees a page is for its one owner, and drops no reference that somebody took on the pages of others.
    let drops = |site: &Site| {
        let listed = analysis.listed(site.key);
        role(site) == Role::Release && listed.is_some_and(|function| function.kind != "free")
    };
    let owning: Vec<usize> = (0..sites.len())
        .filter(|at| !origins[*at].own.is_empty() && drops(&sites[*at]))
        .collect();
    for group in groups {
        let members: Option<Vec<usize>> = group
            .acquires
            .iter()
            .chain(&group.releases)
            .map(|id| places.get(id.as_str()).copied())
            .collect();
        let Some(members) = members else { continue };
        let converts = |at: &usize| callsites[*at].verdict == Verdict::Convert;
        if !members.iter().any(converts) || group.acquires.is_empty() || group.releases.is_empty() {
            continue;
        }
        let mut kinds: BTreeMap<SiteKey, Option<Vec<SetUp>>> = BTreeMap::new();
        for &at in &members {
            if plain_iterator(analysis, sites[at].key) {
                let file = files.entry(callsites[at].path.clone()).or_insert_with(|| {
                    let path = Utf8Path::new(&callsites[at].path);
                    sources.get(path).map(|bytes| Backed::new(path, bytes))
                });
                let set_ups = file
                    .as_ref()
                    .and_then(|file| file.set_ups(sites[at].key.span));
                kinds.insert(sites[at].key, set_ups);
            }
        }
        if let Some(why) = outlived(analysis, (callsites, sites, origins), &members, &owning) {
            group.convertible = false;
            group.blocked_by.push(why);
            continue;
        }
        let steps: Option<Vec<Step>> = members
            .iter()
            .map(|&at| step(analysis, &callsites[at], &sites[at], &origins[at], &kinds))
            .collect();
        let Some(steps) = steps else { continue };
        let open = members
            .iter()
            .filter(|at| callsites[**at].verdict == Verdict::Mixed);
        // Whatever else stops the group is no matter of its iterators.
        if !group.convertible && group.blocked_by.len() != open.count() {
            continue;
        }
        group.plan = steps;
        group.plan.sort_by_key(|step| places[step.id.as_str()]);
    }
}

/// That the pages stay in use by virtue of another reference after the acquire's own has ended on the way: a pin in its
/// place would end while somebody still accesses them. `owning` are the releases that drop references of the kernel's own.
fn outlived(
    analysis: &Analysis,
    (callsites, sites, origins): (&[Callsite], &[Site], &[Origins]),
    members: &[usize],
    owning: &[usize],
) -> Option<String> {
    let acquires: Vec<SiteKey> = members
        .iter()
        .filter(|at| role(&sites[**at]) == Role::Acquire)
        .map(|at| sites[*at].key)
        .collect();
    let releases: Vec<usize> = members
        .iter()
        .filter(|at| role(&sites[**at]) == Role::Release)
        .copied()
        .collect();
    let taking = analysis.reached(acquires.iter().map(|from| from.function));
    let at_once = |at: &usize| taking.contains(&sites[*at].key.function);
    if !releases.iter().all(at_once) {
        return None;
    }
    let last = owning.iter().copied().find(|at| {
        let under = &origins[*at].under;
        acquires.iter().all(|from| under.contains(from)) && !at_once(at) && !releases.contains(at)
    })?;
    let reference = origins[last].own.iter().find(|reference| {
        let mut under = analysis.under(**reference);
        under.any(|from| acquires.contains(&from))
    })?;
    Some(format!(
        "{} takes a reference of its own on the pages, which {}() in {}() drops when they are no longer in use; what {}() drops \
         ends before that, and so would a pin in its place",
        name_of(analysis, *reference),
        callsites[last].call,
        callsites[last].function,
        callsites[*releases.first()?].function,
    ))
}

/// Whether a call takes plain references on pages of an iterator.
fn plain_iterator(analysis: &Analysis, site: SiteKey) -> bool {
    analysis
        .listed(site)
        .is_some_and(|function| function.kind == "iter" && function.count == Count::Get)
}

/// What one member becomes; None when it stops the group.
fn step(
    analysis: &Analysis,
    callsite: &Callsite,
    site: &Site,
    origins: &Origins,
    kinds: &BTreeMap<SiteKey, Option<Vec<SetUp>>>,
) -> Option<Step> {
    let step = |becomes: &str, when, because| Step {
        id: callsite.id.clone(),
        becomes: becomes.to_owned(),
        when,
        because,
    };
    match (callsite.verdict, role(site)) {
        (Verdict::Done, _) => Some(step(&callsite.call, When::Always, Vec::new())),
        (Verdict::Convert, Role::Acquire) => {
            let becomes = callsite.replacement.as_ref()?;
            Some(match kinds.get(&site.key) {
                Some(None) => step(becomes, When::WillPin, Vec::new()),
                Some(Some(set_ups)) => step(becomes, When::Always, set_ups.clone()),
                None => step(becomes, When::Always, Vec::new()),
            })
        }
        (Verdict::Convert | Verdict::Mixed, Role::Release) => {
            let of_iterators = !origins.user.is_empty()
                && origins.user.iter().all(|from| kinds.contains_key(from));
            let alone =
                origins.other.is_empty() && origins.extra.is_empty() && origins.own.is_empty();
            if callsite.verdict == Verdict::Mixed && !(of_iterators && alone) {
                return None;
            }
            let known = |from: &SiteKey| kinds.get(from).is_none_or(Option::is_some);
            let when = match origins.user.iter().all(known) {
                true => When::Always,
                false if of_iterators => When::WillPin,
                // Pages of an iterator of unknown kind among others: no one answer is theirs.
                false => return None,
            };
            let becomes = callsite.replacement.as_deref();
            let listed = analysis.listed(site.key);
            let usual = listed.and_then(|function| function.replacement(refimpl::api::Era::Pin));
            Some(step(becomes.or(usual)?, when, Vec::new()))
        }
        _ => None,
    }
}
