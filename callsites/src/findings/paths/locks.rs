// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locks that a way takes, and whether it gives them back.

use super::machine::{Machine, What};
use super::state::{State, Value};
use crate::findings::visit;
use crate::index::ir::{Expr, Span};

impl State {
    /// A call takes the lock that is its first argument; when `result` is 0, if it can fail.
    pub(super) fn lock_held(&mut self, args: &[Expr], at: Span, result: Option<Value>) {
        if let Some(lock) = args.first().filter(|_| !self.locks_of_caller) {
            self.locks.insert(visit::text(lock).into(), (at, result));
        }
    }

    /// Which locks are held is not known any more.
    pub(super) fn locks_lost(&mut self) {
        self.locks.clear();
        self.locks_of_caller = true;
    }
}

impl Machine<'_, '_> {
    /// A call gives a lock back: the one of its argument, or any of which the walk has another name.
    pub(super) fn lock_dropped(&mut self, state: &mut State, args: &[Expr]) {
        let text = args.first().map(visit::text).unwrap_or_default();
        match state.locks.remove(text.as_str()) {
            Some((at, _)) => {
                self.dropped.insert(at.start);
            }
            None => state.locks_lost(),
        }
    }

    /// A way fails: which locks does it keep?
    pub(super) fn locks_kept(&mut self, state: &State, at: Span) {
        for (taken, result) in state.locks.values() {
            let held = result.is_none_or(|result| self.settle(state, result) == Value::Int(0));
            if held {
                let way = State {
                    trail: state.trail.clone(),
                    ..State::default()
                };
                self.locked.push((*taken, at, way));
            }
        }
    }

    /// All ways were walked: which locks does one give back, and another keep?
    pub(super) fn tell_of_locks(&mut self) {
        for (taken, at, way) in std::mem::take(&mut self.locked) {
            if self.dropped.contains(&taken.start) {
                self.fact(&way, What::LockKept, at, Some(taken), "");
            }
        }
    }
}
