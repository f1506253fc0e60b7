// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statements of a helper as its caller would have written them: names apart, parameters filled in, no `return`.

use crate::findings::visit;
use crate::index::ir::{
    Declaration, Expr, Function, InitItem, Linkage, LoopKind, Span, Stmt, TypeRef,
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A parameter that becomes a variable: its new name, its type, what it is given.
pub(super) type Given = (SmolStr, TypeRef, Expr);

/// One helper at one call.
pub(super) struct Renaming {
    names: BTreeMap<SmolStr, Expr>,
    number: usize,
    result: SmolStr,
    at: Span,
    /// The label behind its last statement.
    pub end: SmolStr,
}

impl Renaming {
    /// A pointer that the helper does not change is the caller's own; what else it is given becomes a variable, since
    /// it is converted on the way.
    pub(super) fn of(
        helper: &Function,
        args: &[Expr],
        number: usize,
        (result, at): (&SmolStr, Span),
    ) -> (Self, Vec<Given>) {
        let changed = changed(&helper.body);
        let fresh = |name: &SmolStr| SmolStr::from(format!("{name}__{number}"));
        let mut names = BTreeMap::new();
        let mut given = Vec::new();
        for (param, arg) in helper.params.iter().zip(args) {
            // A macro's parameter has no type: it stands for the text that is given.
            let pointer = (param.ty.pointers > 0 || helper.linkage == Linkage::Macro)
                && !changed.contains(&param.name);
            if pointer && is_plain(arg) {
                names.insert(param.name.clone(), arg.clone());
            } else {
                let name = fresh(&param.name);
                names.insert(param.name.clone(), Expr::Name(name.clone(), at));
                given.push((name, param.ty.clone(), arg.clone()));
            }
        }
        visit::statements(&helper.body, &mut |statement| {
            if let Stmt::Decl(declarations, _) = statement {
                for declaration in declarations {
                    let name = Expr::Name(fresh(&declaration.name), at);
                    names.insert(declaration.name.clone(), name);
                }
            }
        });
        let renaming = Self {
            names,
            number,
            result: result.clone(),
            at,
            end: format!("end__{number}").into(),
        };
        (renaming, given)
    }

    fn name(&self, name: &SmolStr) -> SmolStr {
        match self.names.get(name) {
            Some(Expr::Name(new, _)) => new.clone(),
            _ => name.clone(),
        }
    }

    fn label(&self, name: &str) -> SmolStr {
        format!("{name}__{}", self.number).into()
    }

    fn boxed(&self, statement: &Stmt) -> Box<Stmt> {
        Box::new(self.statement(statement))
    }

    fn block(&self, statements: &[Stmt]) -> Vec<Stmt> {
        let statements = statements.iter();
        statements
            .map(|statement| self.statement(statement))
            .collect()
    }

    fn declaration(&self, declaration: &Declaration) -> Declaration {
        Declaration {
            name: self.name(&declaration.name),
            ty: declaration.ty.clone(),
            init: declaration.init.as_ref().map(|init| self.expr(init)),
            span: self.at,
            statement: self.at,
        }
    }

    pub(super) fn statement(&self, statement: &Stmt) -> Stmt {
        let span = self.at;
        match statement {
            Stmt::Expr(expr, _) => Stmt::Expr(self.expr(expr), span),
            Stmt::Decl(list, _) => {
                Stmt::Decl(list.iter().map(|d| self.declaration(d)).collect(), span)
            }
            Stmt::Block(inner, _) => Stmt::Block(self.block(inner), span),
            Stmt::Unread(inner, _) => Stmt::Unread(self.block(inner), span),
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => Stmt::If {
                cond: self.expr(cond),
                then: self.boxed(then),
                otherwise: otherwise.as_ref().map(|otherwise| self.boxed(otherwise)),
                span,
            },
            Stmt::Loop {
                kind,
                init,
                cond,
                step,
                body,
                ..
            } => Stmt::Loop {
                kind: self.kind(kind),
                init: init.as_ref().map(|init| self.boxed(init)),
                cond: cond.as_ref().map(|cond| self.expr(cond)),
                step: step.as_ref().map(|step| self.expr(step)),
                body: self.boxed(body),
                span,
            },
            Stmt::Switch { value, body, .. } => Stmt::Switch {
                value: self.expr(value),
                body: self.boxed(body),
                span,
            },
            Stmt::Case { value, .. } => Stmt::Case {
                value: value.as_ref().map(|value| self.expr(value)),
                span,
            },
            Stmt::Label { name, .. } => Stmt::Label {
                name: self.label(name),
                span,
            },
            Stmt::Goto { name, .. } => Stmt::Goto {
                name: self.label(name),
                span,
            },
            Stmt::Return(value, _) => {
                let assigned = value.as_ref().map(|value| Expr::Assign {
                    op: "=".into(),
                    target: Box::new(Expr::Name(self.result.clone(), span)),
                    value: Box::new(self.expr(value)),
                    span,
                });
                let mut list: Vec<Stmt> = assigned
                    .map(|expr| Stmt::Expr(expr, span))
                    .into_iter()
                    .collect();
                list.push(Stmt::Goto {
                    name: self.end.clone(),
                    span,
                });
                Stmt::Block(list, span)
            }
            Stmt::Arms(arms, _) => {
                let arms = arms
                    .iter()
                    .map(|(text, inner)| (text.clone(), self.block(inner)));
                Stmt::Arms(arms.collect(), span)
            }
            Stmt::Break(_) => Stmt::Break(span),
            Stmt::Continue(_) => Stmt::Continue(span),
        }
    }

    fn kind(&self, kind: &LoopKind) -> LoopKind {
        match kind {
            LoopKind::Iterator { name, args, .. } => LoopKind::Iterator {
                name: name.clone(),
                name_span: self.at,
                args: self.list(args),
            },
            other => other.clone(),
        }
    }

    fn list(&self, list: &[Expr]) -> Vec<Expr> {
        list.iter().map(|expr| self.expr(expr)).collect()
    }

    fn inner(&self, expr: &Expr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn expr(&self, expr: &Expr) -> Expr {
        let span = self.at;
        match expr {
            Expr::Name(name, _) => match self.names.get(name) {
                Some(new) => new.clone(),
                None => Expr::Name(name.clone(), span),
            },
            Expr::Field {
                base, name, arrow, ..
            } => {
                let (base, arrow) = match (self.expr(base), *arrow) {
                    // `(&x)->m` is `x.m`.
                    (Expr::AddressOf(inner, _), true) => (inner, false),
                    (base, arrow) => (Box::new(base), arrow),
                };
                Expr::Field {
                    base,
                    name: name.clone(),
                    arrow,
                    name_span: span,
                    span,
                }
            }
            Expr::Deref(inner, _) => match self.expr(inner) {
                Expr::AddressOf(inner, _) => *inner,
                inner => Expr::Deref(Box::new(inner), span),
            },
            Expr::Index { base, index, .. } => Expr::Index {
                base: self.inner(base),
                index: self.inner(index),
                span,
            },
            Expr::Call { callee, args, .. } => Expr::Call {
                callee: match callee.as_ref() {
                    Expr::Name(name, _) if !self.names.contains_key(name) => {
                        Box::new(Expr::Name(name.clone(), span))
                    }
                    callee => self.inner(callee),
                },
                args: self.list(args),
                span,
            },
            Expr::AddressOf(inner, _) => Expr::AddressOf(self.inner(inner), span),
            Expr::Cast { ty, operand, .. } => Expr::Cast {
                ty: ty.clone(),
                operand: self.inner(operand),
                span,
            },
            Expr::Assign {
                op, target, value, ..
            } => Expr::Assign {
                op: op.clone(),
                target: self.inner(target),
                value: self.inner(value),
                span,
            },
            Expr::Binary {
                op, left, right, ..
            } => Expr::Binary {
                op: op.clone(),
                left: self.inner(left),
                right: self.inner(right),
                span,
            },
            Expr::Unary { op, operand, .. } => Expr::Unary {
                op: op.clone(),
                operand: self.inner(operand),
                span,
            },
            Expr::Update {
                op,
                prefix,
                operand,
                ..
            } => Expr::Update {
                op: op.clone(),
                prefix: *prefix,
                operand: self.inner(operand),
                span,
            },
            Expr::Conditional {
                cond,
                then,
                otherwise,
                ..
            } => Expr::Conditional {
                cond: self.inner(cond),
                then: then.as_ref().map(|then| self.inner(then)),
                otherwise: self.inner(otherwise),
                span,
            },
            Expr::Initialiser { items, .. } => Expr::Initialiser {
                items: items
                    .iter()
                    .map(|item| InitItem {
                        fields: item.fields.clone(),
                        value: self.expr(&item.value),
                    })
                    .collect(),
                span,
            },
            Expr::Block(inner, _) => Expr::Block(self.block(inner), span),
            Expr::Unread(inner, _) => Expr::Unread(self.list(inner), span),
            other => other.clone(),
        }
    }
}

/// A name, a member of a name, or the address of one: the same wherever it stands.
fn is_plain(expr: &Expr) -> bool {
    match visit::bare(expr) {
        Expr::Name(..) => true,
        Expr::Literal(text, _) => text == "NULL",
        Expr::Field { base, .. } => is_plain(base),
        Expr::AddressOf(inner, _) => is_plain(inner),
        _ => false,
    }
}

/// The names that are assigned to, or whose address is taken.
pub(super) fn changed(statements: &[Stmt]) -> BTreeSet<SmolStr> {
    let mut changed = BTreeSet::new();
    visit::all(statements, &mut |expr| {
        let target = match expr {
            Expr::Assign { target, .. } => target,
            Expr::Update { operand, .. } => operand,
            Expr::AddressOf(inner, _) => inner,
            _ => return,
        };
        if let Expr::Name(name, _) = visit::bare(target) {
            changed.insert(name.clone());
        }
    });
    changed
}
