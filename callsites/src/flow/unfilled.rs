// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arrays that nothing known is in, though what is in them goes where acquired pages are.
//!
//! `err = own_pages(pages, n); sg_alloc_table_from_pages(table, pages, n, …);` fills the table with pages of whatever
//! own_pages() does: unread, it would look as if nobody but an acquire elsewhere put pages into tables of that kind.

use super::analysis::Analysis;
use super::graph::Obj;
use super::hash::FastMap;
use super::want::Want;
use crate::index::ir::{OutlineItem, OutlineKind};
use std::collections::BTreeSet;

/// Asks for the functions of the same file that are given such an array, and may fill it.
pub(super) fn ask(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let graph = &analysis.state.graph;
    let mut unfilled: FastMap<Obj, bool> = FastMap::default();
    let unread = analysis.state.calls.iter();
    for call in unread.filter(|call| !call.listed && call.targets.is_empty()) {
        let file = analysis.program.file_of(call.site.function);
        let own = |item: &OutlineItem| item.kind == OutlineKind::Function && item.name == call.name;
        if !analysis.program.unread(file).any(own) {
            continue;
        }
        let given = analysis.objects(&call.pointers);
        let fills = given.into_iter().any(|object| {
            *unfilled.entry(object).or_insert_with(|| {
                let content = graph.content_if_any(object);
                let content = content.filter(|content| graph.values(*content).is_empty());
                content.is_some_and(|content| {
                    let mut led_to = analysis.led_to(content).into_iter();
                    led_to.any(|node| analysis.node_carries(node))
                })
            })
        });
        if fills {
            wants.insert(Want::Definition {
                from: analysis.path(call.site).to_owned(),
                name: call.name.to_string(),
            });
        }
    }
}
