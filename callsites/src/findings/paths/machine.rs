// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk itself, and the facts it comes back with.

use super::calls::root;
use super::decide::tells_none_from_one;
pub(crate) use super::facts::{Callees, Fact, What};
use super::loans::{Ending, Lost};
use super::state::{Acquisition, Charge, Loan, Lock, State, Sym, Value};
use super::steps::{Head, Step, Steps, steps};
use super::types::Locals;
use crate::findings::visit;
use crate::index::ir::{Expr, Function, Span};
use refimpl::api::{Acts, Catalogue, Does, Role, acts, followed};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Ways through one function after which it is given up. Each condition on a symbol doubles them: nine that follow each
/// other give 512, and what a person would still check by hand has fewer.
pub(crate) const MOST_WAYS: usize = 500;
/// Steps through one function after which it is given up, for each of its ways: a way through fifty statements with four
/// steps each, and some turns of a loop. A bound on time, and not a measurement.
const STEPS_A_WAY: usize = 240;
/// Arms of an `#if` that are walked; the kernel's own ladders are shorter.
const MOST_ARMS: usize = 32;
/// Turns of a loop whose condition is known: six times [`ASKED_FOR`], so that a loop over what was asked for ends by itself.
const MOST_TURNS: u32 = 24;
/// What a count becomes that nothing is known of: small, and such that half of it is neither none nor one.
pub(super) const ASKED_FOR: i64 = 4;

pub(super) struct Machine<'a, 'f> {
    pub catalogue: &'static Catalogue,
    pub acts: &'static Acts,
    pub locals: Locals<'f>,
    pub callees: &'a Callees<'a>,
    /// The symbols up to this one are the parameters.
    pub params: Sym,
    /// The call that is a statement by itself, while that is looked at.
    pub alone: Option<Span>,
    /// The call that the walk cannot follow whose arguments are looked at.
    pub loan: Option<Loan>,
    /// Whether the arguments are those of a call that only looks at them.
    pub looks: bool,
    /// Whether the function returns a pointer, so that null tells of a failure.
    pub gives_pointer: bool,
    /// What became of pages that calls were given, way by way.
    pub endings: BTreeSet<Ending>,
    /// Pages that are lost unless a call keeps them that was given them.
    pub lost: Vec<Lost>,
    /// Pages that are left in a member where a way fails.
    pub left: Vec<Lost>,
    /// Acquiring calls whose pages a way that fails releases, and leaves in their member.
    pub undone: BTreeSet<u32>,
    /// Charges that a way which fails keeps, where a member has the number: where the way ends, the charge, and the way.
    pub charged: Vec<(Span, Charge, State)>,
    /// Charges that some way which fails gives back, each by its first byte.
    pub returned: BTreeSet<u32>,
    /// Locks that some way gives back, each by the first byte of the call that takes it.
    pub dropped: BTreeSet<u32>,
    /// Locks that a way which fails keeps: where each is taken, where the way ends, and the way.
    pub locked: Vec<(Span, Span, State)>,
    /// Whether a way keeps its pages and returns 0.
    pub keeps: bool,
    /// Ways that got no page and return 0, each with its end.
    pub nones: Vec<(Span, Span, State)>,
    /// Ways that release their pages for a failure and return 0, each with its end.
    pub releases: Vec<(Span, Acquisition, State)>,
    pub interned: BTreeMap<(SmolStr, Vec<Value>), Sym>,
    pub meaning: BTreeMap<Sym, (SmolStr, Value, Value)>,
    pub next: Sym,
    pub outcome: u8,
    pub facts: BTreeMap<(What, u32, u32), Fact>,
    pub ways: usize,
    /// After so many it is given up.
    most: usize,
    /// Whether the function sees to it that its iterator is backed by user memory.
    pub user_backed: bool,
    /// Whether every way was walked to its end.
    pub complete: bool,
    /// Acquiring calls whose pages a way keeps that does not fail, each by its first byte.
    pub kept: BTreeSet<u32>,
}

