// SPDX-License-Identifier: MIT OR Apache-2.0
//! One function, statement by statement: which definitions reach which use.
//!
//! A body is walked until the definitions at its loop heads and labels no longer grow; constraints are added on the way
//! (adding one twice is harmless). Arms of `#if` are alternatives.

mod joins;

use super::env::{Env, Join, Sets};
use super::graph::Node;
use super::hash::FastMap;
use super::owned::{self, Owned};
use super::program::{FnId, Program, holds_pages};
use super::script::Script;
use super::state::SiteKey;
use crate::index::ir::{Declaration, Expr, LoopKind, Span, Stmt, TypeRef};

/// More passes than this over one body are not made: by then nested loops have settled.
const PASSES: usize = 8;

/// More definitions of a variable than this do not leave a join, or a call that is given its address, one by one: one value
/// there takes them all, so that a function of n branches that each assign it costs n, and not n for each of its joins. Real
/// functions stay below.
const MOST_DEFINITIONS: usize = 32;

/// What a name means inside a function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding<'p> {
    /// A local variable or parameter.
    Variable(usize),
    /// A parameter of an expanded macro: an expression of the place of expansion.
    Argument {
        expr: &'p Expr,
        frame: usize,
        context: u32,
    },
}

/// A local variable.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its declared type.
    pub ty: TypeRef,
    /// An array or record: its value is its address.
    pub aggregate: bool,
    /// Where its memory is, for the object that stands for it.
    pub home: (u32, Span),
}

#[derive(Debug, Default)]
struct Frame<'p> {
    names: FastMap<&'p str, Binding<'p>>,
    parent: Option<usize>,
}

/// The walk over one function.
pub(super) struct Walk<'p, 's> {
    pub program: &'p Program,
    pub state: &'s mut Script,
    pub function: FnId,
    /// The function or macro whose text is being walked.
    pub text: FnId,
    pub file: u32,
    pub context: u32,
    pub frame: usize,
    pub depth: u8,
    pub env: Env,
    pub sets: Sets,
    pub variables: Vec<Variable>,
    /// Pages of which the function keeps references in what it stores.
    pub owned: Owned<'p>,
    frames: Vec<Frame<'p>>,
    variable_ids: FastMap<(u32, u32), usize>,
    heads: FastMap<(u32, u32), Env>,
    /// Each with the place that first named it.
    labels: FastMap<&'p str, (Env, Span)>,
    breaks: Vec<(Env, Span)>,
    continues: Vec<(Env, Span)>,
    cases: Vec<(Env, bool)>,
    /// The values that stand for many definitions, by context, place, variable and kind of join.
    joins: FastMap<(u32, (u32, u32, u8)), Node>,
    /// Whether there is one.
    crowded: bool,
    /// Where `return` inside an expanded macro's `({ })` would be: unused, macros return by their last expression.
    changed: bool,
}

/// Walks one function: its constraints, and the hashes of the names that were looked up for them.
pub(super) fn function(program: &Program, id: FnId) -> (Script, Vec<u64>) {
    program.looking_up(|| {
        let mut script = Script::default();
        passes(program, &mut script, id);
        script.seal(program, id);
        script
    })
}

fn passes(program: &Program, script: &mut Script, id: FnId) {
    let function = program.function(id);
    if function.linkage == crate::index::ir::Linkage::Macro {
        return;
    }
    let mut walk = Walk {
        program,
        state: script,
        function: id,
        text: id,
        file: program.file_of(id),
        context: id.0,
        frame: 0,
        depth: 0,
        env: Env::entry(),
        sets: Sets::default(),
        variables: Vec::new(),
        owned: owned::of(&function.body),
        frames: Vec::new(),
        variable_ids: FastMap::default(),
        heads: FastMap::default(),
        labels: FastMap::default(),
        breaks: Vec::new(),
        continues: Vec::new(),
        cases: Vec::new(),
        joins: FastMap::default(),
        crowded: false,
        changed: false,
    };
    for _ in 0..PASSES {
        walk.changed = false;
        walk.env = Env::entry();
        walk.frames.clear();
        walk.frames.push(Frame::default());
        walk.frame = 0;
        for (at, param) in function.params.iter().enumerate() {
            let node = walk.state.param(id, at as u32);
            walk.declare_parameter(param, node);
        }
        walk.block(&function.body);
        if !walk.changed {
            break;
        }
    }
}

