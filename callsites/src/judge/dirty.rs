// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts on calls that mark pages dirty, from the origins of their pages.

use super::classify::{self, Judgement};
use super::release::{Act, Known, beside_others, of_one_purpose, of_user_pages, say};
use super::verdict::names_of;
use crate::flow::analysis::Analysis;
use crate::flow::origins::Origins;
use crate::flow::sites::Site;
use crate::flow::state::SiteKey;
use crate::report::{Confidence, Verdict};
use std::collections::BTreeSet;

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
    if let Some(judgement) = of_one_purpose(analysis, site, origins, known, Act::Dirties) {
        return judgement;
    }
    // What must stay and what is pinned already are both left as they are.
    let kept: BTreeSet<SiteKey> = origins
        .user
        .iter()
        .filter(|from| !pins(from))
        .copied()
        .collect();
    if !kept.is_empty() && kept.iter().all(|from| known.stays(from)) {
        let pinned = &origins.user - &kept;
        let rest = Origins {
            user: kept,
            ..origins.clone()
        };
        let mut judgement = beside_others(analysis, &rest, known, Act::Dirties);
        if !pinned.is_empty() {
            let pinned = names_of(analysis, &pinned).join(", ");
            judgement.reason += &format!("; what {pinned} took is pinned already");
        }
        return judgement;
    }
    if !origins.other.is_empty() {
        let reason = format!(
            "marks user pages and others dirty ({})",
            names_of(analysis, &origins.other).join(", ")
        );
        return say(Verdict::Mixed, None, Confidence::Medium, reason);
    }
    of_user_pages(analysis, origins, known, Act::Dirties)
}
