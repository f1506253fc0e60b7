// SPDX-License-Identifier: MIT OR Apache-2.0
//! The body of a function as a flat list of steps.

use crate::findings::{atomic, helpers, visit};
use crate::index::ir::{Declaration, Expr, Function, LoopKind, Span, Stmt};
use refimpl::api::{Does, Role, acts, followed};
use std::collections::BTreeMap;

/// One step; targets are positions in the list.
#[derive(Debug)]
pub(super) enum Step<'f> {
    Eval(&'f Expr),
    Declare(&'f Declaration),
    /// Goes on when the condition is true, else to `otherwise`. At a `head` an unknown condition lets the loop run once.
    Branch {
        cond: &'f Expr,
        negated: bool,
        otherwise: usize,
        head: Option<Head>,
        /// It is warned of when it is true, and ought not to be.
        warned: bool,
    },
    /// An iterator macro: runs once, then goes to `exit`; twice where the loop takes pages.
    Iterate {
        args: &'f [Expr],
        exit: usize,
        head: Head,
    },
    Jump(usize),
    /// A lock under which sleeping is forbidden is taken, and given back by itself at the end of a block.
    Guard {
        at: Span,
        block: Span,
        depth: usize,
    },
    /// The end of a block of that depth, and of what is held to it.
    EndGuards(usize),
    /// The arms of an `#if`, each with its condition; without an `#else` the last has none.
    Arms(Vec<(Option<&'f str>, usize)>),
    Switch {
        value: &'f Expr,
        cases: Vec<(Option<&'f Expr>, usize)>,
        exit: usize,
    },
    Return(Option<&'f Expr>, Span),
}

/// Whether an acquiring call asks for a number of pages that stands there, or puts them behind those of the turn before. Of
/// others a release over the whole array cannot be told apart from one of the last turn alone.
fn is_told_apart(name: &str, args: &[Expr]) -> bool {
    let signature = followed()
        .get(name)
        .and_then(|function| function.signature(args.len()));
    let number = signature.and_then(|signature| args.get(signature.nr?));
    let pages = signature.and_then(|signature| args.get(signature.pages?));
    let behind = match pages.map(visit::bare) {
        Some(Expr::Binary { op, .. }) => op == "+",
        Some(Expr::AddressOf(inner, _)) => {
            matches!(visit::bare(inner), Expr::Index { index, .. } if !matches!(**index, Expr::Literal(..)))
        }
        _ => false,
    };
    behind || number.is_none_or(|number| matches!(number, Expr::Literal(..)))
}

/// Whether a function releases in a loop that ends above a number: one that counts down to the first entry, or to the
/// second by mistake.
fn counts_down(function: &Function) -> bool {
    let mut found = false;
    visit::statements(&function.body, &mut |statement| {
        let Stmt::Loop {
            cond: Some(Expr::Binary { op, right, .. }),
            body,
            ..
        } = statement
        else {
            return;
        };
        if matches!(op.as_str(), ">" | ">=") && matches!(**right, Expr::Literal(..)) {
            visit::all_calls(std::slice::from_ref(body), &mut |name, _, _| {
                found |= followed().is(name, Role::Release);
            });
        }
    });
    found
}

/// The head of a loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// How often it runs when nothing is known of its condition. What one turn took is seen to be lost only in the next,
    /// and that an undoing leaves out the first entry only when two were filled before.
    pub turns: u32,
}

/// Steps, and the loops they stand in.
pub(super) struct Steps<'f> {
    pub list: Vec<Step<'f>>,
}

/// Flattens `function`.
pub(super) fn steps(function: &Function) -> Steps<'_> {
    let mut builder = Builder {
        turns: if counts_down(function) { 3 } else { 2 },
        ..Builder::default()
    };
    builder.blocks.push(function.body_span);
    builder.block(&function.body);
    let end = function.span.end.saturating_sub(1);
    builder.list.push(Step::Return(
        None,
        Span {
            start: end,
            end: function.span.end,
        },
    ));
    builder.finish()
}

#[derive(Default)]
struct Builder<'f> {
    list: Vec<Step<'f>>,
    /// Of a loop that takes pages.
    turns: u32,
    labels: BTreeMap<&'f str, usize>,
    gotos: Vec<(usize, &'f str)>,
    breaks: Vec<Vec<usize>>,
    continues: Vec<Vec<usize>>,
    cases: Vec<Vec<(Option<&'f Expr>, usize)>>,
    /// Whether a lock is held to the end of a block.
    guarded: bool,
    /// The blocks around, innermost last.
    blocks: Vec<Span>,
    /// Whether the condition that is read stands in a macro that warns of it.
    warned: bool,
}

impl<'f> Builder<'f> {
    fn finish(mut self) -> Steps<'f> {
        let end = self.list.len() - 1;
        for (at, name) in std::mem::take(&mut self.gotos) {
            // A goto out of what was read ends the walk there.
            let target = self.labels.get(name).copied().unwrap_or(end);
            self.list[at] = Step::Jump(target);
        }
        Steps { list: self.list }
    }

    fn here(&self) -> usize {
        self.list.len()
    }

    fn hole(&mut self) -> usize {
        self.list.push(Step::Jump(usize::MAX));
        self.list.len() - 1
    }

    fn patch(&mut self, holes: Vec<usize>, target: usize) {
        for at in holes {
            match &mut self.list[at] {
                Step::Branch { otherwise, .. } => *otherwise = target,
                Step::Iterate { exit, .. } | Step::Switch { exit, .. } => *exit = target,
                step => *step = Step::Jump(target),
            }
        }
    }

    fn block(&mut self, statements: &'f [Stmt]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    /// Adds steps that go on when `cond` is as `wanted`; returns the branches to patch for when it is not.
    fn cond(&mut self, cond: &'f Expr, wanted: bool, head: Option<Head>) -> Vec<usize> {
        match cond {
            Expr::Unary { op, operand, .. } if op == "!" => self.cond(operand, !wanted, head),
            Expr::Binary {
                op, left, right, ..
            } if op == "&&" || op == "||" => {
                // Of two conditions that ought not to hold together, each may.
                self.warned = false;
                if (op == "&&") == wanted {
                    let mut holes = self.cond(left, wanted, head);
                    holes.extend(self.cond(right, wanted, head));
                    holes
                } else {
                    // `left` alone decides: when it is as wanted, `right` is not looked at.
                    let not_left = self.cond(left, wanted, head);
                    let decided = self.hole();
                    let right_at = self.here();
                    self.patch(not_left, right_at);
                    let holes = self.cond(right, wanted, head);
                    let on = self.here();
                    self.patch(vec![decided], on);
                    holes
                }
            }
            Expr::Call { args, .. } if args.len() == 1 && transparent(cond) => {
                let warns = cond
                    .callee_name()
                    .is_some_and(|name| acts().is(name, Does::Warns));
                let outer = self.warned;
                self.warned |= warns;
                let holes = self.cond(&args[0], wanted, head);
                self.warned = outer;
                holes
            }
            _ => {
                self.list.push(Step::Branch {
                    cond,
                    negated: !wanted,
                    otherwise: usize::MAX,
                    head,
                    warned: self.warned,
                });
                vec![self.list.len() - 1]
            }
        }
    }

    fn statement(&mut self, statement: &'f Stmt) {
        match statement {
            Stmt::Expr(expr, _) if guards(expr) => {
                if let Some(block) = self.blocks.last() {
                    let (at, block, depth) = (expr.span(), *block, self.blocks.len());
                    self.list.push(Step::Guard { at, block, depth });
                    self.guarded = true;
                }
            }
            Stmt::Expr(expr, _) => self.list.push(Step::Eval(expr)),
            Stmt::Decl(declarations, _) => self.list.extend(declarations.iter().map(Step::Declare)),
            Stmt::Block(inner, span) | Stmt::Unread(inner, span) => {
                self.blocks.push(*span);
                self.block(inner);
                if self.guarded {
                    self.list.push(Step::EndGuards(self.blocks.len()));
                }
                self.blocks.pop();
            }
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => {
                let not = self.cond(cond, true, None);
                self.statement(then);
                match otherwise {
                    Some(otherwise) => {
                        let over = self.hole();
                        let at = self.here();
                        self.patch(not, at);
                        self.statement(otherwise);
                        let at = self.here();
                        self.patch(vec![over], at);
                    }
                    None => {
                        let at = self.here();
                        self.patch(not, at);
                    }
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
                self.a_loop(kind, init.as_deref(), cond.as_ref(), step.as_ref(), body);
            }
            Stmt::Switch { value, body, .. } => self.switch(value, body),
            Stmt::Case { value, .. } => {
                let at = self.here();
                if let Some(cases) = self.cases.last_mut() {
                    cases.push((value.as_ref(), at));
                }
            }
            Stmt::Label { name, .. } => {
                let at = self.here();
                self.labels.insert(name, at);
            }
            Stmt::Goto { name, .. } => {
                let at = self.hole();
                self.gotos.push((at, name));
            }
            Stmt::Return(value, span) => self.list.push(Step::Return(value.as_ref(), *span)),
            Stmt::Break(_) => {
                let at = self.hole();
                if let Some(breaks) = self.breaks.last_mut() {
                    breaks.push(at);
                }
            }
            Stmt::Continue(_) => {
                let at = self.hole();
                if let Some(continues) = self.continues.last_mut() {
                    continues.push(at);
                }
            }
            Stmt::Arms(arms, _) => self.arms(arms),
        }
    }

    fn arms(&mut self, arms: &'f [(String, Vec<Stmt>)]) {
        let fork = self.hole();
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (condition, inner) in arms {
            starts.push((Some(condition.as_str()), self.here()));
            self.block(inner);
            ends.push(self.hole());
        }
        let at = self.here();
        if arms.len() < 2 {
            starts.push((None, at));
        }
        self.patch(ends, at);
        self.list[fork] = Step::Arms(starts);
    }

    fn a_loop(
        &mut self,
        kind: &'f LoopKind,
        init: Option<&'f Stmt>,
        cond: Option<&'f Expr>,
        step: Option<&'f Expr>,
        body: &'f Stmt,
    ) {
        if let Some(init) = init {
            self.statement(init);
        }
        self.breaks.push(Vec::new());
        self.continues.push(Vec::new());
        let head = self.here();
        let mut takes = false;
        visit::all_calls(std::slice::from_ref(body), &mut |name, args, _| {
            takes |= helpers::acquires(name) && is_told_apart(name, args);
        });
        let loop_head = Head {
            turns: if takes { self.turns } else { 1 },
        };
        let depth = self.blocks.len() + 1;
        let mut exits = match (kind, cond) {
            (LoopKind::Iterator { args, name, .. }, _) => {
                if atomic::holds_in_block(name, args) {
                    self.list.push(Step::Guard {
                        at: args[0].span(),
                        block: body.span(),
                        depth,
                    });
                    self.guarded = true;
                }
                self.list.push(Step::Iterate {
                    args,
                    exit: usize::MAX,
                    head: loop_head,
                });
                vec![self.list.len() - 1]
            }
            (LoopKind::For | LoopKind::While, Some(cond)) => self.cond(cond, true, Some(loop_head)),
            _ => Vec::new(),
        };
        self.statement(body);
        let next = self.here();
        if let Some(step) = step {
            self.list.push(Step::Eval(step));
        }
        if let (LoopKind::DoWhile, Some(cond)) = (kind, cond) {
            // The body has run once already: an unknown condition ends the loop.
            exits.extend(self.cond(cond, true, None));
        }
        self.list.push(Step::Jump(head));
        let after = self.here();
        if matches!(kind, LoopKind::Iterator { name, args, .. } if atomic::holds_in_block(name, args))
        {
            self.list.push(Step::EndGuards(depth));
        }
        let continues = self.continues.pop().unwrap_or_default();
        let breaks = self.breaks.pop().unwrap_or_default();
        self.patch(continues, next);
        self.patch(breaks, after);
        self.patch(exits, after);
    }

    fn switch(&mut self, value: &'f Expr, body: &'f Stmt) {
        let at = self.here();
        self.list.push(Step::Switch {
            value,
            cases: Vec::new(),
            exit: usize::MAX,
        });
        self.breaks.push(Vec::new());
        self.cases.push(Vec::new());
        self.statement(body);
        let after = self.here();
        let found = self.cases.pop().unwrap_or_default();
        let breaks = self.breaks.pop().unwrap_or_default();
        self.patch(breaks, after);
        self.list[at] = Step::Switch {
            value,
            cases: found,
            exit: after,
        };
    }
}

/// Whether a statement is `guard(class)(lock)` of a lock under which sleeping is forbidden.
fn guards(expr: &Expr) -> bool {
    let Expr::Call { callee, .. } = expr else {
        return false;
    };
    match (callee.callee_name(), callee.as_ref()) {
        (Some(name), Expr::Call { args, .. }) => atomic::holds_in_block(name, args),
        _ => false,
    }
}

/// Macros that give their argument's truth back.
pub(super) fn transparent(call: &Expr) -> bool {
    let does = call.callee_name().and_then(|name| acts().of(name));
    matches!(does, Some(Does::Same | Does::Warns))
}
