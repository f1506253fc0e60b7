// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether an iterator walks user memory whoever calls: its values are followed back to where they are set up.
//!
//! A value counts as user-backed when it was set up over user memory, when a test of its kind stands on the only way to
//! it, or when everything that is stored in its place is. The world is one file, read whole: a function that other files
//! may call, and a record that they may fill, say nothing. Whatever is not shown here is left to
//! iov_iter_extract_will_pin().

mod asks;

use crate::index::ir::{Expr, FileFacts, Function, Linkage, Span, Stmt};
use crate::index::{self, Wanted, walk};
use crate::report::SetUp;
use asks::{
    admits, alike, assigned, bare, call_at, declaration, fails, has_failed, holds, leaves,
    names_member, origin, refuses,
};
use camino::Utf8Path;
use refimpl::api::followed;
use std::collections::BTreeSet;

/// Through how many assignments and calls a value is followed: it is set up in an entry point of a driver and handed
/// down through a handful of its functions.
const DEPTH: u32 = 12;

/// A file in which iterators are followed.
pub(super) struct Backed {
    facts: FileFacts,
}

/// A function of the file, by its place there.
type At = usize;

/// What one question has seen.
#[derive(Default)]
struct Seen {
    set_ups: BTreeSet<(String, String)>,
    asked: BTreeSet<(At, u32)>,
    members: BTreeSet<String>,
}

impl Backed {
    /// Reads a whole file.
    pub(super) fn new(path: &Utf8Path, bytes: &[u8]) -> Self {
        Backed {
            facts: index::parse(path, bytes, &Wanted::All),
        }
    }

    /// The calls that see to it that the iterator of the acquire at `span` is user-backed; None when it is not shown to be.
    pub(super) fn set_ups(&self, span: Span) -> Option<Vec<SetUp>> {
        let function = self
            .facts
            .functions
            .iter()
            .position(|function| holds(function.span, span))?;
        let (call, args) = call_at(self.function(function), span)?;
        let at = followed().get(call.callee_name()?)?;
        let iter = args.get(at.signature(args.len())?.iter?)?;
        let mut seen = Seen::default();
        let backed = self.value(function, iter, span, DEPTH, &mut seen);
        let set_ups = seen.set_ups.into_iter();
        (backed && set_ups.len() > 0).then(|| {
            set_ups
                .map(|(call, function)| SetUp { call, function })
                .collect()
        })
    }

    fn function(&self, at: At) -> &Function {
        &self.facts.functions[at]
    }

