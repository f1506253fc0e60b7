// SPDX-License-Identifier: MIT OR Apache-2.0
//! References that a function takes for what it stores: `get_page(page); slot->page = page;`.
//!
//! What is stored then has a reference of its own, which ends where the slot is let go, and says nothing of the reference
//! that an acquire took. A reference that the function drops itself on its way on is for itself, and no slot has it.

use super::conditions::Written;
use crate::index::ir::{Expr, Span, Stmt};
use crate::index::walk;
use refimpl::api::{Count, Place, Role, followed};
use std::collections::{HashMap, HashSet};

/// The pages that a function takes a reference on and does not drop again, each with the first call that takes one.
pub(super) type Owned<'p> = HashMap<Written<'p>, Span>;

/// The pages of which a function keeps references in what it stores.
pub(super) fn of<'p>(body: &'p [Stmt]) -> Owned<'p> {
    let mut seen = Seen::default();
    seen.block(body, false);
    let Seen { mut taken, dropped } = seen;
    taken.retain(|page, _| !dropped.contains(page));
    taken
}

/// The page that an expression is: of `&folio->page` and `page_folio(page)`, what is inside.
pub(super) fn page_of(expr: &Expr) -> &Expr {
    match expr {
        Expr::AddressOf(inner, _) => match inner.as_ref() {
            Expr::Field { base, name, .. } if name == "page" => page_of(base),
            _ => expr,
        },
        Expr::Cast { operand, .. } => page_of(operand),
        Expr::Call { args, .. } => {
            let listed = expr.callee_name().and_then(|name| followed().get(name));
            let hands_on = listed.is_some_and(|function| {
                let flows = function.flows(args.len());
                function.role == Role::Translate
                    && flows
                        .iter()
                        .any(|flow| flow.from == Place::Argument(0) && flow.to == Place::Return)
            });
            match args.first() {
                Some(first) if hands_on => page_of(first),
                _ => expr,
            }
        }
        _ => expr,
    }
}

#[derive(Default)]
struct Seen<'p> {
    taken: Owned<'p>,
    /// Pages put on the way on, not on a way that leaves at once.
    dropped: HashSet<Written<'p>>,
}

impl<'p> Seen<'p> {
    /// `leaves` says that control does not come back from here to what follows.
    fn block(&mut self, block: &'p [Stmt], leaves: bool) {
        let mut leaves = leaves;
        for statement in block {
            self.statement(statement, leaves);
            // What stands behind a return is reached by a jump only: the way of errors.
            leaves |= matches!(statement, Stmt::Return(..));
        }
    }

    fn inner(&mut self, statement: &'p Stmt, leaves: bool) {
        let block = match statement {
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => inner.as_slice(),
            single => std::slice::from_ref(single),
        };
        let ends = matches!(
            block.last(),
            Some(Stmt::Return(..) | Stmt::Goto { .. } | Stmt::Break(_) | Stmt::Continue(_))
        );
        self.block(block, leaves || ends);
    }

    fn statement(&mut self, statement: &'p Stmt, leaves: bool) {
        match statement {
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => self.block(inner, leaves),
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => {
                self.expression(cond, leaves);
                self.inner(then, leaves);
                if let Some(otherwise) = otherwise {
                    self.inner(otherwise, leaves);
                }
            }
            Stmt::Loop {
                init,
                cond,
                step,
                body,
                ..
            } => {
                if let Some(init) = init {
                    self.statement(init, leaves);
                }
                for expr in cond.iter().chain(step) {
                    self.expression(expr, leaves);
                }
                // The end of a turn is no leaving of the loop.
                match body.as_ref() {
                    Stmt::Block(inner, _) => self.block(inner, leaves),
                    single => self.statement(single, leaves),
                }
            }
            Stmt::Switch { value, body, .. } => {
                self.expression(value, leaves);
                self.statement(body, leaves);
            }
            Stmt::Arms(arms, _) => {
                for (_, inner) in arms {
                    self.block(inner, leaves);
                }
            }
            Stmt::Expr(expr, _) | Stmt::Return(Some(expr), _) => self.expression(expr, leaves),
            Stmt::Decl(declarations, _) => {
                for init in declarations.iter().filter_map(|one| one.init.as_ref()) {
                    self.expression(init, leaves);
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, expr: &'p Expr, leaves: bool) {
        walk::expression(expr, &mut |expr| {
            let Expr::Call { args, span, .. } = expr else {
                return;
            };
            let Some(function) = expr.callee_name().and_then(|name| followed().get(name)) else {
                return;
            };
            let page = function
                .page_argument(args.len())
                .and_then(|at| args.get(at));
            let Some(page) = page.map(page_of).and_then(Written::of) else {
                return;
            };
            match function.role {
                Role::Reference if function.count == Count::Get && function.kind.is_empty() => {
                    self.taken.entry(page).or_insert(*span);
                }
                Role::Release if !leaves => {
                    self.dropped.insert(page);
                }
                _ => {}
            }
        });
    }
}
