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
use crate::index::ir::Expr;
use crate::index::walk;
use refimpl::api::{Does, Place, acts, followed};
use std::collections::{BTreeMap, BTreeSet};

/// The acquires whose frame numbers leave, each with the places where one does.
pub(crate) type Leaving = BTreeMap<SiteKey, BTreeSet<SiteKey>>;

/// The acquires whose frame numbers leave.
pub(crate) fn leaving(analysis: &Analysis) -> Leaving {
    let mut out = Leaving::new();
    let mut note = |site: SiteKey, values: &[Node]| {
        if values.iter().any(|value| analysis.node_carries(*value)) {
            for from in analysis.user_pages(values) {
                out.entry(from).or_default().insert(site);
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

/// The acquires of the same directory whose pages a release may find by their frame numbers again, each with a place where
/// a number of it leaves.
pub(crate) fn found_again<'l>(
    analysis: &Analysis,
    leaving: &'l Leaving,
    site: SiteKey,
    origins: &Origins,
) -> impl Iterator<Item = (&'l SiteKey, &'l SiteKey)> {
    let by_number = origins.user.is_empty()
        && origins.other.is_empty()
        && origins
            .found
            .iter()
            .any(|from| is_by_number(analysis, *from));
    let here = parent(analysis.path(site));
    // Somebody else's use of a number, a line of a log, keeps no page; a page table does, whoever fills it.
    let near = move |from: &SiteKey, at: &SiteKey| {
        let place = analysis.path(*at);
        let maps = analysis
            .calls_at(*at)
            .any(|call| acts().is(&call.name, Does::MapsFrames));
        place == analysis.path(site)
            || place == analysis.path(*from)
            || maps && parent(place) == here
    };
    leaving
        .iter()
        .filter(move |(from, _)| by_number && parent(analysis.path(**from)) == here)
        .filter_map(move |(from, places)| Some((from, places.iter().find(|at| near(from, at))?)))
}

/// Whether a call finds a page by its frame number, or by the address that the kernel has for a frame of that number.
fn is_by_number(analysis: &Analysis, from: SiteKey) -> bool {
    match analysis.listed(from).map(|function| function.kind.as_str()) {
        Some("pfn") => true,
        Some("kernel address") => {
            let body = &analysis.program.function(from.function).body;
            let mut argument = None;
            walk::expressions(body, &mut |expr| {
                if let Expr::Call { args, span, .. } = expr {
                    if *span == from.span {
                        argument = args.first();
                    }
                }
            });
            let Some(argument) = argument else {
                return false;
            };
            let mut found = is_address_of_frame(argument);
            // `addr = __va(pfn << PAGE_SHIFT); page = virt_to_page(addr);`
            if let Expr::Name(name, _) = argument {
                walk::expressions(body, &mut |expr| {
                    if let Expr::Assign { target, value, .. } = expr {
                        let same = matches!(target.as_ref(), Expr::Name(other, _) if other == name);
                        found |= same && is_address_of_frame(value);
                    }
                });
            }
            found
        }
        _ => false,
    }
}

fn is_address_of_frame(expr: &Expr) -> bool {
    let mut found = false;
    walk::expression(expr, &mut |part| {
        let listed = part.callee_name().and_then(|name| followed().get(name));
        found |= listed.is_some_and(|function| function.kind == "address-of-frame");
    });
    found
}
