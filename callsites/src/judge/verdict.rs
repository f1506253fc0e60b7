// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts: from the solved flow to the callsites and groups of a report.

use super::classify::{self, Judgement, Uses};
use super::entry::{callsite, identity};
use super::groups;
use super::plan;
use crate::flow::analysis::Analysis;
use crate::flow::hash::FastSet;
use crate::flow::library::Files;
use crate::flow::origins::{self, Origins};
use crate::flow::places::parent;
use crate::flow::sites::{self, Site};
use crate::flow::sources::Sources;
use crate::flow::state::SiteKey;
use crate::flow::way::Names;
use crate::report::{Callsite, Confidence, Era, Group, Role, Verdict};
use refimpl::api::{self, Count, followed};
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
    let acquiring: FastSet<&str> = sites
        .iter()
        .filter(|site| role(site) == Role::Acquire && open_ended(analysis, site, &uses))
        .map(|site| parent(analysis.path(site.key)))
        .collect();
    let seen = classify::Seen::default();
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
    let names = Names::new(analysis, &sources);
    let mut kept = Vec::new();
    let mut releases_of_other_pages = 0;
    let mut ordinals: BTreeMap<(String, SmolStr, SmolStr), usize> = BTreeMap::new();
    for (site, origins) in sites.into_iter().zip(origins) {
        let near = acquiring.contains(parent(analysis.path(site.key)));
        let judgement = match role(&site) {
            _ if site.beyond => not_followed(),
            Role::Acquire => judgements[&site.key].clone(),
            Role::Release => release(analysis, &site, &origins, &judgements, near),
            Role::Dirty => dirty(analysis, &site, &origins, &judgements),
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
        let other = judgement.verdict == Verdict::Keep && origins.user.is_empty();
        match role(&site) {
            Role::Dirty if origins.user.is_empty() && !site.beyond => continue,
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
        .map(|((callsite, site), origins)| {
            if callsite.verdict == Verdict::Keep && frees(site) {
                return Vec::new();
            }
            origins
                .user
                .iter()
                .filter_map(|from| places.get(from).copied())
                .collect()
        })
        .collect();
    let mut groups = groups::join(&mut callsites, &shares);
    let known = (callsites.as_slice(), sites.as_slice(), origins.as_slice());
    plan::add(analysis, &sources, known, &mut groups);
    Judged {
        callsites,
        groups,
        releases_of_other_pages,
    }
}

/// What is said of a call that has too many others before it in its function.
fn not_followed() -> Judgement {
    let reason = "its function holds more calls than are followed in one".to_owned();
    say(Verdict::Unknown, None, Confidence::Low, reason)
}

pub(super) fn role(site: &Site) -> Role {
    match followed().get(&site.name).map(|function| function.role) {
        Some(api::Role::Acquire) => Role::Acquire,
        Some(api::Role::Dirty) => Role::Dirty,
        _ => Role::Release,
    }
}

/// Whether pages of an acquire may be let go by somebody who was not found: they were given to a function that was not
/// read, or nobody was seen to release them.
fn open_ended(analysis: &Analysis, site: &Site, uses: &BTreeMap<SiteKey, Uses>) -> bool {
    if site.null_pages || classify::in_api(analysis, site.key) {
        return false;
    }
    let uses = uses.get(&site.key);
    uses.is_none_or(|uses| uses.handed_on.is_some() || uses.released_in.is_empty())
}

fn name_of(analysis: &Analysis, site: SiteKey) -> String {
    let name = analysis
        .listed(site)
        .map_or("a call", |function| function.name.as_str());
    let (line, _) = analysis.position(site.function, site.span.start);
    format!("{name} {}:{line}", analysis.path(site))
}

pub(super) fn names_of(analysis: &Analysis, sites: &BTreeSet<SiteKey>) -> Vec<String> {
    let mut names: Vec<String> = sites.iter().map(|site| name_of(analysis, *site)).collect();
    names.sort();
    names.dedup();
    names
}

fn say(verdict: Verdict, case: Option<u8>, confidence: Confidence, reason: String) -> Judgement {
    Judgement {
        verdict,
        case,
        confidence,
        reason,
    }
}

fn release(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    acquires: &BTreeMap<SiteKey, Judgement>,
    near: bool,
) -> Judgement {
    let listed = followed().get(&site.name);
    if listed.is_some_and(|function| function.is_pinning()) {
        return say(
            Verdict::Done,
            None,
            Confidence::High,
            format!("{}() belongs to the pinning API already", site.name),
        );
    }
    if origins.user.is_empty() {
        return release_of_others(analysis, site, origins, near);
    }
    let stays = |from: &SiteKey| {
        let judged = acquires.get(from);
        judged.is_some_and(|judged| judged.verdict == Verdict::Keep)
    };
    if origins.user.iter().all(stays) {
        // No reference that ends here ever becomes a pin.
        let mut judgement = of_user_pages(analysis, origins, acquires);
        if !origins.other.is_empty() {
            let others = names_of(analysis, &origins.other).join(", ");
            judgement.reason += &format!("; what comes from {others} is no user page");
        }
        return judgement;
    }
    if !origins.extra.is_empty() {
        let reason = format!(
            "the page also took {}, and either reference may be the one dropped here",
            names_of(analysis, &origins.extra).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    if !origins.other.is_empty() && frees(site) {
        let reason = format!(
            "gives back what was allocated ({}); user pages ({}) may stand in the same place, but are never freed",
            names_of(analysis, &origins.other).join(", "),
            names_of(analysis, &origins.user).join(", ")
        );
        return say(Verdict::Keep, None, Confidence::Medium, reason);
    }
    if !origins.other.is_empty() {
        let reason = format!(
            "drops references on user pages ({}) and on others ({})",
            names_of(analysis, &origins.user).join(", "),
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::High, reason);
    }
    let extracted = origins.user.iter().all(|from| {
        analysis
            .listed(*from)
            .is_some_and(|function| function.kind == "iter" && function.is_pinning())
    });
    if extracted {
        let reason = format!(
            "drops a plain reference on pages of {}, which pins those of user space and takes none on others",
            names_of(analysis, &origins.user).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    of_user_pages(analysis, origins, acquires)
}

/// Whether a call is the counterpart of an allocation: it frees, where others drop one of several references.
fn frees(site: &Site) -> bool {
    followed()
        .get(&site.name)
        .is_some_and(|function| matches!(function.kind.as_str(), "free" | "free-address"))
}

/// The verdict on a call that is given user pages only.
fn of_user_pages(
    analysis: &Analysis,
    origins: &Origins,
    acquires: &BTreeMap<SiteKey, Judgement>,
) -> Judgement {
    let names = names_of(analysis, &origins.user).join(", ");
    let judged: Vec<&Judgement> = origins
        .user
        .iter()
        .filter_map(|from| acquires.get(from))
        .collect();
    let iterators = origins.user.iter().any(|from| {
        analysis
            .listed(*from)
            .is_some_and(|function| function.kind == "iter" && function.count == Count::Get)
    });
    let verdicts: BTreeSet<Verdict> = judged.iter().map(|judgement| judgement.verdict).collect();
    let case = judged.iter().find_map(|judgement| judgement.case);
    let confidence = judged
        .iter()
        .map(|judgement| judgement.confidence)
        .max()
        .unwrap_or(Confidence::Low);
    let keeps = verdicts.contains(&Verdict::Keep);
    let converts = verdicts.contains(&Verdict::Convert) || verdicts.contains(&Verdict::Done);
    if keeps && converts {
        let reason = format!(
            "drops references of acquires that must stay and of others that ought to pin ({names})"
        );
        return say(Verdict::Mixed, case, confidence, reason);
    }
    if keeps {
        let why = judged
            .first()
            .map_or("", |judgement| judgement.reason.as_str());
        return say(
            Verdict::Keep,
            case,
            confidence,
            format!("drops what {names} took, which must stay: {why}"),
        );
    }
    if iterators {
        let reason = format!(
            "drops references of {names}, which are on user pages only when the iterator is user-backed"
        );
        return say(Verdict::Mixed, case, Confidence::Medium, reason);
    }
    if verdicts.contains(&Verdict::Unknown) {
        return say(
            Verdict::Unknown,
            None,
            Confidence::Low,
            format!("what {names} holds its pages for is not known"),
        );
    }
    say(
        Verdict::Convert,
        case,
        confidence,
        format!("drops references on user pages that {names} took"),
    )
}

fn release_of_others(analysis: &Analysis, site: &Site, origins: &Origins, near: bool) -> Judgement {
    if classify::in_api(analysis, site.key) {
        let reason = "this is the implementation of the API itself".to_owned();
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if let Some(unmap) = origins.mapping {
        let reason = format!(
            "drops the reference of the page-table entry that {} took the page out of",
            name_of(analysis, unmap)
        );
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if !origins.other.is_empty() {
        let reason = format!(
            "the pages are not user pages: {}",
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if !origins.found.is_empty() {
        let reason = format!(
            "the page is found by address ({}), and no acquired page leads there",
            names_of(analysis, &origins.found).join(", ")
        );
        return say(Verdict::Keep, None, Confidence::Medium, reason);
    }
    let why = origins.open.iter().next().cloned().unwrap_or_default();
    if near {
        return say(Verdict::Unknown, None, Confidence::Low, why);
    }
    let reason = format!("no page that get_user_pages*() took was found to come here ({why})");
    say(Verdict::Keep, None, Confidence::Low, reason)
}

fn dirty(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    acquires: &BTreeMap<SiteKey, Judgement>,
) -> Judgement {
    if classify::in_api(analysis, site.key) {
        return say(
            Verdict::Keep,
            None,
            Confidence::High,
            "this is the implementation of the API itself".to_owned(),
        );
    }
    if !origins.other.is_empty() {
        let reason = format!(
            "marks user pages and others dirty ({})",
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    let pins = |from: &SiteKey| {
        analysis
            .listed(*from)
            .is_some_and(|listed| listed.is_pinning())
    };
    if !origins.user.is_empty() && origins.user.iter().all(pins) {
        let names = names_of(analysis, &origins.user).join(", ");
        let reason = format!("marks dirty pages that are pinned already ({names})");
        return say(Verdict::Done, None, Confidence::High, reason);
    }
    let mut judgement = of_user_pages(analysis, origins, acquires);
    judgement.reason = judgement.reason.replacen(
        "drops references on user pages that",
        "marks dirty the user pages that",
        1,
    );
    judgement.reason = judgement
        .reason
        .replacen("drops what", "marks dirty what", 1);
    judgement
}
