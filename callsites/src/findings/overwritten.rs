// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, overwritten-pin: a page is stored over another that nobody has let go.
//!
//! Matches a function that stores what it acquired into a member of an object that it was given, without looking at what
//! stands there or at any other member, where another function of the file lets that member's page go and leaves the
//! object alive: so the member may hold a page when the first is called again. Wrong because the only pointer to the
//! first page is gone, and its pin stays until reboot. Would have caught the notify page of a virtual machine that is set
//! a second time.
//!
//! Not matched is a function that something else of what was read calls: its caller may have looked; nor a member of which no
//! function of the file asks whether it holds something: such functions are called in pairs.
//!
//! And matches a loop that takes pages of an address which moves on, and puts those of each turn into the same place of an
//! array, in which nothing else of the loop looks.

use super::paths::{What, root};
use super::view::View;
use super::visit;
use crate::flow::places::parent;
use crate::index::ir::{Expr, Function, Linkage, LoopKind, OutlineKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Reports each such store once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    turns(view, findings);
    let (mut called, mut texts) = (HashMap::new(), HashMap::new());
    let mut letting_go = HashMap::new();
    for walked in view.walked(&[What::Overwritten]) {
        let function = walked.function;
        let (file, name) = (walked.file, function.name.as_str());
        let directory = parent(&view.files[file].path);
        // Whoever calls what stands in a table of files' operations knows nothing of a driver's members.
        let of_files = is_of_files(function);
        let called = called
            .entry((directory, of_files))
            .or_insert_with(|| called_in(view, directory, !of_files));
        let text = texts
            .entry((file, of_files))
            .or_insert_with(|| Words::of(view, file, !of_files));
        if called.contains(name) || text.stands_elsewhere(name) {
            continue;
        }
        let letting_go = letting_go
            .entry(file)
            .or_insert_with(|| LettingGo::of(view, file));
        let mut locked = None;
        for fact in &walked.facts {
            let locked = *locked.get_or_insert_with(|| locks(function));
            let Some(release) = letting_go.of_member(function, &fact.member, locked) else {
                continue;
            };
            let line = view.line(walked.file, release.at.start);
            let (letting, said) = match release.ends {
                true => ("looks whether it holds one", "it is looked at here"),
                false => (
                    "lets one go and keeps the object",
                    "let go, and the object lives on",
                ),
            };
            let message = format!(
                "`{}` gets what {}() took, and what it may hold already is lost; line {line} {letting}",
                fact.member, fact.name
            );
            let mut evidence = view.way(walked.file, fact, "nobody has looked at what stands here");
            evidence.push(view.evidence(walked.file, release.at, said));
            let rule = ("R3", "overwritten-pin", Severity::Warning);
            findings.push(view.finding(
                rule,
                (walked.file, &function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}

/// Loops whose turns put their pages over those of the turn before.
fn turns(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, function) in view.functions() {
        if function.linkage == Linkage::Macro || function.has_unread {
            continue;
        }
        visit::statements(&function.body, &mut |statement| {
            let Stmt::Loop {
                kind: LoopKind::While | LoopKind::DoWhile | LoopKind::For,
                ..
            } = statement
            else {
                return;
            };
            if let Some((name, array, span)) = over_the_last(statement) {
                let message = format!(
                    "each turn of the loop has {name}() put its pages into the same entries of `{array}`, over those of the turn before"
                );
                let evidence = vec![view.evidence(file, span, "the array does not move on")];
                let rule = ("R3", "overwritten-pin", Severity::Warning);
                findings.push(view.finding(rule, (file, &function.name, span), message, evidence));
            }
        });
    }
}

/// The acquiring call of a loop that fills the same entries each turn with pages of another address, and the array.
fn over_the_last(turns: &Stmt) -> Option<(&str, String, Span)> {
    let list = std::slice::from_ref(turns);
    let mut taken = Vec::new();
    visit::all_calls(list, &mut |name, args, span| {
        let known = followed().get(name).filter(|f| f.role == Role::Acquire);
        let form = known.and_then(|known| known.signature(args.len()));
        let pair = form.and_then(|form| Some((args.get(form.start?)?, args.get(form.pages?)?)));
        if let Some((start, array)) = pair {
            taken.push((name, start, array, span));
        }
    });
    let [(name, start, array, span)] = taken[..] else {
        return None;
    };
    // An array by its name, or one of an object.
    if !matches!(visit::bare(array), Expr::Name(..) | Expr::Field { .. }) {
        return None;
    }
    let object = root(array)?;
    let mut changed: HashSet<&str> = HashSet::new();
    let mut used = 0_usize;
    let mut note = |declared: &str| used += usize::from(declared == object);
    visit::statements(list, &mut |statement| {
        if let Stmt::Decl(declarations, _) = statement {
            declarations.iter().for_each(|d| note(&d.name));
        }
    });
    let mut leaves = false;
    visit::statements(list, &mut |statement| {
        leaves |= matches!(statement, Stmt::Unread(..) | Stmt::Arms(..));
    });
    visit::all(list, &mut |expr| match expr {
        Expr::Assign { target, .. } => {
            if let Expr::Name(name, _) = visit::bare(target) {
                changed.insert(name);
            }
        }
        Expr::Update { operand, .. } => {
            if let Expr::Name(name, _) = visit::bare(operand) {
                changed.insert(name);
            }
        }
        Expr::AddressOf(inner, _) => changed.extend(root(inner)),
        _ => {}
    });
    // Who names the array, or gives its object to a call, may have taken the pages out of it.
    let whole = visit::text(array);
    visit::all(list, &mut |expr| match expr {
        Expr::Name(name, _) if *name == whole => used += 1,
        Expr::Field { .. } if visit::text(expr) == whole => used += 1,
        Expr::Call { args, .. } => {
            let given = args.iter().map(visit::bare);
            let whole_object = |arg: &Expr| matches!(arg, Expr::Name(name, _) if *name == object);
            used += given
                .filter(|arg| whole_object(arg) && whole != object)
                .count();
        }
        _ => {}
    });
    let mut moves = false;
    visit::expressions(start, &mut |expr| {
        moves |= matches!(expr, Expr::Name(name, _) if changed.contains(name.as_str()));
    });
    let same = used == 1 && !leaves && !changed.contains(object);
    (same && moves).then_some((name, whole, span))
}

/// Whether a function is given the file that a system call is about (include/linux/fs.h: struct file_operations).
fn is_of_files(function: &Function) -> bool {
    let mut params = function.params.iter();
    params.any(|param| param.ty.name == "struct file" && param.ty.pointers == 1)
}

/// What the functions of a directory call or name, and so do its `tables`.
fn called_in<'v>(view: &'v View<'_>, directory: &str, tables: bool) -> HashSet<&'v str> {
    let mut called: HashSet<&str> = HashSet::new();
    let files = view.files.iter();
    for file in files.filter(|file| parent(&file.path) == directory) {
        let mut note = |expr: &'v Expr| {
            called.extend(expr.callee_name());
            if let Expr::Name(name, _) = expr {
                called.insert(name);
            }
        };
        for function in &file.functions {
            visit::all(&function.body, &mut note);
        }
        for init in file
            .globals
            .iter()
            .filter_map(|global| global.init.as_ref())
            .filter(|_| tables)
        {
            visit::expressions(init, &mut note);
        }
    }
    called
}

/// Words of what a file defines, each with the item that it stands in; none where it stands in several.
struct Words<'v> {
    by_word: HashMap<String, Option<&'v str>>,
}

impl<'v> Words<'v> {
    fn of(view: &'v View<'_>, file: usize, tables: bool) -> Self {
        let mut by_word: HashMap<String, Option<&str>> = HashMap::new();
        let items = view.files[file].outline.iter();
        let defines = |kind: OutlineKind| match kind {
            OutlineKind::Function | OutlineKind::Macro => true,
            OutlineKind::Prototype => false,
            _ => tables,
        };
        for item in items.filter(|item| defines(item.kind)) {
            let text = view.text(file, item.span);
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                match by_word.get_mut(word) {
                    Some(Some(other)) if *other == item.name => {}
                    Some(known) => *known = None,
                    None => {
                        by_word.insert(word.to_owned(), Some(&item.name));
                    }
                }
            }
        }
        Self { by_word }
    }

    /// Whether the name of an item stands in another.
    fn stands_elsewhere(&self, name: &str) -> bool {
        self.by_word
            .get(name)
            .is_some_and(|item| *item != Some(name))
    }
}

/// A release of a member's page.
struct LetGo<'v> {
    function: &'v Function,
    at: Span,
    /// The function tests the member, and frees the object.
    ends: bool,
}

