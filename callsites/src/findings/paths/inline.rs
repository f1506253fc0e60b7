// SPDX-License-Identifier: MIT OR Apache-2.0
//! A function with the bodies of its helpers in place of their calls, so that one walk sees what crosses a call.
//!
//! A helper is a function of the same file, or of another file of its directory. What stands in it gets the span of its
//! call: what is found in there is told of the caller. A call in a loop's condition stays a call.

use super::rename::{Renaming, changed};
use crate::findings::visit;
use crate::index::ir::{Declaration, Expr, Function, Linkage, Span, Stmt, TypeRef};
use smol_str::SmolStr;

/// How deep calls are followed: a driver's entry calls what pins, that calls a cleanup, and that a helper for one page.
const DEPTH: u32 = 3;
/// Statements that a function may grow to with its helpers. A bound on the steps of a walk, and not a measurement.
const MOST_STATEMENTS: usize = 500;

/// `function` with its helpers in it; None when it calls none.
///
/// `helper` is asked for a name as the file of that position means it, and says in which file it stands.
pub(crate) fn with_helpers<'f>(
    (file, function): (usize, &Function),
    helper: &Helper<'_, 'f>,
) -> Option<Function> {
    let mut inliner = Inliner {
        helper,
        file,
        within: vec![function.name.clone()],
        copies: 0,
        room: MOST_STATEMENTS.checked_sub(count(&function.body))?,
    };
    let body = inliner.block(&function.body);
    (inliner.copies > 0).then(|| Function {
        body: body.into(),
        ..function.clone()
    })
}

