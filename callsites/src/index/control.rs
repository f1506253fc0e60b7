// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statements by the word they begin with, and those that are an expression or a macro.

use super::ir::{Expr, LoopKind, Stmt};
use super::lex::Kind;
use super::statements::Parser;
use super::stream::Mark;
use super::words;

impl Parser<'_, '_> {
    /// Reads a statement that begins with a word.
    pub(super) fn worded(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        match self.text(start) {
            b"if" => {
                self.at += 1;
                let cond = self.condition();
                let then = self.one();
                let otherwise = self.is_word(b"else").then(|| {
                    self.at += 1;
                    self.one()
                });
                out.push(Stmt::If {
                    cond,
                    then,
                    otherwise,
                    span: self.since(start),
                });
            }
            b"else" => {
                // What it belongs to was cut away.
                self.at += 1;
                self.unlabelled(out);
            }
            b"while" => {
                self.at += 1;
                let cond = Some(self.condition());
                let body = self.one();
                self.push_loop(LoopKind::While, cond, body, start, out);
            }
            b"do" => {
                self.at += 1;
                let body = self.one();
                let cond = if self.is_word(b"while") {
                    self.at += 1;
                    self.condition()
                } else {
                    self.note(self.since(start), "syntax error");
                    Expr::Unread(Vec::new(), self.since(self.at))
                };
                self.semicolon();
                self.push_loop(LoopKind::DoWhile, Some(cond), body, start, out);
            }
            b"for" if self.stream.source.is(start + 1, b"(") => self.counted(out),
            b"switch" => {
                self.at += 1;
                let value = self.condition();
                let body = self.one();
                out.push(Stmt::Switch {
                    value,
                    body,
                    span: self.since(start),
                });
            }
            b"goto" => {
                self.at += 1;
                let label = self.at;
                if self.kind() == Some(Kind::Ident) {
                    self.at += 1;
                    let name = self.pasted(label);
                    self.semicolon();
                    let span = self.since(start);
                    return out.push(Stmt::Goto { name, span });
                }
                // `goto *label;`: where it leads is not known.
                let value = self.expr();
                let at = value.span();
                self.semicolon();
                self.note(self.since(start), "goto by a value");
                out.push(Stmt::Unread(vec![Stmt::Expr(value, at)], self.since(start)));
            }
            b"return" => {
                self.at += 1;
                let from = self.at;
                let value = if self.is(b";") || self.ends() {
                    None
                } else {
                    let value = self.expr();
                    Some(self.rest_of_statement(value, from))
                };
                self.semicolon();
                out.push(Stmt::Return(value, self.since(start)));
            }
            b"break" => {
                self.at += 1;
                self.semicolon();
                out.push(Stmt::Break(self.since(start)));
            }
            b"continue" => {
                self.at += 1;
                self.semicolon();
                out.push(Stmt::Continue(self.since(start)));
            }
            b"for" | b"case" | b"default" => self.simple(out),
            _ if self.declares() => self.declaration(out),
            _ => self.macro_or_simple(out),
        }
    }

    fn push_loop(
        &mut self,
        kind: LoopKind,
        cond: Option<Expr>,
        body: Box<Stmt>,
        start: usize,
        out: &mut Vec<Stmt>,
    ) {
        out.push(Stmt::Loop {
            kind,
            init: None,
            cond,
            step: None,
            body,
            span: self.since(start),
        });
    }

    /// Reads `for (init; cond; step) body`.
    fn counted(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        let open = start + 1;
        self.at += 2;
        let close = self.mate(open);
        let outer = self.limit;
        self.limit = close.unwrap_or(outer);
        let mut init = None;
        if self.kind() == Some(Kind::Ident) && self.declares() {
            let mut declared = Vec::new();
            self.declaration(&mut declared);
            init = (!declared.is_empty()).then(|| {
                Box::new(match declared.len() {
                    1 => declared.remove(0),
                    _ => Stmt::Block(declared, self.since(open + 1)),
                })
            });
        } else {
            let from = self.at;
            if let Some(value) = self.clause() {
                init = Some(Box::new(Stmt::Expr(value, self.since(from))));
            }
            self.semicolon();
        }
        let cond = self.clause();
        self.semicolon();
        let step = self.clause();
        if self.at < self.limit {
            let rest = self.at;
            while let Some(value) = self.next_of_rest() {
                let at = value.span();
                self.early
                    .push(Stmt::Unread(vec![Stmt::Expr(value, at)], at));
            }
            self.note(self.stream.source.span(&(rest..self.limit)), "syntax error");
        }
        self.limit = outer;
        if let Some(close) = close {
            self.at = close + 1;
        }
        let body = self.one();
        out.push(Stmt::Loop {
            kind: LoopKind::For,
            init,
            cond,
            step,
            body,
            span: self.since(start),
        });
    }

    /// Reads an expression that ends with `;` and may be empty.
    fn clause(&mut self) -> Option<Expr> {
        if self.is(b";") || self.at >= self.limit {
            return None;
        }
        let from = self.at;
        let value = self.expr();
        Some(self.rest_of_statement(value, from))
    }

    /// Reads an iterator macro, a macro that takes the block behind it, or an expression and its `;`.
    fn macro_or_simple(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        let source = &self.stream.source;
        if start + 1 < self.limit && source.is(start + 1, b"{") {
            // A macro before a block, as written without arguments.
            self.at += 1;
            return self.unlabelled(out);
        }
        let close = if source.is(start + 1, b"(") {
            self.mate(start + 1)
        } else {
            None
        };
        let Some(close) = close else {
            return self.simple(out);
        };
        let next = close + 1;
        let takes = next < self.limit
            && (source.is(next, b"{")
                || words::is_iterator(source.text(start))
                    && (source.is_ident(next) && !source.is_word(next, b"else")
                        || matches!(self.stream.marks[next], Some(Mark::Open(_)))
                        || [b"(".as_slice(), b"*", b"!", b"++", b"--"]
                            .iter()
                            .any(|text| source.is(next, text))));
        if !takes {
            return self.simple(out);
        }
        let name = source.string(start);
        let name_span = source.span(&(start..start + 1));
        self.at = start + 1;
        let args = self.arguments(&name);
        let body = self.one();
        let kind = LoopKind::Iterator {
            name,
            name_span,
            args,
        };
        self.push_loop(kind, None, body, start, out);
    }

    /// Reads an expression statement.
    pub(super) fn simple(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        let value = self.expr();
        if self.at == start {
            return;
        }
        // A macro may bring its `;` along.
        let complete = self.is(b";")
            || self.ends()
            || matches!(value, Expr::Call { .. } | Expr::Name(..) | Expr::Sizeof(_))
                && (self.kind() == Some(Kind::Ident) || self.is(b"{"));
        if complete {
            self.semicolon();
            return out.push(Stmt::Expr(value, self.since(start)));
        }
        let mut inside = vec![Stmt::Expr(value, self.since(start))];
        while let Some(value) = self.next_of_rest() {
            let at = value.span();
            inside.push(Stmt::Expr(value, at));
        }
        self.semicolon();
        self.note(self.since(start), "syntax error");
        out.push(Stmt::Unread(inside, self.since(start)));
    }
}