/// Walks `function` on every way, `most` at most; says whether it came to the end of all.
pub(crate) fn walk(function: &Function, most: usize, callees: &Callees<'_>) -> (Vec<Fact>, bool) {
    let machine = walked(function, most, callees);
    (machine.facts.into_values().collect(), machine.complete)
}

/// The acquiring calls of `function` whose pages it keeps when it does not fail, each by its first byte.
pub(crate) fn kept(function: &Function, callees: &Callees<'_>) -> BTreeSet<u32> {
    walked(function, MOST_WAYS, callees).kept
}

fn walked<'a, 'f>(
    function: &'f Function,
    most: usize,
    callees: &'a Callees<'a>,
) -> Machine<'a, 'f> {
    let steps = steps(function);
    let mut machine = Machine {
        catalogue: followed(),
        acts: acts(),
        locals: Locals::of(function),
        callees,
        params: 0,
        alone: None,
        loan: None,
        looks: false,
        gives_pointer: function.returns.pointers > 0,
        endings: BTreeSet::new(),
        lost: Vec::new(),
        left: Vec::new(),
        undone: BTreeSet::new(),
        charged: Vec::new(),
        returned: BTreeSet::new(),
        dropped: BTreeSet::new(),
        locked: Vec::new(),
        keeps: false,
        nones: Vec::new(),
        releases: Vec::new(),
        interned: BTreeMap::new(),
        meaning: BTreeMap::new(),
        next: 0,
        outcome: 0,
        facts: BTreeMap::new(),
        ways: 0,
        most,
        complete: true,
        user_backed: super::iterators::sees_to_user_pages(function),
        kept: BTreeSet::new(),
    };
    let mut start = State::default();
    for parameter in &function.params {
        let sym = machine.fresh();
        start
            .values
            .insert(parameter.name.clone(), Value::Sym(sym, 0));
        start.visible.insert(sym);
    }
    machine.params = machine.next;
    machine.run(&steps, start);
    machine.tell_of_success();
    machine.tell_of_loans();
    machine.tell_of_locks();
    machine.tell_of_charges();
    machine
}

/// A kernel is configured one way: an arm once taken is taken again, one left out stays out.
///
/// Says how many ways go on.
fn arms_of(state: &mut State, arms: &[(Option<&str>, usize)], waiting: &mut Vec<State>) -> usize {
    let arms = &arms[..arms.len().min(MOST_ARMS)];
    let known = |condition: &Option<&str>| condition.and_then(|c| state.configured.get(c).copied());
    let taken = arms
        .iter()
        .position(|(condition, _)| known(condition) == Some(true));
    let open: Vec<usize> = match taken {
        Some(at) => vec![at],
        None => (0..arms.len())
            .filter(|at| known(&arms[*at].0) != Some(false))
            .collect(),
    };
    let take = |way: &mut State, at: usize| {
        for (other, (condition, _)) in arms.iter().enumerate() {
            if let Some(condition) = condition {
                way.configured.insert((*condition).to_owned(), other == at);
            }
        }
        way.at = arms[at].1;
    };
    for at in open.iter().skip(1) {
        let mut way = state.clone();
        take(&mut way, *at);
        waiting.push(way);
    }
    if let Some(first) = open.first() {
        take(state, *first);
    }
    state.over |= open.is_empty();
    open.len()
}

/// Outcomes of an acquiring call: it fails, it gets half, it gets all; of an iterator it may get nothing.
const OUTCOMES: [u8; 4] = [0, 1, 2, 3];

