// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether an iterator walks user memory whoever calls: its values are followed back to where they are set up.
//!
//! A value counts as user-backed when it was set up over user memory, when a test of its kind stands on the only way to
//! it, or when everything that is stored in its place is. The world is one file, read whole: a function that other files
//! may call, and a record that they may fill, say nothing. Whatever is not shown here is left to
//! iov_iter_extract_will_pin().

use crate::index::ir::{Declaration, Expr, FileFacts, Function, InitItem, Linkage, Span, Stmt};
use crate::index::{self, Wanted, walk};
use crate::report::SetUp;
use camino::Utf8Path;
use refimpl::api::{Role, followed};
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

/// Whether a variable or parameter is given another value after it was declared.
fn assigned(function: &Function, name: &str) -> bool {
    let mut found = false;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Assign { target, .. }
        | Expr::Update {
            operand: target, ..
        } = expr
        {
            found |= matches!(bare(target), Expr::Name(other, _) if other == name);
        }
    });
    found
}

/// Whether an item of an initialiser sets the member that `is` asks for.
fn names_member(item: &InitItem, is: &dyn Fn(&Expr) -> bool) -> bool {
    let [name] = item.fields.as_slice() else {
        return false;
    };
    let span = item.value.span();
    is(&Expr::Field {
        base: Box::new(Expr::Name("".into(), span)),
        name: name.clone(),
        arrow: false,
        name_span: span,
        span,
    })
}

/// What the catalogue says of a call that sets up an iterator, or asks what it is.
fn origin(call: &Expr) -> Option<&'static str> {
    let function = followed().get(call.callee_name()?)?;
    let is = function.role == Role::Origin && function.kind.ends_with(" iterator");
    is.then_some(function.kind.as_str())
}

/// The test in `cond`, a call with the iterator alone, that is true of user-backed ones.
fn test<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match cond {
        Expr::Call { args, .. } => match args.as_slice() {
            [only] if same(only) && origin(cond) == Some("user iterator") => cond.callee_name(),
            // unlikely(…), WARN_ON(…)
            [only] if matches!(cond.callee_name(), Some("likely" | "unlikely")) => test(only, same),
            _ => None,
        },
        _ => None,
    }
}

/// The test that has failed whenever `cond` is false: what is left then is user-backed.
fn refuses<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match bare(cond) {
        Expr::Unary { op, operand, .. } if op == "!" => test(bare(operand), same),
        Expr::Binary {
            op, left, right, ..
        } if op == "||" => refuses(left, same).or_else(|| refuses(right, same)),
        Expr::Call { args, .. } => match args.as_slice() {
            [only] if !matches!(bare(only), Expr::Name(..)) => refuses(only, same),
            _ => None,
        },
        _ => None,
    }
}

/// The test that holds whenever `cond` is true.
fn admits<'e>(cond: &'e Expr, same: &dyn Fn(&Expr) -> bool) -> Option<&'e str> {
    match bare(cond) {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" => admits(left, same).or_else(|| admits(right, same)),
        other => test(other, same),
    }
}

/// Whether a condition is true whenever a call has failed whose result is `result`.
fn has_failed(cond: &Expr, result: &Expr) -> bool {
    let is = |expr: &Expr| alike(bare(expr), result);
    match bare(cond) {
        Expr::Binary {
            op, left, right, ..
        } => match op.as_str() {
            "||" => has_failed(left, result) || has_failed(right, result),
            "<" => is(left) && matches!(bare(right), Expr::Literal(text, _) if text == "0"),
            _ => false,
        },
        call @ Expr::Call { args, .. } => {
            let asks = matches!(call.callee_name(), Some("IS_ERR" | "IS_ERR_OR_NULL"));
            match args.as_slice() {
                [only] => asks && is(only) || has_failed(only, result) && !asks,
                _ => false,
            }
        }
        other => is(other),
    }
}

/// Whether a statement ends in `return ERR_PTR(…)` or `return -E…`.
fn fails(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Block(list, _) => list.last().is_some_and(fails),
        Stmt::Return(Some(value), _) => match bare(value) {
            Expr::Unary { op, .. } => op == "-",
            call => call.callee_name() == Some("ERR_PTR"),
        },
        _ => false,
    }
}

/// Whether nothing comes after a statement.
fn leaves(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Block(list, _) => list.last().is_some_and(leaves),
        Stmt::Return(..) | Stmt::Goto { .. } => true,
        _ => false,
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { operand, .. } => bare(operand),
        other => other,
    }
}

/// Whether two expressions name the same place.
fn alike(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Name(a, _), Expr::Name(b, _)) => a == b,
        (
            Expr::Field {
                base: a,
                name: x,
                arrow: p,
                ..
            },
            Expr::Field {
                base: b,
                name: y,
                arrow: q,
                ..
            },
        ) => x == y && p == q && alike(bare(a), bare(b)),
        (Expr::AddressOf(a, _), Expr::AddressOf(b, _)) | (Expr::Deref(a, _), Expr::Deref(b, _)) => {
            alike(bare(a), bare(b))
        }
        _ => false,
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The call that covers `span`.
fn call_at(function: &Function, span: Span) -> Option<(&Expr, &[Expr])> {
    let mut found = None;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call {
            args, span: own, ..
        } = expr
        {
            if *own == span {
                found = Some((expr, args.as_slice()));
            }
        }
    });
    found
}

/// The declaration of a variable or parameter; None where there is more than one.
fn declaration<'f>(function: &'f Function, name: &str) -> Option<&'f Declaration> {
    let mut all: Vec<&Declaration> = function
        .params
        .iter()
        .filter(|param| param.name == name)
        .collect();
    fn locals<'f>(list: &'f [Stmt], name: &str, all: &mut Vec<&'f Declaration>) {
        for stmt in list {
            match stmt {
                Stmt::Decl(list, _) => all.extend(list.iter().filter(|decl| decl.name == name)),
                Stmt::Block(list, _) | Stmt::Unread(list, _) => locals(list, name, all),
                Stmt::If {
                    then, otherwise, ..
                } => {
                    locals(std::slice::from_ref(then), name, all);
                    if let Some(otherwise) = otherwise {
                        locals(std::slice::from_ref(otherwise), name, all);
                    }
                }
                Stmt::Loop { init, body, .. } => {
                    if let Some(init) = init {
                        locals(std::slice::from_ref(init), name, all);
                    }
                    locals(std::slice::from_ref(body), name, all);
                }
                Stmt::Switch { body, .. } => locals(std::slice::from_ref(body), name, all),
                Stmt::Arms(arms, _) => arms.iter().for_each(|(_, list)| locals(list, name, all)),
                _ => {}
            }
        }
    }
    locals(&function.body, name, &mut all);
    match all.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
