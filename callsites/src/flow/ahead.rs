// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading ahead: what an acquire's pages are handed to, told from names alone.
//!
//! A round of the flow reads one step further. The first steps are mostly plain: the array that get_user_pages() filled
//! is named in the next call, whose parameter is named in the next. These are read before the flow begins, so that its
//! rounds are left for what only it can tell. A wrong guess costs the reading of one function.

use super::library::Library;
use super::program::names_record;
use super::want::Want;
use crate::index::ir::{Declaration, Expr, FileFacts, Function, TypeRef};
use crate::index::walk;
use camino::Utf8PathBuf;
use refimpl::api::{Place, Role, catalogue, followed};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many steps are read ahead. They only save rounds: what lies deeper is asked for by the rounds that follow.
const STEPS: usize = 3;

/// So many calls up, within its file, a frame number is followed: from the acquire to whoever makes a page of it again there
/// are five calls in the deepest file of 6.12, and one more is spare.
const UP: usize = 6;

/// A function that is given pages, with the position of the argument that is or holds them.
type Given = (Utf8PathBuf, String, usize);

/// Reads what the pages of the acquires in what was read so far are handed to.
pub(super) fn read(library: &mut Library<'_>) {
    let mut asked: BTreeSet<Given> = BTreeSet::new();
    let mut next: BTreeSet<Given> = BTreeSet::new();
    for facts in library.facts() {
        for function in &facts.functions {
            given(&facts, function, None, &mut next);
        }
    }
    for _ in 0..STEPS {
        let new: Vec<Given> = next.difference(&asked).cloned().collect();
        if new.is_empty() {
            return;
        }
        for (from, name, _) in &new {
            library.ask_one(&Want::Definition {
                from: from.clone(),
                name: name.clone(),
            });
        }
        library.settle();
        next.clear();
        let facts = library.facts();
        for (from, name, at) in &new {
            for (facts, function) in nearest(&facts, from, name) {
                given(facts, function, Some(*at), &mut next);
            }
        }
        asked.extend(new);
    }
}

/// Reads the functions of a file through which the frame number of a page goes that an acquire of the same file took.
/// Nobody asks for their callers later, as numbers spread into everything; within the file they are the driver's own.
pub(super) fn numbers(library: &mut Library<'_>) {
    type Named = (Utf8PathBuf, String);
    let mut next: BTreeSet<Named> = BTreeSet::new();
    for facts in library.facts() {
        let functions = facts.functions.iter().filter(|one| numbers_a_page(one));
        next.extend(functions.map(|one| (facts.path.clone(), one.name.to_string())));
    }
    let mut asked: BTreeSet<Named> = BTreeSet::new();
    for _ in 0..UP {
        let new: BTreeSet<Named> = &next - &asked;
        if new.is_empty() {
            return;
        }
        for (from, name) in &new {
            library.ask_one(&Want::Callers {
                from: from.clone(),
                name: name.clone(),
                private: true,
            });
        }
        library.settle();
        next.clear();
        for facts in library.facts() {
            let below: BTreeSet<&str> = new
                .iter()
                .filter(|(path, _)| *path == facts.path)
                .map(|(_, name)| name.as_str())
                .collect();
            if below.is_empty() {
                continue;
            }
            let hands_on = |one: &&Function| {
                let mut calls = false;
                walk::expressions(&one.body, &mut |expr| {
                    calls |= expr.callee_name().is_some_and(|name| below.contains(name));
                });
                calls && (is_number(&one.returns) || one.params.iter().any(is_number_out))
            };
            let functions = facts.functions.iter().filter(hands_on);
            next.extend(functions.map(|one| (facts.path.clone(), one.name.to_string())));
        }
        asked.extend(new);
    }
}

