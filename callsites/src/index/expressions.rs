// SPDX-License-Identifier: MIT OR Apache-2.0
//! From tokens to the reduced C: expressions and initialisers, by the precedence of C's operators.
//!
//! Parentheses fall away. The height of what is built is known, so that a long chain of operators becomes a list of
//! its parts before a walk over it could run out of stack.

use super::chain::Chain;
use super::ir::{Expr, TypeRef};
use super::lex::Kind;
use super::statements::Parser;
use super::words;
use smol_str::SmolStr;

impl Parser<'_, '_> {
    /// Reads an expression, the comma operator among its operators.
    pub(super) fn expr(&mut self) -> Expr {
        let start = self.at;
        let first = self.assignment();
        let mut chain = Chain::new(first, self.height);
        while self.is(b",") {
            self.at += 1;
            let right = self.assignment();
            self.binary_onto(&mut chain, SmolStr::new_static(","), right, start);
        }
        self.finish_chain(chain, start)
    }

    fn binary_onto(&mut self, chain: &mut Chain, op: SmolStr, right: Expr, start: usize) {
        let span = self.since(start);
        let right = Box::new(right);
        let fits = chain.grow(
            self.height,
            self.room(),
            |left| Expr::Binary {
                op,
                left,
                right,
                span,
            },
            span,
        );
        if !fits {
            self.note(span, "nested too deep");
        }
    }

    fn finish_chain(&mut self, chain: Chain, start: usize) -> Expr {
        let (expr, height) = chain.done(self.since(start));
        self.height = height;
        expr
    }

    /// Reads an assignment expression.
    pub(super) fn assignment(&mut self) -> Expr {
        let start = self.at;
        let target = self.conditional();
        let assigns = self.kind() == Some(Kind::Punct)
            && matches!(
                self.text(self.at),
                b"=" | b"+="
                    | b"-="
                    | b"*="
                    | b"/="
                    | b"%="
                    | b"&="
                    | b"|="
                    | b"^="
                    | b"<<="
                    | b">>="
            );
        if !assigns {
            return target;
        }
        let left = self.height;
        let op = self.stream.source.string(self.at);
        self.at += 1;
        if !self.enters() {
            return self.too_deep(vec![target], start);
        }
        let value = if self.is(b"{") {
            self.value()
        } else {
            self.assignment()
        };
        self.depth -= 1;
        self.height = self.height.max(left) + 1;
        Expr::Assign {
            op,
            target: Box::new(target),
            value: Box::new(value),
            span: self.since(start),
        }
    }

    fn too_deep(&mut self, parts: Vec<Expr>, start: usize) -> Expr {
        self.height += 1;
        Expr::Unread(parts, self.since(start))
    }

    /// Reads what stands behind `case`.
    pub(super) fn case_value(&mut self) -> Expr {
        let start = self.at;
        let first = self.conditional();
        if !self.is(b"...") {
            return first;
        }
        let mut chain = Chain::new(first, self.height);
        self.at += 1;
        let right = self.conditional();
        self.binary_onto(&mut chain, SmolStr::new_static("..."), right, start);
        self.finish_chain(chain, start)
    }

    fn conditional(&mut self) -> Expr {
        let start = self.at;
        let cond = self.binary(0);
        if !self.is(b"?") {
            return cond;
        }
        let mut height = self.height;
        self.at += 1;
        if !self.enters() {
            return self.too_deep(vec![cond], start);
        }
        let then = (!self.is(b":")).then(|| Box::new(self.expr()));
        if then.is_some() {
            height = height.max(self.height);
        }
        if self.is(b":") {
            self.at += 1;
        } else {
            self.note(self.since(start), "syntax error");
        }
        let otherwise = Box::new(self.assignment());
        self.depth -= 1;
        self.height = self.height.max(height) + 1;
        Expr::Conditional {
            cond: Box::new(cond),
            then,
            otherwise,
            span: self.since(start),
        }
    }

    fn binary(&mut self, least: u8) -> Expr {
        let start = self.at;
        let first = self.unary();
        let mut chain = Chain::new(first, self.height);
        while let Some(precedence) = self.precedence().filter(|found| *found >= least) {
            let op = self.stream.source.string(self.at);
            self.at += 1;
            let right = self.binary(precedence + 1);
            self.binary_onto(&mut chain, op, right, start);
        }
        self.finish_chain(chain, start)
    }

