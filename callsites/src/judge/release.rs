// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts on releases and on calls that mark pages dirty, from the origins of their pages.

use super::classify::{self, Judgement};
use super::verdict::{name_of, names_of, place_of};
use crate::flow::analysis::Analysis;
use crate::flow::iterators::Backing;
use crate::flow::origins::Origins;
use crate::flow::sites::Site;
use crate::flow::state::SiteKey;
use crate::report::{Confidence, Era, Verdict};
use refimpl::api::{Count, followed};
use std::collections::{BTreeMap, BTreeSet};

/// What the verdict on a release rests on besides its origins.
pub(super) struct Known<'k> {
    /// The verdicts on all acquires.
    pub acquires: &'k BTreeMap<SiteKey, Judgement>,
    /// The pinning acquires whose pins the pinning API ends.
    pub unpinned: &'k BTreeSet<SiteKey>,
    /// The age of the API.
    pub era: Era,
}

pub(super) fn say(
    verdict: Verdict,
    case: Option<u8>,
    confidence: Confidence,
    reason: String,
) -> Judgement {
    Judgement {
        verdict,
        case,
        confidence,
        reason,
    }
}

pub(super) fn release(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
    near: bool,
) -> Judgement {
    let acquires = known.acquires;
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
        return release_of_others(analysis, site, origins, known, near);
    }
    let stays = |from: &SiteKey| {
        let judged = acquires.get(from);
        judged.is_some_and(|judged| judged.verdict == Verdict::Keep)
    };
    if origins.user.iter().all(stays) {
        // No reference that ends here ever becomes a pin.
        let mut judgement = of_user_pages(analysis, origins, known);
        if !origins.other.is_empty() {
            let others = names_of(analysis, &origins.other).join(", ");
            judgement.reason += &format!("; what comes from {others} is no user page");
        }
        return judgement;
    }
    if let Some(judgement) = beside_pins(analysis, site, origins, known) {
        return judgement;
    }
    // A plain release ends no pin that the pinning API ends.
    let mut origins = origins.clone();
    if !origins
        .user
        .iter()
        .all(|from| known.unpinned.contains(from))
    {
        origins.user.retain(|from| !known.unpinned.contains(from));
    }
    let origins = &origins;
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
    if !origins.own.is_empty() {
        let reason = format!(
            "drops references on user pages ({}) and what {} took on pages that others hold",
            names_of(analysis, &origins.user).join(", "),
            names_of(analysis, &origins.own).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
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
    of_user_pages(analysis, origins, known)
}

/// The verdict on a plain release that is given pages whose pins the pinning API ends, and others: none of these pins
/// ends here.
fn beside_pins(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
) -> Option<Judgement> {
    let extracts = |from: &SiteKey| {
        let acquire = analysis.listed(*from);
        acquire.is_some_and(|function| function.kind == "iter" && function.is_pinning())
    };
    let pinned = |from: &SiteKey| {
        known.unpinned.contains(from)
            && analysis
                .listed(*from)
                .is_some_and(|acquire| acquire.is_pinning())
    };
    if !origins.user.iter().all(pinned) {
        return None;
    }
    let mut others = origins.other.clone();
    others.extend(&origins.extra);
    others.extend(&origins.own);
    if others.is_empty() && !origins.user.iter().all(extracts) && !frees(site) {
        return None;
    }
    let pins = names_of(analysis, &origins.user).join(", ");
    let reason = if others.is_empty() {
        format!(
            "the pins of {pins} are ended by the pinning API, and no pin is taken on pages of the kernel: what is dropped here is another reference"
        )
    } else {
        format!(
            "drops what {} took; the pins of {pins} are ended by the pinning API",
            names_of(analysis, &others).join(", ")
        )
    };
    Some(say(Verdict::Keep, None, Confidence::Medium, reason))
}

/// Whether a call is the counterpart of an allocation: it frees, where others drop one of several references.
fn frees(site: &Site) -> bool {
    followed()
        .get(&site.name)
        .is_some_and(|function| matches!(function.kind.as_str(), "free" | "free-address"))
}

/// The verdict on a call that is given user pages only.
fn of_user_pages(analysis: &Analysis, origins: &Origins, known: &Known<'_>) -> Judgement {
    let acquires = known.acquires;
    let names = names_of(analysis, &origins.user).join(", ");
    let judged: Vec<&Judgement> = origins
        .user
        .iter()
        .filter_map(|from| acquires.get(from))
        .collect();
    let iterators: Vec<Backing> = origins
        .user
        .iter()
        .filter(|from| {
            let listed = analysis.listed(**from);
            listed.is_some_and(|function| function.kind == "iter" && function.count == Count::Get)
        })
        .map(|from| analysis.backing(*from).unwrap_or(Backing::Either))
        .collect();
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
    // Before 5.6 there is no pin that a plain put of pages of the kernel could be told apart from.
    if !iterators.is_empty() && known.era != Era::Pin {
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
    let reason = if iterators.contains(&Backing::Either) {
        format!(
            "drops references that {names} took: pins once the pages are extracted, where iov_iter_extract_will_pin() says so of the iterator"
        )
    } else {
        format!("drops references on user pages that {names} took")
    };
    say(Verdict::Convert, case, confidence, reason)
}

fn release_of_others(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
    near: bool,
) -> Judgement {
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
    if let Some(put) = origins.apart {
        let reason = format!(
            "frees what was allocated: the other arm of the condition has the user pages ({})",
            name_of(analysis, put)
        );
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if !origins.own.is_empty() {
        let reason = format!(
            "drops the reference that {} took for what is stored here",
            names_of(analysis, &origins.own).join(", ")
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
    if !origins.kernel.is_empty() {
        let reason = format!(
            "{} takes nothing on these pages, which are the kernel's",
            names_of(analysis, &origins.kernel).join(", ")
        );
        return say(Verdict::Keep, None, Confidence::Medium, reason);
    }
    if !origins.elsewhere.is_empty() {
        let reason = format!(
            "the pages of {} stand in objects of another table of functions",
            names_of(analysis, &origins.elsewhere).join(", ")
        );
        return say(Verdict::Keep, None, Confidence::Medium, reason);
    }
    if frees(site) {
        let reason =
            "frees, where a user page has one of its references dropped; none is seen to come here";
        return say(Verdict::Keep, None, Confidence::Low, reason.to_owned());
    }
    let open = |from: &SiteKey| {
        let judged = known.acquires.get(from);
        judged.is_some_and(|judged| matches!(judged.verdict, Verdict::Convert | Verdict::Unknown))
    };
    let mut numbers = origins.numbers.iter().filter(|(from, _)| open(from));
    if let Some((from, at)) = numbers.next() {
        let reason = format!(
            "the page is found by its frame number, and frame numbers of the pages of {} went to {}, which was not followed",
            name_of(analysis, *from),
            place_of(analysis, *at)
        );
        return say(Verdict::Unknown, None, Confidence::Low, reason);
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

pub(super) fn dirty(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
) -> Judgement {
    if classify::in_api(analysis, site.key) {
        return say(
            Verdict::Keep,
            None,
            Confidence::High,
            "this is the implementation of the API itself".to_owned(),
        );
    }
    // Whoever has a reference of his own on an acquired page marks that page.
    let mut origins = origins.clone();
    if origins.user.is_empty() {
        origins.user.append(&mut origins.under);
    }
    let origins = &origins;
    // A page is marked dirty in the same way whoever holds it: where all that is acquired is pinned, nothing is left.
    let pins = |from: &SiteKey| {
        analysis
            .listed(*from)
            .is_some_and(|listed| listed.is_pinning())
    };
    if !origins.user.is_empty() && origins.user.iter().all(pins) {
        let names = names_of(analysis, &origins.user).join(", ");
        let mut reason = format!("marks dirty pages that are pinned already ({names})");
        if !origins.other.is_empty() {
            let others = names_of(analysis, &origins.other).join(", ");
            reason += &format!(", and others ({others})");
        }
        return say(Verdict::Done, None, Confidence::High, reason);
    }
    if !origins.other.is_empty() {
        let reason = format!(
            "marks user pages and others dirty ({})",
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    let mut judgement = of_user_pages(analysis, origins, known);
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
