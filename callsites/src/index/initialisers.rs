// SPDX-License-Identifier: MIT OR Apache-2.0
//! Initialisers: lists of values, with or without the names of the members they are for.

use super::ir::{Expr, InitItem};
use super::lex::Kind;
use super::statements::Parser;

impl Parser<'_, '_> {
    /// Reads the value of an initialiser.
    pub(super) fn value(&mut self) -> Expr {
        if self.is(b"{") {
            return self.braced();
        }
        self.assignment()
    }

    /// Reads `{ item, item }`.
    pub(super) fn braced(&mut self) -> Expr {
        let open = self.at;
        if !self.enters() {
            return Expr::Unread(Vec::new(), self.since(open));
        }
        self.at += 1;
        let close = self.mate(open);
        let outer = self.limit;
        self.limit = close.unwrap_or(outer);
        let items = self.items();
        let items = match items {
            Expr::Initialiser { items, .. } => items,
            other => vec![InitItem {
                fields: Vec::new(),
                value: other,
            }],
        };
        self.limit = outer;
        if let Some(close) = close {
            self.at = close + 1;
        }
        self.depth -= 1;
        Expr::Initialiser {
            items,
            span: self.since(open),
        }
    }

    /// Reads the items of an initialiser up to the limit.
    pub(super) fn items(&mut self) -> Expr {
        let start = self.at;
        let mut items = Vec::new();
        let mut height = 0;
        while self.at < self.limit {
            // An arm of whole items may stand between marks.
            if self.is(b",") || self.stream.marks[self.at].is_some() {
                self.at += 1;
                continue;
            }
            let (from, item) = (self.at, self.item());
            if self.at == from {
                self.at += 1;
                continue;
            }
            height = height.max(self.height);
            items.push(item);
        }
        self.height = height + 1;
        Expr::Initialiser {
            items,
            span: self.since(start),
        }
    }

    /// Reads `.a.b[1] = value`, `a: value` or `value`.
    fn item(&mut self) -> InitItem {
        let mut fields = Vec::new();
        let start = self.at;
        loop {
            let source = &self.stream.source;
            if self.is(b".") && source.is_ident(self.at + 1) && self.at + 1 < self.limit {
                let name = self.at + 1;
                self.at += 2;
                fields.push(self.pasted(name));
            } else if self.is(b"[") {
                match self.mate(self.at) {
                    Some(close) => self.at = close + 1,
                    None => break,
                }
            } else {
                break;
            }
        }
        if self.at > start {
            if self.is(b"=") {
                self.at += 1;
            }
        } else if self.kind() == Some(Kind::Ident)
            && self.stream.source.is(start + 1, b":")
            && start + 1 < self.limit
        {
            fields.push(self.stream.source.string(start));
            self.at += 2;
        }
        let from = self.at;
        let mut value = self.value();
        if matches!(value, Expr::Call { .. }) && self.kind() == Some(Kind::Ident) {
            // A macro may bring its `,` along.
            return InitItem { fields, value };
        }
        let mut parts = Vec::new();
        while self.at < self.limit && !self.is(b",") && self.stream.marks[self.at].is_none() {
            let at = self.at;
            let part = self.assignment();
            if self.at > at {
                parts.push(part);
            } else {
                self.at += 1;
            }
        }
        if !parts.is_empty() {
            parts.insert(0, value);
            let span = self.since(from);
            self.note(span, "syntax error");
            value = Expr::Unread(parts, span);
        }
        InitItem { fields, value }
    }
}
