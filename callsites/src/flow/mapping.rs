// SPDX-License-Identifier: MIT OR Apache-2.0
//! What belongs to a page-table entry and not to whoever took the page: its reference and its dirty bit.
//!
//! An entry holds a reference of its own. Code that takes the entry out drops that one, and hands the entry's dirty bit
//! on to the page; neither says anything of what get_user_pages*() took.

use super::analysis::Analysis;
use super::state::SiteKey;
use crate::index::ir::{Expr, Span, Stmt};
use crate::index::walk;
use refimpl::api::catalogue;

/// Whether a call stands under a test of the dirty bit of a page-table entry.
pub(crate) fn hands_on_dirty_bit(analysis: &Analysis, site: SiteKey) -> bool {
    let body = &analysis.program.function(site.function).body;
    let mut found = false;
    around(body, site.span, &mut |statement, _| {
        if let Stmt::If { cond, then, .. } = statement
            && within(site.span, then.span())
        {
            walk::expression(cond, &mut |expr| found |= kind(expr) == Some("entry-dirty"));
        }
    });
    found
}

/// The call before a release, in the statements that lead to it, that takes the page it puts out of a page table.
pub(crate) fn unmapped_before(analysis: &Analysis, site: SiteKey) -> Option<SiteKey> {
    let body = &analysis.program.function(site.function).body;
    let mut put = None;
    walk::expressions(body, &mut |expr| {
        if let Expr::Call { args, span, .. } = expr
            && *span == site.span
        {
            put = args.first().and_then(name);
        }
    });
    let put = put?;
    let mut found = None;
    around(body, site.span, &mut |_, before| {
        walk::expressions(before, &mut |expr| {
            if let Expr::Call { args, span, .. } = expr
                && kind(expr) == Some("unmap")
                && args.first().and_then(name) == Some(put)
            {
                found = Some(SiteKey {
                    function: site.function,
                    span: *span,
                });
            }
        });
    });
    found
}

fn name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name, _) => Some(name),
        _ => None,
    }
}

fn kind(expr: &Expr) -> Option<&'static str> {
    let Expr::Call { callee, .. } = expr else {
        return None;
    };
    let listed = catalogue().get(name(callee)?)?;
    Some(listed.kind.as_str())
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Calls `see` with each statement that holds `span`, outermost first, and the statements before it in its block.
fn around<'s>(block: &'s [Stmt], span: Span, see: &mut impl FnMut(&'s Stmt, &'s [Stmt])) {
    let Some(at) = block
        .iter()
        .position(|statement| within(span, statement.span()))
    else {
        return;
    };
    let statement = &block[at];
    see(statement, &block[..at]);
    match statement {
        Stmt::Block(inner, _) | Stmt::Unread(inner, _) => around(inner, span, see),
        Stmt::If {
            then, otherwise, ..
        } => {
            around(std::slice::from_ref(then), span, see);
            if let Some(otherwise) = otherwise {
                around(std::slice::from_ref(otherwise), span, see);
            }
        }
        Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => {
            around(std::slice::from_ref(body), span, see);
        }
        Stmt::Arms(arms, _) => {
            for (_, inner) in arms {
                around(inner, span, see);
            }
        }
        _ => {}
    }
}
