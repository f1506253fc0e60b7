// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is given the addresses of pages' data.

use super::Uses;
use crate::flow::analysis::Analysis;
use crate::flow::graph::Node;
use crate::flow::hash::FastMap;
use crate::flow::state::{Call, SiteKey};
use std::collections::BTreeMap;

/// Notes which functions are given the addresses of pages' data, by callers that read no more of it.
pub(super) fn note(analysis: &Analysis, out: &mut BTreeMap<SiteKey, Uses>) {
    let address = |call: &&Call| {
        let names = ["page_address", "folio_address", "page_to_virt"];
        call.listed && names.contains(&call.name.as_str())
    };
    let calls = &analysis.state.calls;
    let mut of: BTreeMap<SiteKey, Vec<Node>> = BTreeMap::new();
    for call in calls.iter().filter(address) {
        let pages: Vec<Node> = call.args.iter().flatten().copied().collect();
        for site in analysis.user_pages(&pages) {
            of.entry(site).or_default().push(call.result);
        }
    }
    if of.is_empty() {
        return;
    }
    let mut given: FastMap<Node, usize> = FastMap::default();
    for (at, call) in calls.iter().enumerate() {
        if !call.listed && call.targets.is_empty() {
            for node in call.args.iter().flatten() {
                given.entry(*node).or_insert(at);
            }
        }
    }
    for (site, addresses) in of {
        let led_to = addresses.iter().flat_map(|from| analysis.led_to(*from));
        if let Some(at) = led_to.filter_map(|node| given.get(&node)).min() {
            let name = calls[*at].name.clone();
            out.entry(site).or_default().address_given = Some(name);
        }
    }
}
