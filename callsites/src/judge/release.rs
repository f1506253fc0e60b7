// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts on releases, from the origins of their pages.

use super::classify::{self, Judgement};
use super::verdict::{name_of, names_of, place_of};
use crate::flow::analysis::Analysis;
use crate::flow::iterators::Backing;
use crate::flow::origins::Origins;
use crate::flow::sites::Site;
use crate::flow::sources::Sources;
use crate::flow::state::SiteKey;
use crate::report::{Confidence, Era, Verdict};
use refimpl::api::{Count, followed};
use std::collections::{BTreeMap, BTreeSet};

/// What the verdict on a release rests on besides its origins.
pub(super) struct Known<'k> {
    /// The bytes of what was read.
    pub sources: &'k Sources<'k>,
    /// The verdicts on all acquires.
    pub acquires: &'k BTreeMap<SiteKey, Judgement>,
    /// The pinning acquires whose pins the pinning API ends.
    pub unpinned: &'k BTreeSet<SiteKey>,
    /// The age of the API.
    pub era: Era,
}

impl Known<'_> {
    /// Whether what an acquire takes must stay a plain reference.
    pub(super) fn stays(&self, from: &SiteKey) -> bool {
        let judged = self.acquires.get(from);
        judged.is_some_and(|judged| judged.verdict == Verdict::Keep)
    }
}