impl<'p> Walk<'p, '_> {
    /// The place of an expression, for objects and records.
    pub(super) fn site(&self, span: Span) -> SiteKey {
        SiteKey {
            function: self.text,
            span,
        }
    }

    /// What `name` means here.
    pub(super) fn binding(&self, name: &str) -> Option<Binding<'p>> {
        let mut at = Some(self.frame);
        while let Some(frame) = at {
            let frame = &self.frames[frame];
            if let Some(found) = frame.names.get(name) {
                return Some(*found);
            }
            at = frame.parent;
        }
        None
    }

    /// Opens a scope; give what it returns to [`Walk::leave`].
    pub(super) fn enter(&mut self) -> usize {
        let before = self.frame;
        self.frames.push(Frame {
            names: FastMap::default(),
            parent: Some(before),
        });
        self.frame = self.frames.len() - 1;
        before
    }

    /// Closes a scope.
    pub(super) fn leave(&mut self, before: usize) {
        self.frame = before;
    }

    /// Gives a name a meaning in the innermost scope.
    pub(super) fn bind(&mut self, name: &'p str, binding: Binding<'p>) {
        self.frames[self.frame].names.insert(name, binding);
    }

    fn variable(&mut self, declaration: &'p Declaration, aggregate: bool) -> usize {
        let key = (self.context, declaration.span.start);
        let id = match self.variable_ids.get(&key) {
            Some(id) => *id,
            None => {
                let id = self.variables.len();
                let home = (self.context, declaration.span);
                self.variables.push(Variable {
                    ty: declaration.ty.clone(),
                    aggregate,
                    home,
                });
                self.variable_ids.insert(key, id);
                id
            }
        };
        self.bind(&declaration.name, Binding::Variable(id));
        id
    }

    fn declare_parameter(&mut self, declaration: &'p Declaration, node: Node) {
        let id = self.variable(declaration, false);
        let set = self.sets.intern(vec![node]);
        self.env.set(id, set);
    }

    fn declare(&mut self, declaration: &'p Declaration) {
        let aggregate = declaration.ty.arrays > 0 || self.is_record(&declaration.ty);
        // The initialiser is read before the name is known only in pathological C; kernel code never shadows that way.
        let id = self.variable(declaration, aggregate);
        match &declaration.init {
            Some(Expr::Initialiser { items, span }) => {
                let home = self.address_of(id, *span);
                self.initialise(&declaration.ty, &home, items);
            }
            Some(init) => {
                let values = self.eval(init);
                if aggregate {
                    let home = self.address_of(id, declaration.span);
                    self.state.store(&values, &home);
                } else {
                    self.define(id, declaration.span, &values, false);
                }
            }
            None if !aggregate => self.env.set(id, Default::default()),
            None => {}
        }
    }

    /// `variable = values` here; `weak` keeps what it was.
    pub(super) fn define(&mut self, variable: usize, span: Span, values: &[Node], weak: bool) {
        let node = self.state.temp(self.context, span, 200);
        let values = if holds_pages(&self.variables[variable].ty) {
            values
        } else {
            let site = self.site(span);
            self.state.number(self.context, site, values);
            &[]
        };
        for value in values {
            self.state.graph.copy(*value, node);
        }
        let mut set = self.sets.intern(vec![node]);
        if weak {
            let all = self.sets.union(set, self.env.get(variable));
            if self.sets.get(all).len() <= MOST_DEFINITIONS {
                set = all;
            } else {
                self.gather(all, node);
            }
        }
        self.env.set(variable, set);
    }

    pub(super) fn block(&mut self, statements: &'p [Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'p Stmt) {
        match statement {
            Stmt::Expr(expr, _) => {
                self.eval(expr);
            }
            Stmt::Decl(declarations, _) => {
                for declaration in declarations {
                    self.declare(declaration);
                }
            }
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => {
                let before = self.enter();
                self.block(inner);
                self.leave(before);
            }
            Stmt::If {
                cond,
                then,
                otherwise,
                span,
            } => {
                self.eval(cond);
                let entry = self.env.clone();
                self.statement(then);
                let after = std::mem::replace(&mut self.env, entry);
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise);
                }
                self.merge_here(&after, *span, Join::After);
            }
            Stmt::Loop {
                kind,
                init,
                cond,
                step,
                body,
                span,
            } => {
                let before = self.enter();
                if let Some(init) = init {
                    self.statement(init);
                }
                self.repeat(kind, cond.as_ref(), step.as_ref(), body, *span);
                self.leave(before);
            }
            Stmt::Switch { value, body, span } => {
                self.eval(value);
                self.cases.push((self.env.clone(), false));
                self.breaks.push((Env::dead(), *span));
                self.env = Env::dead();
                self.statement(body);
                let (entry, has_default) = self.cases.pop().unwrap_or_default();
                let left = self.breaks.pop().unwrap_or_default().0;
                self.merge_here(&left, *span, Join::After);
                if !has_default {
                    self.merge_here(&entry, *span, Join::After);
                }
            }
            Stmt::Case { value, span } => {
                if let Some((entry, has_default)) = self.cases.last_mut() {
                    *has_default |= value.is_none();
                    let entry = entry.clone();
                    self.merge_here(&entry, *span, Join::After);
                }
            }
            Stmt::Label { name, span } => {
                let known = self
                    .labels
                    .get(name.as_str())
                    .cloned()
                    .unwrap_or_default()
                    .0;
                self.merge_here(&known, *span, Join::Head);
            }
            Stmt::Goto { name, span } => {
                let known = self.labels.remove(name.as_str());
                let (mut known, place) = known.unwrap_or((Env::dead(), *span));
                let here = std::mem::take(&mut self.env);
                self.changed |= self.merge(&mut known, &here, place, Join::After);
                self.env = here;
                self.labels.insert(name, (known, place));
                self.env.live = false;
            }
            Stmt::Return(value, _) => {
                if let Some(value) = value {
                    let values = self.eval(value);
                    let values = self.kept(value, values);
                    let returned = self.state.returned(self.function);
                    for value in values {
                        self.state.graph.copy(value, returned);
                    }
                }
                self.env.live = false;
            }
            Stmt::Break(_) => {
                if let Some((mut out, place)) = self.breaks.pop() {
                    let here = std::mem::take(&mut self.env);
                    self.merge(&mut out, &here, place, Join::After);
                    self.env = here;
                    self.breaks.push((out, place));
                }
                self.env.live = false;
            }
            Stmt::Continue(_) => {
                if let Some((mut out, place)) = self.continues.pop() {
                    let here = std::mem::take(&mut self.env);
                    self.merge(&mut out, &here, place, Join::Next);
                    self.env = here;
                    self.continues.push((out, place));
                }
                self.env.live = false;
            }
            Stmt::Arms(arms, span) => {
                let entry = self.env.clone();
                let mut after = if arms.len() > 1 {
                    Env::dead()
                } else {
                    entry.clone()
                };
                for (_, body) in arms {
                    self.env = entry.clone();
                    self.block(body);
                    let here = std::mem::take(&mut self.env);
                    self.merge(&mut after, &here, *span, Join::After);
                }
                self.env = after;
            }
        }
    }

    fn repeat(
        &mut self,
        kind: &'p LoopKind,
        cond: Option<&'p Expr>,
        step: Option<&'p Expr>,
        body: &'p Stmt,
        span: Span,
    ) {
        let key = (self.context, span.start);
        let mut head = self.heads.remove(&key).unwrap_or_default();
        let here = std::mem::take(&mut self.env);
        self.changed |= self.merge(&mut head, &here, span, Join::Head);
        self.env = head.clone();
        self.heads.insert(key, head);
        let endless = match kind {
            LoopKind::For => cond.is_none(),
            LoopKind::While => matches!(cond, Some(Expr::Literal(text, _)) if text == "1"),
            LoopKind::DoWhile | LoopKind::Iterator { .. } => false,
        };
        let mut exit = Env::dead();
        match kind {
            LoopKind::Iterator {
                name,
                name_span,
                args,
            } => {
                exit.join(&self.env, &mut self.sets);
                self.iterator(name, *name_span, args, span);
                exit.join(&self.env, &mut self.sets);
            }
            LoopKind::For | LoopKind::While => {
                if let Some(cond) = cond {
                    self.eval(cond);
                }
                if !endless {
                    exit.join(&self.env, &mut self.sets);
                }
            }
            LoopKind::DoWhile => {}
        }
        self.breaks.push((Env::dead(), span));
        self.continues.push((Env::dead(), span));
        self.statement(body);
        let next = self.continues.pop().unwrap_or_default().0;
        self.merge_here(&next, span, Join::Next);
        if matches!(kind, LoopKind::DoWhile) {
            if let Some(cond) = cond {
                self.eval(cond);
            }
            exit.join(&self.env, &mut self.sets);
        }
        if let Some(step) = step {
            self.eval(step);
        }
        let mut head = self.heads.remove(&key).unwrap_or_default();
        let here = std::mem::take(&mut self.env);
        self.changed |= self.merge(&mut head, &here, span, Join::Head);
        self.heads.insert(key, head);
        let left = self.breaks.pop().unwrap_or_default().0;
        self.merge(&mut exit, &left, span, Join::After);
        self.env = exit;
    }
}
