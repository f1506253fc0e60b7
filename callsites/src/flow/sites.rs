// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every call of the catalogue as it stands in the source: its statement, the loops and conditions around it, its
//! shape, and what an edit of it must know.

use super::program::{FnId, Program};
use super::shape;
use super::state::SiteKey;
use crate::index::ir::{Expr, Function, LoopKind, Span, Stmt};
use crate::index::walk;
use crate::report::{EditSite, Shape};
use refimpl::api::{self, Role};
use smol_str::SmolStr;

/// A condition a call stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Branch {
    /// The `if` statement.
    pub statement: Span,
    /// Whether the call stands in its `else`.
    pub otherwise: bool,
}

/// A call of a function of the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Where.
    pub key: SiteKey,
    /// The callee.
    pub name: SmolStr,
    /// The callee's name.
    pub name_span: Span,
    /// Its arguments.
    pub arguments: Vec<Span>,
    /// Whether its page argument is a null constant.
    pub null_pages: bool,
    /// The conditions around it, outermost first.
    pub branches: Vec<Branch>,
    /// `#if` conditions around it, outermost first.
    pub guards: Vec<String>,
    /// The shape, of a release.
    pub shape: Option<Shape>,
    /// What an edit must know.
    pub edit: EditSite,
    /// So many calls stand before it in its function that it is listed and not followed.
    pub beyond: bool,
}

/// Calls of one function that are followed; none of the kernel's own has a tenth of it. What is looked at for each of
/// them is the whole function, so that without a bound the work would grow with the square of its size.
const FOLLOWED: usize = 512;

struct Visitor<'p, 'b, 'c> {
    function: &'p Function,
    named: &'b shape::Named<'p>,
    id: FnId,
    bytes: &'b dyn Fn() -> &'c [u8],
    branches: Vec<Branch>,
    guards: Vec<String>,
    loops: Vec<&'p Stmt>,
    block: Vec<&'p Stmt>,
    listed: &'b dyn Fn(&str) -> Option<&'static api::Function>,
    out: Vec<Site>,
}

/// The sites of one function or macro.
pub(crate) fn of_function<'c>(
    program: &Program,
    id: FnId,
    bytes: &dyn Fn() -> &'c [u8],
) -> Vec<Site> {
    let function = program.function(id);
    if !function.body.may_hold_site() && !program.has_aliases() {
        return Vec::new();
    }
    let file = program.file_of(id);
    let listed = |name: &str| program.listed(name, file);
    let named = shape::Named::default();
    let mut visitor = Visitor {
        function,
        named: &named,
        id,
        bytes,
        branches: Vec::new(),
        guards: function.guards.clone(),
        loops: Vec::new(),
        block: Vec::new(),
        listed: &listed,
        out: Vec::new(),
    };
    visitor.statements(&function.body);
    visitor.out
}

impl<'p> Visitor<'p, '_, '_> {
    fn statements(&mut self, statements: &'p [Stmt]) {
        let before = std::mem::replace(&mut self.block, statements.iter().collect());
        for statement in statements {
            self.statement(statement);
        }
        self.block = before;
    }

    fn nested(&mut self, statement: &'p Stmt) {
        match statement {
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => self.statements(inner),
            single => self.statements(std::slice::from_ref(single)),
        }
    }

    fn statement(&mut self, statement: &'p Stmt) {
        match statement {
            Stmt::Expr(expr, _) => self.expression(expr, statement),
            Stmt::Decl(declarations, _) => {
                for init in declarations
                    .iter()
                    .filter_map(|declaration| declaration.init.as_ref())
                {
                    self.expression(init, statement);
                }
            }
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => self.statements(inner),
            Stmt::If {
                cond,
                then,
                otherwise,
                span,
            } => {
                self.expression(cond, statement);
                self.branches.push(Branch {
                    statement: *span,
                    otherwise: false,
                });
                self.nested(then);
                self.branches.pop();
                if let Some(inner) = otherwise {
                    self.branches.push(Branch {
                        statement: *span,
                        otherwise: true,
                    });
                    self.nested(inner);
                    self.branches.pop();
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
                    self.statement(init);
                }
                if let LoopKind::Iterator { args, .. } = kind {
                    for arg in args {
                        self.expression(arg, statement);
                    }
                }
                for expr in cond.iter().chain(step) {
                    self.expression(expr, statement);
                }
                self.loops.push(statement);
                self.nested(body);
                self.loops.pop();
            }
            Stmt::Switch { value, body, .. } => {
                self.expression(value, statement);
                self.nested(body);
            }
            Stmt::Return(Some(value), _) => self.expression(value, statement),
            Stmt::Case { .. }
            | Stmt::Label { .. }
            | Stmt::Goto { .. }
            | Stmt::Return(None, _)
            | Stmt::Break(_)
            | Stmt::Continue(_) => {}
            Stmt::Arms(arms, _) => {
                for (condition, inner) in arms {
                    self.guards.push(condition.clone());
                    self.statements(inner);
                    self.guards.pop();
                }
            }
        }
    }

    fn expression(&mut self, expr: &'p Expr, statement: &'p Stmt) {
        let mut calls = Vec::new();
        walk::expression(expr, &mut |inner| {
            if let Expr::Call { callee, args, span } = inner {
                if let Expr::Name(name, name_span) = callee.as_ref() {
                    calls.push((name, *name_span, args, *span));
                }
            }
        });
        for (name, name_span, args, span) in calls {
            let Some(function) = (self.listed)(name) else {
                continue;
            };
            let callsite = matches!(function.role, Role::Acquire | Role::Release | Role::Dirty);
            if !callsite && !function.adds_pins() {
                continue;
            }
            let at = function.page_argument(args.len());
            let page = at.and_then(|at| args.get(at));
            let whole = matches!(statement, Stmt::Expr(only, _) if only.span() == span);
            let beyond = self.out.len() >= FOLLOWED;
            let found = if beyond {
                shape::Found::plain(statement.span(), whole)
            } else {
                shape::of_release(&shape::Place {
                    function: self.function,
                    named: self.named,
                    bytes: (self.bytes)(),
                    listed: function,
                    page,
                    call: span,
                    statement,
                    whole,
                    innermost: self.loops.last().copied(),
                    block: &self.block,
                    arguments: args.len(),
                })
            };
            self.out.push(Site {
                key: SiteKey {
                    function: self.id,
                    span,
                },
                name: function.name.as_str().into(),
                name_span,
                arguments: args.iter().map(Expr::span).collect(),
                null_pages: match page {
                    Some(Expr::Name(text, _) | Expr::Literal(text, _)) => {
                        text == "NULL" || text == "0"
                    }
                    _ => false,
                },
                branches: self.branches.clone(),
                guards: self.guards.clone(),
                shape: (function.role == Role::Release).then_some(found.shape),
                edit: EditSite {
                    statement: found.statement,
                    callee: name_span,
                    alias: (name != function.name.as_str()).then(|| name.to_string()),
                    arguments: args.iter().map(Expr::span).collect(),
                    array: found.array,
                    range: found.range,
                    dirty_condition: found.dirty_condition,
                    unused_after: found.unused_after,
                    only_releases: found.only_releases,
                },
                beyond,
            });
        }
    }
}
