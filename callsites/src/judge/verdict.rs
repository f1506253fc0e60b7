// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts: from the solved flow to the callsites and groups of a report.

use super::classify::{self, Judgement, Uses};
use super::dirty::dirty;
use super::entry::{callsite, identity};
use super::groups;
use super::plan;
use super::release::{Known, release, say};
use crate::flow::analysis::Analysis;
use crate::flow::hash::FastSet;
use crate::flow::iterators::Backing;
use crate::flow::library::Files;
use crate::flow::origins::{self, Origins};
use crate::flow::places::parent;
use crate::flow::sites::{self, Site};
use crate::flow::sources::Sources;
use crate::flow::state::SiteKey;
use crate::flow::way::Names;
use crate::report::{Callsite, Confidence, Era, Group, Role, Verdict};
use refimpl::api::{self, followed};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Callsites and groups, with what the finding rules need to know of them.
pub struct Judged {
    /// Sorted by (path, line, column).
    pub callsites: Vec<Callsite>,
    /// What must change together.
    pub groups: Vec<Group>,
    /// Releases shown to be of other pages and left out.
    pub(crate) releases_of_other_pages: usize,
}

/// The age of the API as the catalogue counts it.
pub(super) fn api_era(era: Era) -> api::Era {
    match era {
        Era::PutPage => api::Era::PutPage,
        Era::PutUserPage => api::Era::PutUserPage,
        Era::Pin => api::Era::Pin,
    }
}