/// The functions of a file that let a member's page go, and afterwards empty the member, or which test it; by member.
struct LettingGo<'v> {
    by_member: HashMap<&'v str, Vec<LetGo<'v>>>,
}

impl<'v> LettingGo<'v> {
    fn of(view: &'v View<'_>, file: usize) -> Self {
        let mut by_member: HashMap<&str, Vec<LetGo<'_>>> = HashMap::new();
        let functions = || view.files[file].functions.iter();
        // A member that nobody looks at has a page between two calls that come in pairs.
        let asked: HashSet<&str> = functions().flat_map(tested).collect();
        for function in functions().filter(|function| !takes(function)) {
            let own = tested(function);
            for (member, release) in released(function) {
                let emptied = asked.contains(member) && is_emptied(function, member, release);
                if emptied || own.contains(member) {
                    by_member.entry(member).or_default().push(LetGo {
                        function,
                        at: release,
                        ends: !emptied && frees(function),
                    });
                }
            }
        }
        Self { by_member }
    }

    /// The release in another function than that one; one that ends the object tells only of a function that takes a lock,
    /// since others may have the object then.
    fn of_member(&self, not: &Function, member: &str, locked: bool) -> Option<&LetGo<'v>> {
        let found = self.by_member.get(member)?.iter();
        let mut others = found.filter(|one| one.function.span != not.span);
        others.find(|one| locked || !one.ends)
    }
}

