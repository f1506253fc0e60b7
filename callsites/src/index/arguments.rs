// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments: macros take types, operators and whole statements where a function takes values.

use super::declare;
use super::expressions::named_type;
use super::ir::{Expr, Stmt};
use super::lex::Kind;
use super::locals::begins_type;
use super::source::Source;
use super::statements::Parser;
use super::words;
use smol_str::SmolStr;
use std::ops::Range;

impl Parser<'_, '_> {
    /// Reads the arguments of a call of `name`.
    pub(super) fn arguments(&mut self, name: &str) -> Vec<Expr> {
        let open = self.at;
        let mut height = 0;
        let mut args = Vec::new();
        let Some(close) = self.mate(open) else {
            // Read on to where the statement ends.
            self.at += 1;
            self.note(self.since(open), "syntax error");
            while !self.ends() && !self.is(b";") && !self.is(b")") {
                let start = self.at;
                let value = self.assignment();
                height = height.max(self.height);
                if self.at > start {
                    args.push(value);
                }
                if self.at == start || self.is(b",") {
                    self.at += 1;
                }
            }
            if self.is(b")") {
                self.at += 1;
            }
            self.height = height;
            return args;
        };
        let outer = self.limit;
        for range in self.stream.source.split_commas(open + 1..close) {
            (self.at, self.limit) = (range.start, range.end);
            self.height = 0;
            args.push(self.argument(range, name));
            height = height.max(self.height);
        }
        (self.at, self.limit) = (close + 1, outer);
        self.height = height;
        if let Some(arg) = words::type_argument(name).and_then(|n| args.get_mut(n)) {
            if let Expr::Name(ty, at) = arg {
                *arg = Expr::Type(named_type(ty.clone()), *at);
            }
        }
        args.shrink_to_fit();
        args
    }

    fn argument(&mut self, range: Range<usize>, name: &str) -> Expr {
        let source = &self.stream.source;
        let start = range.start;
        if range.is_empty() {
            return Expr::Unread(Vec::new(), self.since(start));
        }
        if names_type(source, range.clone()) {
            let ty = declare::type_name(source, range.clone());
            self.at = range.end;
            return Expr::Type(ty, self.since(start));
        }
        let operators = range
            .clone()
            .all(|i| source.tokens[i].kind == Kind::Punct && source.mate(i).is_none());
        if operators {
            self.at = range.end;
            return Expr::Literal(source.string(start), self.since(start));
        }
        if is_statement(source, range.clone()) {
            let span = source.span(&range);
            let body = self.lists();
            self.early.push(Stmt::Block(body, span));
            self.height = 0;
            return Expr::Literal(SmolStr::new_static("0"), span);
        }
        if name == "_Generic" && source.is(start + 1, b":") {
            self.at += 2;
        }
        let value = self.value();
        self.rest_of(value, start)
    }
}

/// Is a macro's argument a type?
fn names_type(source: &Source<'_>, argument: Range<usize>) -> bool {
    if !source.is_ident(argument.start) {
        return false;
    }
    if begins_type(source, argument.start) {
        let mut i = argument.start;
        if words::is_typeof(source.text(i)) {
            i = source.after(i + 1);
        }
        while i < argument.end {
            let plain =
                source.is_ident(i) || source.is(i, b"*") || source.tokens[i].kind == Kind::Number;
            if source.is(i, b"(") {
                return source.is(i + 1, b"*") && source.is(i + 2, b")");
            }
            if !plain && !source.is(i, b"[") {
                return false;
            }
            i = source.after(i);
        }
        return true;
    }
    let word = source.text(argument.start);
    if argument.len() > 1 {
        let mut inside = argument.clone();
        return source.is(argument.end - 1, b"*")
            && inside.all(|i| source.is_ident(i) || source.is(i, b"*"));
    }
    let common = matches!(
        word,
        b"size_t"
            | b"ssize_t"
            | b"loff_t"
            | b"pgoff_t"
            | b"dma_addr_t"
            | b"phys_addr_t"
            | b"resource_size_t"
            | b"uintptr_t"
            | b"gfp_t"
            | b"sector_t"
    );
    common || !word.ends_with(b"_t") && words::is_kernel_type(word)
}

/// Is a macro's argument a statement, or several?
fn is_statement(source: &Source<'_>, argument: Range<usize>) -> bool {
    let start = argument.start;
    if source.is(start, b"(") && source.is(start + 1, b"{") {
        return false;
    }
    let begins = source.is_ident(start)
        && matches!(
            source.text(start),
            b"if"
                | b"for"
                | b"while"
                | b"do"
                | b"switch"
                | b"return"
                | b"goto"
                | b"break"
                | b"continue"
        );
    if begins {
        return true;
    }
    if source.is(start, b"{") {
        let end = source.after(start) - 1;
        return holds(source, start + 1..end.min(argument.end), b";");
    }
    let declares = source.is_ident(start) && begins_type(source, start);
    declares && holds(source, argument.clone(), b"=") || holds(source, argument, b";")
}

/// Does the operator stand in `range`, in no bracket?
fn holds(source: &Source<'_>, range: Range<usize>, operator: &[u8]) -> bool {
    let mut i = range.start;
    while i < range.end {
        if source.is(i, operator) {
            return true;
        }
        i = source.after(i);
    }
    false
}
