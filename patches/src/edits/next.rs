// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody does next about a group that was left alone.

use super::plan::members;
use callsites::report::{Callsite, Group, Report, Role, Verdict};
use std::collections::BTreeSet;

/// One sentence.
pub(crate) fn next(report: &Report, group: &Group) -> String {
    // What stands beside the acquires is looked at first.
    let homes: BTreeSet<&str> = members(report, group)
        .filter(|site| site.role == Role::Acquire)
        .map(|site| site.path.as_str())
        .collect();
    let of = |verdict: Verdict| -> Vec<&Callsite> {
        let mut found: Vec<&Callsite> = members(report, group)
            .filter(|site| site.role != Role::Dirty && site.verdict == verdict)
            .collect();
        found.sort_by_key(|site| (!homes.contains(site.path.as_str()), &site.function));
        found
    };
    let (mixed, unknown, kept) = (of(Verdict::Mixed), of(Verdict::Unknown), of(Verdict::Keep));
    if !mixed.is_empty() {
        return format!(
            "Record beside the pages in {} how they were taken, or release pages of each origin in a place of their own; then the \
             group can be converted.",
            functions(&mixed)
        );
    }
    if !unknown.is_empty() {
        return format!(
            "Read where the pages in {} come from, which the audit could not follow, and convert by hand if they are user \
             pages.",
            functions(&unknown)
        );
    }
    if !kept.is_empty() {
        return format!(
            "Part the acquires that must stay from the others in {}; what is left can be converted.",
            functions(&kept)
        );
    }
    if group.acquires.is_empty() {
        return "Find the call that takes these pages, and convert it together with the releases."
            .into();
    }
    let raw = |site: &Callsite| {
        let listed = refimpl::api::catalogue().get(&site.call);
        site.role == Role::Release && listed.is_some_and(|function| function.kind == "raw")
    };
    let releases = || members(report, group).filter(|site| site.role == Role::Release);
    if releases().all(raw) {
        return "Find the calls that release these pages, and convert them together with the acquire.".into();
    }
    if !group.convertible && group.plan.is_empty() && !group.blocked_by.is_empty() {
        return "Move the pin to where the pages are no longer in use: keep in the record that holds them then whether they \
                are pinned, and unpin there instead of dropping another reference."
            .into();
    }
    let mut rest: Vec<&Callsite> = members(report, group).collect();
    rest.sort_by_key(|site| &site.function);
    format!(
        "Convert {} by hand, all calls of the group in one patch.",
        functions(&rest)
    )
}

/// "a(), b() and 3 more"
fn functions(sites: &[&Callsite]) -> String {
    // As many as fit into a line of a mail.
    const SHOWN: usize = 2;
    let mut names: Vec<&str> = Vec::new();
    for site in sites {
        if !names.contains(&site.function.as_str()) {
            names.push(&site.function);
        }
    }
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("{name}()"))
        .collect();
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(" and "),
    }
}