    /// The only function of that name; None where arms of `#if` each have one, or the file has none.
    fn named(&self, name: &str) -> Option<At> {
        let mut all = (0..self.facts.functions.len()).filter(|at| self.function(*at).name == name);
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// Whether an iterator, or a pointer to one, is user-backed where `at` is reached.
    fn value(&self, id: At, expr: &Expr, at: Span, depth: u32, seen: &mut Seen) -> bool {
        let Some(depth) = depth.checked_sub(1) else {
            return false;
        };
        if let Some((call, within)) = self.tested(id, expr, at) {
            seen.set_ups.insert((call, within));
            return true;
        }
        match expr {
            Expr::Cast { operand, .. } => self.value(id, operand, at, depth, seen),
            Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => {
                self.value(id, inner, at, depth, seen)
            }
            // No iterator at all.
            Expr::Literal(text, _) if text == "NULL" => true,
            Expr::Name(name, _) => self.variable(id, name, depth, seen),
            Expr::Field { name, base, .. } => self.member(id, base, name, depth, seen),
            Expr::Conditional {
                then: Some(then),
                otherwise,
                ..
            } => {
                self.value(id, then, at, depth, seen) && self.value(id, otherwise, at, depth, seen)
            }
            _ => false,
        }
    }

    /// Whether everything that a variable or parameter can hold is.
    fn variable(&self, id: At, name: &str, depth: u32, seen: &mut Seen) -> bool {
        let function = self.function(id);
        let declared = declaration(function, name);
        let Some(declared) = declared else {
            return false;
        };
        if !seen.asked.insert((id, declared.span.start)) {
            // Asked already, further up: what else there is decides.
            return true;
        }
        let is = |expr: &Expr| matches!(expr, Expr::Name(found, _) if found == name);
        let Some(mut known) = self.stored(id, function, &is, depth, seen) else {
            return false;
        };
        let own_init = declared.init.as_ref();
        if let Some(init) = own_init.filter(|init| !matches!(init, Expr::Initialiser { .. })) {
            if !self.value(id, init, declared.span, depth, seen) {
                return false;
            }
            known = true;
        }
        let parameter = function.params.iter().position(|param| param.name == name);
        match parameter {
            Some(at) => self.argument(id, at, depth, seen),
            None => known,
        }
    }

    /// What is stored in a place of a function: None when some of it is not user-backed, else whether anything is.
    fn stored(
        &self,
        id: At,
        function: &Function,
        is: &dyn Fn(&Expr) -> bool,
        depth: u32,
        seen: &mut Seen,
    ) -> Option<bool> {
        let mut set = false;
        let mut values: Vec<(&Expr, Span)> = Vec::new();
        let mut handed: Vec<(String, usize)> = Vec::new();
        let mut bad = false;
        let own = function.name.to_string();
        walk::expressions(&function.body, &mut |expr| match expr {
            Expr::Assign {
                op,
                target,
                value,
                span,
            } if is(bare(target)) => {
                bad |= op != "=";
                values.push((value, *span));
            }
            Expr::Initialiser { items, span } => {
                let named = items.iter().filter(|item| names_member(item, is));
                values.extend(named.map(|item| (&item.value, *span)));
            }
            Expr::Call { args, .. } => {
                let given = args.iter().position(|arg| match bare(arg) {
                    Expr::AddressOf(inner, _) => is(bare(inner)),
                    pointer => is(pointer),
                });
                let (Some(at), Some(name)) = (given, expr.callee_name()) else {
                    return;
                };
                match origin(expr) {
                    // One argument: a test of what it is.
                    Some(_) if args.len() == 1 => {}
                    Some(kind) => {
                        set |= kind == "user iterator";
                        bad |= kind != "user iterator";
                        seen.set_ups.insert((name.to_owned(), own.clone()));
                    }
                    None => handed.push((name.to_owned(), at)),
                }
            }
            _ => {}
        });
        if bad || handed.iter().any(|(name, at)| self.makes_other(name, *at)) {
            return None;
        }
        for (value, at) in values {
            if !self.value(id, value, at, depth, seen) {
                return None;
            }
            set = true;
        }
        Some(set)
    }

    /// Whether a function sets up the iterator that it is given over other memory.
    fn makes_other(&self, name: &str, at: usize) -> bool {
        let callees = self
            .facts
            .functions
            .iter()
            .filter(|other| other.name == name);
        callees.into_iter().any(|callee| {
            let Some(param) = callee.params.get(at) else {
                return false;
            };
            let mut other = false;
            walk::expressions(&callee.body, &mut |expr| {
                if let Expr::Call { args, .. } = expr {
                    let is = |arg: &Expr| matches!(bare(arg), Expr::Name(name, _) if *name == param.name);
                    other |= args.iter().any(is) && origin(expr) == Some("kernel iterator");
                }
            });
            other
        })
    }

    /// Whether everything that is stored in a member of a record of this very file is.
    fn member(&self, id: At, base: &Expr, name: &str, depth: u32, seen: &mut Seen) -> bool {
        let function = self.function(id);
        let Expr::Name(variable, _) = bare(base) else {
            return false;
        };
        let Some(declared) = declaration(function, variable) else {
            return false;
        };
        let tag = declared.ty.name.trim_start_matches("struct ");
        let record = self.facts.records.iter().find(|record| record.tag == tag);
        let closed = self.facts.path.extension() == Some("c")
            && record.is_some_and(|record| record.fields.iter().any(|field| field.name == name));
        if !closed {
            return false;
        }
        if !seen.members.insert(name.to_owned()) {
            return true;
        }
        // Another record's member of that name is asked about with it, which can only make the answer "no".
        let is = |expr: &Expr| matches!(expr, Expr::Field { name: found, .. } if found == name);
        let mut set = false;
        for other in 0..self.facts.functions.len() {
            match self.stored(other, self.function(other), &is, depth, seen) {
                Some(here) => set |= here,
                None => return false,
            }
        }
        set
    }

    /// Whether every caller of a function that is only called by name, in its own file, gives it a user-backed one.
    fn argument(&self, id: At, at: usize, depth: u32, seen: &mut Seen) -> bool {
        let function = self.function(id);
        let open = function.linkage != Linkage::Static
            || self.facts.path.extension() != Some("c")
            || self.named(&function.name) != Some(id);
        if open {
            return false;
        }
        let mut callers: Vec<(At, Span)> = Vec::new();
        let mut named = 0;
        for caller in 0..self.facts.functions.len() {
            walk::expressions(&self.function(caller).body, &mut |expr| match expr {
                Expr::Call { span, .. } if expr.callee_name() == Some(&function.name) => {
                    callers.push((caller, *span));
                }
                Expr::Name(name, _) => named += usize::from(*name == function.name),
                _ => {}
            });
        }
        for global in &self.facts.globals {
            if let Some(init) = &global.init {
                walk::expression(init, &mut |expr| {
                    named +=
                        usize::from(matches!(expr, Expr::Name(name, _) if *name == function.name));
                });
            }
        }
        // Named more often than called: somebody has its address.
        !callers.is_empty()
            && named == callers.len()
            && callers.into_iter().all(|(caller, span)| {
                let given = call_at(self.function(caller), span).and_then(|call| call.1.get(at));
                given.is_some_and(|given| self.value(caller, given, span, depth, seen))
            })
    }

    /// The test that lets only user-backed iterators come to `at`, and the function in which it stands.
    fn tested(&self, id: At, expr: &Expr, at: Span) -> Option<(String, String)> {
        let function = self.function(id);
        if matches!(bare(expr), Expr::Name(name, _) if assigned(function, name)) {
            return None;
        }
        let same = |other: &Expr| alike(bare(expr), bare(other));
        let own = |call: &str| (call.to_owned(), function.name.to_string());
        let mut list: &[Stmt] = &function.body;
        loop {
            let next = list.iter().find(|stmt| holds(stmt.span(), at))?;
            for (n, before) in list.iter().enumerate() {
                if before.span().start >= next.span().start {
                    break;
                }
                // Whoever jumps here has passed no test.
                if list[n..]
                    .iter()
                    .take_while(|stmt| stmt.span().start < next.span().start)
                    .any(|stmt| matches!(stmt, Stmt::Label { .. }))
                {
                    continue;
                }
                if let Stmt::If { cond, then, .. } = before {
                    if let (Some(call), true) = (refuses(cond, &same), leaves(then)) {
                        return Some(own(call));
                    }
                }
                if let Some(found) = self.by_callee(before, &list[n + 1..], at, &same) {
                    return Some(found);
                }
            }
            list = match next {
                Stmt::Block(list, _) => list,
                Stmt::If {
                    cond,
                    then,
                    otherwise,
                    ..
                } => {
                    if holds(then.span(), at) {
                        if let Some(call) = admits(cond, &same) {
                            return Some(own(call));
                        }
                        std::slice::from_ref(then)
                    } else if let Some(otherwise) = otherwise.as_deref() {
                        std::slice::from_ref(otherwise)
                    } else {
                        return None;
                    }
                }
                Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => std::slice::from_ref(body),
                _ => return None,
            };
        }
    }

    /// `request = check(…, iter, …)` in front of a statement that leaves when that has failed, where check() fails for
    /// every other iterator.
    fn by_callee(
        &self,
        stmt: &Stmt,
        after: &[Stmt],
        at: Span,
        same: &dyn Fn(&Expr) -> bool,
    ) -> Option<(String, String)> {
        let (result, value) = match stmt {
            Stmt::Expr(
                Expr::Assign {
                    op, target, value, ..
                },
                _,
            ) if op == "=" => (bare(target).clone(), bare(value)),
            Stmt::Decl(list, _) => match list.as_slice() {
                [only] => (
                    Expr::Name(only.name.clone(), only.span),
                    bare(only.init.as_ref()?),
                ),
                _ => return None,
            },
            _ => return None,
        };
        let Expr::Call { args, .. } = value else {
            return None;
        };
        let given = args.iter().position(same)?;
        let callee = self.function(self.named(value.callee_name()?)?);
        let param = callee.params.get(given)?;
        let is = |expr: &Expr| matches!(bare(expr), Expr::Name(name, _) if *name == param.name);
        let test = callee
            .body
            .iter()
            .take_while(|stmt| !matches!(stmt, Stmt::Label { .. }))
            .find_map(|stmt| match stmt {
                Stmt::If { cond, then, .. } if fails(then) => refuses(cond, &is),
                _ => None,
            })?;
        let asked = after
            .iter()
            .take_while(|stmt| stmt.span().end <= at.start)
            .any(|stmt| match stmt {
                Stmt::If { cond, then, .. } => leaves(then) && has_failed(cond, &result),
                _ => false,
            });
        asked.then(|| (test.to_owned(), callee.name.to_string()))
    }
}

#[cfg(test)]
mod tests;