/// Whether a function takes a lock.
fn locks(function: &Function) -> bool {
    let mut found = false;
    visit::all_calls(&function.body, &mut |name, args, _| {
        let does = acts().of(name);
        found |= matches!(does, Some(Does::HoldsLock | Does::ForbidsSleep))
            || super::atomic::holds_in_block(name, args);
    });
    found
}

/// Whether a function acquires pages itself: what it lets go then is what it failed to set up.
fn takes(function: &Function) -> bool {
    let mut found = false;
    visit::all_calls(&function.body, &mut |name, _, _| {
        found |= super::helpers::acquires(name)
    });
    found
}

/// The member that a page is read from.
fn member(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::Field { name, .. } => Some(name),
        Expr::Index { base, .. } => member(base),
        Expr::AddressOf(inner, _) => member(inner),
        _ => None,
    }
}

pub(super) fn names_member(expr: &Expr, name: &str) -> bool {
    member(expr) == Some(name)
}

/// The members whose pages a function lets go, each with its first release.
fn released(function: &Function) -> BTreeMap<&str, Span> {
    let mut found = BTreeMap::new();
    visit::all_calls(&function.body, &mut |name, args, span| {
        let release = followed().get(name).filter(|f| f.role == Role::Release);
        let page = release
            .and_then(|release| release.page_argument(args.len()))
            .and_then(|at| args.get(at));
        if let Some(member) = page.and_then(member) {
            found.entry(member).or_insert(span);
        }
    });
    found
}

fn is_emptied(function: &Function, member: &str, after: Span) -> bool {
    let mut found = false;
    visit::all(&function.body, &mut |expr| {
        if let Expr::Assign {
            op,
            target,
            value,
            span,
        } = expr
        {
            let empty = matches!(visit::text(value).as_str(), "NULL" | "0");
            found |= op == "=" && empty && names_member(target, member) && span.start > after.start;
        }
    });
    found
}

/// The members of which a function asks whether they hold something.
fn tested(function: &Function) -> HashSet<&str> {
    fn truth(mut cond: &Expr) -> Option<&str> {
        while let Expr::Unary { op, operand, .. } = cond {
            if op != "!" {
                return None;
            }
            cond = operand;
        }
        member(cond).filter(|_| !matches!(cond, Expr::AddressOf(..)))
    }
    let mut found = HashSet::new();
    visit::statements(&function.body, &mut |statement| match statement {
        Stmt::If { cond, .. }
        | Stmt::Loop {
            kind: LoopKind::While,
            cond: Some(cond),
            ..
        } => found.extend(truth(cond)),
        _ => {}
    });
    found
}

fn frees(function: &Function) -> bool {
    let mut found = false;
    visit::all_calls(&function.body, &mut |name, args, _| {
        let object = matches!(args.first().map(visit::bare), Some(Expr::Name(..)));
        found |= object && acts().is(name, Does::Frees);
    });
    found
}