/// Whether a function acquires pages, and returns what a page was turned into, or puts it where a parameter points.
fn numbers_a_page(function: &Function) -> bool {
    let mut acquires = false;
    let mut numbers = false;
    let out = |name: &str| {
        let mut params = function.params.iter();
        params.any(|param| param.name == name && is_number_out(param))
    };
    walk::expressions(&function.body, &mut |expr| match expr {
        Expr::Call { .. } => {
            let listed = expr.callee_name().and_then(|name| followed().get(name));
            acquires |= listed.is_some_and(|listed| listed.role == Role::Acquire);
        }
        Expr::Assign { target, value, .. } => {
            let Expr::Deref(pointer, _) = target.as_ref() else {
                return;
            };
            let Expr::Name(name, _) = pointer.as_ref() else {
                return;
            };
            let listed = value.callee_name().and_then(|name| followed().get(name));
            numbers |= out(name) && listed.is_some_and(|listed| listed.role == Role::Translate);
        }
        _ => {}
    });
    acquires && numbers
}

/// A number, by its type as it is written: neither a pointer nor a record.
fn is_number(ty: &TypeRef) -> bool {
    ty.pointers == 0
        && ty.arrays == 0
        && !ty.function
        && ty.name != "void"
        && !names_record(&ty.name)
}

/// A parameter that points to a number.
fn is_number_out(param: &Declaration) -> bool {
    let pointed = TypeRef {
        pointers: 0,
        ..param.ty.clone()
    };
    param.ty.pointers == 1 && is_number(&pointed)
}

/// The definitions of `name` that were read, those of the same file before others.
fn nearest<'f>(
    facts: &'f [Arc<FileFacts>],
    from: &Utf8PathBuf,
    name: &str,
) -> Vec<(&'f FileFacts, &'f Function)> {
    let all = facts.iter().flat_map(|facts| {
        let named = facts.functions.iter().filter(|one| one.name == name);
        named.map(move |function| (facts.as_ref(), function))
    });
    let all: Vec<_> = all.collect();
    let own: Vec<_> = all
        .iter()
        .filter(|(facts, _)| facts.path.as_str() == from.as_str())
        .copied()
        .collect();
    if own.is_empty() { all } else { own }
}

/// Adds the calls in `function` that are given what an acquire filled, or what parameter `param` is.
fn given(facts: &FileFacts, function: &Function, param: Option<usize>, out: &mut BTreeSet<Given>) {
    let mut held: BTreeSet<&str> = BTreeSet::new();
    if let Some(param) = param.and_then(|at| function.params.get(at)) {
        held.insert(&param.name);
    }
    walk::expressions(&function.body, &mut |expr| match expr {
        Expr::Call { args, .. } => {
            let Some(name) = expr.callee_name() else {
                return;
            };
            if let Some(listed) = followed().get(name) {
                let acquires = listed.role == Role::Acquire;
                let moves = matches!(listed.role, Role::Store | Role::Container);
                for flow in listed.flows(args.len()) {
                    let from = match flow.from {
                        Place::New => acquires,
                        Place::Argument(at) | Place::Target(at) => {
                            moves
                                && args
                                    .get(at)
                                    .and_then(root)
                                    .is_some_and(|name| held.contains(name))
                        }
                        _ => false,
                    };
                    if let Place::Argument(at) | Place::Target(at) | Place::TargetTarget(at) =
                        flow.to
                    {
                        if from {
                            if let Some(name) = args.get(at).and_then(root) {
                                held.insert(name);
                            }
                        }
                    }
                }
                return;
            }
            // What the catalogue knows and the flow goes into, for the pages that are taken or given back there.
            if catalogue().get(name).is_some() {
                out.insert((facts.path.clone(), name.to_owned(), 0));
            }
            for (at, arg) in args.iter().enumerate() {
                if root(arg).is_some_and(|name| held.contains(name)) {
                    out.insert((facts.path.clone(), name.to_owned(), at));
                }
            }
        }
        Expr::Assign {
            op, target, value, ..
        } if op == "=" => {
            if let (Expr::Name(name, _), Some(from)) = (target.as_ref(), root(value)) {
                if held.contains(from) {
                    held.insert(name);
                }
            }
        }
        _ => {}
    });
}

/// The variable that an argument is, points to, or is an element of.
fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name, _) => Some(name),
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => root(inner),
        Expr::Cast { operand, .. } => root(operand),
        Expr::Index { base, .. } => root(base),
        Expr::Binary { op, left, .. } if op == "+" => root(left),
        _ => None,
    }
}
