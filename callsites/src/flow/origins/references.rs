// SPDX-License-Identifier: MIT OR Apache-2.0
//! References that are taken on acquired pages: a release may drop the acquire's, or one of these.

use super::Origins;
use crate::flow::analysis::Analysis;
use crate::flow::conditions::{block_of, same};
use crate::flow::graph::Node;
use crate::flow::hash::{FastMap, FastSet};
use crate::flow::owned;
use crate::flow::program::FnId;
use crate::flow::sites::Site;
use crate::flow::state::{Object, SiteKey};
use crate::index::ir::{Expr, Span, Stmt};
use crate::index::walk;
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;

/// Whether a function drops as many references on a page, on one way, as it takes: in no block stands a second call that
/// drops one.
fn pairs(analysis: &Analysis, reference: SiteKey, site: &Site) -> bool {
    let body = &analysis.program.function(reference.function).body;
    let dropped = page_of_call(body, site.key.span);
    let taken = page_of_call(body, reference.span);
    let (Some(dropped), Some(taken)) = (dropped, taken) else {
        return false;
    };
    if !same(owned::page_of(dropped), owned::page_of(taken)) {
        return false;
    }
    let block = block_of(body, site.key.span);
    let mut drops = 0;
    for statement in block {
        if let Stmt::Expr(call, _) = statement {
            let listed = call.callee_name().and_then(|name| followed().get(name));
            let releases = listed.is_some_and(|listed| listed.role == Role::Release);
            let page = page_of_call(std::slice::from_ref(statement), call.span());
            drops += usize::from(
                releases
                    && page.is_some_and(|page| same(owned::page_of(page), owned::page_of(taken))),
            );
        }
    }
    drops <= 1
}

/// The page argument of the call of the catalogue at a place.
fn page_of_call(body: &[Stmt], at: Span) -> Option<&Expr> {
    let mut found = None;
    walk::expressions(body, &mut |expr| {
        if let (Expr::Call { args, span, .. }, Some(name)) = (expr, expr.callee_name()) {
            if *span == at {
                let listed = followed().get(name);
                let position = listed.and_then(|listed| listed.page_argument(args.len()));
                found = position.and_then(|position| args.get(position));
            }
        }
    });
    found
}

/// References on the pages of one release that are named: one decides the verdict, and nobody reads more of them.
const EXTRA: usize = 64;

/// What a function stores in fields, with the acquires of the pages that the stored values are.
struct Stored<'a> {
    values: &'a [Node],
    field: Node,
    user: BTreeSet<SiteKey>,
}

/// The fields in which a function stores pages of certain acquires.
struct Fields<'s> {
    of_pages: BTreeSet<Node>,
    /// What it stores besides.
    others: Vec<&'s Stored<'s>>,
    /// Whether what the fields hold is given to a call, by its position.
    leading: FastMap<usize, bool>,
}

/// The acquires whose pages a value is.
fn acquires(analysis: &Analysis, values: &[Node]) -> BTreeSet<SiteKey> {
    let objects = analysis.objects(values).into_iter();
    objects
        .filter_map(|object| match analysis.state.what(object) {
            Object::Page(from) if analysis.is_user(*from) => Some(*from),
            _ => None,
        })
        .collect()
}

/// get_page() on a user page, whose page is then put where the release finds it: either reference may be dropped.
pub(super) fn extra(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let mut stores: FastMap<FnId, Vec<Stored<'_>>> = FastMap::default();
    let referring: FastSet<FnId> = analysis
        .state
        .references
        .iter()
        .map(|(reference, _)| reference.function)
        .collect();
    for store in &analysis.state.field_stores {
        if referring.contains(&store.site.function) {
            stores.entry(store.site.function).or_default().push(Stored {
                values: &store.values,
                field: analysis.state.field_node(store.field),
                user: acquires(analysis, &store.values),
            });
        }
    }
    let mut by_user: FastMap<SiteKey, Vec<usize>> = FastMap::default();
    for (at, origins) in all.iter().enumerate() {
        for from in &origins.user {
            by_user.entry(*from).or_default().push(at);
        }
    }
    // The same pages are stored in the same fields, however often they are referred to.
    let mut led: FastMap<(FnId, BTreeSet<SiteKey>), Fields<'_>> = FastMap::default();
    for (reference, values) in &analysis.state.references {
        let user = acquires(analysis, values);
        if user.is_empty() {
            continue;
        }
        // The fields the same function stores those pages into: the same value, or another reading of the same array.
        let stores = stores
            .get(&reference.function)
            .map_or(&[][..], Vec::as_slice);
        let key = (reference.function, user);
        let places: BTreeSet<usize> = key
            .1
            .iter()
            .filter_map(|from| by_user.get(from))
            .flatten()
            .copied()
            .collect();
        let known = led.entry(key.clone()).or_insert_with(|| {
            let (of_pages, others): (Vec<_>, Vec<_>) = stores
                .iter()
                .partition(|store| !store.user.is_disjoint(&key.1));
            Fields {
                of_pages: of_pages.into_iter().map(|store| store.field).collect(),
                others,
                leading: FastMap::default(),
            }
        });
        let same = |store: &&&Stored<'_>| values.iter().any(|value| store.values.contains(value));
        let of_value: BTreeSet<Node> = known.others.iter().filter(same).map(|s| s.field).collect();
        for at in places {
            let (site, origins) = (&sites[at], &mut all[at]);
            if origins.user.is_disjoint(&key.1) {
                continue;
            }
            let args = || {
                analysis
                    .calls_at(site.key)
                    .flat_map(|call| call.args.iter().flatten())
            };
            let same_values =
                site.key.function == reference.function && args().any(|node| values.contains(node));
            let from = |field: Node| args().any(|node| analysis.leads(field, *node));
            let of_pages = &known.of_pages;
            let through_field = *known
                .leading
                .entry(at)
                .or_insert_with(|| of_pages.iter().any(|field| from(*field)))
                || of_value.iter().any(|field| from(*field));
            let acquired_here = || {
                let mut acquires = origins.user.iter();
                acquires.any(|from| from.function == reference.function)
            };
            let kept = !known.of_pages.is_empty() || !of_value.is_empty();
            // `get_page(page); … put_page(page);` on what somebody else acquired: the function ends what it began.
            if same_values && !kept && !acquired_here() && pairs(analysis, *reference, site) {
                origins.under.append(&mut origins.user);
                origins.own.insert(*reference);
            } else if (same_values || through_field) && origins.extra.len() < EXTRA {
                origins.extra.insert(*reference);
            }
        }
    }
}