/// Judges every call of the catalogue. With `all`, releases of other pages are listed too.
pub fn judge(analysis: &Analysis, files: &dyn Files, era: Era, all: bool) -> Judged {
    let sources = Sources::new(analysis, files);
    let mut sites: Vec<Site> = Vec::new();
    for id in analysis.program.functions() {
        let bytes = || {
            sources
                .get(analysis.program.path_of(id))
                .unwrap_or_default()
        };
        sites.extend(sites::of_function(&analysis.program, id, &bytes));
    }
    let place = |site: &Site| (analysis.path(site.key), site.name_span.start);
    sites.sort_by(|a, b| place(a).cmp(&place(b)));
    sites.dedup_by(|a, b| a.key == b.key);
    let origins = origins::of_all(analysis, &sites);
    let uses = classify::uses(analysis);
    let seen = classify::Seen::of(&sources);
    let mut judgements: BTreeMap<SiteKey, Judgement> = BTreeMap::new();
    for site in sites.iter().filter(|site| role(site) == Role::Acquire) {
        let none = Uses::default();
        let judgement = if site.beyond {
            not_followed()
        } else {
            classify::judge(
                analysis,
                files,
                &seen,
                site,
                uses.get(&site.key).unwrap_or(&none),
            )
        };
        judgements.insert(site.key, judgement);
    }
    for (site, origins) in sites.iter().zip(&origins) {
        // Elsewhere in the directory somebody else's numbers find pages.
        let file = analysis.path(site.key);
        let here = |place: &SiteKey| analysis.path(*place) == file;
        for (from, at) in origins
            .numbers
            .iter()
            .filter(|(from, at)| here(from) && here(at))
        {
            if let Some(judgement) = judgements.get_mut(from) {
                leaves_by_number(analysis, judgement, *at);
            }
        }
    }
    let unpinned = unpinned(analysis, &sites, &origins);
    let open: Vec<&Site> = sites
        .iter()
        .filter(|site| role(site) == Role::Acquire && open_ended(analysis, site, &uses))
        .collect();
    let beside: FastSet<&str> = open
        .iter()
        .map(|site| parent(analysis.path(site.key)))
        .collect();
    let open = open.into_iter().filter(|site| {
        let judged = judgements.get(&site.key).map(|judged| judged.verdict);
        // What must stay, or is pinned and unpinned, makes no release that ought to be converted.
        judged != Some(Verdict::Keep)
            && analysis.backing(site.key) != Some(Backing::Kernel)
            && !unpinned.contains(&site.key)
    });
    let mut acquiring: BTreeMap<&str, SiteKey> = BTreeMap::new();
    for site in open {
        acquiring
            .entry(parent(analysis.path(site.key)))
            .or_insert(site.key);
    }
    let known = Known {
        sources: &sources,
        acquires: &judgements,
        unpinned: &unpinned,
        era,
    };
    let names = Names::new(analysis, &sources);
    let mut kept = Vec::new();
    let mut releases_of_other_pages = 0;
    let mut ordinals: BTreeMap<(String, SmolStr, SmolStr), usize> = BTreeMap::new();
    for (site, origins) in sites.into_iter().zip(origins) {
        let near = acquiring.get(parent(analysis.path(site.key))).copied();
        let judgement = match role(&site) {
            _ if site.beyond => not_followed(),
            Role::Acquire => judgements[&site.key].clone(),
            Role::Release => release(analysis, &site, &origins, &known, near),
            Role::Dirty => dirty(analysis, &site, &origins, &known),
        };
        let function = analysis.program.function(site.key.function).name.clone();
        let key = (
            analysis.path(site.key).to_string(),
            function,
            site.name.clone(),
        );
        let ordinal = ordinals.entry(key.clone()).or_default();
        *ordinal += 1;
        let id = identity(&key, *ordinal);
        // Shown to be of other pages; what is only not shown to be of acquired ones is listed near those.
        let plain = origins.user.is_empty()
            && origins.under.is_empty()
            && origins.kernel.is_empty()
            && origins.elsewhere.is_empty()
            && origins.apart.is_none();
        let shown = judgement.confidence != Confidence::Low
            || !beside.contains(parent(analysis.path(site.key)));
        let other = judgement.verdict == Verdict::Keep && plain && shown;
        match role(&site) {
            Role::Dirty if origins.user.is_empty() && origins.under.is_empty() && !site.beyond => {
                continue;
            }
            Role::Release if other && !all => {
                releases_of_other_pages += 1;
                continue;
            }
            _ => {}
        }
        kept.push((
            callsite(
                analysis, &names, &site, &origins, &judgement, &uses, id, era,
            ),
            site,
            origins,
        ));
    }
    let mut callsites = Vec::new();
    let mut sites = Vec::new();
    let mut origins = Vec::new();
    for (callsite, site, origin) in kept {
        callsites.push(callsite);
        sites.push(site);
        origins.push(origin);
    }
    let places: BTreeMap<SiteKey, usize> = sites
        .iter()
        .enumerate()
        .map(|(at, site)| (site.key, at))
        .collect();
    let shares: Vec<Vec<usize>> = callsites
        .iter()
        .zip(&sites)
        .zip(&origins)
        .map(|((callsite, _), origins)| {
            let stays = |from: &SiteKey| {
                let judged = judgements.get(from);
                judged.is_some_and(|judged| judged.verdict == Verdict::Keep)
            };
            // What stays although the pages of an acquire come there drops other references than its own.
            if callsite.verdict == Verdict::Keep && !origins.user.iter().all(stays) {
                return Vec::new();
            }
            let numbers = origins
                .numbers
                .keys()
                .filter(|_| callsite.verdict == Verdict::Unknown);
            let marked = origins
                .under
                .iter()
                .filter(|_| callsite.role == Role::Dirty);
            let from = origins.user.iter().chain(marked).chain(numbers);
            from.filter_map(|from| places.get(from).copied()).collect()
        })
        .collect();
    let mut groups = groups::join(&mut callsites, &shares);
    stop_sent(&sites, &uses, &callsites, &mut groups);
    let known = (callsites.as_slice(), sites.as_slice(), origins.as_slice());
    plan::add(analysis, &sources, known, &mut groups);
    Judged {
        callsites,
        groups,
        releases_of_other_pages,
    }
}

/// The page of an acquire looks put at once, while its frame number is kept, and finds a page that is put elsewhere.
fn leaves_by_number(analysis: &Analysis, judgement: &mut Judgement, at: SiteKey) {
    if (judgement.verdict, judgement.case) == (Verdict::Keep, Some(4)) {
        let reason = format!(
            "the frame number of the page went to {}, which was not followed, and pages found by such numbers are put",
            place_of(analysis, at)
        );
        *judgement = say(Verdict::Unknown, None, Confidence::Low, reason);
    }
}

