// SPDX-License-Identifier: MIT OR Apache-2.0
//! R2, half-converted-group: one release serves pages that were pinned and pages that were not.
//!
//! Matches a release whose pages come from a pinning call and from a call that takes plain references. Wrong because
//! whichever function releases them, it is the wrong one for some. Would have caught net/rds between 2020 and 2022,
//! when a part of its callers had been converted.

use super::kind_mismatch::Origin;
use super::view::View;
use crate::report::{Callsite, Finding, Role, Severity, Verdict};
use refimpl::api::{Count, catalogue};

/// Reports each such release.
pub fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for site in view
        .input
        .callsites
        .iter()
        .filter(|s| s.role == Role::Release && s.verdict != Verdict::Unknown)
    {
        // All pages must be user pages of the release's own directory: what passes through the kernel's common carriers
        // has origins everywhere.
        let origins: Option<Vec<Origin<'_>>> = site
            .origins
            .iter()
            .map(|text| Origin::parse(text))
            .collect();
        let directory = |path: &str| {
            path.rsplit_once('/')
                .map(|(directory, _)| directory.to_owned())
        };
        let Some(origins) = origins else { continue };
        if origins
            .iter()
            .any(|origin| directory(origin.path) != directory(&site.path))
            || tells_apart(view, site)
        {
            continue;
        }
        let of = |count| origins.iter().find(move |origin| origin.count == count);
        let (Some(pin), Some(get)) = (of(Count::Pin), of(Count::Get)) else {
            continue;
        };
        findings.push(Finding {
            rule: "R2".to_owned(),
            name: "half-converted-group".to_owned(),
            severity: Severity::Warning,
            path: site.path.clone(),
            line: site.line,
            function: site.function.clone(),
            message: format!(
                "{}() releases what {}() pins at {}:{} and what {}() takes as a plain reference at {}:{}",
                site.call, pin.callee, pin.path, pin.line, get.callee, get.path, get.line
            ),
            evidence: site.evidence.clone(),
            fix: None,
        });
    }
}

/// Whether the function has a release of the other kind too, and so chooses.
fn tells_apart(view: &View<'_>, site: &Callsite) -> bool {
    let count = |call: &str| catalogue().get(call).map(|function| function.count);
    let own = count(&site.call);
    view.input.callsites.iter().any(|other| {
        other.role == Role::Release
            && other.path == site.path
            && other.function == site.function
            && count(&other.call) != own
    })
}
