// SPDX-License-Identifier: MIT OR Apache-2.0
//! What belongs to a page-table entry and not to whoever took the page: its reference and its dirty bit.
//!
//! An entry holds a reference of its own. Code that takes the entry out drops that one, and hands the entry's dirty bit
//! on to the page; neither says anything of what get_user_pages*() took.

use super::analysis::Analysis;
use super::hash::FastMap;
use super::state::SiteKey;
use crate::index::ir::{Expr, LoopKind, Span, Stmt};
use crate::index::walk;
use refimpl::api::followed;

/// Whether a call stands under a test of the dirty bit of a page-table entry.
pub(crate) fn hands_on_dirty_bit(analysis: &Analysis, site: SiteKey) -> bool {
    let body = &analysis.program.function(site.function).body;
    let mut found = false;
    around(body, site.span, &mut |statement, _| {
        if let Stmt::If { cond, then, .. } = statement {
            if within(site.span, then.span()) {
                walk::expression(cond, &mut |expr| found |= kind(expr) == Some("entry-dirty"));
            }
        }
    });
    found
}

/// For each call of a body that is given a variable: the call before it, in the statements that lead to it, that takes
/// that variable's page out of a page table.
pub(crate) fn unmapped_before(body: &[Stmt]) -> FastMap<Span, Span> {
    let mut unmaps = Unmaps::default();
    unmaps.block(body);
    unmaps.before
}

/// Variables and the calls that unmap their pages, in order.
type Inside<'s> = Vec<(&'s str, Span)>;

#[derive(Default)]
struct Unmaps<'s> {
    /// Those in the statements that lead to where the walk is, the last of a variable last.
    seen: FastMap<&'s str, Vec<Span>>,
    before: FastMap<Span, Span>,
}

impl<'s> Unmaps<'s> {
    fn block(&mut self, block: &'s [Stmt]) -> Inside<'s> {
        let mut all = Vec::new();
        for statement in block {
            let inside = self.statement(statement);
            for (name, span) in &inside {
                self.seen.entry(name).or_default().push(*span);
            }
            all.extend(inside);
        }
        for (name, _) in &all {
            if let Some(spans) = self.seen.get_mut(name) {
                spans.pop();
            }
        }
        all
    }

    fn statement(&mut self, statement: &'s Stmt) -> Inside<'s> {
        let mut inside = Vec::new();
        match statement {
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => inside = self.block(inner),
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => {
                self.expression(cond, &mut inside);
                inside.extend(self.block(std::slice::from_ref(then)));
                if let Some(otherwise) = otherwise {
                    inside.extend(self.block(std::slice::from_ref(otherwise)));
                }
            }
            Stmt::Loop {
                kind,
                init,
                cond,
                step,
                body,
                ..
            } => {
                if let Some(init) = init {
                    inside.extend(self.statement(init));
                }
                if let LoopKind::Iterator { args, .. } = kind {
                    args.iter()
                        .for_each(|arg| self.expression(arg, &mut inside));
                }
                for expr in cond.iter().chain(step) {
                    self.expression(expr, &mut inside);
                }
                inside.extend(self.block(std::slice::from_ref(body)));
            }
            Stmt::Switch { value, body, .. } => {
                self.expression(value, &mut inside);
                inside.extend(self.block(std::slice::from_ref(body)));
            }
            Stmt::Arms(arms, _) => {
                for (_, inner) in arms {
                    inside.extend(self.block(inner));
                }
            }
            Stmt::Expr(expr, _) | Stmt::Return(Some(expr), _) => {
                self.expression(expr, &mut inside);
            }
            Stmt::Decl(declarations, _) => {
                for init in declarations.iter().filter_map(|one| one.init.as_ref()) {
                    self.expression(init, &mut inside);
                }
            }
            Stmt::Case { .. }
            | Stmt::Label { .. }
            | Stmt::Goto { .. }
            | Stmt::Return(None, _)
            | Stmt::Break(_)
            | Stmt::Continue(_) => {}
        }
        inside
    }

    fn expression(&mut self, expr: &'s Expr, inside: &mut Inside<'s>) {
        walk::expression(expr, &mut |expr| {
            let Expr::Call { args, span, .. } = expr else {
                return;
            };
            let Some(page) = args.first().and_then(name) else {
                return;
            };
            if let Some(unmap) = self.seen.get(page).and_then(|spans| spans.last()) {
                self.before.insert(*span, *unmap);
            }
            if kind(expr) == Some("unmap") {
                inside.push((page, *span));
            }
        });
    }
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
    let listed = followed().get(name(callee)?)?;
    Some(listed.kind.as_str())
}

pub(super) fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Calls `see` with each statement that holds `span`, outermost first, and the statements before it in its block.
pub(super) fn around<'s>(
    block: &'s [Stmt],
    span: Span,
    see: &mut impl FnMut(&'s Stmt, &'s [Stmt]),
) {
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
