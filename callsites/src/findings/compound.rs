// SPDX-License-Identifier: MIT OR Apache-2.0
//! R10, one-release-per-entry: a scatterlist whose entries may span several pages is released one page an entry.
//!
//! Matches a loop over the entries of a scatterlist that releases sg_page() of each, in a file that builds its lists
//! with sg_alloc_table_from_pages(), which joins neighbouring pages into one entry. Wrong because the second and later
//! pages of an entry are never released. Would have caught the umem and siw loops that had to become
//! for_each_sg_page() (20190801060755.GA14893@lst.de).

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, LoopKind, Stmt};
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
                let Stmt::Loop {
                    kind: LoopKind::Iterator { name, .. },
                    body,
                    ..
                } = statement
                else {
                    return;
                };
                if !acts().is(name, Does::WalksEntries) {
                    return;
                }
                visit::all_calls(std::slice::from_ref(body), &mut |callee, args, span| {
                    let releases = followed()
                        .get(callee)
                        .is_some_and(|f| f.role == Role::Release && !f.takes_array(args.len()))
                        && !callee.contains("range");
                    if releases && args.iter().any(is_sg_page) {
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
            });
        }
    }
}

fn is_sg_page(arg: &Expr) -> bool {
    visit::bare(arg)
        .callee_name()
        .is_some_and(|name| acts().is(name, Does::FirstPageOfEntry))
}
