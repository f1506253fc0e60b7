// SPDX-License-Identifier: MIT OR Apache-2.0
//! What memory the iterator of an acquire walks: of user space, of the kernel, or either.
//!
//! Told from the calls that set the iterator up, and from conditions under which it is always one of the two. The pages
//! of a kernel-backed iterator are no user pages: `iov_iter_extract_pages()` takes nothing on them.

use super::conditions::facts;
use super::graph::{Few, Node, Obj};
use super::hash::{FastMap, FastSet};
use super::program::{FnId, Program};
use super::state::{Call, Object, SiteKey, State};
use crate::index::ir::Expr;
use crate::index::walk;
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;

/// What memory an iterator walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Of the kernel, on every way it is set up.
    Kernel,
    /// Of user space, on every way it is set up.
    User,
    /// Either, or nobody knows.
    Either,
}

/// What the iterators of all acquires that are given one walk.
pub(super) fn backings(program: &Program, state: &State) -> FastMap<SiteKey, Backing> {
    let acquires: Vec<&Call> = state
        .calls
        .iter()
        .filter(|call| call.listed && iterator_of(call).is_some())
        .collect();
    if acquires.is_empty() {
        return FastMap::default();
    }
    let set_ups = set_ups(state);
    let functions: FastSet<FnId> = acquires.iter().map(|call| call.site.function).collect();
    let called: FastSet<FnId> = state.callees.iter().map(|(_, callee)| *callee).collect();
    let params: FastMap<_, FnId> = functions
        .iter()
        .flat_map(|id| {
            let count = program.function(*id).params.len() as u32;
            (0..count).filter_map(|at| Some((state.params.get(&(*id, at))?, *id)))
        })
        .collect();
    let mut out = FastMap::default();
    for call in acquires {
        let mut backing = Backing::Either;
        let walked: BTreeSet<Obj> = iterator_of(call)
            .into_iter()
            .flatten()
            .flat_map(|node| state.graph.values(*node).iter().copied())
            .collect();
        let here = |object: &Obj| match state.what(*object) {
            Object::Local(..) | Object::Memory(..) | Object::Page(_) | Object::Function(..) => true,
            Object::Target(node) => params.get(node).is_some_and(|id| called.contains(id)),
            Object::Field(_) | Object::Global(_) | Object::Opaque(..) => false,
        };
        if walked.iter().all(here) {
            let mut kinds = set_ups
                .iter()
                .filter(|(given, _)| !given.is_disjoint(&walked))
                .map(|(_, kind)| *kind);
            if let Some(first) = kinds
                .next()
                .filter(|first| kinds.all(|kind| kind == *first))
            {
                backing = first;
            }
        }
        if under_kernel_flag(program, state, call.site) {
            backing = Backing::Kernel;
        }
        // In a macro, or called in several ways, only what is always so is known.
        out.entry(call.site)
            .and_modify(|known| {
                if *known != backing {
                    *known = Backing::Either;
                }
            })
            .or_insert(backing);
    }
    out
}

/// The values of the iterator that an acquire is given.
fn iterator_of(call: &Call) -> Option<&Few<Node>> {
    let function = followed()
        .get(&call.name)
        .filter(|function| function.role == Role::Acquire)?;
    let at = function.signature(call.args.len())?.iter?;
    call.args.get(at)
}

/// What each call that says of an iterator what it walks is given, and what that is; either for a test of it.
fn set_ups(state: &State) -> Vec<(BTreeSet<Obj>, Backing)> {
    let calls = state.calls.iter().filter(|call| call.listed);
    calls
        .filter_map(|call| {
            let function = followed()
                .get(&call.name)
                .filter(|function| function.role == Role::Origin)?;
            let backing = match function.kind.as_str() {
                // Given the iterator alone, it asks and sets nothing up: there may be both.
                "user iterator" if call.args.len() == 1 => Backing::Either,
                "user iterator" => Backing::User,
                "kernel iterator" => Backing::Kernel,
                _ => return None,
            };
            let given = call.args.iter().flatten();
            let objects = given.flat_map(|node| state.graph.values(*node).iter().copied());
            Some((objects.collect(), backing))
        })
        .collect()
}

/// Whether a call stands, in its function or wherever that is called, under a test of a flag that says that the iterator
/// holds pages of the kernel.
fn under_kernel_flag(program: &Program, state: &State, site: SiteKey) -> bool {
    if stands_under(program, site) {
        return true;
    }
    let mut callers = state
        .calls
        .iter()
        .filter(|call| call.targets.contains(&site.function))
        .peekable();
    callers.peek().is_some() && callers.all(|call| stands_under(program, call.site))
}

fn stands_under(program: &Program, site: SiteKey) -> bool {
    let body = &program.function(site.function).body;
    let facts = facts(body, site.span);
    facts.iter().any(|(cond, truth)| *truth && tests_flag(cond))
}

fn tests_flag(cond: &Expr) -> bool {
    if !matches!(cond, Expr::Binary { op, .. } if op == "&" || op == "==") {
        return false;
    }
    let mut found = false;
    walk::expression(cond, &mut |expr| {
        if let Expr::Name(name, _) = expr {
            let listed = followed().get(name);
            found |= listed.is_some_and(|function| {
                function.role == Role::Origin && function.kind == "kernel iterator flag"
            });
        }
    });
    found
}
