// SPDX-License-Identifier: MIT OR Apache-2.0
//! R3, overwritten-pin: a page is stored over another that nobody has let go.
//!
//! Matches a function that stores what it acquired into a member of an object that it was given, without looking at what
//! stands there or at any other member, where another function of the file lets that member's page go and leaves the
//! object alive: so the member may hold a page when the first is called again. Wrong because the only pointer to the
//! first page is gone, and its pin stays until reboot. Would have caught the notify page of a virtual machine that is set
//! a second time.
//!
//! Not matched is a function that something else of what was read calls: its caller may have looked.

use super::paths::What;
use super::view::View;
use super::visit;
use crate::flow::places::parent;
use crate::index::ir::{Expr, Function, LoopKind, OutlineKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Reports each such store once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
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
        for fact in &walked.facts {
            let Some(release) = letting_go.of_member(function, &fact.member) else {
                continue;
            };
            let line = view.line(walked.file, release.start);
            let message = format!(
                "`{}` gets what {}() took, and what it may hold already is lost; line {line} lets one go and keeps the object",
                fact.member, fact.name
            );
            let mut evidence = view.way(walked.file, fact, "nobody has looked at what stands here");
            evidence.push(view.evidence(walked.file, release, "let go, and the object lives on"));
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

/// The functions of a file that let a member's page go, and afterwards empty the member, or which test it and do not free
/// the object; by member.
struct LettingGo<'v> {
    by_member: HashMap<&'v str, Vec<(&'v Function, Span)>>,
}

impl<'v> LettingGo<'v> {
    fn of(view: &'v View<'_>, file: usize) -> Self {
        let mut by_member: HashMap<&str, Vec<(&Function, Span)>> = HashMap::new();
        let functions = view.files[file].functions.iter();
        for function in functions.filter(|function| !takes(function)) {
            for (member, release) in released(function) {
                let emptied = is_emptied(function, member, release);
                let tested = is_tested(function, member) && !frees(function);
                if emptied || tested {
                    by_member
                        .entry(member)
                        .or_default()
                        .push((function, release));
                }
            }
        }
        Self { by_member }
    }

    /// The release in another function than that one.
    fn of_member(&self, not: &Function, member: &str) -> Option<Span> {
        let found = self.by_member.get(member)?.iter();
        let mut others = found.filter(|(function, _)| function.span != not.span);
        others.next().map(|(_, release)| *release)
    }
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

fn is_tested(function: &Function, member: &str) -> bool {
    let is_truth = |cond: &Expr| {
        let mut cond = cond;
        while let Expr::Unary { op, operand, .. } = cond {
            if op != "!" {
                return false;
            }
            cond = operand;
        }
        names_member(cond, member) && !matches!(cond, Expr::AddressOf(..))
    };
    let mut found = false;
    visit::statements(&function.body, &mut |statement| match statement {
        Stmt::If { cond, .. } => found |= is_truth(cond),
        Stmt::Loop {
            kind: LoopKind::While,
            cond: Some(cond),
            ..
        } => found |= is_truth(cond),
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