/// What a file means by a name: a function, with the position of its file.
type Helper<'a, 'f> = dyn Fn(usize, &str) -> Option<(usize, &'f Function)> + 'a;

/// Begins the name of what a helper returned.
const RESULT: &str = "result__";

/// Whether `name` stands for what a helper returned.
pub(super) fn is_result(name: &str) -> bool {
    name.starts_with(RESULT)
}

fn count(statements: &[Stmt]) -> usize {
    let mut count = 0;
    visit::statements(statements, &mut |_| count += 1);
    count
}

struct Inliner<'a, 'f> {
    helper: &'a Helper<'a, 'f>,
    /// The file of the function that is being read.
    file: usize,
    /// The functions that are being read, outermost first.
    within: Vec<SmolStr>,
    copies: usize,
    room: usize,
}

impl Inliner<'_, '_> {
    fn block(&mut self, statements: &[Stmt]) -> Vec<Stmt> {
        let mut out = Vec::new();
        for statement in statements {
            self.statement(statement, &mut out);
        }
        out
    }

    fn boxed(&mut self, statement: &Stmt) -> Box<Stmt> {
        let inner = self.block(std::slice::from_ref(statement));
        Box::new(Stmt::Block(inner, statement.span()))
    }

    fn statement(&mut self, statement: &Stmt, out: &mut Vec<Stmt>) {
        let new = match statement {
            Stmt::Expr(expr, span) => Stmt::Expr(self.pull(expr, out), *span),
            Stmt::Decl(declarations, span) => {
                for declaration in declarations {
                    let init = declaration.init.as_ref().map(|init| self.pull(init, out));
                    let declaration = Declaration {
                        init,
                        ..declaration.clone()
                    };
                    out.push(Stmt::Decl(vec![declaration], *span));
                }
                return;
            }
            Stmt::If {
                cond,
                then,
                otherwise,
                span,
            } => Stmt::If {
                cond: self.pull(cond, out),
                then: self.boxed(then),
                otherwise: otherwise.as_ref().map(|otherwise| self.boxed(otherwise)),
                span: *span,
            },
            Stmt::Loop {
                kind,
                init,
                cond,
                step,
                body,
                span,
            } => Stmt::Loop {
                kind: kind.clone(),
                init: init.clone(),
                cond: cond.clone(),
                step: step.clone(),
                body: self.boxed(body),
                span: *span,
            },
            Stmt::Switch { value, body, span } => Stmt::Switch {
                value: self.pull(value, out),
                body: self.boxed(body),
                span: *span,
            },
            Stmt::Return(value, span) => {
                let value = value.as_ref().map(|value| self.pull(value, out));
                Stmt::Return(value, *span)
            }
            Stmt::Block(inner, span) => Stmt::Block(self.block(inner), *span),
            Stmt::Unread(inner, span) => Stmt::Unread(self.block(inner), *span),
            Stmt::Arms(arms, span) => {
                let arms = arms
                    .iter()
                    .map(|(condition, inner)| (condition.clone(), self.block(inner)));
                Stmt::Arms(arms.collect(), *span)
            }
            other => other.clone(),
        };
        out.push(new);
    }

    /// `expr` without the calls of helpers that it always makes; their bodies go to `out`.
    fn pull(&mut self, expr: &Expr, out: &mut Vec<Stmt>) -> Expr {
        let mut new = expr.clone();
        self.pull_from(&mut new, out);
        new
    }

    /// Takes the calls of helpers out of `expr` that it always makes; their bodies go to `out`.
    fn pull_from(&mut self, expr: &mut Expr, out: &mut Vec<Stmt>) {
        let span = expr.span();
        match expr {
            Expr::Call { args, .. } => {
                for arg in args.iter_mut() {
                    self.pull_from(arg, out);
                }
            }
            Expr::Assign { value: inner, .. }
            | Expr::Cast { operand: inner, .. }
            | Expr::Unary { operand: inner, .. } => self.pull_from(inner, out),
            Expr::Binary {
                op, left, right, ..
            } => {
                self.pull_from(left, out);
                if op == "&&" || op == "||" {
                    if self.calls_helper(right) {
                        let left = (**left).clone();
                        *expr =
                            self.one_after_the_other(&op.clone(), left, &right.clone(), span, out);
                    }
                } else if op != "," {
                    self.pull_from(right, out);
                }
            }
            Expr::Conditional {
                cond,
                then: Some(then),
                otherwise,
                ..
            } if self.calls_helper(then) || self.calls_helper(otherwise) => {
                self.pull_from(cond, out);
                let cond = (**cond).clone();
                *expr = self.choice(cond, (then, otherwise), span, out);
            }
            Expr::Conditional { cond, .. } => self.pull_from(cond, out),
            _ => {}
        }
        if let Expr::Call { args, .. } = &*expr {
            let helper = expr.callee_name().and_then(|name| self.follows(name, args));
            if let Some(helper) = helper {
                *expr = self.copy(helper, args, span, out);
            }
        }
    }

    fn calls_helper(&self, expr: &Expr) -> bool {
        let mut calls = false;
        visit::calls(expr, &mut |name, args, _| {
            calls |= self.follows(name, args).is_some()
        });
        calls
    }

    /// `a && f()` as an `if` around what C may leave out.
    fn one_after_the_other(
        &mut self,
        op: &str,
        left: Expr,
        right: &Expr,
        at: Span,
        out: &mut Vec<Stmt>,
    ) -> Expr {
        self.copies += 1;
        let name: SmolStr = format!("{RESULT}{}", self.copies).into();
        out.push(declared(&name, &TypeRef::default(), Some(left), at));
        let mut inner = Vec::new();
        let right = self.pull(right, &mut inner);
        let assign = Expr::Assign {
            op: "=".into(),
            target: Box::new(Expr::Name(name.clone(), at)),
            value: Box::new(right),
            span: at,
        };
        inner.push(Stmt::Expr(assign, at));
        let first = Expr::Name(name.clone(), at);
        let cond = match op {
            "&&" => first,
            _ => Expr::Unary {
                op: "!".into(),
                operand: Box::new(first),
                span: at,
            },
        };
        out.push(Stmt::If {
            cond,
            then: Box::new(Stmt::Block(inner, at)),
            otherwise: None,
            span: at,
        });
        Expr::Name(name, at)
    }

    /// `c ? f() : g()` as an `if` with an assignment in each arm.
    fn choice(
        &mut self,
        cond: Expr,
        (then, otherwise): (&Expr, &Expr),
        at: Span,
        out: &mut Vec<Stmt>,
    ) -> Expr {
        self.copies += 1;
        let name: SmolStr = format!("choice__{}", self.copies).into();
        out.push(declared(&name, &TypeRef::default(), None, at));
        let mut arm = |value: &Expr| {
            let mut inner = Vec::new();
            let value = self.pull(value, &mut inner);
            let assign = Expr::Assign {
                op: "=".into(),
                target: Box::new(Expr::Name(name.clone(), at)),
                value: Box::new(value),
                span: at,
            };
            inner.push(Stmt::Expr(assign, at));
            Box::new(Stmt::Block(inner, at))
        };
        let then = arm(then);
        let otherwise = Some(arm(otherwise));
        out.push(Stmt::If {
            cond,
            then,
            otherwise,
            span: at,
        });
        Expr::Name(name, at)
    }

    fn follows(&self, name: &str, args: &[Expr]) -> Option<(usize, Function)> {
        let deep = self.within.len() as u32 > DEPTH;
        if deep || self.within.iter().any(|outer| outer == name) {
            return None;
        }
        let (file, helper) = (self.helper)(self.file, name)?;
        let fits = helper.params.len() == args.len()
            && helper.params.iter().all(|param| !param.name.is_empty())
            && (helper.linkage != Linkage::Macro || gives_back_nothing(helper))
            && !helper.has_unread
            && count(&helper.body) < self.room;
        fits.then(|| (file, helper.clone()))
    }

    fn copy(
        &mut self,
        (file, mut helper): (usize, Function),
        args: &[Expr],
        at: Span,
        out: &mut Vec<Stmt>,
    ) -> Expr {
        self.room = self.room.saturating_sub(count(&helper.body));
        self.copies += 1;
        let number = self.copies;
        self.within.push(helper.name.clone());
        let outer = std::mem::replace(&mut self.file, file);
        helper.body = self.block(&helper.body).into();
        self.file = outer;
        self.within.pop();
        // A macro that is an expression is worth what that is.
        if let (Linkage::Macro, [Stmt::Expr(value, span) | Stmt::Return(Some(value), span)]) =
            (helper.linkage, &helper.body[..])
        {
            helper.body = match value {
                Expr::Block(inner, _) => worth_its_last(inner).into(),
                value => vec![Stmt::Return(Some(value.clone()), *span)].into(),
            };
        }
        let result: SmolStr = format!("{RESULT}{number}").into();
        out.push(declared(&result, &helper.returns, None, at));
        let (renaming, given) = Renaming::of(&helper, args, number, (&result, at));
        for (name, ty, arg) in given {
            out.push(declared(&name, &ty, Some(arg), at));
        }
        let body = helper.body.iter();
        let body = body.map(|statement| renaming.statement(statement));
        // What is held to the end of the helper is given back behind each of its returns.
        let mut body: Vec<Stmt> = body.collect();
        body.push(Stmt::Label {
            name: renaming.end.clone(),
            span: at,
        });
        out.push(Stmt::Block(body, at));
        Expr::Name(result, at)
    }
}

/// The statements of `({ … })`, which is worth what the last of them is.
fn worth_its_last(inner: &[Stmt]) -> Vec<Stmt> {
    let mut statements = inner.to_vec();
    if let Some(Stmt::Expr(value, span)) = inner.last() {
        statements.pop();
        statements.push(Stmt::Return(Some(value.clone()), *span));
    }
    statements
}

/// Whether a macro changes none of its parameters, so that it may be given copies of what it is given.
fn gives_back_nothing(helper: &Function) -> bool {
    let changed = changed(&helper.body);
    let mut params = helper.params.iter();
    !params.any(|param| changed.contains(&param.name))
}

fn declared(name: &SmolStr, ty: &TypeRef, init: Option<Expr>, at: Span) -> Stmt {
    let declaration = Declaration {
        name: name.clone(),
        ty: ty.clone(),
        init,
        span: at,
        statement: at,
    };
    Stmt::Decl(vec![declaration], at)
}
