// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a judged call to the callsite of a report: its id, what it becomes, where its pages come from or go.

use super::classify::{Judgement, Uses};
use super::evidence::evidence;
use super::verdict::{NAMED, api_era, more, names_of, role};
use crate::flow::analysis::Analysis;
use crate::flow::origins::Origins;
use crate::flow::sites::Site;
use crate::flow::state::SiteKey;
use crate::flow::way::Names;
use crate::report::{Callsite, Era, Role, Verdict};
use refimpl::api::{self, followed};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The id of the call number `ordinal` of that (path, function, callee): the same whatever else is edited.
pub(super) fn identity(key: &(String, SmolStr, SmolStr), ordinal: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [
        key.0.as_str(),
        key.1.as_str(),
        key.2.as_str(),
        &ordinal.to_string(),
    ] {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

#[expect(clippy::too_many_arguments, reason = "all that is known of one call")]
pub(super) fn callsite(
    analysis: &Analysis,
    names: &Names<'_>,
    site: &Site,
    origins: &Origins,
    judgement: &Judgement,
    uses: &BTreeMap<SiteKey, Uses>,
    id: String,
    era: Era,
) -> Callsite {
    let (line, column) = analysis.position(site.key.function, site.name_span.start);
    let listed = followed().get(&site.name);
    let convert = judgement.verdict == Verdict::Convert;
    let mut places: Vec<String> = match role(site) {
        Role::Acquire => destinations(analysis, uses.get(&site.key)),
        _ => names_of(analysis, &origins.user),
    };
    if role(site) != Role::Acquire {
        places.extend(names_of(analysis, &origins.other));
    }
    Callsite {
        id,
        path: analysis.path(site.key).to_string(),
        line,
        column,
        function: analysis
            .program
            .function(site.key.function)
            .name
            .to_string(),
        call: site.name.to_string(),
        role: role(site),
        verdict: judgement.verdict,
        case: judgement.case,
        confidence: judgement.confidence,
        reason: judgement.reason.clone(),
        origins: places,
        group: None,
        replacement: if convert {
            replacement(site, listed, era)
        } else {
            None
        },
        shape: site.shape.and_then(|shape| {
            serde_json::to_value(shape)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
        }),
        guards: site.guards.clone(),
        evidence: evidence(analysis, names, site, origins, uses),
        span: site.key.span,
        edit: Some(site.edit.clone()),
    }
}

fn replacement(site: &Site, listed: Option<&'static api::Function>, era: Era) -> Option<String> {
    use crate::report::Shape;
    let pins = era == Era::Pin;
    let name = match site.shape {
        Some(Shape::LoopDirtyLock | Shape::LoopDirty | Shape::SingleDirty | Shape::SgLoopDirty) => {
            if pins {
                "unpin_user_pages_dirty_lock"
            } else {
                "put_user_pages_dirty_lock"
            }
        }
        Some(Shape::Loop) => {
            if pins {
                "unpin_user_pages"
            } else {
                "put_user_pages"
            }
        }
        _ => {
            let known = listed.and_then(|function| function.replacement(api_era(era)));
            match (known, role(site)) {
                (Some(name), _) => name,
                (None, Role::Release) if pins => "unpin_user_page",
                (None, Role::Release) => "put_user_page",
                (None, _) => return None,
            }
        }
    };
    Some(name.to_owned())
}

fn destinations(analysis: &Analysis, uses: Option<&Uses>) -> Vec<String> {
    let Some(uses) = uses else { return Vec::new() };
    let mut out: Vec<String> = Vec::new();
    out.extend(uses.held.clone());
    out.extend(uses.handed_on.first().map(|name| format!("{name}()")));
    for function in uses.released_in.iter().take(NAMED) {
        out.push(format!(
            "released in {}() of {}",
            analysis.program.function(*function).name,
            analysis.program.path_of(*function)
        ));
    }
    out.sort();
    out.extend(more(uses.released_in.len()));
    out
}