impl<'f> Machine<'_, 'f> {
    pub(super) fn fresh(&mut self) -> Sym {
        self.next += 1;
        self.next
    }

    fn run(&mut self, steps: &Steps<'f>, start: State) {
        let mut waiting = vec![start];
        let mut taken = 0;
        while let Some(mut state) = waiting.pop() {
            while !state.over {
                taken += 1;
                if taken > STEPS_A_WAY * self.most || self.ways > self.most {
                    self.complete = false;
                    return;
                }
                let Some(step) = steps.list.get(state.at) else {
                    break;
                };
                let expr = match step {
                    Step::Eval(expr) => Some(*expr),
                    Step::Branch { cond, .. } => Some(*cond),
                    Step::Declare(declaration) => declaration.init.as_ref(),
                    Step::Return(value, _) => *value,
                    Step::Switch { value, .. } => Some(*value),
                    _ => None,
                };
                let outcomes = expr.map_or(0, |expr| self.outcomes(expr));
                if outcomes > 0 {
                    for outcome in OUTCOMES.into_iter().take(outcomes) {
                        self.outcome = outcome;
                        let mut other = state.clone();
                        self.step(step, &mut other, &mut waiting);
                        self.ways += 1;
                        if !other.over {
                            waiting.push(other);
                        }
                    }
                    break;
                }
                self.step(step, &mut state, &mut waiting);
            }
        }
    }

    fn step(&mut self, step: &Step<'f>, state: &mut State, waiting: &mut Vec<State>) {
        let at = state.at;
        state.at += 1;
        match step {
            Step::Eval(expr) => {
                self.alone = expr.callee_name().map(|_| expr.span());
                self.eval(state, expr);
                self.alone = None;
            }
            Step::Declare(declaration) => self.declare(state, declaration),
            Step::Guard { at, block, depth } => state.atomic.push(Lock {
                at: *at,
                tried: None,
                block: Some((*block, *depth)),
            }),
            Step::EndGuards(depth) => state
                .atomic
                .retain(|lock| lock.block.is_none_or(|(_, inner)| inner < *depth)),
            Step::Jump(target) => {
                // A jump back that never ends is a loop that waits for something; the walk need not.
                if *target <= at {
                    let visits = state.visits.entry(at).or_insert(0);
                    *visits += 1;
                    state.over = *visits > 4 * MOST_TURNS;
                }
                state.at = *target;
            }
            Step::Arms(arms) => self.ways += arms_of(state, arms, waiting).saturating_sub(1),
            Step::Iterate { args, exit, head } => {
                let visits = state.visits.entry(at).or_insert(0);
                *visits += 1;
                if *visits == 1 {
                    state.begin_turns(args);
                    state.released_before.insert(at, state.released.len());
                    self.walks_freed(state, args);
                }
                let visits = state.visits.entry(at).or_insert(0);
                if *visits > head.turns {
                    *visits = 0;
                    state.at = *exit;
                    state.end_turns(args);
                    let before = state.released_before.remove(&at);
                    if before.is_some_and(|before| before < state.released.len()) {
                        state.list_let_go(args);
                    }
                    state.end_of_unknown_loop();
                } else {
                    for arg in *args {
                        self.forget(state, arg);
                    }
                }
            }
            Step::Switch { value, cases, exit } => self.switch(state, value, cases, *exit, waiting),
            Step::Branch {
                cond,
                negated,
                otherwise,
                head,
                warned,
            } => {
                let branch = (at, *cond, *negated, *otherwise, *head);
                self.branch(state, branch, *warned, waiting);
            }
            Step::Return(value, span) => {
                let value = value.map(|value| self.eval(state, value));
                if let Some(value) = value {
                    state.hand_on(value);
                }
                self.ends(state, value, *span);
                self.leaks(state, value, *span);
                state.over = true;
            }
        }
    }

    fn branch(
        &mut self,
        state: &mut State,
        (at, cond, negated, otherwise, head): (usize, &'f Expr, bool, usize, Option<Head>),
        warned: bool,
        waiting: &mut Vec<State>,
    ) {
        let test = self.test(state, cond);
        if state.over {
            return;
        }
        state.none_told |= state.none.is_some() && tells_none_from_one(&test);
        // What is warned of does not happen.
        let warned = warned
            || cond
                .callee_name()
                .is_some_and(|name| self.acts.is(name, Does::Warns));
        let fails = self.tells_of_failure(state, cond, &test);
        visit::expressions(cond, &mut |inner| {
            if let (Expr::Field { .. }, Some(root)) = (inner, root(inner)) {
                if !state.asked.contains(root) {
                    state.asked.insert(root.into());
                }
            }
        });
        if let Some(head) = head.filter(|head| head.turns > 1 && !negated) {
            self.give_turns(state, &test, head.turns);
        }
        let known = match self.decide(state, &test) {
            None if warned => {
                self.assume(state, &test, false);
                Some(negated)
            }
            truth => truth.map(|truth| truth != negated),
        };
        if let Some(head) = head {
            let visits = state.visits.entry(at).or_insert(0);
            let goes_on = known.unwrap_or(*visits < head.turns);
            *visits = if goes_on { *visits + 1 } else { 0 };
            state.over = *visits > MOST_TURNS;
            if !goes_on {
                state.at = otherwise;
                if known.is_none() {
                    state.end_of_unknown_loop();
                }
            }
            return;
        }
        match known {
            Some(goes_on) => {
                if !goes_on {
                    state.at = otherwise;
                }
                if fails == Some(goes_on != negated) {
                    state.failed = Some(cond.span());
                }
            }
            None => {
                self.ways += 1;
                let mut other = state.clone();
                other.at = otherwise;
                if let Some(truth) = fails {
                    let failing = if negated == truth {
                        &mut other
                    } else {
                        &mut *state
                    };
                    failing.failed = Some(cond.span());
                }
                self.assume(&mut other, &test, negated);
                other.note(cond.span(), if negated { "true" } else { "false" });
                waiting.push(other);
                self.assume(state, &test, !negated);
                state.note(cond.span(), if negated { "false" } else { "true" });
            }
        }
    }

    fn switch(
        &mut self,
        state: &mut State,
        value: &'f Expr,
        cases: &[(Option<&'f Expr>, usize)],
        exit: usize,
        waiting: &mut Vec<State>,
    ) {
        let value = self.eval(state, value);
        // What was the one case before is it again.
        let chosen = state.chosen.get(&value).copied();
        let mut targets: Vec<(usize, Value)> = Vec::new();
        let mut default = exit;
        for (case, target) in cases {
            let Some(case) = case else {
                default = *target;
                continue;
            };
            let case = self.eval(state, case);
            if chosen == Some(case) || value == case {
                state.at = *target;
                return;
            }
            match (value, case) {
                (Value::Int(a), Value::Int(b)) if a == b => {
                    state.at = *target;
                    return;
                }
                (Value::Int(_), Value::Int(_)) => {}
                _ if chosen.is_some() => {}
                _ => targets.push((*target, case)),
            }
        }
        self.ways += targets.len();
        for (target, case) in targets.into_iter().rev() {
            let mut other = State {
                at: target,
                ..state.clone()
            };
            other.chosen.insert(value, case);
            waiting.push(other);
        }
        state.at = default;
    }

    /// How many outcomes `expr` has: of what acquires nothing, none.
    fn outcomes(&self, expr: &Expr) -> usize {
        let mut outcomes = 0;
        visit::calls(expr, &mut |name, args, _| {
            if self.acquiring(name, args) {
                let bytes = self.acts.is(name, Does::TakesBytes);
                outcomes = outcomes.max(if bytes { 4 } else { 3 });
            } else if self.may_keep(name) || self.acts.is(name, Does::Reallocates) {
                outcomes = outcomes.max(2);
            }
        });
        outcomes
    }

    /// Whether a call of that name keeps the pages that it is given only when it does not fail.
    pub(super) fn may_keep(&self, name: &str) -> bool {
        let act = self.acts.get(name);
        act.is_some_and(|act| act.does == Does::JoinsPages && act.fails)
            && !(self.callees.shadowed)(name)
    }

    pub(super) fn acquiring(&self, name: &str, args: &[Expr]) -> bool {
        if self.holds(name) {
            return true;
        }
        self.catalogue.get(name).is_some_and(|function| {
            function.role == Role::Acquire
                && !(self.callees.shadowed)(name)
                && function
                    .signature(args.len())
                    .is_some_and(|s| s.pages.or(s.page).is_some_and(|at| at < args.len()))
                && (!name.contains("folio")
                    || function
                        .signature(args.len())
                        .is_some_and(|s| s.pages.is_some() && s.nr.is_some()))
        })
    }
}
