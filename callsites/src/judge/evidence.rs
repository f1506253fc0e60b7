// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines of source that show a verdict: the way of the pages, and what else it rests on.

use super::classify::Uses;
use crate::flow::analysis::Analysis;
use crate::flow::graph::Node;
use crate::flow::origins::Origins;
use crate::flow::program::FnId;
use crate::flow::sites::Site;
use crate::flow::state::SiteKey;
use crate::flow::way::{Names, Step};
use crate::report::Evidence;
use std::collections::{BTreeMap, BTreeSet};

/// The way of the pages first, in its order, then whatever else the verdict rests on.
pub(super) fn evidence(
    analysis: &Analysis,
    names: &Names<'_>,
    site: &Site,
    origins: &Origins,
    uses: &BTreeMap<SiteKey, Uses>,
) -> Vec<Evidence> {
    let mut out = way(analysis, names, site, origins);
    let mut places: BTreeSet<SiteKey> = origins.user.iter().take(4).copied().collect();
    places.extend(origins.other.iter().take(3));
    places.extend(origins.extra.iter().take(2));
    if let Some(uses) = uses.get(&site.key) {
        places.extend([uses.dma, uses.cpu_write, uses.dirty].into_iter().flatten());
    }
    places.insert(site.key);
    let mut more: Vec<Evidence> = places
        .into_iter()
        .map(|place| line_of(analysis, names, place.function, place.span.start))
        .collect();
    more.sort();
    more.dedup();
    more.retain(|line| !out.contains(line));
    out.extend(more);
    out
}

/// The lines on which the pages of the first acquire travel to a call, the call itself last.
fn way(analysis: &Analysis, names: &Names<'_>, site: &Site, origins: &Origins) -> Vec<Evidence> {
    let Some(from) = origins.user.iter().next() else {
        return Vec::new();
    };
    let mut targets: Vec<Node> = analysis
        .calls_at(site.key)
        .flat_map(|call| call.args.iter().flatten().copied())
        .collect();
    for object in analysis.objects(&targets) {
        targets.extend(analysis.state.graph.content_if_any(object));
    }
    let mut out: Vec<Evidence> = Vec::new();
    for step in names.way(analysis, *from, &targets) {
        let line = match step {
            Step::Place(function, at) => line_of(analysis, names, function, at),
            Step::Parameter(function, at) => {
                let params = &analysis.program.function(function).params;
                let Some(param) = params.get(at as usize) else {
                    continue;
                };
                line_of(analysis, names, function, param.span.start)
            }
            Step::Returned(_) | Step::Field(_) => continue,
        };
        if !line.text.is_empty() && !out.contains(&line) {
            out.push(line);
        }
    }
    if !out.is_empty() {
        let here = line_of(analysis, names, site.key.function, site.key.span.start);
        out.retain(|line| *line != here);
        out.push(here);
    }
    out
}

fn line_of(analysis: &Analysis, names: &Names<'_>, function: FnId, at: u32) -> Evidence {
    let file = analysis.program.file(analysis.program.file_of(function));
    let (line, _) = file.position(at);
    let text = names.sources.get(&file.path).and_then(|bytes| {
        let span = file.line_span(line)?;
        let end = (span.end as usize).min(bytes.len());
        bytes
            .get(span.start as usize..end)
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
    });
    Evidence {
        path: file.path.to_string(),
        line,
        text: text.unwrap_or_default(),
    }
}
