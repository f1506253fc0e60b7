// SPDX-License-Identifier: MIT OR Apache-2.0
//! R5, errno-as-count: an error is mistaken for a number, or a number for an error.
//!
//! Matches three mistakes. A negative return value of an acquiring call reaches a release as its count. A comparison of
//! that value with an unsigned number, in which C turns the errno into a huge count. A test `< 0` of what dma_map_sg()
//! returned, which is 0 when it fails and never negative. Wrong because the failure is not seen, and unfilled or
//! unmapped entries are used. Would have caught the atomisp count (14a638ab96c5), pvr2fb's comparison, and mthca's test
//! of dma_map_sg().

use super::paths::What;
use super::view::View;
use super::visit;
use crate::index::ir::{Declaration, Expr, Function, Span, Stmt};
use crate::report::{Finding, Severity};
use refimpl::api::{Does, Role, acts, followed};

/// All three.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::ErrnoAsCount, What::ErrnoUnsigned]) {
        for fact in &walked.facts {
            let line = fact
                .cause
                .map_or(0, |cause| view.line(walked.file, cause.start));
            let (name, message) = if fact.what == What::ErrnoUnsigned {
                (
                    "errno-compared-unsigned",
                    format!(
                        "a negative errno of {}() at line {line} is compared as an unsigned number and passes for a large count",
                        fact.name
                    ),
                )
            } else if fact.name.is_empty() {
                let message = "a negative errno is passed as a number of pages";
                ("errno-as-count", message.to_owned())
            } else {
                (
                    "errno-as-count",
                    format!(
                        "a negative errno of {}() at line {line} is passed as a number of pages",
                        fact.name
                    ),
                )
            };
            let evidence = view.way(walked.file, fact, "");
            let rule = ("R5", name, Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
    for (file, facts) in view.files.iter().enumerate() {
        if facts.functions.iter().any(touches_user_pages) {
            for function in &facts.functions {
                never_negative(view, file, function, findings);
            }
        }
    }
}

fn touches_user_pages(function: &Function) -> bool {
    let mut touches = false;
    visit::all_calls(&function.body, &mut |name, _, _| {
        touches |= followed()
            .get(name)
            .is_some_and(|f| f.role == Role::Acquire || f.is_pinning());
    });
    touches
}

/// `n = dma_map_sg(…); if (n < 0)`, nothing between.
fn never_negative(view: &View<'_>, file: usize, function: &Function, findings: &mut Vec<Finding>) {
    let mut list: Vec<&Stmt> = Vec::new();
    visit::statements(&function.body, &mut |statement| list.push(statement));
    for pair in list.windows(2) {
        let (target, value) = match pair[0] {
            Stmt::Expr(
                Expr::Assign {
                    op, target, value, ..
                },
                _,
            ) if op == "=" => (visit::text(target), value.as_ref()),
            Stmt::Decl(declarations, _) => match declarations.last() {
                Some(Declaration {
                    name,
                    init: Some(init),
                    ..
                }) => (name.to_string(), init),
                _ => continue,
            },
            _ => continue,
        };
        let Stmt::If { cond, .. } = pair[1] else {
            continue;
        };
        let Some(callee) = visit::bare(value).callee_name() else {
            continue;
        };
        if !acts().is(callee, Does::ReturnsZeroOnFailure) {
            continue;
        }
        if let Some(at) = below_zero(cond, &target) {
            let message = format!(
                "{callee}() returns 0 when it fails and never a negative number, so this test never sees a failure"
            );
            let evidence = vec![
                view.evidence(file, value.span(), ""),
                view.evidence(file, at, "never true"),
            ];
            let rule = ("R5", "failure-not-seen", Severity::Error);
            findings.push(view.finding(rule, (file, &function.name, at), message, evidence));
        }
    }
}

fn below_zero(cond: &Expr, variable: &str) -> Option<Span> {
    match cond {
        Expr::Binary {
            op,
            left,
            right,
            span,
        } if op == "<" || op == ">" => {
            // `n < 0`, or `0 > n`.
            let (value, zero) = if op == "<" {
                (left, right)
            } else {
                (right, left)
            };
            (visit::text(value) == variable && visit::text(zero) == "0").then_some(*span)
        }
        Expr::Call { args, .. } if matches!(cond.callee_name(), Some("likely" | "unlikely")) => {
            below_zero(args.first()?, variable)
        }
        _ => None,
    }
}
