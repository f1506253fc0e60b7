// SPDX-License-Identifier: MIT OR Apache-2.0
//! R10, one-release-per-entry: a scatterlist whose entries may span several pages is released one page an entry.
//!
//! Matches a loop over the entries of a scatterlist that releases sg_page() of each, in a file that builds its lists
//! with sg_alloc_table_from_pages(), which joins neighbouring pages into one entry. Wrong because the second and later
//! pages of an entry are never released. Would have caught the umem and siw loops that had to become
//! for_each_sg_page() (20190801060755.GA14893@lst.de).

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, FileFacts, Linkage, LoopKind, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};

/// Reports each such release.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, facts) in view.files.iter().enumerate() {
        let mut joins = None;
        for function in &facts.functions {
            visit::all_calls(&function.body, &mut |name, _, span| {
                if acts().is(name, Does::JoinsPages) {
                    joins = joins.or(Some(span));
                }
            });
        }
        let Some(joins) = joins else { continue };
        for function in &facts.functions {
            visit::statements(&function.body, &mut |statement| {
                let Some(body) = walks_entries(statement) else {
                    return;
                };
                for (callee, span) in first_pages_released(facts, body) {
                    let message = format!(
                        "{callee}() releases one page for each entry, but an entry may span several pages"
                    );
                    let evidence = vec![
                        view.evidence(file, joins, "joins neighbouring pages"),
                        view.evidence(file, span, "one page an entry"),
                    ];
                    let rule = ("R10", "one-release-per-entry", Severity::Error);
                    findings.push(view.finding(
                        rule,
                        (file, &function.name, span),
                        message,
                        evidence,
                    ));
                }
            });
        }
    }
}

/// The body of a loop over the entries of a scatterlist, by an iterator or from one entry to the next.
fn walks_entries(statement: &Stmt) -> Option<&Stmt> {
    let Stmt::Loop {
        kind, step, body, ..
    } = statement
    else {
        return None;
    };
    if let LoopKind::Iterator { name, .. } = kind {
        return acts().is(name, Does::WalksEntries).then_some(&**body);
    }
    let mut advances = false;
    let mut ask = |name: &str, _: &[Expr], _: Span| advances |= acts().is(name, Does::NextEntry);
    step.iter().for_each(|step| visit::calls(step, &mut ask));
    // What a loop within this one does is that one's.
    if let Stmt::Block(list, _) = &**body {
        for statement in list {
            if let Stmt::Expr(expr, _) = statement {
                visit::calls(expr, &mut ask);
            }
        }
    }
    advances.then_some(&**body)
}

/// Calls that release the first page of an entry, and that alone, with their places.
fn first_pages_released(file: &FileFacts, body: &Stmt) -> Vec<(String, Span)> {
    let mut pages: Vec<&str> = Vec::new();
    let mut inner: Vec<Span> = Vec::new();
    visit::statements(
        std::slice::from_ref(body),
        &mut |statement| match statement {
            Stmt::Decl(declarations, _) => {
                let first = declarations
                    .iter()
                    .filter(|d| d.init.as_ref().is_some_and(is_sg_page));
                pages.extend(first.map(|d| d.name.as_str()));
            }
            Stmt::Loop { span, .. } => inner.push(*span),
            _ => {}
        },
    );
    visit::all(std::slice::from_ref(body), &mut |expr| {
        if let Expr::Assign { target, value, .. } = expr {
            if let (Expr::Name(name, _), true) = (visit::bare(target), is_sg_page(value)) {
                pages.push(name);
            }
        }
    });
    let first = |arg: &Expr| {
        is_sg_page(arg)
            || matches!(visit::bare(arg), Expr::Name(name, _) if pages.contains(&name.as_str()))
    };
    let mut found = Vec::new();
    visit::all_calls(std::slice::from_ref(body), &mut |callee, args, span| {
        let nested = |outer: &Span| outer.start <= span.start && span.end <= outer.end;
        if inner.iter().any(nested) {
            return;
        }
        let position = args.iter().position(|arg| match arg {
            Expr::AddressOf(arg, _) => first(arg),
            arg => first(arg),
        });
        let Some(at) = position else { return };
        if releases_one(callee, args, at) || helper_releases(file, callee, at) {
            found.push((callee.to_owned(), span));
        }
    });
    found
}

/// Whether a call releases the page that is its argument `at`, or whose address that is.
fn releases_one(callee: &str, args: &[Expr], at: usize) -> bool {
    let release = followed().get(callee).filter(|f| f.role == Role::Release);
    release.is_some_and(|release| {
        let of_address = matches!(args[at], Expr::AddressOf(..));
        release.page_argument(args.len()) == Some(at)
            && release.takes_array(args.len()) == of_address
            && !callee.contains("range")
            && (of_address
                || release
                    .signature(args.len())
                    .is_some_and(|form| form.nr.is_none()))
    })
}

/// Whether a function of the file does so with its parameter `at`, outside of any loop.
fn helper_releases(file: &FileFacts, callee: &str, at: usize) -> bool {
    let function = file
        .functions
        .iter()
        .find(|f| f.name == callee && f.linkage != Linkage::Macro);
    let Some((function, param)) = function.and_then(|f| Some((f, f.params.get(at)?))) else {
        return false;
    };
    let (mut releases, mut loops) = (false, false);
    visit::statements(&function.body, &mut |statement| {
        loops |= matches!(statement, Stmt::Loop { .. });
    });
    visit::all_calls(&function.body, &mut |name, args, _| {
        let is_param = |arg: &Expr| match visit::bare(arg) {
            Expr::AddressOf(inner, _) => visit::text(inner) == param.name,
            arg => visit::text(arg) == param.name,
        };
        let position = args.iter().position(is_param);
        releases |= position.is_some_and(|at| releases_one(name, args, at));
    });
    releases && !loops
}

fn is_sg_page(arg: &Expr) -> bool {
    visit::bare(arg)
        .callee_name()
        .is_some_and(|name| acts().is(name, Does::FirstPageOfEntry))
}