/// What a call does with the pages that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Drops references.
    Drops,
    /// Marks them dirty.
    Dirties,
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
    near: Option<SiteKey>,
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
        return release_of_others(analysis, site, origins, known, near);
    }
    if let Some(judgement) = beside_pins(analysis, site, origins, known) {
        return judgement;
    }
    // A plain release ends no pin that the pinning API ends.
    let mut origins = origins.clone();
    let ended = &origins.user & known.unpinned;
    if ended != origins.user {
        origins.user.retain(|from| !ended.contains(from));
    }
    let origins = &origins;
    if let Some(judgement) = of_one_purpose(analysis, site, origins, known, Act::Drops) {
        return judgement;
    }
    if origins.user.iter().all(|from| known.stays(from)) {
        // No reference that ends here ever becomes a pin.
        let mut judgement = beside_others(analysis, origins, known, Act::Drops);
        if !ended.is_empty() {
            let pins = names_of(analysis, &ended).join(", ");
            judgement.reason += &format!("; the pins of {pins} are ended by the pinning API");
        }
        return judgement;
    }
    if origins.fragments {
        let reason = format!(
            "drops the reference of a fragment of any socket buffer: those that {} took, and those on pages of the kernel; a buffer must say which it holds before one of them can be unpinned",
            names_of(analysis, &origins.user).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::High, reason);
    }
    if !origins.extra.is_empty() {
        let reason = format!(
            "the page also took {}, and either reference may be the one dropped here: each needs a release of its own",
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
            "drops references on user pages ({}) and on others ({}): it has to be recorded with each page which of them it is",
            names_of(analysis, &origins.user).join(", "),
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::High, reason);
    }
    if !origins.own.is_empty() {
        let reason = format!(
            "drops references on user pages ({}) and what {} took on pages that others hold: it has to be recorded with each page which of them it is",
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
            "drops a plain reference on pages of {}, which pins those of user space and takes none on others: see what took the reference",
            names_of(analysis, &origins.user).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    of_user_pages(analysis, origins, known, Act::Drops)
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

/// The verdict on a call that is given pages of acquires that serve several purposes, where its own function tells which
/// one it serves.
pub(super) fn of_one_purpose(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
    act: Act,
) -> Option<Judgement> {
    let several = |from: &SiteKey| {
        let judged = known.acquires.get(from);
        judged.is_some_and(|judged| judged.verdict == Verdict::Mixed)
    };
    let plain = |from: &SiteKey| several(from) || known.stays(from);
    if !origins.user.iter().any(several) || !origins.user.iter().all(plain) {
        return None;
    }
    let names = names_of(analysis, &origins.user).join(", ");
    let does = match act {
        Act::Drops => "drops what",
        Act::Dirties => "marks dirty what",
    };
    let (case, why) = if classify::has_asked(analysis, known.sources, site.key.function) {
        (
            3,
            "this function asks an mmu notifier whether the mapping has changed, so the pages need not be pinned for it",
        )
    } else if act == Act::Drops && classify::put_untouched(analysis, site) {
        (4, "nothing is done with the page before it is put again")
    } else {
        return None;
    };
    let reason = format!("{does} {names} took, which must stay here: {why}");
    Some(say(Verdict::Keep, Some(case), Confidence::Medium, reason))
}

/// The verdict on a call of whose user pages all must stay, whatever other pages it is given.
pub(super) fn beside_others(
    analysis: &Analysis,
    origins: &Origins,
    known: &Known<'_>,
    act: Act,
) -> Judgement {
    let mut judgement = of_user_pages(analysis, origins, known, act);
    if !origins.other.is_empty() {
        let others = names_of(analysis, &origins.other).join(", ");
        judgement.reason += &format!("; what comes from {others} is no user page");
    }
    judgement
}

/// The verdict on a call that is given user pages only.
pub(super) fn of_user_pages(
    analysis: &Analysis,
    origins: &Origins,
    known: &Known<'_>,
    act: Act,
) -> Judgement {
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
    if verdicts.contains(&Verdict::Mixed) {
        let reason = match act {
            Act::Drops => format!(
                "drops what {names} took for callers of which some watch the mapping and others ought to pin: it follows whichever of them it serves"
            ),
            Act::Dirties => format!(
                "marks dirty what {names} took for callers of which some watch the mapping and others ought to pin"
            ),
        };
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    let keeps = verdicts.contains(&Verdict::Keep);
    let converts = verdicts.contains(&Verdict::Convert) || verdicts.contains(&Verdict::Done);
    if keeps && converts {
        let reason = match act {
            Act::Drops => format!(
                "drops references of acquires that must stay and of others that ought to pin ({names}): it has to be recorded with the pages which of the two took them"
            ),
            Act::Dirties => format!(
                "marks dirty pages of acquires that must stay and of others that ought to pin ({names})"
            ),
        };
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
            match act {
                Act::Drops => format!("drops what {names} took, which must stay: {why}"),
                Act::Dirties => format!("marks dirty what {names} took, which must stay: {why}"),
            },
        );
    }
    // Before 5.6 there is no pin that a plain put of pages of the kernel could be told apart from.
    if !iterators.is_empty() && known.era != Era::Pin {
        let reason = match act {
            Act::Drops => format!(
                "drops references of {names}, which are on user pages only when the iterator is user-backed: it has to be recorded with the pages whether theirs is"
            ),
            Act::Dirties => format!(
                "marks dirty pages of {names}, which are user pages only when the iterator is user-backed"
            ),
        };
        return say(Verdict::Mixed, case, Confidence::Medium, reason);
    }
    if verdicts.contains(&Verdict::Unknown) {
        return say(
            Verdict::Unknown,
            None,
            Confidence::Low,
            format!("what {names} holds its pages for is not known, and this call follows it"),
        );
    }
    let reason = match (act, iterators.contains(&Backing::Either)) {
        (Act::Drops, true) => format!(
            "drops references that {names} took: pins once the pages are extracted, where iov_iter_extract_will_pin() says so of the iterator"
        ),
        (Act::Drops, false) => format!("drops references on user pages that {names} took"),
        (Act::Dirties, true) => format!(
            "marks dirty the pages that {names} took: pinned once they are extracted, where iov_iter_extract_will_pin() says so of the iterator"
        ),
        (Act::Dirties, false) => format!("marks dirty the user pages that {names} took"),
    };
    say(Verdict::Convert, case, confidence, reason)
}

fn release_of_others(
    analysis: &Analysis,
    site: &Site,
    origins: &Origins,
    known: &Known<'_>,
    near: Option<SiteKey>,
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
    let here = |reference: &SiteKey| reference.function == site.key.function;
    if !origins.own.is_empty() && origins.own.iter().all(here) {
        let reason = format!(
            "drops the reference that {} took in this function",
            names_of(analysis, &origins.own).join(", ")
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
    if let Some(acquire) = near {
        let reason = format!(
            "{why}; the pages of {} beside it were not followed to their end: see whether they come here",
            name_of(analysis, acquire)
        );
        return say(Verdict::Unknown, None, Confidence::Low, reason);
    }
    let reason = format!("no page that get_user_pages*() took was found to come here ({why})");
    say(Verdict::Keep, None, Confidence::Low, reason)
}