    /// How strongly the operator at hand binds.
    fn precedence(&self) -> Option<u8> {
        if self.kind() != Some(Kind::Punct) {
            return None;
        }
        Some(match self.text(self.at) {
            b"||" => 1,
            b"&&" => 2,
            b"|" => 3,
            b"^" => 4,
            b"&" => 5,
            b"==" | b"!=" => 6,
            b"<" | b">" | b"<=" | b">=" => 7,
            b"<<" | b">>" => 8,
            b"+" | b"-" => 9,
            b"*" | b"/" | b"%" => 10,
            _ => return None,
        })
    }

    /// Reads an operand with the operators before it.
    pub(super) fn unary(&mut self) -> Expr {
        let start = self.at;
        if !self.enters() {
            return Expr::Unread(Vec::new(), self.since(start));
        }
        let expr = self.unary_known();
        self.depth -= 1;
        expr
    }

    fn unary_known(&mut self) -> Expr {
        let start = self.at;
        if self.kind() == Some(Kind::Ident) && self.text(start) == b"__extension__" {
            self.at += 1;
            return self.unary();
        }
        if self.kind() != Some(Kind::Punct) {
            return self.postfix();
        }
        let op = self.text(start);
        match op {
            b"&" | b"*" | b"!" | b"~" | b"-" | b"+" | b"++" | b"--" => {
                self.at += 1;
                let operand = Box::new(self.unary());
                self.height += 1;
                let span = self.since(start);
                match op {
                    b"&" => Expr::AddressOf(operand, span),
                    b"*" => Expr::Deref(operand, span),
                    b"++" | b"--" => Expr::Update {
                        op: self.stream.source.string(start),
                        prefix: true,
                        operand,
                        span,
                    },
                    _ => Expr::Unary {
                        op: self.stream.source.string(start),
                        operand,
                        span,
                    },
                }
            }
            b"&&" if self.stream.source.is_ident(start + 1) && start + 1 < self.limit => {
                // GNU's address of a label.
                self.at += 2;
                self.height = 0;
                let span = self.since(start);
                Expr::Literal(self.stream.source.string(start + 1), span)
            }
            b"(" => match self.cast_type() {
                Some((ty, close)) => {
                    self.at = close + 1;
                    if self.is(b"{") {
                        let items = self.braced();
                        self.height += 1;
                        let span = self.since(start);
                        let operand = Box::new(items);
                        return self.postfix_of(Expr::Cast { ty, operand, span }, start);
                    }
                    let operand = Box::new(self.unary());
                    self.height += 1;
                    let span = self.since(start);
                    Expr::Cast { ty, operand, span }
                }
                None => self.postfix(),
            },
            // Operators of macros: `#x` is text made of x.
            b"#" | b"##" => {
                self.at += 1;
                self.unary()
            }
            _ => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Expr {
        let start = self.at;
        let base = self.primary();
        if self.at == start {
            return base;
        }
        self.postfix_of(base, start)
    }

    fn postfix_of(&mut self, base: Expr, start: usize) -> Expr {
        let mut chain = Chain::new(base, self.height);
        while self.kind() == Some(Kind::Punct) {
            let at = self.at;
            let fits = match self.text(at) {
                b"(" => {
                    let name = match &chain.left {
                        Expr::Name(name, _) => name.clone(),
                        _ => SmolStr::default(),
                    };
                    let args = self.arguments(&name);
                    let span = self.since(start);
                    if name == "offsetof" || name == "__builtin_offsetof" {
                        chain.grow(0, self.room(), |_| Expr::Sizeof(span), span)
                    } else if name == "_Generic" {
                        // The arms of _Generic carry no page.
                        chain.grow(self.height, self.room(), |_| Expr::Unread(args, span), span)
                    } else {
                        let build = |callee: Box<Expr>| Expr::Call {
                            callee: Box::new(made_name(*callee)),
                            args,
                            span,
                        };
                        chain.grow(self.height, self.room(), build, span)
                    }
                }
                b"[" => {
                    let index = Box::new(self.bracketed());
                    let span = self.since(start);
                    let build = |base| Expr::Index { base, index, span };
                    chain.grow(self.height, self.room(), build, span)
                }
                op @ (b"." | b"->")
                    if self.stream.source.is_ident(at + 1) && at + 1 < self.limit =>
                {
                    self.at += 2;
                    let name = self.pasted(at + 1);
                    let name_span = self.since(at + 1);
                    let span = self.since(start);
                    let build = |base| Expr::Field {
                        base,
                        name,
                        arrow: op == b"->",
                        name_span,
                        span,
                    };
                    chain.grow(0, self.room(), build, span)
                }
                b"++" | b"--" => {
                    // Behind a macro that brings its `;` along another statement may begin so.
                    let begins = matches!(chain.left, Expr::Call { .. })
                        && at + 1 < self.limit
                        && (self.stream.source.is_ident(at + 1)
                            || self.stream.source.is(at + 1, b"("));
                    if begins {
                        break;
                    }
                    self.at += 1;
                    let op = self.stream.source.string(at);
                    let span = self.since(start);
                    let build = |operand| Expr::Update {
                        op,
                        prefix: false,
                        operand,
                        span,
                    };
                    chain.grow(0, self.room(), build, span)
                }
                _ => break,
            };
            if !fits {
                self.note(self.since(start), "nested too deep");
            }
        }
        self.finish_chain(chain, start)
    }

    fn primary(&mut self) -> Expr {
        let start = self.at;
        self.height = 0;
        match self.kind() {
            Some(Kind::Number | Kind::Char) => {
                self.at += 1;
                Expr::Literal(self.stream.source.string(start), self.since(start))
            }
            Some(Kind::Str) => self.joined_strings(),
            Some(Kind::Ident) => self.word(),
            Some(Kind::Punct) if self.is(b"(") => self.parenthesised(),
            Some(Kind::Punct) if self.is(b"{") => self.braced(),
            _ => {
                let span = self.since(start);
                self.note(span, "syntax error");
                Expr::Unread(Vec::new(), span)
            }
        }
    }

    /// Reads `(expr)` or `({ … })`.
    fn parenthesised(&mut self) -> Expr {
        let open = self.at;
        self.at += 1;
        let close = self.mate(open);
        let outer = self.limit;
        self.limit = close.unwrap_or(outer);
        let start = self.at;
        let value = if self.is(b"{") {
            let body = self.block();
            self.height = 1;
            Expr::Block(body, self.since(start))
        } else {
            self.expr()
        };
        let value = if close.is_some() {
            self.rest_of(value, start)
        } else {
            self.note(self.since(open), "syntax error");
            value
        };
        self.limit = outer;
        if let Some(close) = close {
            self.at = close + 1;
        }
        value
    }

    /// Reads the condition of a statement.
    pub(super) fn condition(&mut self) -> Expr {
        if self.is(b"(") {
            return self.parenthesised();
        }
        self.note(self.since(self.at), "syntax error");
        Expr::Unread(Vec::new(), self.since(self.at))
    }

    /// Reads `[index]`.
    fn bracketed(&mut self) -> Expr {
        let open = self.at;
        self.at += 1;
        let close = self.mate(open);
        let outer = self.limit;
        self.limit = close.unwrap_or(outer);
        let start = self.at;
        let mut value = self.expr();
        if close.is_some() {
            value = self.rest_of(value, start);
        }
        self.limit = outer;
        if let Some(close) = close {
            self.at = close + 1;
        }
        value
    }
}

/// `FNAME(walk)(x)` calls `walk`, the name under which the definition is kept.
fn made_name(callee: Expr) -> Expr {
    match callee {
        Expr::Call {
            callee: maker,
            mut args,
            span,
        } => match (maker.as_ref(), args.as_slice()) {
            (Expr::Name(name, _), [Expr::Name(..)])
                if name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') =>
            {
                args.remove(0)
            }
            _ => Expr::Call {
                callee: maker,
                args,
                span,
            },
        },
        other => other,
    }
}

/// What a word is in an expression when it is no name of anything.
pub(super) fn is_literal_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"true" | b"false" | b"TRUE" | b"FALSE" | b"NULL" | b"nullptr"
    )
}

/// A type without pointers.
pub(super) fn named_type(name: SmolStr) -> TypeRef {
    TypeRef {
        name,
        ..TypeRef::default()
    }
}

/// Does this word end an expression, because a statement begins with it?
pub(super) fn begins_statement(word: &[u8]) -> bool {
    words::is_keyword(word)
        && !words::is_base_type(word)
        && !words::is_tag_keyword(word)
        && !words::is_sizeof(word)
}
