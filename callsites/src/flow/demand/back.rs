// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must be read to know where the pages of releases come from.

use super::{callers, definition, users};
use crate::flow::analysis::Analysis;
use crate::flow::graph::{Few, Node, Obj};
use crate::flow::hash::FastSet;
use crate::flow::places::parent;
use crate::flow::state::{Object, SiteKey};
use crate::flow::want::Want;
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;

/// Where the pages of releases may come from.
pub(super) fn backwards(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let acquiring: FastSet<&str> = analysis
        .state
        .calls
        .iter()
        .filter(|call| call.listed && analysis.is_user(call.site))
        .map(|call| parent(analysis.path(call.site)))
        .collect();
    // By file: what has the same source is asked for once.
    let mut seen: FastSet<(Few<Node>, bool, u32)> = FastSet::default();
    for call in &analysis.state.calls {
        if !call.listed {
            continue;
        }
        let Some(function) = followed().get(&call.name) else {
            continue;
        };
        if function.role != Role::Release {
            continue;
        }
        // Far from any acquire a release says nothing of user pages; what leads there from one is found forwards.
        let near = acquiring.contains(parent(analysis.path(call.site)));
        if !near {
            continue;
        }
        let Some(at) = function.page_argument(call.args.len()) else {
            continue;
        };
        let array = function.takes_array(call.args.len());
        let file = analysis.program.file_of(call.site.function);
        let values = analysis.state.graph.keepers(&call.args[at]);
        if !values.is_empty() && !seen.insert((values, array, file)) {
            continue;
        }
        let objects = analysis.objects(&call.args[at]);
        let objects: BTreeSet<Obj> = if array {
            &objects | &analysis.contents(&call.args[at])
        } else {
            objects
        };
        // Nothing is known of what is in an array or list: then the container is asked for.
        let arrays = if objects.is_empty() {
            analysis.containers(call.site, &call.args[at])
        } else {
            objects
        };
        for object in arrays {
            source(analysis, call.site, object, wants);
        }
    }
}

/// What must be read to know where an object comes from.
fn source(analysis: &Analysis, site: SiteKey, object: Obj, wants: &mut BTreeSet<Want>) {
    match analysis.state.what(object) {
        Object::Target(node) => source_of_node(analysis, site, *node, wants),
        Object::Opaque(at, _) => {
            for call in analysis.calls_at(*at) {
                wants.insert(definition(analysis, *at, &call.name));
            }
            for call in analysis
                .state
                .indirect
                .iter()
                .filter(|call| call.site == *at)
            {
                functions_named(analysis, call.pointer, wants);
            }
        }
        Object::Field(field) => users(analysis, site.function, *field, wants),
        _ => {}
    }
}

fn source_of_node(analysis: &Analysis, site: SiteKey, node: Node, wants: &mut BTreeSet<Want>) {
    if let Some((function, _)) = analysis.param(node) {
        callers(analysis, function, wants);
    } else if let Some(field) = analysis.field(node) {
        users(analysis, site.function, field, wants);
    }
}

pub(super) fn functions_named(analysis: &Analysis, pointer: Node, wants: &mut BTreeSet<Want>) {
    for object in analysis.state.graph.values(pointer) {
        if let Object::Function(name, file) = analysis.state.what(*object) {
            if analysis.program.resolve(name, *file).is_empty() {
                wants.insert(Want::Definition {
                    from: analysis.program.file(*file).path.clone(),
                    name: name.to_string(),
                });
            }
        }
    }
}
