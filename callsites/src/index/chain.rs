// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chains of operators, which become a list of their parts before they become too high.

use super::ir::{Expr, Span};

/// A chain of operators that is being built from its left end.
pub(super) struct Chain {
    pub(super) left: Expr,
    height: u32,
    /// What was built before the chain became too high.
    parts: Vec<Expr>,
}

impl Chain {
    pub(super) fn new(left: Expr, height: u32) -> Self {
        Chain {
            left,
            height,
            parts: Vec::new(),
        }
    }

    /// Puts `build` around what there is, or begins anew with `rest` when that would become higher than `room`.
    pub(super) fn grow(
        &mut self,
        beside: u32,
        room: u32,
        build: impl FnOnce(Box<Expr>) -> Expr,
        span: Span,
    ) -> bool {
        let left = std::mem::replace(&mut self.left, Expr::Unread(Vec::new(), span));
        let height = self.height.max(beside) + 1;
        if height <= room {
            self.left = build(Box::new(left));
            self.height = height;
            return true;
        }
        self.parts.push(left);
        let fresh = build(Box::new(Expr::Unread(Vec::new(), span)));
        if beside < room {
            self.left = fresh;
            self.height = beside + 1;
        } else {
            self.parts.push(fresh);
            self.height = 0;
        }
        false
    }

    pub(super) fn done(mut self, span: Span) -> (Expr, u32) {
        if self.parts.is_empty() {
            return (self.left, self.height);
        }
        self.parts.push(self.left);
        (Expr::Unread(self.parts, span), self.height + 1)
    }
}