/// Stops the groups whose pages go into socket buffers, where what ends the fragments of those was not found.
fn stop_sent(
    sites: &[Site],
    uses: &BTreeMap<SiteKey, Uses>,
    callsites: &[Callsite],
    groups: &mut [Group],
) {
    let sent: BTreeSet<&str> = sites
        .iter()
        .zip(callsites)
        .filter(|(site, _)| uses.get(&site.key).is_some_and(|uses| uses.sent.is_some()))
        .map(|(_, callsite)| callsite.id.as_str())
        .collect();
    let stopped = groups.iter_mut().filter(|group| {
        group.convertible && group.acquires.iter().any(|id| sent.contains(id.as_str()))
    });
    for group in stopped {
        group.convertible = false;
        group.blocked_by.push(
            "the pages go into socket buffers, and whoever ends a buffer drops a plain reference on the page of each fragment"
                .to_owned(),
        );
    }
}

/// What is said of a call that has too many others before it in its function.
fn not_followed() -> Judgement {
    let reason = "its function holds more calls than are followed in one".to_owned();
    say(Verdict::Unknown, None, Confidence::Low, reason)
}

pub(super) fn role(site: &Site) -> Role {
    match followed().get(&site.name).map(|function| function.role) {
        Some(api::Role::Acquire | api::Role::Reference) => Role::Acquire,
        Some(api::Role::Dirty) => Role::Dirty,
        _ => Role::Release,
    }
}

/// The pinning acquires whose pages some release of the pinning API is given.
fn unpinned(analysis: &Analysis, sites: &[Site], origins: &[Origins]) -> BTreeSet<SiteKey> {
    let pinning = |site: &Site| {
        let listed = followed().get(&site.name);
        role(site) == Role::Release && listed.is_some_and(|function| function.is_pinning())
    };
    // A plain reference ends with a plain release, whoever unpins pages in the same place.
    let pins = |from: &SiteKey| {
        let acquire = analysis.listed(*from);
        acquire.is_some_and(|function| function.is_pinning())
    };
    let both = sites.iter().zip(origins);
    both.filter(|(site, _)| pinning(site))
        .flat_map(|(_, origins)| origins.user.iter().copied())
        .filter(pins)
        .collect()
}

/// Whether pages of an acquire may be let go by somebody who was not found: they were given to a function that was not
/// read, or nobody was seen to release them.
fn open_ended(analysis: &Analysis, site: &Site, uses: &BTreeMap<SiteKey, Uses>) -> bool {
    let adds = followed()
        .get(&site.name)
        .is_some_and(|function| function.adds_pins());
    if site.null_pages || adds || classify::in_api(analysis, site.key) {
        return false;
    }
    let uses = uses.get(&site.key);
    uses.is_none_or(|uses| !uses.handed_on.is_empty() || uses.released_in.is_empty())
}

pub(super) fn name_of(analysis: &Analysis, site: SiteKey) -> String {
    let name = analysis
        .listed(site)
        .map_or("a call", |function| function.name.as_str());
    let (line, _) = analysis.position(site.function, site.span.start);
    format!("{name} {}:{line}", analysis.path(site))
}

/// The line of a place in a function.
pub(super) fn place_of(analysis: &Analysis, site: SiteKey) -> String {
    let (line, _) = analysis.position(site.function, site.span.start);
    format!("{}:{line}", analysis.path(site))
}

/// Places that one list or sentence names: beyond what the fullest of a kernel has (42, in 5.4), nobody reads them, and a
/// file of n acquires and n releases of one array would have a report of n times n.
pub(super) const NAMED: usize = 64;

/// Calls by name and place; of more than [`NAMED`], how many more there are.
pub(super) fn names_of(analysis: &Analysis, sites: &BTreeSet<SiteKey>) -> Vec<String> {
    let named = sites.iter().take(NAMED);
    let mut names: Vec<String> = named.map(|site| name_of(analysis, *site)).collect();
    names.sort();
    names.dedup();
    names.extend(more(sites.len()));
    names
}

/// What stands for those of so many that are not named.
pub(super) fn more(all: usize) -> Option<String> {
    let more = all.saturating_sub(NAMED);
    (more > 0).then(|| format!("{more} more"))
}
