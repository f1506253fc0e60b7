// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frame numbers that leave: what a driver keeps of an acquired page where no value is followed.
//!
//! A number in a bitmap, in the index of a table or in a smaller integer still names its page, and `pfn_to_page()` finds
//! it again. A release of a page found that way may end what the acquire took, so nothing is decided of either.

use super::analysis::Analysis;
use super::graph::Node;
use super::origins::Origins;
use super::places::parent;
use super::state::{Call, SiteKey};
use refimpl::api::{Place, followed};
use std::collections::BTreeMap;

/// The acquires whose frame numbers leave, each with the first place where one does.
pub(crate) fn leaving(analysis: &Analysis) -> BTreeMap<SiteKey, SiteKey> {
    let mut out = BTreeMap::new();
    let mut note = |site: SiteKey, values: &[Node]| {
        if values.iter().any(|value| analysis.node_carries(*value)) {
            for from in analysis.user_pages(values, false) {
                out.entry(from).or_insert(site);
            }
        }
    };
    for (site, values) in &analysis.state.numbers {
        note(*site, values);
    }
    for call in &analysis.state.calls {
        for at in unfollowed(call) {
            note(call.site, &call.args[at]);
        }
    }
    out
}

/// The arguments of a call that are numbers and go nowhere that is known.
fn unfollowed(call: &Call) -> Vec<usize> {
    let all = 0..call.args.len();
    if !call.listed {
        let number = |at: &usize| {
            let values = call.args[*at].iter();
            call.targets.is_empty() && values.clone().all(|node| !call.pointers.contains(node))
        };
        return all.filter(number).collect();
    }
    let Some(function) = followed().get(&call.name) else {
        return Vec::new();
    };
    let form = function.signature(call.args.len());
    if function.kind == "inert" || form.is_none() {
        return Vec::new();
    }
    let flows = function.flows(call.args.len());
    let known = |at: usize| {
        let named = form.is_some_and(|form| {
            let positions = [
                form.page,
                form.pages,
                form.address,
                form.iter,
                form.start,
                form.mm,
            ];
            positions.contains(&Some(at))
        });
        named
            || flows.iter().any(|flow| {
                matches!(flow.from, Place::Argument(from) | Place::Target(from) if from == at)
            })
    };
    all.filter(|at| !known(*at)).collect()
}

/// The acquires of the same directory whose pages a release may find by their frame numbers again.
pub(crate) fn found_again<'l>(
    analysis: &Analysis,
    leaving: &'l BTreeMap<SiteKey, SiteKey>,
    site: SiteKey,
    origins: &Origins,
) -> impl Iterator<Item = (&'l SiteKey, &'l SiteKey)> {
    let by_number = origins.user.is_empty()
        && origins.other.is_empty()
        && origins.found.iter().any(|from| {
            let found = analysis.listed(*from);
            found.is_some_and(|function| function.kind == "pfn")
        });
    let here = parent(analysis.path(site));
    // Somebody else's use of a number, a line of a log, keeps no page.
    let near = move |(from, at): &(&SiteKey, &SiteKey)| {
        let place = analysis.path(**at);
        parent(analysis.path(**from)) == here
            && (place == analysis.path(site) || place == analysis.path(**from))
    };
    leaving.iter().filter(move |entry| by_number && near(entry))
}
