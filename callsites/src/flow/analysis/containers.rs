// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page argument of a call is read from.

use super::Analysis;
use crate::flow::graph::{Node, Obj};
use crate::flow::hash::FastMap;
use crate::flow::program::FnId;
use crate::flow::state::SiteKey;
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;

/// Where functions read memory, found once for all calls that are asked about.
#[derive(Default)]
pub(super) struct Reads {
    /// Touches that read, by function, in the order of their places.
    touches: FastMap<FnId, Vec<usize>>,
    /// Calls of the catalogue that read out of a container, by the values that what they return goes to.
    loads: FastMap<Node, Vec<usize>>,
}

impl Reads {
    fn of(analysis: &Analysis) -> Self {
        let mut reads = Self::default();
        for (at, touch) in analysis.state.touches.iter().enumerate() {
            if !touch.write {
                let own = reads.touches.entry(touch.site.function).or_default();
                own.push(at);
            }
        }
        for own in reads.touches.values_mut() {
            own.sort_by_key(|at| analysis.state.touches[*at].site.span.start);
        }
        for (at, call) in analysis.state.calls.iter().enumerate() {
            if call.listed && followed().is(&call.name, Role::Load) {
                for node in analysis.led_to(call.result) {
                    reads.loads.entry(node).or_default().push(at);
                }
            }
        }
        reads
    }
}

impl Analysis {
    /// The containers a page argument is read from: `pages` of `put_page(pages[i])`, what `sg` points to of
    /// `page = sg_page(sg)`.
    pub(crate) fn containers(&self, site: SiteKey, page: &[Node]) -> BTreeSet<Obj> {
        let reads = self.reads.get_or_init(|| Reads::of(self));
        let mut out = BTreeSet::new();
        if let Some(own) = reads.touches.get(&site.function) {
            let touch = |at: usize| &self.state.touches[at];
            let first = own.partition_point(|at| touch(*at).site.span.start < site.span.start);
            let inside = own[first..].iter().map(|at| touch(*at));
            let inside = inside.take_while(|touch| touch.site.span.start <= site.span.end);
            for touch in inside.filter(|touch| touch.site.span.end <= site.span.end) {
                out.extend(self.objects(&touch.through));
            }
        }
        for at in page
            .iter()
            .filter_map(|page| reads.loads.get(page))
            .flatten()
        {
            let call = &self.state.calls[*at];
            if call.site.function == site.function {
                out.extend(call.args.iter().flat_map(|arg| self.objects(arg)));
            }
        }
        out
    }
}
